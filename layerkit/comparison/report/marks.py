"""SVG elements as text, with everything escaped, and the marks that charts are made of.

Contestants are told apart by colour, marker and dash together, so that no reader depends on colour.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from layerkit.comparison.report.scale import Scale
from layerkit.comparison.report.text import escape

__all__ = [
    "DASHES",
    "drawing",
    "element",
    "fit",
    "line",
    "marker",
    "path",
    "text",
    "upright",
    "x_axis",
]

DASHES = ("", "8 4", "2 3", "10 3 2 3", "5 2", "1 4", "12 5", "4 2 1 2")
_SIDES = {1: (4, 45.0), 2: (3, 90.0), 3: (4, 0.0), 4: (3, -90.0), 5: (5, 90.0), 6: (6, 0.0)}


def element(tag: str, *children: str, **attributes: object) -> str:
    """``<tag ...>children</tag>``; ``class_`` is class and ``stroke_width`` stroke-width.

    Attributes are escaped, children are markup already; attributes that are None or "" are left
    out.
    """
    given = "".join(
        f' {name.rstrip("_").replace("_", "-")}="{escape(_short(value))}"'
        for name, value in attributes.items()
        if value is not None and value != ""
    )
    inside = "".join(children)
    return f"<{tag}{given}>{inside}</{tag}>" if inside else f"<{tag}{given}/>"


def _short(value: object) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".") if isinstance(value, float) else str(value)


def text(x: float, y: float, content: str, **attributes: object) -> str:
    """Text with its baseline at y; ``content`` is escaped."""
    return element("text", escape(content), x=float(x), y=float(y), **attributes)


def line(x1: float, y1: float, x2: float, y2: float, **attributes: object) -> str:
    """A straight line."""
    return element("line", x1=float(x1), y1=float(y1), x2=float(x2), y2=float(y2), **attributes)


def path(points: Sequence[tuple[float, float]], **attributes: object) -> str:
    """An open line through ``points``."""
    steps = "L".join(f"{_short(float(x))} {_short(float(y))}" for x, y in points)
    return element("path", d=f"M{steps}", fill="none", **attributes)


def marker(index: int, x: float, y: float, r: float, **attributes: object) -> str:
    """The mark of contestant number ``index``: circle, square, triangle, diamond, and so on."""
    shape = index % 7
    if shape == 0:
        return element("circle", cx=float(x), cy=float(y), r=float(r), **attributes)
    sides, turn = _SIDES[shape]
    wide = r * (1.3 if sides < 5 else 1.15)
    corners = [
        (
            x + wide * math.cos(math.radians(turn + 360 * k / sides)),
            y - wide * math.sin(math.radians(turn + 360 * k / sides)),
        )
        for k in range(sides)
    ]
    points = " ".join(f"{_short(a)},{_short(b)}" for a, b in corners)
    return element("polygon", points=points, **attributes)


def fit(content: str, width: float, size: float = 13) -> str:
    """``content`` cut to about ``width`` at font size ``size``, with an ellipsis if cut."""
    room = max(4, int(width / (0.56 * size)))  # 0.56 em: the mean width of a system sans letter
    return content if len(content) <= room else content[: room - 1].rstrip() + "…"


Spans = Sequence[tuple[float, float]]
"""(top, bottom) of the strips that grid lines cross; names and values stand between them."""


def x_axis(scale: Scale, spans: Spans, title: str) -> str:
    """Grid lines through ``spans``, tick labels and the title below the last."""
    bottom = spans[-1][1]
    parts = [upright(scale(value), spans, "grid") for value, _ in scale.ticks]
    for value, label in scale.ticks:
        x = scale(value)
        parts.append(text(x, bottom + 16, label, class_="tick", text_anchor="middle"))
    middle = (scale.start + scale.end) / 2
    parts.append(text(middle, bottom + 36, title, class_="axis", text_anchor="middle"))
    return "".join(parts)


def upright(x: float, spans: Spans, class_: str) -> str:
    """A vertical line at ``x``, drawn in the ``spans`` only."""
    return "".join(line(x, top, x, bottom, class_=class_) for top, bottom in spans)


def drawing(key: str, title: str, description: str, size: tuple[float, float], body: str) -> str:
    """An SVG of ``size`` (width, height) with a name and a description for those who listen."""
    width, height = size
    return element(
        "svg",
        element("title", escape(title), id=f"{key}-title"),
        element("desc", escape(description), id=f"{key}-desc"),
        body,
        viewBox=f"0 0 {width:g} {height:g}",
        role="img",
        aria_labelledby=f"{key}-title {key}-desc",
    )
