"""Intervals for a mean or a difference, each saying which chance it speaks about.

Two questions are kept apart. "Would another training run differ?" is answered over *seeds*: the
spread between runs that differ in start, order, dropout and validation split alone. "Would another
test set differ?" is answered over *rows*: these very models, judged on other rows drawn like the
test rows. Neither covers other training rows or other settings of the recipe: all seeds share one
split of train and test (Bouthillier et al., "Accounting for Variance in Machine Learning
Benchmarks", MLSys 2021, vary them all; Nadeau, Bengio, "Inference for the Generalization Error",
2003, correct for resampled splits, which there are none of here).

Each interval comes twice: at the confidence asked for, and widened after Bonferroni, so that all
comparisons with the first contestant hold *jointly* at that confidence.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from statistics import NormalDist
from typing import Literal

import numpy as np

from layerkit.comparison.student import t_quantile
from layerkit.layer import Array

__all__ = ["Interval", "Levels", "over_resamples", "over_right_rows", "over_seeds", "share_of_rows"]

Over = Literal["seeds", "rows"]
Bounds = Callable[[float], tuple[float, float]]
"""From a confidence to (low, high)."""


@dataclass(frozen=True)
class Levels:
    """How sure: ``confidence`` of each interval, and how many are to hold jointly."""

    confidence: float = 0.95
    comparisons: int = 1

    @property
    def joint(self) -> float:
        """Confidence of each that makes all hold jointly (Bonferroni)."""
        return 1 - (1 - self.confidence) / max(1, self.comparisons)


@dataclass(frozen=True)
class Interval:
    """A confidence interval.

    Attributes
    ----------
    low, high
        At the confidence asked for, this one interval alone.
    joint_low, joint_high
        Wider, so that all comparisons hold together; the same if there is only one.
    over
        Which chance it speaks about: "seeds" (another training run) or "rows" (another test set).
    n
        How many seeds (pairs of runs) or rows it rests on.
    method
        How it was computed, in words.
    """

    low: float
    high: float
    joint_low: float
    joint_high: float
    over: Over
    n: int
    method: str

    @property
    def excludes_zero(self) -> bool:
        """Whether even the joint interval lies on one side of zero."""
        return self.joint_low > 0 or self.joint_high < 0


def _interval(bounds: Bounds, levels: Levels, over: Over, n: int, method: str) -> Interval:
    return Interval(*bounds(levels.confidence), *bounds(levels.joint), over, n, method)


def over_seeds(values: Array, levels: Levels) -> Interval | None:
    """Student's interval mean +- t s / sqrt(n) for ``values`` (n,), one a seed (or a pair of runs).

    It takes the values as independent draws from about a normal distribution. None for fewer than
    two, for values that are not finite, and for values that are all the same: then the spread
    between runs cannot be told, and an interval of no width would claim certainty.
    """
    n = len(values)
    if n < 2 or not np.all(np.isfinite(values)) or np.ptp(values) == 0:
        return None
    mean, error = float(values.mean()), float(values.std(ddof=1)) / math.sqrt(n)

    def bounds(confidence: float) -> tuple[float, float]:
        half = t_quantile(confidence, n - 1) * error
        return mean - half, mean + half

    return _interval(bounds, levels, "seeds", n, f"Student's t, {n - 1} degrees of freedom")


def over_right_rows(differences: Array, levels: Levels) -> Interval | None:
    """Interval for a paired difference of shares, from ``differences`` (n,) in [-1, 1] a row.

    For single models a row is +1 (only the second is right), -1 (only the first) or 0. Two
    imaginary rows, one for each side, keep it honest where the models disagree on few rows or
    none; there a bootstrap is too narrow. With them it excludes zero about when McNemar's exact
    test does, which Dietterich ("Approximate Statistical Tests for Comparing Supervised
    Classification Learning Algorithms", 1998) recommends for models trained once.

    Source: Bonett, Price, "Adjusted Wald Confidence Interval for a Difference of Binomial
    Proportions Based on Paired Data" (Journal of Educational and Behavioral Statistics 37, 2012);
    differences between -1 and 1, from averages over several runs, are put into the same formula.
    """
    n = len(differences)
    if n < 2:
        return None
    centre = float(differences.sum()) / (n + 2)
    square = (float(np.square(differences).sum()) + 2) / (n + 2)
    error = math.sqrt(max(0.0, square - centre * centre) / (n + 2))

    def bounds(confidence: float) -> tuple[float, float]:
        half = _normal_quantile(confidence) * error
        return max(-1.0, centre - half), min(1.0, centre + half)

    return _interval(bounds, levels, "rows", n, "paired shares, adjusted (Bonett and Price)")


def share_of_rows(share: float, n: int, levels: Levels) -> Interval | None:
    """Wilson's score interval for a ``share`` of ``n`` rows.

    Source: Wilson, "Probable Inference, the Law of Succession, and Statistical Inference" (JASA
    22, 1927).
    """
    if n < 1:
        return None

    def bounds(confidence: float) -> tuple[float, float]:
        z2 = _normal_quantile(confidence) ** 2
        centre = (share + z2 / (2 * n)) / (1 + z2 / n)
        half = math.sqrt(z2 * (share * (1 - share) / n + z2 / (4 * n * n))) / (1 + z2 / n)
        return max(0.0, centre - half), min(1.0, centre + half)

    return _interval(bounds, levels, "rows", n, "Wilson score")


def over_resamples(values: Array, n: int, levels: Levels) -> Interval | None:
    """Percentile interval of a statistic's ``values`` (b,) on resamples of ``n`` rows.

    None if a resample gave no finite number or all gave the same: nothing is known of the spread.

    Source: Efron, Tibshirani, "An Introduction to the Bootstrap" (1993), chapter 13.
    """
    if n < 2 or not np.all(np.isfinite(values)) or np.ptp(values) == 0:
        return None

    def bounds(confidence: float) -> tuple[float, float]:
        tail = (1 - confidence) / 2
        low, high = np.quantile(values, [tail, 1 - tail])
        return float(low), float(high)

    return _interval(bounds, levels, "rows", n, f"bootstrap of rows, {len(values):,} resamples")


def _normal_quantile(confidence: float) -> float:
    return NormalDist().inv_cdf((1 + confidence) / 2)
