"""Figures on a page: light SVG for desktop and phone, a legend, the words and the numbers."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import partial

from layerkit.display import printable
from layerkit.figures.figure import Axis, Cells, Figure, Panel
from layerkit.figures.marks import Frame, draw
from layerkit.figures.numbers import HEAD, numbers
from layerkit.reporting import page, svg
from layerkit.reporting.markup import element, escape
from layerkit.reporting.svg import Scale
from layerkit.reporting.tables import html_table

_TOP, _FOOT, _RIGHT, _LANE = 14.0, 44.0, 14.0, 34.0
_MOST_NUMBERS = 200  # rows of the table; more are left to the file
_EM = 6.7  # mean width of a letter of a label
_DIGIT = 7.7  # width of a digit in the widest usual font


def figure_block(figure: Figure) -> str:
    """The figure as HTML: heading, panels, legend, words, and its numbers to open."""
    panels = [_panel_block(figure, k) for k in range(len(figure.panels))]
    names = [
        element("li", f"{svg.swatch(series, line_too=line)} {escape(name)}")
        for name, series, line in figure.legend
    ]
    return element(
        "figure",
        element("h3", escape(figure.title)),
        element("div", *panels, class_="panels"),
        element("ul", *names, class_="legend") if len(names) > 1 else "",
        element("figcaption", escape(figure.words)),
        _numbers(figure),
        id=f"figure-{figure.key}",
        class_="wide-figure" if len(figure.panels) > 1 else "",
    )


def _panel_block(figure: Figure, k: int) -> str:
    panel = figure.panels[k]
    head = element("p", escape(panel.title), class_="panel-title") if panel.title else ""
    title = f"{figure.title}: {panel.title}" if panel.title else figure.title
    make = partial(panel_svg, panel, title, figure.words)
    return element("div", head, page.both_widths(make, f"{figure.key}-{k}"))


def _numbers(figure: Figure) -> str:
    """A table to open, unless it is too long to be read."""
    rows = [list(map(_cell, row)) for row in numbers(figure)]
    if len(rows) > _MOST_NUMBERS:
        return ""
    used = [j for j in range(len(HEAD)) if any(row[j] for row in rows)]
    heads = [HEAD[j] for j in used]
    table = html_table("Numbers", "as drawn", heads, [[row[j] for j in used] for row in rows])
    return element("details", element("summary", "Numbers"), table)


def _cell(value: str | float | None) -> str:
    if value is None:
        return ""
    return escape(value) if isinstance(value, str) else f"{value:.6g}"


def panel_svg(panel: Panel, title: str, words: str, key: str, width: float) -> str:
    """One panel as an SVG; ``words`` describe it to screen readers."""
    height = _height(panel, width)
    foot = height - _foot(panel)
    left = _gutter(panel, width)
    x = _x_scale(panel, left, width)
    y = _y_scale(panel, foot, left)
    frame = Frame(panel, x, y, svg.is_narrow(width), [])
    note = svg.text(width - _RIGHT, foot + 36, "log scale", "tick", "end") if x.log or y.log else ""
    return svg.drawing(
        key,
        title,
        words,
        (width, height),
        svg.frame(x, y, foot, panel.x.title, panel.y.title),
        note,
        *(draw(frame, mark) for mark in panel.marks),
    )


def _height(panel: Panel, width: float) -> float:
    """Lanes for categories, square cells within limits, and as is usual for numbers."""
    for mark in panel.marks:
        if isinstance(mark, Cells):
            rows, columns = len(mark.values), len(mark.values[0])
            side = (width - _gutter(panel, width) - _RIGHT) / columns
            tall = min(max(9.0, min(side, 40.0)) * rows, 1.2 * width)
            return _TOP + tall + _foot(panel)
    if panel.y.categories:
        return _TOP + _LANE * len(panel.y.categories) + _FOOT
    return 250.0 if svg.is_narrow(width) else 300.0


def _foot(panel: Panel) -> float:
    """Room for the labels and the title of the horizontal axis, and for the scale of a map."""
    mapped = any(isinstance(mark, Cells) and not mark.written for mark in panel.marks)
    return _FOOT + (24.0 if mapped else 0.0)


def _gutter(panel: Panel, width: float) -> float:
    """Where the plot begins, so that the labels of the vertical axis and its title have room."""
    if panel.y.categories:
        labels = [printable(name) for name in panel.y.categories]
    else:
        labels = [label for _, label in _scale(panel, "y", 100.0, 0.0, room=240.0).ticks]
    longest = max(map(len, labels), default=1)
    title = 18.0 if panel.y.title else 0.0
    return min(0.45 * width, 16.0 + title + _EM * longest)


def _x_scale(panel: Panel, left: float, width: float) -> Scale:
    """With room on the right for half the last label."""
    x = _scale(panel, "x", left, width - _RIGHT, room=width - left)
    if panel.x.categories or not x.ticks:
        return x
    right = max(_RIGHT, _DIGIT / 2 * len(x.ticks[-1][1]) + 1)
    return _scale(panel, "x", left, width - right, room=width - left)


def _y_scale(panel: Panel, foot: float, left: float) -> Scale:
    start, end = (_TOP, foot) if panel.downwards else (foot, _TOP)
    scale = _scale(panel, "y", start, end, room=foot - _TOP)
    room = left - 10.0 - (18.0 if panel.y.title else 0.0)
    return replace(scale, ticks=tuple((v, svg.fit(t, room, 12)) for v, t in scale.ticks))


def _scale(panel: Panel, of: str, start: float, end: float, *, room: float) -> Scale:
    """The scale of an axis, with as many ticks as have room."""
    axis = panel.x if of == "x" else panel.y
    if axis.categories:
        return _category_scale(axis, start, end, room=room, beside=of == "x")
    low, high = ends(panel, of)
    factor = 100.0 if axis.share else 1.0
    if axis.log and low > 0:
        return svg.logarithmic(low, high, start, end, count=max(2, int(room / 60)))
    for count in range(max(1, int(room / (52 if of == "x" else 40))), 0, -1):
        found = svg.linear(low, high, start, end, count=count, factor=factor, whole=axis.whole)
        longest = max((len(label) for _, label in found.ticks), default=1)
        if of == "y" or len(found.ticks) * (_EM * longest + 14) <= room:
            break
    return found


def _category_scale(axis: Axis, start: float, end: float, *, room: float, beside: bool) -> Scale:
    """Every name if there is room for all, else every second, third, ..."""
    names = [printable(name) for name in axis.categories]
    each = room / len(names)
    wide = _EM * min(max(map(len, names)), 14) + 10 if beside else 13.0
    stride = max(1, math.ceil(wide / each))
    fitted = (svg.fit(n, each * stride, 12) if beside else n for n in names)
    ticks = tuple((float(k), n) for k, n in enumerate(fitted) if k % stride == 0)
    return Scale(-0.5, len(names) - 0.5, start, end, ticks)


def ends(panel: Panel, of: str) -> tuple[float, float]:
    """The ends of a numeric axis: those that it names, else those of its values with some room."""
    axis = panel.x if of == "x" else panel.y
    low, high = panel.extent(of)
    if math.isnan(low):
        low, high = (1.0, 10.0) if axis.log else (0.0, 1.0)
    if not any(isinstance(mark, Cells) for mark in panel.marks):
        low, high = _with_room(low, high, axis)
    low = low if axis.low is None else axis.low
    high = high if axis.high is None else axis.high
    return low, high if high > low else low + (abs(low) or 1.0)


def _with_room(low: float, high: float, axis: Axis) -> tuple[float, float]:
    if axis.log:
        return low / 1.15, high * 1.15
    room = 0.05 * (high - low) or 0.05 * abs(high) or 0.5
    wide = low - room, high + room
    if low == 0:  # bars and counts stand on the axis
        wide = 0.0, wide[1]
    if axis.share and low >= 0 and high <= 1:
        wide = max(0.0, wide[0]), min(1.0, wide[1])
    return wide
