"""Health: checks of a network and of its rows, each of which says what to set instead."""

from layerkit.health.finding import Finding

__all__ = ["Finding"]
