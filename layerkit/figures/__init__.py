"""Pictures as data: what is seen, with axes and numbers; pages and plugins draw it."""

from layerkit.figures.figure import (
    Axis,
    Bars,
    Cells,
    Dots,
    Figure,
    Intervals,
    Line,
    Mark,
    Panel,
    Rule,
)
from layerkit.figures.numbers import HEAD, numbers
from layerkit.figures.save import save_figures
from layerkit.reporting.series import Style, style_of

__all__ = [
    "HEAD",
    "Axis",
    "Bars",
    "Cells",
    "Dots",
    "Figure",
    "Intervals",
    "Line",
    "Mark",
    "Panel",
    "Rule",
    "Style",
    "numbers",
    "save_figures",
    "style_of",
]
