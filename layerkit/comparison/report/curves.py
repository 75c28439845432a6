"""Learning curves: a thin line per seed, and a thick one for the mean over seeds."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from layerkit.comparison.results import Contestant
from layerkit.core.context import Array
from layerkit.reporting import svg
from layerkit.reporting.series import dash_of
from layerkit.reporting.svg import Scale

_LEFT, _RIGHT, _TOP, _FOOT = 54, 12, 12, 44
_POINTS = 160  # more points than this cannot be seen


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
    """``series`` against epochs as SVG text, on a logarithmic scale if its range is wide.

    ``share`` labels the values in per cent, on a linear scale.
    """
    runs = {i: _runs(c, series) for i, c in enumerate(contestants) if _runs(c, series)}
    means = {i: _mean(held) for i, held in runs.items()}
    height = 240.0 if svg.is_narrow(width) else 300.0
    finite = np.concatenate([run[np.isfinite(run)] for held in runs.values() for run in held])
    low, high = (float(finite.min()), float(finite.max())) if len(finite) else (0.0, 1.0)
    log = svg.wants_log(low, high) and not share
    y = _value_scale(low, high, height - _FOOT, log=log, factor=100 if share else 1)
    x = _epoch_scale(max(len(run) for held in runs.values() for run in held), width)
    described = "; ".join(
        f"{contestants[i].name} goes from {m[0]:.3g} to {m[-1]:.3g} in {len(m)} epochs"
        for i, m in means.items()
    )
    return svg.drawing(
        key,
        f"{title}{' (logarithmic scale)' if log else ''}",
        described,
        (width, height),
        _axes(x, y, height, width),
        *(_thin_lines(i, held, x, y) for i, held in runs.items() if len(held) > 1),
        *(_thick_line(i, mean, x, y) for i, mean in means.items()),
    )


def _runs(c: Contestant, series: str) -> list[Array]:
    """Each run's values (epochs,)."""
    return [h[series] for h in c.histories if len(h.get(series, ())) > 0]


def _mean(runs: Sequence[Array]) -> Array:
    """The mean over runs (epochs,), as long as all of them last."""
    stop = min(len(run) for run in runs)
    mean: Array = np.mean([run[:stop] for run in runs], axis=0)
    return mean


def _value_scale(low: float, high: float, foot: float, *, log: bool, factor: float) -> Scale:
    if log:
        return svg.logarithmic(low / 1.1, high * 1.1, foot, _TOP)
    pad = 0.04 * (high - low)
    floor = 0.0 if 0 <= low < 0.35 * high else low - pad
    return svg.linear(floor, high + pad, foot, _TOP, factor=factor)


def _epoch_scale(epochs: int, width: float) -> Scale:
    """Ticks only at whole epochs, the first among them."""
    count = 5 if svg.is_narrow(width) else 8
    x = svg.linear(1, epochs, _LEFT, width - _RIGHT, count=count, whole=True)
    ticks = {v: label for v, label in x.ticks if v == int(v) and v >= 1}
    second = min((v for v in ticks if v > 1), default=None)
    if second is None or second - 1 > 0.06 * (x.high - x.low):
        ticks[1.0] = "1"
    return replace(x, ticks=tuple(sorted(ticks.items())))


def _axes(x: Scale, y: Scale, height: float, width: float) -> str:
    foot = height - _FOOT
    note = svg.text(width - _RIGHT, foot + 36, "log scale", "tick", "end") if y.log else ""
    return svg.frame(x, y, foot, "epoch", "") + note


def _points(run: Array, x: Scale, y: Scale) -> list[tuple[float, float]]:
    keep = np.unique(np.linspace(0, len(run) - 1, min(len(run), _POINTS)).round().astype(int))
    return [(x(k + 1), y(float(run[k]))) for k in keep.tolist() if math.isfinite(run[k])]


def _thin_lines(i: int, runs: Sequence[Array], x: Scale, y: Scale) -> str:
    lines = [svg.path(points, "run") for run in runs if len(points := _points(run, x, y)) > 1]
    return svg.series_group(i, *lines)


def _thick_line(i: int, mean: Array, x: Scale, y: Scale) -> str:
    points = _points(mean, x, y)
    if not points:
        return ""
    # Markers are staggered from contestant to contestant, so that curves that lie on each other
    # still show whose they are.
    step = max(1, len(points) // 5)
    markers = [svg.marker(i, *points[k], 4.5) for k in range(i % step, len(points), step)]
    return svg.series_group(i, svg.path(points, "curve", dash_of(i)), *markers)
