"""What charts are made of: scales with ticks, axes, lines, markers and texts.

Series are told apart by colour, marker and dash together, so that no reader depends on colour.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from layerkit.reporting.markup import element, escape, short
from layerkit.reporting.numbers import fixed
from layerkit.reporting.series import COLORS, dash_of

MARGIN = 12
_LOG_FROM = 30.0  # a range of more than this factor is drawn on a logarithmic scale
_POLYGONS = {1: (4, 45.0), 2: (3, 90.0), 3: (4, 0.0), 4: (3, -90.0), 5: (5, 90.0), 6: (6, 0.0)}


@dataclass(frozen=True)
class Scale:
    """Values from ``low`` to ``high`` at places from ``start`` to ``end`` (user units of the SVG).

    ``ticks`` are (value, label) pairs inside the range.
    """

    low: float
    high: float
    start: float
    end: float
    ticks: tuple[tuple[float, str], ...]
    log: bool = False

    def __call__(self, value: float) -> float:
        """Where ``value`` is drawn; values outside the range land on the edge."""
        value = min(max(value, self.low), self.high)
        if self.log:
            share = math.log(value / self.low) / math.log(self.high / self.low)
        else:
            share = (value - self.low) / (self.high - self.low)
        return self.start + share * (self.end - self.start)


def wants_log(low: float, high: float) -> bool:
    """Whether positive values from ``low`` to ``high`` span enough for a logarithmic scale."""
    return low > 0 and high / low > _LOG_FROM


def linear(
    low: float,
    high: float,
    start: float,
    end: float,
    *,
    count: int = 5,
    factor: float = 1,
    whole: bool = False,
) -> Scale:
    """A linear scale with about ``count`` round ticks.

    ``factor`` turns values into what labels show: 100 for per cent. ``whole`` keeps ticks at
    integers.
    """
    if not high > low:
        low, high = low - (abs(low) or 1) / 2, high + (abs(high) or 1) / 2
    rough = (high - low) * factor / max(1, count)
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(k * power for k in (1, 2, 5, 10) if k * power >= 0.7 * rough)
    step = max(1.0, step) if whole else step
    decimals = max(0, -math.floor(math.log10(step) + 1e-9))
    first, last = math.ceil(low * factor / step - 1e-9), math.floor(high * factor / step + 1e-9)
    ticks = tuple((k * step / factor, fixed(k * step, decimals)) for k in range(first, last + 1))
    return Scale(low, high, start, end, ticks)


def logarithmic(low: float, high: float, start: float, end: float, *, count: int = 5) -> Scale:
    """A logarithmic scale for 0 < ``low`` < ``high``: powers of ten, with 2s and 5s if few."""
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    stride = max(1, math.ceil((len(decades) - 1) / max(1, count)))
    factors = (1, 2, 5) if high / low < 200 else (1,)
    values = [k * 10.0**d for d in decades if d % stride == 0 for k in factors]
    ticks = tuple((v, f"{v:,g}") for v in values if low * 0.999 <= v <= high * 1.001)
    return Scale(low, high, start, end, ticks, log=True)


def is_narrow(width: float) -> bool:
    """Whether a chart is drawn for a phone, with fewer ticks."""
    return width < 500


def text(x: float, y: float, content: str, class_: str, anchor: str | None = None) -> str:
    """Text with its baseline at y; ``content`` is escaped."""
    return element("text", escape(content), x=x, y=y, class_=class_, text_anchor=anchor)


def line(x1: float, y1: float, x2: float, y2: float, class_: str, dash: str | None = None) -> str:
    """A straight line."""
    return element("line", x1=x1, y1=y1, x2=x2, y2=y2, class_=class_, stroke_dasharray=dash)


def path(points: Sequence[tuple[float, float]], class_: str, dash: str | None = None) -> str:
    """An open line through ``points``."""
    steps = "L".join(f"{short(x)} {short(y)}" for x, y in points)
    return element("path", d=f"M{steps}", fill="none", class_=class_, stroke_dasharray=dash)


def dot(x: float, y: float, r: float, class_: str = "dot") -> str:
    """A circle."""
    return element("circle", cx=x, cy=y, r=r, class_=class_)


def marker(index: int, x: float, y: float, r: float, class_: str = "mean") -> str:
    """The marker of series number ``index``: circle, square, triangle, diamond, and so on."""
    shape = index % 7
    if shape == 0:
        return dot(x, y, r, class_)
    sides, turn = _POLYGONS[shape]
    wide = r * (1.3 if sides < 5 else 1.15)
    angles = (math.radians(turn + 360 * k / sides) for k in range(sides))
    corners = ((x + wide * math.cos(a), y - wide * math.sin(a)) for a in angles)
    points = " ".join(f"{short(a)},{short(b)}" for a, b in corners)
    return element("polygon", points=points, class_=class_)


def series_group(index: int, *marks: str) -> str:
    """Marks in the colour of series number ``index``."""
    return element("g", *marks, class_=f"c{index % COLORS}")


def swatch(index: int, *, line_too: bool = True) -> str:
    """What a series looks like, for legends and tables: a piece of its line, and its marker."""
    piece = line(1, 8, 35, 8, "curve", dash_of(index)) if line_too else ""
    group = series_group(index, piece, marker(index, 18, 8, 4.5))
    return element("svg", group, viewBox="0 0 36 16", width=36, height=16, aria_hidden="true")


def fit(content: str, width: float, size: float = 13) -> str:
    """``content`` cut to about ``width`` at font size ``size``, with an ellipsis if cut."""
    room = max(4, int(width / (0.56 * size)))  # 0.56 em: the mean width of a system sans letter
    return content if len(content) <= room else content[: room - 1].rstrip() + "…"


def frame(x: Scale, y: Scale, foot: float, below: str, beside: str) -> str:
    """Both axes of a plot: grid lines at the ticks of ``y``, marks and labels at those of ``x``.

    The horizontal axis is at ``foot`` and has ``below`` as its title; ``beside`` is that of ``y``.
    """
    parts = []
    for value, label in y.ticks:
        parts.append(line(x.start, y(value), x.end, y(value), "grid"))
        parts.append(text(x.start - 8, y(value) + 4, label, "tick", "end"))
    parts.append(line(x.start, foot, x.end, foot, "base"))
    for value, label in x.ticks:
        parts.append(line(x(value), foot, x(value), foot + 4, "base"))
        parts.append(text(x(value), foot + 18, label, "tick", "middle"))
    parts.append(text((x.start + x.end) / 2, foot + 36, below, "axis", "middle"))
    middle = f"rotate(-90 12 {short((y.start + y.end) / 2)})"
    title = element(
        "text",
        escape(beside),
        x=12,
        y=(y.start + y.end) / 2,
        class_="axis",
        text_anchor="middle",
        transform=middle,
    )
    return "".join([*parts, title if beside else ""])


def drawing(key: str, title: str, description: str, size: tuple[float, float], *body: str) -> str:
    """An SVG of ``size`` (width, height) with a name and a description for screen readers."""
    width, height = size
    return element(
        "svg",
        element("title", escape(title), id=f"{key}-title"),
        element("desc", escape(description), id=f"{key}-desc"),
        *body,
        viewBox=f"0 0 {width:g} {height:g}",
        role="img",
        tabindex=0,
        aria_labelledby=f"{key}-title {key}-desc",
    )
