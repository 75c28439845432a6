"""Metrics: how good predictions are, one per file."""
