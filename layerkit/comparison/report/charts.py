"""The two charts of a metric: each contestant's runs, and the differences from the first."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from layerkit.comparison import formatting as fmt
from layerkit.comparison.results import Contestant, Difference, Summary
from layerkit.reporting import svg
from layerkit.reporting.svg import Scale, Strips
from layerkit.statistics.intervals import Interval

_LANE, _DOT = 62, 4.0  # height of a contestant's lane, and radius of a run's dot
_FOREST_LANE, _FOREST_TOP = 104, 30
_GUTTER = 48  # left of the forest plot, for what a line covers
_FOOT = 44  # below the lanes, for the axis


def dot_plot(contestants: Sequence[Contestant], metric: str, key: str, width: float) -> str:
    """One lane per contestant: each seed a dot, and above them the mean with its interval.

    Contestants without the metric keep an empty lane.
    """
    summaries = [c.metrics.get(metric) for c in contestants]
    share = any(s is not None and s.share for s in summaries)
    values = [v for s in summaries if s is not None for v in (*s.values, *_ends(s.interval))]
    low, high = _range(values or [0.0, 1.0], 0.05)
    if share:
        low, high = max(0.0, low), min(1.0, high)
    scale = _scale(low, high, svg.MARGIN + 10, width, share=share)
    strips = _strips(len(contestants), svg.MARGIN, _LANE, 21)
    named = list(zip(contestants, summaries, strict=True))
    description = "; ".join(f"{c.name} {_in_words(s)}" for c, s in named if s is not None)
    return svg.drawing(
        key,
        f"{metric} of each contestant",
        description,
        (width, svg.MARGIN + _LANE * len(contestants) + _FOOT),
        svg.x_axis(scale, strips, f"{metric} in per cent" if share else metric),
        *(_dot_lane(i, c.name, s, scale, width) for i, (c, s) in enumerate(named)),
    )


def _in_words(s: Summary) -> str:
    text = fmt.mean_and_sd(s)
    if s.interval is None:
        return text
    return f"{text}, interval {fmt.summary_ends(s)}, {fmt.interval_basis(s.interval)}"


def _dot_lane(i: int, name: str, s: Summary | None, scale: Scale, width: float) -> str:
    top = svg.MARGIN + _LANE * i
    head = _lane_head(top + 15, name, "no value" if s is None else fmt.mean_and_sd(s), width)
    if s is None:
        return head
    middle = top + 31
    marks = [head]
    if s.interval is not None:
        marks.append(_bar(s.interval, scale, middle, "3 3" if s.interval.over == "rows" else None))
    if math.isfinite(s.mean):
        marks.append(svg.marker(i, scale(s.mean), middle, 6))
    places = [scale(v) for v in s.values if math.isfinite(v)]
    marks += [svg.dot(x, middle + 14 + 5 * level, _DOT) for x, level in _stacked(places)]
    return svg.series_group(i, *marks)


def _stacked(places: Sequence[float]) -> list[tuple[float, int]]:
    """(place, level): dots that would hide each other are put on up to three levels."""
    last = [-1e9, -1e9, -1e9]
    found = []
    for x in sorted(places):
        level = next((k for k in range(3) if x - last[k] >= 1.5 * _DOT), 0)
        last[level] = x
        found.append((x, level))
    return found


def forest_plot(contestants: Sequence[Contestant], metric: str, key: str, width: float) -> str:
    """Differences from the first contestant, which is the zero line.

    A thick bar is the interval over both sources of variation, a thin line extends it to the joint
    one; below it are its parts, over seeds and, dashed, over rows.
    """
    lanes = [
        (i, c, c.differences[metric]) for i, c in enumerate(contestants) if metric in c.differences
    ]
    differences = [d for _, _, d in lanes]
    share = any(d.share for d in differences)
    values = [0.0, *(v for d in differences for v in (*d.values, d.mean))]
    values += [v for d in differences for i in (d.both, d.seeds, d.rows) for v in _ends(i)]
    low, high = _range(values, 0.08, least=0.01)
    scale = _scale(low, high, svg.MARGIN + _GUTTER, width, share=share)
    strips = _strips(len(lanes), _FOREST_TOP, _FOREST_LANE, 23)
    first = contestants[0].name
    title = svg.fit(
        f"{metric} − {first}{' (points)' if share else ''}", width - _GUTTER - 2 * svg.MARGIN
    )
    zero = scale(0.0)
    return svg.drawing(
        key,
        f"Differences in {metric} to {first}",
        " ".join(d.words for d in differences),
        (width, _FOREST_TOP + _FOREST_LANE * len(lanes) + _FOOT),
        svg.x_axis(scale, strips, title),
        svg.vertical(zero, strips, "zero"),
        _sides(zero, width, higher_is_better=differences[0].higher_is_better),
        *(_forest_lane(k, i, c.name, d, scale, width) for k, (i, c, d) in enumerate(lanes)),
    )


def _sides(zero: float, width: float, *, higher_is_better: bool) -> str:
    """``← worse`` and ``better →`` beside the zero line, each where there is room for it."""
    left, right = ("worse", "better") if higher_is_better else ("better", "worse")
    y = _FOREST_TOP - 10
    before = svg.text(zero - 8, y, f"← {left}", "side", "end") if zero - svg.MARGIN > 62 else ""
    after = svg.text(zero + 8, y, f"{right} →", "side") if width - zero > 76 else ""
    return before + after


def _forest_lane(k: int, i: int, name: str, d: Difference, scale: Scale, width: float) -> str:
    top = _FOREST_TOP + _FOREST_LANE * k
    marks = [_lane_head(top + 17, name, fmt.difference_text(d), width)]
    lines = (("both", d.both, 36), ("seeds", d.seeds, 58), ("rows", d.rows, 80))
    for label, interval, below in lines:
        y = top + below
        marks.append(svg.text(svg.MARGIN, y + 4, label, "tick"))
        if interval is None:
            marks.append(svg.text(svg.MARGIN + _GUTTER + 4, y + 4, "not measurable", "tick"))
        elif interval.over == "both":
            joint = scale(interval.joint_low), scale(interval.joint_high)
            marks.append(svg.line(joint[0], y, joint[1], y, "joint"))
            marks += [_bar(interval, scale, y), svg.marker(i, scale(d.mean), y, 5.5)]
        else:
            low, high = scale(interval.low), scale(interval.high)
            dash = "4 3" if interval.over == "rows" else None
            marks.append(svg.line(low, y, high, y, "part", dash))
            marks.append(svg.marker(i, scale(d.mean), y, 4.0, "hollow"))
    marks += [svg.dot(scale(v), top + 69, 3.0) for v in d.values]
    return svg.series_group(i, *marks)


def _lane_head(y: float, name: str, value: str, width: float) -> str:
    """The contestant's name on the left and its value on the right."""
    room = width - 2 * svg.MARGIN - 8 * len(value)
    left = svg.text(svg.MARGIN, y, svg.fit(name, room), "name")
    return left + svg.text(width - svg.MARGIN, y, value, "value", "end")


