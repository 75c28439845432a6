"""Confidence intervals, each saying which source of variation it covers.

*Seeds*: would another training run differ? Answered by the spread between runs that differ only in
initial weights, order of rows and dropout. *Rows*: would another test set differ? Answered for
these models, judged on other rows drawn like the test rows. ``statistics.estimates`` covers both.

Neither covers other training rows or other recipe settings: on test rows all seeds share one split.
Bouthillier et al., "Accounting for Variance in Machine Learning Benchmarks" (MLSys 2021), vary all.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from statistics import NormalDist
from typing import Literal

import numpy as np

from layerkit.core.context import Array
from layerkit.statistics.student_t import t_quantile

Source = Literal["both", "seeds", "rows"]
"""The source of variation that an interval covers."""

Bounds = Callable[[float], tuple[float, float]]
"""From a confidence to (low, high)."""

_TOLERANCE = 1e-9  # relative to the values: a smaller spread is rounding


@dataclass(frozen=True)
class Levels:
    """The ``confidence`` of each interval, and how many are to hold jointly."""

    confidence: float = 0.95
    comparisons: int = 1

    @property
    def joint(self) -> float:
        """Confidence of each interval that makes all hold jointly (Bonferroni)."""
        return 1 - (1 - self.confidence) / max(1, self.comparisons)


@dataclass(frozen=True)
class Interval:
    """A confidence interval.

    Attributes
    ----------
    low, high
        At the requested confidence, for this interval alone.
    joint_low, joint_high
        Wider, so that all comparisons hold together; the same if there is only one.
    over
        Which source of variation it covers: "seeds" (another training run), "rows" (another test
        set) or "both".
    n
        Number of seeds (pairs of runs) it rests on, or of rows if it covers rows alone.
    method
        How it was computed, in words.
    rows
        Number of rows it rests on besides the seeds, if it covers both.
    """

    low: float
    high: float
    joint_low: float
    joint_high: float
    over: Source
    n: int
    method: str
    rows: int | None = None

    @classmethod
    def at(
        cls,
        bounds: Bounds,
        levels: Levels,
        over: Source,
        n: int,
        method: str,
        rows: int | None = None,
    ) -> Interval:
        """The interval that ``bounds`` give at both levels."""
        alone, joint = bounds(levels.confidence), bounds(levels.joint)
        return cls(*alone, *joint, over, n, method, rows)

    @property
    def excludes_zero(self) -> bool:
        """Whether even the joint interval lies on one side of zero."""
        return self.joint_low > 0 or self.joint_high < 0

    def cut_at_zero(self, side: int) -> Interval:
        """The interval with its joint ends cut at zero: ``side`` 1 is above, -1 below, 0 no cut.

        Holm's order of tests settles a sign that Bonferroni's interval may leave open; the two
        agree, and still hold jointly, once the interval is cut at zero (Strassburger, Bretz,
        "Compatible Simultaneous Lower Confidence Bounds for the Holm Procedure", 2008).
        """
        low = max(0.0, self.joint_low) if side > 0 else self.joint_low
        high = min(0.0, self.joint_high) if side < 0 else self.joint_high
        return replace(self, joint_low=low, joint_high=high)


def has_no_spread(values: Array) -> bool:
    """Whether ``values`` differ by no more than rounding."""
    return bool(np.ptp(values) <= _TOLERANCE * max(1e-300, float(np.abs(values).max())))


def normal_quantile(confidence: float) -> float:
    """The z > 0 for which a standard normal lies in [-z, z] with probability ``confidence``."""
    return NormalDist().inv_cdf((1 + confidence) / 2)


def paired_share_bounds(differences: Array) -> tuple[Bounds, float]:
    """Interval over rows for a paired difference of shares, and its variance.

    ``differences`` (n,) in [-1, 1] are those of each row: for single models +1 (only the second is
    right), -1 (only the first) or 0. Two imaginary rows, one for each side, keep it honest where
    the models disagree on few rows or none; a bootstrap is too narrow there. With them it excludes
    zero about when McNemar's exact test does, which Dietterich ("Approximate Statistical Tests for
    Comparing Supervised Classification Learning Algorithms", 1998) recommends for models trained
    once.

    Source: Bonett, Price, "Adjusted Wald Confidence Interval for a Difference of Binomial
    Proportions Based on Paired Data" (Journal of Educational and Behavioral Statistics 37, 2012).
    Averages over several runs, which lie between -1 and 1, are put into the same formula.
    """
    n = len(differences)
    centre = float(differences.sum()) / (n + 2)
    square = (float(differences @ differences) + 2) / (n + 2)
    variance = max(0.0, square - centre * centre) / (n + 2)

    def bounds(confidence: float) -> tuple[float, float]:
        half = normal_quantile(confidence) * math.sqrt(variance)
        return max(-1.0, centre - half), min(1.0, centre + half)

    return bounds, variance


def wilson_bounds(share: float, n: int) -> Bounds:
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


@dataclass(frozen=True)
class Improvement:
    """The probability that a new run beats a new run of the first contestant, on these rows."""

    probability: float  # the share of all pairs of runs in which it does; ties count half
    low: float
    high: float
    runs: tuple[int, int]  # of the first contestant, and of the other


def win_table(first: Array, other: Array, *, higher: bool) -> Array:
    """(n, m) 1 where a run of ``other`` (n,) beats a run of ``first`` (m,), 1/2 for a tie."""
    gaps = other[:, np.newaxis] - first
    gaps = gaps if higher else -gaps
    return np.asarray((gaps > 0) + (gaps == 0) / 2)


def probability_of_improvement(
    first: Array, other: Array, confidence: float, *, higher: bool
) -> Improvement | None:
    """From the metric of each run of the first (m,) and of the other (n,); None with one run.

    The interval also holds with few runs, and where one side wins every pair.

    Source: Newcombe, "Confidence Intervals for an Effect Size Measure Based on the Mann-Whitney
    Statistic", part 2 (Statistics in Medicine 25, 2006), method 5.
    """
    m, n = len(first), len(other)
    if min(m, n) < 2 or not (np.all(np.isfinite(first)) and np.all(np.isfinite(other))):
        return None
    share = float(win_table(first, other, higher=higher).mean())
    z = t_quantile(confidence, m + n - 2)  # Newcombe's z is too small for three runs

    def end(outside: float) -> float:
        inside = share
        for _ in range(60):  # bisection
            theta = (inside + outside) / 2
            within = abs(theta - share) <= z * math.sqrt(_mann_whitney_variance(theta, m, n))
            inside, outside = (theta, outside) if within else (inside, theta)
        return inside

    return Improvement(share, end(0.0), end(1.0), (m, n))


def _mann_whitney_variance(theta: float, m: int, n: int) -> float:
    """Hanley and McNeil's, with the mean of both sizes in each term."""
    half = (m + n) / 2 - 1
    spread = 1 + half * (1 - theta) / (2 - theta) + half * theta / (1 + theta)
    return theta * (1 - theta) * spread / (m * n)
