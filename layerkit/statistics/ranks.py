"""Several contestants on several data sets, compared by ranks.

Scores on different data sets have no common scale, so only their order counts. With r_ij the rank
of contestant j on data set i (1 is best), k contestants, N data sets and average ranks R_j::

    chi2 = 12 N / (k (k + 1)) (sum_j R_j^2 - k (k + 1)^2 / 4)           Friedman (1937)
    F    = (N - 1) chi2 / (N (k - 1) - chi2)                            Iman, Davenport (1980)
    CD   = q sqrt(k (k + 1) / (6 N)),  q the quantile of the range of
           k normal variables, divided by sqrt(2)                       Nemenyi (1963)

F has k - 1 and (k - 1)(N - 1) degrees of freedom if all contestants are equal. Two whose average
ranks differ by CD or more are told apart, all pairs holding jointly. As in the paper there is no
correction for ties, which is on the safe side.

Source: Demsar, "Statistical Comparisons of Classifiers over Multiple Data Sets" (JMLR 7, 2006).
Average ranks of two contestants depend on who else takes part (Benavoli, Corani, Mangili, "Should
We Really Use Post-Hoc Tests Based on Mean-Ranks?", JMLR 17, 2016), so the signed ranks of each pair
(``statistics.signed_ranks``) are given beside them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from statistics import NormalDist

import numpy as np

from layerkit.core.context import Array

_NORMAL = NormalDist()
_DIGITS = 12  # scores that agree in so many are tied: the rest is rounding
_STEPS = 400  # of the rule of trapezoids, which is exact to rounding for the normal range
_PARTS = 20  # of the integral of F, and points in each


def without_rounding(values: Array) -> Array:
    """``values`` (n,) to twelve digits, so that those which differ by rounding alone are equal."""
    return np.array([float(f"{value:.{_DIGITS}g}") for value in values.tolist()])


def average_ranks(values: Array) -> Array:
    """(k,) the rank of each of ``values`` (k,) from 1, the smallest; ties share their mean rank.

    Not-a-number comes last.

    >>> average_ranks(np.array([0.5, 0.1, 0.5, 0.9])).tolist()
    [2.5, 1.0, 2.5, 4.0]
    """
    filled = np.where(np.isnan(values), np.inf, without_rounding(values))
    below = (filled[:, np.newaxis] > filled).sum(axis=1)
    equal = (filled[:, np.newaxis] == filled).sum(axis=1)
    return np.asarray(below + (equal + 1) / 2)


def rank_table(scores: Array, *, higher: bool) -> Array:
    """(N, k) the rank of each contestant on each data set, 1 the best, of ``scores`` (N, k)."""
    return np.stack([average_ranks(-row if higher else row) for row in scores])


@dataclass(frozen=True)
class Friedman:
    """The test whether all contestants are equal.

    ``f`` is infinite if all data sets agree on the order; ``p`` is the probability of an F as
    large if there is no difference.
    """

    chi2: float
    f: float
    p: float
    degrees: tuple[int, int]


def friedman(ranks: Array) -> Friedman:
    """From ``ranks`` (N, k); raises ValueError with fewer than two of either."""
    n, k = ranks.shape
    if n < 2 or k < 2:
        raise ValueError(f"expected two data sets and contestants at least, got {n} and {k}")
    means = ranks.mean(axis=0)
    chi2 = 12 * n / (k * (k + 1)) * (float(means @ means) - k * (k + 1) ** 2 / 4)
    left = n * (k - 1) - chi2
    f = (n - 1) * chi2 / left if left > 1e-9 * n * k else math.inf
    degrees = (k - 1, (k - 1) * (n - 1))
    return Friedman(chi2, f, f_tail(f, *degrees), degrees)


def critical_difference(k: int, n: int, confidence: float = 0.95) -> float:
    """How far the average ranks of two of ``k`` contestants on ``n`` data sets must differ.

    >>> round(critical_difference(4, 14), 2)
    1.25
    """
    return nemenyi_quantile(k, confidence) * math.sqrt(k * (k + 1) / (6 * n))


@lru_cache(maxsize=256)
def nemenyi_quantile(k: int, confidence: float = 0.95) -> float:
    """The quantile of the range of ``k`` standard normal variables, divided by sqrt(2).

    Raises ValueError for ``k`` below 2 and a ``confidence`` outside (0, 1).

    >>> round(nemenyi_quantile(4), 3), round(nemenyi_quantile(4, 0.9), 3)
    (2.569, 2.291)
    """
    if k < 2 or not 0 < confidence < 1:
        expected = "expected two contestants at least, and a confidence between 0 and 1"
        raise ValueError(f"{expected}, got {k} and {confidence}")
    low, high = 0.0, 1.0
    while range_probability(high, k) < confidence:
        low, high = high, 2 * high
    while high - low > 1e-13 * high:
        middle = (low + high) / 2
        if range_probability(middle, k) < confidence:
            low = middle
        else:
            high = middle
    return high / math.sqrt(2)


def range_probability(q: float, k: int) -> float:
    """P(max - min <= ``q``) of ``k`` independent standard normal variables.

    k times the integral of phi(z) (Phi(z) - Phi(z - q))^(k - 1), z being the largest.
    """
    low, high = -8.5, 8.5
    step = (high - low) / _STEPS
    total = 0.0
    for i in range(_STEPS + 1):
        z = low + i * step
        total += _NORMAL.pdf(z) * (_NORMAL.cdf(z) - _NORMAL.cdf(z - q)) ** (k - 1)
    return k * step * total


def groups(means: Sequence[float], distance: float) -> list[tuple[int, ...]]:
    """The largest sets of contestants of which no two differ by ``distance`` or more, best first.

    Contestants are numbered as in ``means``, their average ranks; one that differs from all others
    is in no group.
    """
    order = sorted(range(len(means)), key=lambda j: means[j])
    found: list[tuple[int, ...]] = []
    end = 0
    for start, first in enumerate(order):
        near = [i for i in range(start, len(order)) if means[order[i]] - means[first] < distance]
        if len(near) > 1 and near[-1] >= end:
            found.append(tuple(order[i] for i in near))
            end = near[-1] + 1
    return found


def f_tail(f: float, d1: int, d2: int) -> float:
    """P(F >= ``f``) with ``d1`` and ``d2`` degrees of freedom.

    The incomplete beta function with x = sin(t)^2, where the integrand is smooth: the integral of
    sin(t)^(d2 - 1) cos(t)^(d1 - 1) up to atan(sqrt(d2 / (d1 f))), by Gauss's rule in each of some
    parts.
    """
    if f <= 0 or math.isinf(f):
        return 1.0 if f <= 0 else 0.0
    end = math.atan2(math.sqrt(d2), math.sqrt(d1 * f))
    nodes, weights = np.polynomial.legendre.leggauss(_PARTS)
    t = (np.arange(_PARTS)[:, np.newaxis] + (nodes + 1) / 2) * end / _PARTS
    size = math.lgamma((d1 + d2) / 2) - math.lgamma(d1 / 2) - math.lgamma(d2 / 2)
    values = np.exp(size + (d2 - 1) * np.log(np.sin(t)) + (d1 - 1) * np.log(np.cos(t)))
    return min(1.0, end / _PARTS * float((values @ weights).sum()))
