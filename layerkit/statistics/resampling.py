"""Bootstrap intervals over rows.

Draws come from a fixed random stream, so that a repeated comparison gives the same result, and all
models see the same draws, so that their differences are paired.
"""

from __future__ import annotations

import math
from functools import lru_cache
from statistics import NormalDist

import numpy as np

from layerkit.core.context import Array
from layerkit.core.rng import random_stream
from layerkit.statistics.intervals import Bounds
from layerkit.statistics.student_t import t_quantile

RESAMPLES = 2000
GROUPS = 4096  # more rows than this are drawn in groups, which bounds time and memory
_NORMAL = NormalDist()


def row_groups(n: int, most: int = GROUPS) -> Array | None:
    """(n,) the group of each row, of about equal sizes; None if each row is its own group.

    Rows are assigned at random, so the spread of the group means is that of the rows.
    """
    if n <= most:
        return None
    return random_stream(0, "comparison", f"groups of {most}").permutation(n) % most


def bootstrap_t(rows: Array) -> Bounds:
    """The interval for a mean of skewed ``rows`` (n,), no narrower than Student's.

    Resampled means are studentized (divided by their own standard errors), so the interval is as
    skewed as the rows. For rows with two heavy tails, such as differences of losses, it is too
    narrow and Student's is not; so the wider end counts on each side.

    Source: Hall, "Theoretical Comparison of Bootstrap Confidence Intervals" (The Annals of
    Statistics 16, 1988); Efron, Tibshirani, "An Introduction to the Bootstrap" (1993), 12.5.
    """
    n, mean = len(rows), float(rows.mean())
    error = float(rows.std(ddof=1)) / math.sqrt(n)
    values: Array = (rows - mean) / error
    groups = row_groups(n)
    if groups is not None:
        values = np.bincount(groups, weights=values) * (GROUPS / n)
    g, drawn = len(values), resample_weights(len(values))
    moved = (drawn @ values.astype(np.float32)).astype(np.float64) / g
    square = (drawn @ np.square(values).astype(np.float32)).astype(np.float64) / g
    errors = np.sqrt(np.maximum(square - np.square(moved), 1e-12) / (g - 1))
    ordered = np.sort(moved / errors)

    def bounds(confidence: float) -> tuple[float, float]:
        tail = (1 - confidence) / 2
        left, right = np.quantile(ordered, [tail, 1 - tail]).tolist()
        least = t_quantile(confidence, min(n - 1, 2000))
        return mean - max(right, least) * error, mean - min(left, -least) * error

    return bounds


@lru_cache(maxsize=2)
def resample_weights(n: int) -> Array:
    """(RESAMPLES, n) float32: how often each of ``n`` rows or groups was drawn."""
    stream = random_stream(0, "comparison", "rows")
    out = np.empty((RESAMPLES, n), np.float32)
    for k in range(RESAMPLES):
        out[k] = np.bincount(stream.integers(0, n, n), minlength=n)
    out.flags.writeable = False
    return out


def bca(estimate: float, resamples: Array, jackknife: Array) -> Bounds:
    """Efron's BCa interval (bias-corrected and accelerated) of a statistic's ``resamples`` (b,).

    ``jackknife`` (g,) holds the statistic with each row, or group of rows, left out.

    Source: Efron, "Better Bootstrap Confidence Intervals" (JASA 82, 1987); Efron, Tibshirani, "An
    Introduction to the Bootstrap" (1993), chapter 14.
    """
    ordered = np.sort(resamples)
    b = len(ordered)
    below = np.searchsorted(ordered, estimate, "left") + np.searchsorted(ordered, estimate, "right")
    bias = _NORMAL.inv_cdf(min(max(below / (2 * b), 0.5 / b), 1 - 0.5 / b))
    gaps = jackknife.mean() - jackknife
    size = float(np.square(gaps).sum()) ** 1.5
    acceleration = float((gaps**3).sum()) / (6 * size) if size > 0 else 0.0

    def place(z: float) -> float:
        moved = bias + z
        return _NORMAL.cdf(bias + moved / max(1e-9, 1 - acceleration * moved))

    def bounds(confidence: float) -> tuple[float, float]:
        z = _NORMAL.inv_cdf((1 + confidence) / 2)
        low, high = np.quantile(ordered, [place(-z), place(z)]).tolist()
        return low, high

    return bounds


def expanded(bounds: Bounds, n: int) -> Bounds:
    """Bootstrap ``bounds`` on ``n`` rows, widened as Student's t widens the normal quantile.

    The spread of resamples is too small by a factor of sqrt((n - 1) / n).

    Source: Hesterberg, "What Teachers Should Know About the Bootstrap" (The American Statistician
    69, 2015), section 5.3.
    """

    def wider(confidence: float) -> tuple[float, float]:
        z = math.sqrt(n / (n - 1)) * t_quantile(confidence, min(n - 1, 2000))
        return bounds(2 * _NORMAL.cdf(z) - 1 if z < 8 else 1 - 1e-12)

    return wider
