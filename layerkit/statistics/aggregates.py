"""One number over several data sets: the interquartile mean, and the probability of improvement.

Scores are given by data set, an array of one value per run for each. The bootstrap is stratified:
runs are drawn again within each data set. So its intervals answer "would other runs on these data
sets give another number?", and not what other data sets would give.

Source: Agarwal, Schwarzer, Castro, Courville, Bellemare, "Deep Reinforcement Learning at the Edge
of the Statistical Precipice" (NeurIPS 2021).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from layerkit.core.context import Array
from layerkit.core.rng import random_stream
from layerkit.statistics.intervals import win_table
from layerkit.statistics.student_t import t_quantile

RESAMPLES = 2000
_FEWEST = 3  # runs on a data set

Scores = Sequence[Array]
"""Those of one contestant: for each data set, one value per run."""


@dataclass(frozen=True)
class Aggregate:
    """A number over all data sets, and the ends of its interval over other runs.

    They are None with fewer than three runs on a data set, of which the bootstrap says too little.
    """

    value: float
    low: float | None
    high: float | None


def interquartile_mean(scores: Scores, confidence: float) -> Aggregate:
    """The mean of the middle half of all runs on all data sets.

    A quarter of the values, rounded down, is left out at each end.
    """
    drawn = np.concatenate([_drawn(values, i, "iqm") for i, values in enumerate(scores)], axis=1)
    value = float(_middle_mean(np.concatenate(list(scores))[np.newaxis])[0])
    return _aggregate(value, _middle_mean(drawn), [scores], confidence)


def improvement(first: Scores, other: Scores, confidence: float, *, higher: bool) -> Aggregate:
    """The probability that a new run of ``other`` beats a new run of ``first``.

    On a data set it is the share of all pairs of runs in which it does, ties counting half; the
    data sets count alike.
    """
    tables = [win_table(a, b, higher=higher) for a, b in zip(first, other, strict=True)]
    value = float(np.mean([table.mean() for table in tables]))
    drawn = np.zeros(RESAMPLES)
    for i, table in enumerate(tables):
        b, a = (
            _counts(size, i, name)
            for size, name in zip(table.shape, ("other", "first"), strict=True)
        )
        drawn += ((b @ table) * a).sum(axis=1) / (table.size * len(tables))
    return _aggregate(value, drawn, [first, other], confidence)


def performance_profile(scores: Scores, levels: Array) -> Array:
    """(m,) for each of ``levels`` (m,) the share of runs that score more; data sets count alike."""
    shares = [(values[:, np.newaxis] > levels).mean(axis=0) for values in scores]
    return np.asarray(np.mean(shares, axis=0))


def _middle_mean(values: Array) -> Array:
    """(b,) the interquartile mean of each row of ``values`` (b, n)."""
    n = values.shape[1]
    cut = n // 4
    return np.asarray(np.sort(values, axis=1)[:, cut : n - cut].mean(axis=1))


def _drawn(values: Array, place: int, name: str) -> Array:
    """(RESAMPLES, runs) the runs of one data set, drawn again."""
    stream = random_stream(0, "several data sets", name, str(place))
    return np.asarray(values[stream.integers(0, len(values), (RESAMPLES, len(values)))])


def _counts(size: int, place: int, name: str) -> Array:
    """(RESAMPLES, size) how often each run was drawn."""
    drawn = _drawn(np.arange(size), place, name)
    return np.asarray((drawn[:, :, np.newaxis] == np.arange(size)).sum(axis=1))


def _aggregate(value: float, drawn: Array, sides: Sequence[Scores], confidence: float) -> Aggregate:
    """``value`` with the percentile interval of its ``drawn`` values.

    The spread of few runs drawn again is too small, so the interval is wider, as Student's t is
    wider than the normal distribution (``resampling.expanded``): each data set with k runs gives
    k - 1 degrees of freedom.
    """
    sizes = [len(values) for scores in sides for values in scores]
    least, df = min(sizes), sum(sizes) - len(sizes)
    if least < _FEWEST:
        return Aggregate(value, None, None)
    z = math.sqrt(least / (least - 1)) * t_quantile(confidence, min(df, 2000))
    tail = 1 - NormalDist().cdf(z)
    low, high = np.quantile(drawn, [tail, 1 - tail]).tolist()
    return Aggregate(value, low, high)
