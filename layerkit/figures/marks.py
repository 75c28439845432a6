"""How each kind of mark is drawn in a frame of two scales."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from itertools import groupby, product
from typing import NamedTuple

from layerkit.figures.figure import Bars, Cells, Dots, Intervals, Line, Mark, Panel, Rule
from layerkit.reporting import svg
from layerkit.reporting.markup import element, short
from layerkit.reporting.numbers import MINUS
from layerkit.reporting.series import dash_of
from layerkit.reporting.svg import Scale

Point = tuple[float, float]
Box = tuple[float, float, float, float]  # left, top, right, bottom
_LEVELS = 24  # of strength, that a map shows
_DOTTED = "1.5 4"
_CLOUD = 100  # faint dots: more are one path, which keeps pages small


class Frame(NamedTuple):
    """A panel, its scales, and the boxes of the labels that are drawn already."""

    panel: Panel
    x: Scale
    y: Scale
    narrow: bool
    taken: list[Box]


def draw(frame: Frame, mark: Mark) -> str:
    """The SVG of one mark."""
    if isinstance(mark, Line):
        return _line(frame, mark)
    if isinstance(mark, Dots):
        return _dots(frame, mark)
    if isinstance(mark, Intervals):
        return _intervals(frame, mark)
    if isinstance(mark, Bars):
        return _bars(frame, mark)
    if isinstance(mark, Cells):
        return _cells(frame, mark)
    return _rule(frame, mark)


def _shown(frame: Frame, x: float, y: float) -> bool:
    """Whether a point can be drawn: finite, and positive on a logarithmic scale."""
    good = math.isfinite(x) and math.isfinite(y)
    return good and (x > 0 or not frame.x.log) and (y > 0 or not frame.y.log)


def _line(frame: Frame, m: Line) -> str:
    everywhere = list(zip(m.x, m.y, strict=True))
    limit = math.inf if m.solid_to is None else m.solid_to
    solid = [p for p in everywhere if p[0] <= limit]
    dotted = [*solid[-1:], *(p for p in everywhere if p[0] > limit)]
    if m.faint:
        return svg.series_group(m.series, _path(frame, solid, "run"))
    marks = [_band(frame, m)]
    marks.append(_path(frame, solid, "curve", dash_of(m.series)))
    marks.append(_path(frame, dotted, "curve thin", _DOTTED))
    # Markers are staggered from series to series, so that lines that lie on each other still
    # show whose they are.
    step = max(1, len(solid) // 6)
    for x, y in solid[m.series % step :: step]:
        if _shown(frame, x, y):
            marks.append(svg.marker(m.series, frame.x(x), frame.y(y), 4.5))
    return svg.series_group(m.series, *marks)


def _path(frame: Frame, points: Sequence[Point], class_: str, dash: str | None = None) -> str:
    """A line that is interrupted where a point cannot be drawn."""
    pieces = groupby(points, lambda point: _shown(frame, *point))
    lines = [[(frame.x(x), frame.y(y)) for x, y in piece] for shown, piece in pieces if shown]
    return "".join(svg.path(line, class_, dash) for line in lines if len(line) > 1)


def _band(frame: Frame, m: Line) -> str:
    """The area between ``low`` and ``high``."""
    if not (m.low and m.high):
        return ""
    rows = [
        row
        for row in zip(m.x, m.low, m.high, strict=True)
        if all(_shown(frame, row[0], v) for v in row[1:])
    ]
    if len(rows) < 2:
        return ""
    outline = [(x, high) for x, _, high in rows] + [(x, low) for x, low, _ in reversed(rows)]
    steps = "L".join(f"{short(frame.x(x))} {short(frame.y(y))}" for x, y in outline)
    return element("path", d=f"M{steps}Z", class_="band")


def _dots(frame: Frame, m: Dots) -> str:
    shift = frame.panel.shift(m)
    to_x, to_y = (0.0, shift) if frame.panel.sideways else (shift, 0.0)
    r = 3.0 if m.faint else 3.6 if frame.narrow else 4.4
    if m.faint and len(m.x) > _CLOUD:
        places = [
            (frame.x(x), frame.y(y)) for x, y in zip(m.x, m.y, strict=True) if _shown(frame, x, y)
        ]
        cloud = "".join(f"M{short(x)} {short(y)}h0" for x, y in places)
        return svg.series_group(m.series, element("path", d=cloud, fill="none", class_="cloud"))
    marks = []
    for k, (x, y) in enumerate(zip(m.x, m.y, strict=True)):
        if not _shown(frame, x, y):
            continue
        at = frame.x(x + to_x), frame.y(y + to_y)
        marks.append(svg.marker(m.series, *at, r, "dot"))
        if m.labels:
            marks.append(_label(frame, at, m.labels[k]))
    return svg.series_group(m.series, *marks)


def _label(frame: Frame, at: Point, label: str) -> str:
    """Beside a dot where there is room, else left out: the numbers name it."""
    text = svg.fit(label, 120.0, 12)
    wide = 6.6 * len(text)
    for up, left in product((-5.0, 15.0, 5.0, -19.0, 29.0), (False, True)):
        x, y = at[0] + (-8 - wide if left else 8), at[1] + up
        box = x, y - 11, x + wide, y + 2
        inside = frame.x.start <= x and box[2] <= frame.x.end + 12 and box[3] <= frame.y.start
        if inside and not any(_overlap(box, other) for other in frame.taken):
            frame.taken.append(box)
            return svg.text(x, y, text, "tick")
    return ""


def _overlap(a: Box, b: Box) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]


def _intervals(frame: Frame, m: Intervals) -> str:
    shift, marks = frame.panel.shift(m), []
    for place, value, low, high in zip(m.places, m.values, m.low, m.high, strict=True):
        if math.isfinite(low) and math.isfinite(high):
            a, b = (_at(frame, place + shift, end) for end in (low, high))
            marks.append(svg.line(*a, *b, "part" if m.faint else "bar"))
            marks += [_cap(frame, end) for end in (a, b)]
        if math.isfinite(value):
            at = _at(frame, place + shift, value)
            r, class_ = (4.0, "hollow") if m.faint else (5.5, "mean")
            marks.append(svg.marker(m.series, *at, r, class_))
    return svg.series_group(m.series, *marks)


def _at(frame: Frame, place: float, value: float) -> Point:
    """Where a value is drawn that stands at a place."""
    if frame.panel.sideways:
        return frame.x(value), frame.y(place)
    return frame.x(place), frame.y(value)


def _cap(frame: Frame, end: Point) -> str:
    x, y = end
    to_x, to_y = (0, 5) if frame.panel.sideways else (5, 0)
    return svg.line(x - to_x, y - to_y, x + to_x, y + to_y, "cap")


def _bars(frame: Frame, m: Bars) -> str:
    shift, marks = frame.panel.shift(m), []
    wide = m.width / 2
    if shift or _crowd(frame.panel, m) > 1:
        wide /= _crowd(frame.panel, m)
    for place, value in zip(m.places, m.values, strict=True):
        if not math.isfinite(value):
            continue
        (x1, y1), (x2, y2) = (
            _at(frame, place + shift - wide, 0.0),
            _at(frame, place + shift + wide, value),
        )
        marks.append(_box(min(x1, x2), min(y1, y2), abs(x2 - x1), abs(y2 - y1)))
    return svg.series_group(m.series, *marks)


def _crowd(panel: Panel, mark: Bars) -> int:
    """How many bars share a place."""
    shifted = any(panel.shift(m) for m in panel.marks if isinstance(m, Bars))
    return len({m.series for m in panel.marks if isinstance(m, Bars)}) if shifted else 1


def _box(x: float, y: float, width: float, height: float) -> str:
    return element("rect", x=x, y=y, width=width, height=height, class_="column")


def _cells(frame: Frame, m: Cells) -> str:
    """One path for all cells of one strength, which keeps large maps small."""
    wide = abs(frame.x(1.0) - frame.x(0.0)) or abs(frame.x.end - frame.x.start)
    tall = abs(frame.y(1.0) - frame.y(0.0)) or abs(frame.y.end - frame.y.start)
    gap = 1.0 if min(wide, tall) > 12 else 0.0
    held: dict[tuple[int, int], list[str]] = defaultdict(list)
    texts = []
    for i, row in enumerate(m.values):
        for j, value in enumerate(row):
            if not math.isfinite(value):
                continue
            series, strength = m.strength(value if m.shades is None else m.shades[i][j])
            x, y = frame.x(j - 0.5), frame.y(i - 0.5)
            steps = (x, y, wide - gap, tall - gap)
            a, b, c, d = map(short, steps)
            held[series, round(strength * _LEVELS)].append(f"M{a} {b}h{c}v{d}h-{c}z")
            if m.written:
                texts.append(_written(frame, m, value, x + wide / 2, y + tall / 2 + 4, wide))
    paths = [
        svg.series_group(
            series,
            element("path", d="".join(parts), class_="cell", fill_opacity=_opacity(level, m)),
        )
        for (series, level), parts in sorted(held.items())
    ]
    left, top = frame.x.start, min(frame.y.start, frame.y.end)
    size = {"width": frame.x.end - left, "height": abs(frame.y.end - frame.y.start)}
    paper = element("rect", x=left, y=top, **size, class_="paper")  # no grid shines through
    return "".join([paper, *paths, *texts, _scale_bar(frame, m)])


def _opacity(level: int, m: Cells) -> float:
    """How strong a level is drawn; where values are written they must stay readable."""
    return 0.03 + (0.53 if m.written else 0.94) * level / _LEVELS


def _written(frame: Frame, m: Cells, value: float, x: float, y: float, wide: float) -> str:
    every = (v for row in m.values for v in row if math.isfinite(v))
    text = f"{value:.3g}"
    longest = max(len(f"{v:.3g}") for v in every)
    if value == 0 or wide < 7.2 * longest + 2:  # all of them fit, or none is shown
        return ""
    return svg.text(x, y, text, "count", "middle")


def _scale_bar(frame: Frame, m: Cells) -> str:
    """What the strengths mean, below the map: low to high."""
    if m.written:
        return ""
    y = max(frame.y.start, frame.y.end) + 48
    size, marks = 9, []
    name = svg.fit(m.name, 0.5 * (frame.x.end - frame.x.start), 12)
    low, high = f"{name} {_signed(m.low)}".strip(), _signed(m.high)
    x = (frame.x.start + frame.x.end) / 2
    for k in range(7):
        value = m.low + (m.high - m.low) * k / 6
        series, strength = m.strength(value)
        box = element(
            "rect", x=x + 12 * k, y=y, width=12, height=size, class_="cell",
            fill_opacity=_opacity(round(strength * _LEVELS), m),
        )  # fmt: skip
        marks.append(svg.series_group(series, box))
    marks.append(svg.text(x - 6, y + size, low, "tick", "end"))
    marks.append(svg.text(x + 90, y + size, high, "tick"))
    return "".join(marks)


def _signed(value: float) -> str:
    text = f"{abs(value):.3g}"
    return f"{MINUS}{text}" if value < 0 else text


def _rule(frame: Frame, m: Rule) -> str:
    if m.of == "x":
        at = frame.x(m.value)
        return svg.line(at, frame.y.start, at, frame.y.end, "ideal", "5 4") + (
            svg.text(at + 5, min(frame.y.start, frame.y.end) + 12, m.name, "tick")
        )
    at = frame.y(m.value)
    line = svg.line(frame.x.start, at, frame.x.end, at, "ideal", "5 4")
    return line + svg.text(frame.x.end, at - 5, m.name, "tick", "end")
