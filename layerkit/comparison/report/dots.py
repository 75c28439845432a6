"""One lane a contestant: each seed a dot, the mean with its interval above them."""

from __future__ import annotations

from collections.abc import Sequence

from layerkit.comparison.report.marks import drawing, element, fit, line, marker, text, x_axis
from layerkit.comparison.report.scale import Scale, linear
from layerkit.comparison.results import Contestant, Summary
from layerkit.comparison.wording import basis, bounds, mean_and_sd

__all__ = ["dot_plot"]

_LANE = 62
_MARGIN = 12
_DOT = 4.0


def dot_plot(contestants: Sequence[Contestant], metric: str, key: str, width: float) -> str:
    """The plot as SVG text; contestants without the metric keep an empty lane."""
    found = [c.metrics.get(metric) for c in contestants]
    share = any(s is not None and s.share for s in found)
    ends = [v for s in found if s is not None for v in _reach(s)]
    low, high = (min(ends), max(ends)) if ends else (0.0, 1.0)
    pad = 0.05 * (high - low) or 0.05 * (abs(high) or 1)
    low, high = low - pad, high + pad
    if share:
        low, high = max(0.0, low), min(1.0, high)
    wanted = 4 if width < 500 else 7
    scale = linear(
        low, high, _MARGIN + 10, width - _MARGIN - 10, wanted=wanted, factor=100 if share else 1
    )
    bottom = _MARGIN + _LANE * len(contestants)
    spans = [(_MARGIN + _LANE * k + 21.0, _MARGIN + _LANE * (k + 1.0)) for k in range(len(found))]
    title = f"{metric} in per cent" if share else metric
    parts = [x_axis(scale, spans, title)]
    for i, (c, s) in enumerate(zip(contestants, found, strict=True)):
        parts.append(_lane(i, c, s, scale, width))
    told = "; ".join(
        f"{c.name} {_told(s)}" for c, s in zip(contestants, found, strict=True) if s is not None
    )
    return drawing(key, f"{metric} of each contestant", told, (width, bottom + 44), "".join(parts))


def _reach(s: Summary) -> list[float]:
    ends = [] if s.interval is None else [s.interval.low, s.interval.high]
    return [v for v in (*s.values, *ends) if abs(v) < float("inf")]


def _told(s: Summary) -> str:
    text = mean_and_sd(s)
    if s.interval is None:
        return text
    unit = "%" if s.share else ""
    ends = bounds(s.interval, share=s.share, rows=s.rows, unit=unit)
    return f"{text}, interval {ends}, {basis(s.interval)}"


def _lane(i: int, c: Contestant, s: Summary | None, scale: Scale, width: float) -> str:
    top = _MARGIN + _LANE * i
    value = "no value" if s is None else mean_and_sd(s)
    room = width - 2 * _MARGIN - 8 * len(value)
    parts = [
        text(_MARGIN, top + 15, fit(c.name, room), class_="name"),
        text(width - _MARGIN, top + 15, value, class_="value", text_anchor="end"),
    ]
    if s is None:
        return "".join(parts)
    middle = top + 31
    if s.interval is not None:
        dash = "3 3" if s.interval.over == "rows" else None
        a, b = scale(s.interval.low), scale(s.interval.high)
        parts.append(line(a, middle, b, middle, class_="bar", stroke_dasharray=dash))
        parts += [line(x, middle - 5, x, middle + 5, class_="cap") for x in (a, b)]
    if abs(s.mean) < float("inf"):
        parts.append(marker(i, scale(s.mean), middle, 6, class_="mean"))
    for x, level in _stacked([scale(v) for v in s.values if abs(v) < float("inf")]):
        y = middle + 14 + 5 * level
        parts.append(element("circle", cx=x, cy=float(y), r=_DOT, class_="dot"))
    return element("g", *parts, class_=f"c{i % 8}")


def _stacked(places: Sequence[float]) -> list[tuple[float, int]]:
    """(place, level): dots that would hide each other are put on up to three levels."""
    last = [-1e9, -1e9, -1e9]
    found = []
    for x in sorted(places):
        level = next((k for k in range(3) if x - last[k] >= 1.5 * _DOT), 0)
        last[level] = x
        found.append((x, level))
    return found
