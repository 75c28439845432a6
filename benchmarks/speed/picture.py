"""Curves on two logarithmic scales, as a small SVG that any page can show."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

SIDE, GAP, TOP, LEFT, BOTTOM = 220, 70, 44, 60, 46
INK, FAINT, LINE = "#57606a", "#d0d7de", "#0b5c8a"


@dataclass(frozen=True)
class Panel:
    """One curve: points (size, value), all above 0."""

    title: str
    size: str
    points: Sequence[tuple[float, float]]


@dataclass(frozen=True)
class Scale:
    """Maps low..high, by their logarithms, onto pixels."""

    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        part = math.log(value / self.low) / math.log(self.high / self.low)
        return self.start + part * (self.end - self.start)

    def decades(self) -> Iterator[float]:
        for e in range(math.ceil(math.log10(self.low)), math.floor(math.log10(self.high)) + 1):
            yield 10.0**e


def drawn(panels: Sequence[Panel], value: str) -> str:
    """All panels in a row, on one scale of values; a dashed line is linear growth up to the
    last point."""
    values = [v for panel in panels for _, v in panel.points]
    low, high = min(values) / 1.3, max(values) * 1.3
    width = LEFT + len(panels) * (SIDE + GAP)
    height = TOP + SIDE + BOTTOM
    body = [text for i, panel in enumerate(panels) for text in _panel(panel, i, low, high, value)]
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
        f'font-family="system-ui, sans-serif" font-size="11" fill="{INK}">'
    )
    return (
        "\n".join([head, f'<rect width="{width}" height="{height}" fill="#fff"/>', *body, "</svg>"])
        + "\n"
    )


def short(size: float) -> str:
    """A size in few characters: 50, 1k, 34k, 9.2M."""
    for unit, letter in ((1e6, "M"), (1e3, "k")):
        if size >= unit and (size >= 10 * unit or size % unit == 0):
            return f"{size / unit:.0f}{letter}"
        if size >= unit and letter == "M":
            return f"{size / unit:.1f}M"
    return f"{size:g}"


def _panel(panel: Panel, i: int, low: float, high: float, value: str) -> Iterator[str]:
    left, bottom = LEFT + i * (SIDE + GAP), TOP + SIDE
    sizes = [s for s, _ in panel.points]
    x = Scale(min(sizes), max(sizes), left, left + SIDE)
    y = Scale(low, high, bottom, TOP)
    name, _, setting = panel.title.partition(" (")
    yield _text(left, 16, name, size=13, weight="bold")
    yield _text(left, 32, setting.rstrip(")"), size=10)
    for tick in y.decades():
        yield f'<path d="M{left} {y(tick):.1f}h{SIDE}" stroke="{FAINT}"/>'
        yield _text(left - 6, y(tick) + 4, f"{tick:g}", anchor="end")
    for size, _ in panel.points:
        yield f'<path d="M{x(size):.1f} {bottom}v4" stroke="{INK}"/>'
        yield _text(x(size), bottom + 16, short(size), anchor="middle", size=10)
    yield _text(left + SIDE / 2, bottom + 34, panel.size, anchor="middle")
    if i == 0:
        middle = TOP + SIDE / 2
        turn = f'transform="rotate(-90 16 {middle})"'
        yield f'<text x="16" y="{middle}" text-anchor="middle" {turn}>{value}</text>'
    yield _linear(panel, x, y)
    track = " ".join(f"{x(s):.1f},{y(v):.1f}" for s, v in panel.points)
    yield f'<polyline points="{track}" fill="none" stroke="{LINE}" stroke-width="2"/>'
    for s, v in panel.points:
        yield f'<circle cx="{x(s):.1f}" cy="{y(v):.1f}" r="3" fill="{LINE}"/>'


def _linear(panel: Panel, x: Scale, y: Scale) -> str:
    """Through the last point with slope 1, as far as the panel goes."""
    size, value = panel.points[-1]
    first = max(x.low, size * y.low / value)
    start, end = (first, value * first / size), (size, value)
    return (
        f'<path d="M{x(start[0]):.1f} {y(start[1]):.1f}L{x(end[0]):.1f} {y(end[1]):.1f}" '
        f'stroke="{INK}" stroke-dasharray="4 4"/>'
    )


def _text(
    x: float, y: float, text: str, *, anchor: str = "start", size: int = 11, weight: str = "normal"
) -> str:
    look = f'text-anchor="{anchor}" font-size="{size}" font-weight="{weight}"'
    return f'<text x="{x:.1f}" y="{y:.1f}" {look}>{text}</text>'
