"""How often a new training run of one architecture beats a new run of another."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from layerkit.comparison.student import t_quantile
from layerkit.core.layer import Array

__all__ = ["Improvement", "improvement"]


@dataclass(frozen=True)
class Improvement:
    """The probability that a new run beats a new run of the first contestant, on these rows.

    Attributes
    ----------
    probability
        Share of all pairs of runs in which it does; ties count half.
    low, high
        Its interval.
    runs
        How many there are of the first, and of the other.
    """

    probability: float
    low: float
    high: float
    runs: tuple[int, int]


def improvement(
    first: Array, other: Array, confidence: float, *, higher: bool
) -> Improvement | None:
    """From the metric of each run of the first (m,) and of the other (n,); None with one run.

    The interval holds with few runs too, and where one side wins every pair.

    Source: Newcombe, "Confidence Intervals for an Effect Size Measure Based on the Mann-Whitney
    Statistic", part 2 (Statistics in Medicine 25, 2006), method 5.
    """
    m, n = len(first), len(other)
    if min(m, n) < 2 or not (np.all(np.isfinite(first)) and np.all(np.isfinite(other))):
        return None
    gaps = other[:, np.newaxis] - first
    gaps = gaps if higher else -gaps
    share = float((gaps > 0).mean() + (gaps == 0).mean() / 2)
    z = t_quantile(confidence, m + n - 2)  # Newcombe's z is too small for three runs

    def inside(theta: float) -> bool:
        return abs(theta - share) <= z * math.sqrt(_variance(theta, m, n))

    return Improvement(share, _edge(inside, share, 0.0), _edge(inside, share, 1.0), (m, n))


def _variance(theta: float, m: int, n: int) -> float:
    """Hanley and McNeil's, with the mean of both sizes in each term."""
    half = (m + n) / 2 - 1
    spread = 1 + half * (1 - theta) / (2 - theta) + half * theta / (1 + theta)
    return theta * (1 - theta) * spread / (m * n)


def _edge(inside: Callable[[float], bool], start: float, end: float) -> float:
    """Where ``inside`` ceases to hold between ``start``, where it holds, and ``end``."""
    for _ in range(60):
        middle = (start + end) / 2
        start, end = (middle, end) if inside(middle) else (start, middle)
    return start
