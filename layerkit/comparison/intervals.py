"""Intervals for a mean or a difference, each saying which chance it speaks about.

Two chances are kept apart. *Seeds*: would another training run differ? Answered by the spread
between runs that differ in start, order and dropout alone. *Rows*: would another test set differ?
Answered for these very models, judged on other rows drawn like the test rows. What is printed is an
interval for both (``layerkit.comparison.chances``); these two are its parts.

Neither covers other training rows or other settings of the recipe: on the test rows all seeds share
one split of train and test (Bouthillier et al., "Accounting for Variance in Machine Learning
Benchmarks", MLSys 2021, vary them all). On validation rows each seed draws its own split, and the
interval is widened for what such splits have in common.

Each interval comes twice: at the confidence asked for, and widened after Bonferroni, so that all
comparisons with the first contestant hold *jointly* at that confidence.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from statistics import NormalDist
from typing import Literal

import numpy as np

from layerkit.comparison.student import t_quantile
from layerkit.core.layer import Array

__all__ = [
    "Bounds",
    "Interval",
    "Levels",
    "interval",
    "no_spread",
    "normal_quantile",
    "over_right_rows",
    "over_seeds",
    "share_of_rows",
]

Over = Literal["both", "seeds", "rows"]
Bounds = Callable[[float], tuple[float, float]]
"""From a confidence to (low, high)."""

_TOLERANCE = 1e-9  # of the size of the values: a smaller spread is rounding


@dataclass(frozen=True)
class Levels:
    """How sure: ``confidence`` of each interval, and how many are to hold jointly."""

    confidence: float = 0.95
    comparisons: int = 1

    @property
    def joint(self) -> float:
        """Confidence of each that makes all hold jointly (Bonferroni)."""
        return self.of(max(1, self.comparisons))

    def of(self, comparisons: int) -> float:
        """Confidence of each of so many that makes those hold jointly."""
        return 1 - (1 - self.confidence) / comparisons


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
        Which chance it speaks about: "seeds" (another training run), "rows" (another test set) or
        "both".
    n
        How many seeds (pairs of runs) it rests on, or rows if it is over rows alone.
    method
        How it was computed, in words.
    rows
        How many rows it rests on beside the seeds, if it is over both.
    """

    low: float
    high: float
    joint_low: float
    joint_high: float
    over: Over
    n: int
    method: str
    rows: int | None = None

    @property
    def excludes_zero(self) -> bool:
        """Whether even the joint interval lies on one side of zero."""
        return self.joint_low > 0 or self.joint_high < 0

    def beyond_zero(self, side: int) -> Interval:
        """The same, its joint ends cut at zero: ``side`` 1 is above, -1 below, 0 as it is.

        Holm's order of tests settles a sign that Bonferroni's interval may leave open; the two
        agree, and still hold jointly, once the interval is cut at zero (Strassburger, Bretz,
        "Compatible Simultaneous Lower Confidence Bounds for the Holm Procedure", 2008).
        """
        low = max(0.0, self.joint_low) if side > 0 else self.joint_low
        high = min(0.0, self.joint_high) if side < 0 else self.joint_high
        return replace(self, joint_low=low, joint_high=high)


def interval(
    bounds: Bounds, levels: Levels, over: Over, n: int, method: str, rows: int | None = None
) -> Interval:
    """``bounds`` at both levels."""
    alone, joint = bounds(levels.confidence), bounds(levels.joint)
    return Interval(*alone, *joint, over, n, method, rows)


def no_spread(values: Array) -> bool:
    """Whether ``values`` differ by no more than rounding."""
    return bool(np.ptp(values) <= _TOLERANCE * max(1e-300, float(np.abs(values).max())))


def over_seeds(values: Array, levels: Levels) -> Interval | None:
    """Student's interval mean +- t s / sqrt(n) for ``values`` (n,), one a seed (or a pair of runs).

    It takes the values as independent draws from about a normal distribution. None for fewer than
    two, for values that are not finite, and for values that are all the same but for rounding: then
    the spread between runs cannot be told, and an interval of no width would claim certainty.
    """
    n = len(values)
    if n < 2 or not np.all(np.isfinite(values)) or no_spread(values):
        return None
    mean, error = float(values.mean()), float(values.std(ddof=1)) / math.sqrt(n)

    def bounds(confidence: float) -> tuple[float, float]:
        half = t_quantile(confidence, n - 1) * error
        return mean - half, mean + half

    return interval(bounds, levels, "seeds", n, f"Student's t, {n - 1} degrees of freedom")


def over_right_rows(differences: Array) -> tuple[Bounds, float]:
    """Interval over rows for a paired difference of shares, and the variance behind it.

    ``differences`` (n,) in [-1, 1] are those of each row: for single models +1 (only the second is
    right), -1 (only the first) or 0. Two imaginary rows, one for each side, keep it honest where
    the models disagree on few rows or none; there a bootstrap is too narrow. With them it excludes
    zero about when McNemar's exact test does, which Dietterich ("Approximate Statistical Tests for
    Comparing Supervised Classification Learning Algorithms", 1998) recommends for models trained
    once.

    Source: Bonett, Price, "Adjusted Wald Confidence Interval for a Difference of Binomial
    Proportions Based on Paired Data" (Journal of Educational and Behavioral Statistics 37, 2012);
    differences between -1 and 1, from averages over several runs, are put into the same formula.
    """
    n = len(differences)
    centre = float(differences.sum()) / (n + 2)
    square = (float(differences @ differences) + 2) / (n + 2)
    variance = max(0.0, square - centre * centre) / (n + 2)

    def bounds(confidence: float) -> tuple[float, float]:
        half = normal_quantile(confidence) * math.sqrt(variance)
        return max(-1.0, centre - half), min(1.0, centre + half)

    return bounds, variance


def share_of_rows(share: float, n: int) -> Bounds:
    """Wilson's score interval for a ``share`` of ``n`` rows, or of ``n`` runs.

    Source: Wilson, "Probable Inference, the Law of Succession, and Statistical Inference" (JASA
    22, 1927).
    """

    def bounds(confidence: float) -> tuple[float, float]:
        z2 = normal_quantile(confidence) ** 2
        centre = (share + z2 / (2 * n)) / (1 + z2 / n)
        half = math.sqrt(z2 * (share * (1 - share) / n + z2 / (4 * n * n))) / (1 + z2 / n)
        return max(0.0, centre - half), min(1.0, centre + half)

    return bounds


def normal_quantile(confidence: float) -> float:
    """The z > 0 between whose negative and itself a normal variate lies so often."""
    return NormalDist().inv_cdf((1 + confidence) / 2)
