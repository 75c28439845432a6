"""The HTML report, and the small SVG charts in it."""

from layerkit.comparison.report.page import page

__all__ = ["page"]
