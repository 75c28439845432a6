"""The HTML report, and the SVG charts in it."""
