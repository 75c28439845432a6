"""Learning curves: one thin line a seed, the mean over seeds strong, contestants told by dashes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from layerkit.comparison.report.marks import DASHES, drawing, element, line, marker, path, text
from layerkit.comparison.report.scale import Scale, linear, logarithmic, wants_log
from layerkit.comparison.results import Contestant
from layerkit.core.layer import Array

__all__ = ["curve_plot", "has_curve", "swatch"]

_LEFT, _RIGHT, _TOP, _FOOT = 54, 12, 12, 44
_POINTS = 160  # more would not be seen


@dataclass(frozen=True)
class Curves:
    """One contestant's runs of one series: each (epochs,), and their mean where all go on."""

    index: int
    name: str
    runs: tuple[Array, ...]

    @property
    def mean(self) -> Array:
        """(shortest,) the mean over runs."""
        stop = min(len(run) for run in self.runs)
        mean: Array = np.mean([run[:stop] for run in self.runs], axis=0)
        return mean


def has_curve(contestants: Sequence[Contestant], series: str) -> bool:
    """Whether any run has at least two epochs of ``series``."""
    return any(len(h.get(series, ())) > 1 for c in contestants for h in c.histories)


def curve_plot(
    contestants: Sequence[Contestant],
    series: str,
    title: str,
    key: str,
    width: float,
    *,
    share: bool = False,
) -> str:
    """The curves as SVG text: ``series`` against epochs, logarithmic if its range asks for it.

    ``share`` labels the values in per cent, on a linear scale.
    """
    curves = [found for i, c in enumerate(contestants) if (found := _curves(i, c, series))]
    height = 240.0 if width < 500 else 300.0
    finite = np.concatenate([run[np.isfinite(run)] for c in curves for run in c.runs])
    low, high = (float(finite.min()), float(finite.max())) if len(finite) else (0.0, 1.0)
    log = wants_log(low, high) and not share
    span = (height - _FOOT, float(_TOP))
    y = (
        logarithmic(low / 1.1, high * 1.1, *span)
        if log
        else _linear(low, high, span, 100 if share else 1)
    )
    epochs = max(len(run) for c in curves for run in c.runs)
    x = linear(1, epochs, _LEFT, width - _RIGHT, wanted=5 if width < 500 else 8, whole=True)
    x = _whole(x)
    parts = [_axes(x, y, height, width, log)]
    parts += [_runs(c, x, y) for c in curves]
    parts += [_mean(c, x, y) for c in curves]
    told = "; ".join(_told(c) for c in curves)
    scale = " (logarithmic scale)" if log else ""
    return drawing(key, f"{title}{scale}", told, (width, height), "".join(parts))


def _curves(i: int, c: Contestant, series: str) -> Curves | None:
    runs = tuple(h[series] for h in c.histories if len(h.get(series, ())) > 0)
    return Curves(i, c.name, runs) if runs else None


def _told(c: Curves) -> str:
    mean = c.mean
    return f"{c.name} goes from {mean[0]:.3g} to {mean[-1]:.3g} in {len(mean)} epochs"


def _linear(low: float, high: float, span: tuple[float, float], factor: float) -> Scale:
    pad = 0.04 * (high - low)
    floor = 0.0 if 0 <= low < 0.35 * high else low - pad
    return linear(floor, high + pad, *span, factor=factor)


def _whole(x: Scale) -> Scale:
    """Ticks at whole epochs only, the first among them."""
    ticks = {v: label for v, label in x.ticks if v == int(v) and v >= 1}
    near = min((v for v in ticks if v > 1), default=None)
    if near is None or near - 1 > 0.06 * (x.high - x.low):
        ticks = {1.0: "1", **ticks}
    return Scale(x.low, x.high, x.start, x.end, tuple(sorted(ticks.items())))


def _axes(x: Scale, y: Scale, height: float, width: float, log: bool) -> str:
    parts = []
    for value, label in y.ticks:
        at = y(value)
        parts.append(line(_LEFT, at, width - _RIGHT, at, class_="grid"))
        parts.append(text(_LEFT - 8, at + 4, label, class_="tick", text_anchor="end"))
    foot = height - _FOOT
    parts.append(line(_LEFT, foot, width - _RIGHT, foot, class_="base"))
    for value, label in x.ticks:
        parts.append(line(x(value), foot, x(value), foot + 4, class_="base"))
        parts.append(text(x(value), foot + 18, label, class_="tick", text_anchor="middle"))
    parts.append(
        text((x.start + x.end) / 2, foot + 36, "epoch", class_="axis", text_anchor="middle")
    )
    if log:
        parts.append(text(width - _RIGHT, foot + 36, "log scale", class_="tick", text_anchor="end"))
    return "".join(parts)


def _places(run: Array, x: Scale, y: Scale) -> list[tuple[float, float]]:
    keep = np.unique(np.linspace(0, len(run) - 1, min(len(run), _POINTS)).round().astype(int))
    return [(x(k + 1), y(float(run[k]))) for k in keep.tolist() if math.isfinite(run[k])]


def _runs(c: Curves, x: Scale, y: Scale) -> str:
    if len(c.runs) < 2:
        return ""
    lines = [path(p, class_="run") for run in c.runs if len(p := _places(run, x, y)) > 1]
    return element("g", *lines, class_=f"c{c.index % 8}")


def _mean(c: Curves, x: Scale, y: Scale) -> str:
    places = _places(c.mean, x, y)
    if not places:
        return ""
    parts = [path(places, class_="curve", stroke_dasharray=DASHES[c.index % len(DASHES)])]
    # Markers are staggered from contestant to contestant, so that curves that lie on each other
    # still show whose they are.
    step = max(1, len(places) // 5)
    parts += [
        marker(c.index, *places[k], 4.5, class_="mean")
        for k in range(c.index % step, len(places), step)
    ]
    return element("g", *parts, class_=f"c{c.index % 8}")


def swatch(i: int) -> str:
    """A short piece of contestant ``i``'s line, for legends and tables."""
    dash = DASHES[i % len(DASHES)]
    body = line(1, 8, 35, 8, class_="curve", stroke_dasharray=dash)
    body += marker(i, 18, 8, 4.5, class_="mean")
    group = element("g", body, class_=f"c{i % 8}")
    return element("svg", group, viewBox="0 0 36 16", width=36, height=16, aria_hidden="true")
