"""The numbers of a figure as rows of one table."""

from __future__ import annotations

import math
from collections.abc import Iterator

from layerkit.figures.figure import Bars, Cells, Dots, Figure, Intervals, Line, Mark, Panel

HEAD = ("panel", "mark", "name", "x", "y", "low", "high", "value")
"""The columns of ``numbers``."""

Row = tuple[str | float | None, ...]


def numbers(figure: Figure) -> Iterator[Row]:
    """One row for each point, interval, bar, cell and rule, as wide as ``HEAD``.

    What there is no number for is None. ``low`` and ``high`` are the ends of an interval, or of the
    band of a line; ``value`` is that of a cell. Places of categories are their names. ``mark`` is
    "dotted" for the part of a line that is drawn so, and ``name`` holds the label of a dot after a
    colon.
    """
    for panel in figure.panels:
        for mark in panel.marks:
            for row in _rows(panel, mark):
                yield (panel.title, *map(_known, row))


def _known(value: str | float | None) -> str | float | None:
    return None if isinstance(value, float) and math.isnan(value) else value


def _rows(panel: Panel, mark: Mark) -> Iterator[Row]:
    if isinstance(mark, Line):
        yield from _line(panel, mark)
    elif isinstance(mark, Dots):
        for k, (x, y) in enumerate(zip(mark.x, mark.y, strict=True)):
            label = f"{mark.name}: {mark.labels[k]}" if mark.labels else mark.name
            yield "dot", label, panel.x.place(x), panel.y.place(y), None, None, None
    elif isinstance(mark, Intervals):
        rows = zip(mark.places, mark.values, mark.low, mark.high, strict=True)
        for place, value, low, high in rows:
            yield "interval", mark.name, *_standing(panel, place, value), low, high, None
    elif isinstance(mark, Bars):
        for place, value in zip(mark.places, mark.values, strict=True):
            yield "bar", mark.name, *_standing(panel, place, value), None, None, None
    elif isinstance(mark, Cells):
        for i, row in enumerate(mark.values):
            for j, value in enumerate(row):
                at = panel.x.place(j), panel.y.place(i)
                yield "cell", mark.name, *at, None, None, value
    else:
        of_x = mark.of == "x"
        at_x, at_y = (mark.value, None) if of_x else (None, mark.value)
        yield "rule", mark.name, at_x, at_y, None, None, None


def _line(panel: Panel, mark: Line) -> Iterator[Row]:
    for k, (x, y) in enumerate(zip(mark.x, mark.y, strict=True)):
        dotted = mark.solid_to is not None and x > mark.solid_to
        ends = (mark.low[k], mark.high[k]) if mark.low and mark.high else (None, None)
        at = panel.x.place(x), panel.y.place(y)
        yield "dotted" if dotted else "line", mark.name, *at, *ends, None


def _standing(panel: Panel, place: float, value: float) -> tuple[str | float, str | float]:
    """(x, y) of a value that stands at a place."""
    if panel.sideways:
        return value, panel.y.place(place)
    return panel.x.place(place), value