def _bar(interval: Interval, scale: Scale, y: float, dash: str | None = None) -> str:
    """A thick line from end to end, with caps."""
    low, high = scale(interval.low), scale(interval.high)
    caps = (svg.line(x, y - 5, x, y + 5, "cap") for x in (low, high))
    return svg.line(low, y, high, y, "bar", dash) + "".join(caps)


def _ends(interval: Interval | None) -> tuple[float, ...]:
    """The ends that are drawn; of an interval over both sources the joint ones as well."""
    if interval is None:
        return ()
    joint = (interval.joint_low, interval.joint_high) if interval.over == "both" else ()
    return (interval.low, interval.high, *joint)


def _range(values: Iterable[float], pad: float, least: float | None = None) -> tuple[float, float]:
    """The range of the finite ``values``, with a share ``pad`` of it added at each end."""
    finite = [v for v in values if math.isfinite(v)] or [0.0, 1.0]
    low, high = min(finite), max(finite)
    room = pad * (high - low) or least or pad * (abs(high) or 1)
    return low - room, high + room


def _scale(low: float, high: float, start: float, width: float, *, share: bool) -> Scale:
    count = 4 if svg.is_narrow(width) else 7
    end = width - svg.MARGIN - 10
    return svg.linear(low, high, start, end, count=count, factor=100 if share else 1)


def _strips(lanes: int, top: float, height: float, head: float) -> Strips:
    """The part of each lane below its head."""
    return [(top + height * k + head, top + height * (k + 1.0)) for k in range(lanes)]
