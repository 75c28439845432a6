"""What the best of n trials of a random search is expected to be.

The values of N trials, v_1 <= ... <= v_N, stand for all that the search could have drawn. The best
of n draws from them (with replacement) is at most v_i with probability (i / N)^n, so::

    E[best of n] = sum_i v_i ((i / N)^n - ((i - 1) / N)^n)

Beyond half the trials it leans on the one or two best of them: it is too low, and its band too
narrow (Tang et al., "Showing Your Work Doesn't Always Work", ACL 2020).

Source: Dodge, Gururangan, Card, Schwartz, Smith, "Show Your Work: Improved Reporting of
Experimental Results" (EMNLP 2019), equations 6 to 8. Of the estimators at hand it has neither the
smallest bias nor the smallest variance, but misleads least in comparisons: the same authors,
"Expected Validation Performance and Estimation of a Random Variable's Maximum" (EMNLP 2021).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from layerkit.core.context import Array
from layerkit.statistics.resampling import resample_weights


@dataclass(frozen=True)
class ExpectedBest:
    """The expected best value after 1, 2, ..., N trials, with a bootstrap band.

    Attributes
    ----------
    values
        After each number of trials.
    low, high
        The band: what other searches of N trials would have estimated, at ``confidence``.
    solid
        Up to how many trials the curve may be believed: half of them.
    confidence
        Of the band, at each number of trials for itself.
    """

    values: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]
    solid: int
    confidence: float


def expected_best(
    values: Sequence[float], confidence: float = 0.95, *, higher: bool = True
) -> ExpectedBest:
    """From the value of each trial, finite numbers; ``higher`` says which is better.

    Raises ValueError without values. The band comes from a fixed random stream.

    >>> expected_best([0.0, 1.0]).values
    (0.5, 0.75)
    """
    if not len(values):
        raise ValueError("values: expected one trial or more")
    ordered = np.sort(np.asarray(values, np.float64))
    ordered = ordered if higher else -ordered[::-1]
    count = len(ordered)
    drawn = resample_weights(count).astype(np.float64)
    tail = (1 - confidence) / 2
    low, high = np.quantile(_curves(ordered, drawn), [tail, 1 - tail], axis=0)
    (curve,) = _curves(ordered, np.ones((1, count)))
    if not higher:
        curve, low, high = -curve, -high, -low
    solid = max(1, count // 2)
    return ExpectedBest(_listed(curve), _listed(low), _listed(high), solid, confidence)


def _curves(ordered: Array, weights: Array) -> Array:
    """(b, N): the curve of each row of ``weights`` (b, N), how often each of the values counts."""
    count = len(ordered)
    below = np.cumsum(weights, axis=1) / count  # the share of draws up to each value
    before = below - weights / count
    powers = [(below**n - before**n) @ ordered for n in range(1, count + 1)]
    return np.stack(powers, axis=1)


def _listed(values: Array) -> tuple[float, ...]:
    return tuple(values.tolist())
