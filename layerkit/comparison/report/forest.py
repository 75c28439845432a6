"""Differences to the first contestant around the zero line: both chances, and each alone."""

from __future__ import annotations

from collections.abc import Sequence

from layerkit.comparison.intervals import Interval
from layerkit.comparison.report.marks import (
    drawing,
    element,
    fit,
    line,
    marker,
    text,
    upright,
    x_axis,
)
from layerkit.comparison.report.scale import Scale, linear
from layerkit.comparison.results import Contestant, Difference
from layerkit.comparison.wording import amount

__all__ = ["forest_plot"]

_LANE = 104
_TOP = 30
_MARGIN = 12
_GUTTER = 48


def forest_plot(contestants: Sequence[Contestant], metric: str, key: str, width: float) -> str:
    """The plot as SVG text; ``contestants`` are all, the first is the zero line.

    A thick bar is the interval for both chances, a thin line extends it to the joint one; below it
    are its parts, over seeds and, dashed, over rows.
    """
    lanes = [
        (i, c, c.differences[metric]) for i, c in enumerate(contestants) if metric in c.differences
    ]
    scale = _scale([d for _, _, d in lanes], width)
    bottom = _TOP + _LANE * len(lanes)
    share = any(d.share for _, _, d in lanes)
    unit = " (points)" if share else ""
    first = contestants[0].name
    title = fit(f"{metric} − {first}{unit}", width - _GUTTER - 2 * _MARGIN)
    zero = scale(0.0)
    spans = [(_TOP + _LANE * k + 23.0, _TOP + _LANE * (k + 1.0)) for k in range(len(lanes))]
    parts = [
        x_axis(scale, spans, title),
        upright(zero, spans, "zero"),
        _sides(lanes[0][2].higher_is_better, zero, width) if lanes else "",
    ]
    parts += [_lane(k, i, c, d, scale, width) for k, (i, c, d) in enumerate(lanes)]
    told = " ".join(d.words for _, _, d in lanes)
    name = f"Differences in {metric} to {first}"
    return drawing(key, name, told, (width, bottom + 44), "".join(parts))


def _scale(differences: Sequence[Difference], width: float) -> Scale:
    ends = [0.0]
    for d in differences:
        ends += [*d.values, d.mean]
        ends += [v for i in (d.both, d.seeds, d.rows) if i for v in _reach(i)]
    ends = [v for v in ends if abs(v) < float("inf")]
    low, high = min(ends), max(ends)
    pad = 0.08 * (high - low) or 0.01
    return linear(
        low - pad,
        high + pad,
        _MARGIN + _GUTTER,
        width - _MARGIN - 10,
        wanted=4 if width < 500 else 7,
        factor=100 if any(d.share for d in differences) else 1,
    )


def _reach(interval: Interval) -> tuple[float, ...]:
    """The ends that are drawn: the joint ones of the interval that words rest on."""
    if interval.over == "both":
        return interval.joint_low, interval.joint_high, interval.low, interval.high
    return interval.low, interval.high


def _sides(higher_is_better: bool, zero: float, width: float) -> str:
    """``← worse`` and ``better →`` beside the zero line, each where there is room for it."""
    left, right = ("worse", "better") if higher_is_better else ("better", "worse")
    parts = []
    if zero - _MARGIN > 62:
        parts.append(text(zero - 8, _TOP - 10, f"← {left}", class_="side", text_anchor="end"))
    if width - zero > 76:
        parts.append(text(zero + 8, _TOP - 10, f"{right} →", class_="side"))
    return "".join(parts)


def _lane(k: int, i: int, c: Contestant, d: Difference, scale: Scale, width: float) -> str:
    top = _TOP + _LANE * k
    value = amount(d)
    room = width - 2 * _MARGIN - 8 * len(value)
    parts = [
        text(_MARGIN, top + 17, fit(c.name, room), class_="name"),
        text(width - _MARGIN, top + 17, value, class_="value", text_anchor="end"),
    ]
    lanes = ((top + 36, d.both, "both"), (top + 58, d.seeds, "seeds"), (top + 80, d.rows, "rows"))
    for y, interval, label in lanes:
        parts.append(text(_MARGIN, y + 4, label, class_="tick"))
        if interval is None:
            parts.append(text(_MARGIN + _GUTTER + 4, y + 4, "cannot be told", class_="tick"))
            continue
        parts.append(_bar(interval, scale, y))
        mark, size = ("mean", 5.5) if label == "both" else ("hollow", 4.0)
        parts.append(marker(i, scale(d.mean), y, size, class_=mark))
    parts += [
        element("circle", cx=scale(v), cy=float(top + 69), r=3.0, class_="dot") for v in d.values
    ]
    return element("g", *parts, class_=f"c{i % 8}")


def _bar(interval: Interval, scale: Scale, y: float) -> str:
    dash = "4 3" if interval.over == "rows" else None
    a, b = scale(interval.low), scale(interval.high)
    if interval.over != "both":
        return line(a, y, b, y, class_="part", stroke_dasharray=dash)
    wide = line(scale(interval.joint_low), y, scale(interval.joint_high), y, class_="joint")
    bar = line(a, y, b, y, class_="bar")
    caps = "".join(line(x, y - 5, x, y + 5, class_="cap") for x in (a, b))
    return wide + bar + caps
