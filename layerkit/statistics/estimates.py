"""The mean of several runs on many rows, with one interval over both runs and rows.

The mean of k runs on n rows varies for two reasons. With d_sr the value (or the paired difference)
of row r in run s::

    over seeds   V_s = variance of the k run means / k
    over rows    V_r = variance of the n row means / n
    both         V   = V_s + V_r            the shared residual counts twice: the safe side
    degrees      V^2 / (V_s^2 / (k - 1) + V_r^2 / (n - 1))      Satterthwaite (1946)

The interval for both is mean +- t sqrt(V), and never narrower than either part: with two or three
runs the spread between them often comes out too small by chance, and then Satterthwaite's degrees
of freedom are too many. ``make stats`` measures the error rates.

Where each run has its own validation rows, the runs share rows, and Student's interval is widened
after Nadeau, Bengio, "Inference for the Generalization Error" (2003): the variance of the mean is
(1/k + n2/n1) times that of the runs, with n2 rows held out of n1 + n2.

A share is no finer than one row: its deviation between runs is taken to be at least that of
rounding to whole rows, 1 / (n sqrt(12)), and no interval is narrower than a tenth of a row.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from layerkit.core.context import Array
from layerkit.statistics.intervals import (
    Bounds,
    Interval,
    Levels,
    Source,
    has_no_spread,
    normal_quantile,
    paired_share_bounds,
    wilson_bounds,
)
from layerkit.statistics.resampling import RESAMPLES, bca, bootstrap_t, expanded
from layerkit.statistics.student_t import t_quantile

_MORE_SEEDS = (1, 2, 3, 5, 10, 15, 20, 30, 40, 60, 80, 100, 150, 200, 300, 500, 1000)
_MORE_ROWS = np.geomspace(1.5, 1000, 60)


@dataclass(frozen=True)
class VarianceShares:
    """What each source of variation contributes to the variance of a mean; they add up to 1.

    ``residual`` differs both from run to run and from row to row; more runs and more rows both
    reduce it. ``more_seeds``, or ``rows_times`` the rows, would halve the interval; None if even a
    thousand would not.
    """

    seeds: float
    rows: float
    residual: float
    more_seeds: int | None
    rows_times: float | None


@dataclass(frozen=True)
class Estimate:
    """The mean of ``runs`` runs on ``rows`` rows, and its variance over both.

    Variances are of the mean; None where they cannot be measured. With a ``validation_ratio``
    (n2/n1, where each run has its own rows), ``seed_variance`` covers both sources of variation.
    """

    mean: float
    runs: int
    rows: int
    seed_variance: float | None = None  # V_s
    row_variance: float | None = None  # V_r
    residual: float = 0.0  # the part that V_s and V_r share
    row_bounds: Bounds | None = None  # over rows; may be skewed
    row_method: str = ""  # how they are computed, in words
    validation_ratio: float | None = None
    limits: tuple[float, float] = (-math.inf, math.inf)  # of possible values
    min_width: float = 0.0  # of an interval

    @property
    def covers_both(self) -> bool:
        """Whether both sources of variation are measured."""
        if self.seed_variance is None:
            return False
        return self.validation_ratio is not None or self.row_bounds is not None

    def over_both(self, confidence: float) -> tuple[float, float]:
        """The interval over both, if ``covers_both``."""
        variances = self.seed_variance or 0.0, self.row_variance or 0.0
        half = _half_width(confidence, *variances, self.runs, self.rows)
        low, high = self.mean - half, self.mean + half
        if self.row_bounds is not None:
            row_low, row_high = self.row_bounds(confidence)
            low, high = min(low, row_low), max(high, row_high)
        return self._possible(low, high)

    def over_seeds(self, confidence: float) -> tuple[float, float]:
        """Student's interval over seeds alone."""
        half = t_quantile(confidence, self.runs - 1) * math.sqrt(self.seed_variance or 0.0)
        return self._possible(self.mean - half, self.mean + half)

    def over_rows(self, confidence: float) -> tuple[float, float]:
        """The interval over rows alone."""
        assert self.row_bounds is not None  # noqa: S101  # called only where there are some
        return self._possible(*self.row_bounds(confidence))

    @property
    def bounds(self) -> Bounds | None:
        """The most general interval there is: over both, else over seeds, else over rows."""
        if self.covers_both:
            return self.over_both
        if self.seed_variance is not None:
            return self.over_seeds
        return None if self.row_bounds is None else self.over_rows

    def _possible(self, low: float, high: float) -> tuple[float, float]:
        missing = self.min_width - (high - low)
        if missing > 0:
            low, high = low - missing / 2, high + missing / 2
        bottom, top = self.limits
        low, high = max(low, bottom), min(high, top)
        if high - low < self.min_width:  # cut at one end of the scale, so the other end moves
            low, high = min(low, top - self.min_width), max(high, bottom + self.min_width)
        return low, high

    def intervals(self, levels: Levels) -> dict[Source, Interval | None]:
        """By source of variation; None where it cannot be measured."""
        found: dict[Source, Interval | None] = {"both": None, "seeds": None, "rows": None}
        if self.seed_variance is not None and self.validation_ratio is None:
            method = f"Student's t, {self.runs - 1} degrees of freedom"
            found["seeds"] = Interval.at(self.over_seeds, levels, "seeds", self.runs, method)
        if self.row_bounds is not None:
            found["rows"] = Interval.at(self.over_rows, levels, "rows", self.rows, self.row_method)
        if self.covers_both:
            method = (
                "two-way variance, Satterthwaite's degrees of freedom, no narrower than either part"
                if self.validation_ratio is None
                else f"Student's t, variance times 1/{self.runs} + {self.validation_ratio:.3g} "
                "(Nadeau and Bengio)"
            )
            found["both"] = Interval.at(
                self.over_both, levels, "both", self.runs, method, self.rows
            )
        return found

    def half_width(self, confidence: float, runs: int, rows: int) -> float:
        """Half the width of the most general interval, as expected of other ``runs`` and ``rows``.

        The interval over rows of a share follows from its mean, so it stays with more runs.
        """
        seeds, over_rows = self._variances(runs, rows)
        if self.validation_ratio is not None:
            return t_quantile(confidence, max(1, runs - 1)) * math.sqrt(seeds)
        half = _half_width(confidence, seeds, over_rows, runs, rows)
        if self.row_bounds is None or not self.row_variance:
            return half
        low, high = self.row_bounds(confidence)
        share = self.limits == (0.0, 1.0)
        smaller = self.rows / rows if share else over_rows / self.row_variance
        return max(half, (high - low) / 2 * math.sqrt(smaller))

    def _variances(self, runs: float, rows: float) -> tuple[float, float]:
        """Over seeds and over rows, as expected of other ``runs`` and ``rows``."""
        seeds = self.seed_variance or 0.0
        if self.validation_ratio is not None:
            ratio = self.validation_ratio
            return seeds * (1 / runs + ratio) / (1 / self.runs + ratio), 0.0
        if self.row_variance is None:
            return seeds * self.runs / runs, 0.0
        shared = self.residual * self.runs * self.rows / (runs * rows)
        return (
            max(0.0, seeds - self.residual) * self.runs / runs + shared,
            max(0.0, self.row_variance - self.residual) * self.rows / rows + shared,
        )

    def variance_shares(self, confidence: float) -> VarianceShares | None:
        """What each source contributes, and what would halve the interval."""
        if not self.covers_both or self.validation_ratio is not None or self.row_variance is None:
            return None
        seeds = max(0.0, (self.seed_variance or 0.0) - self.residual)
        rows = max(0.0, self.row_variance - self.residual)
        total = seeds + rows + self.residual
        if total <= 0:
            return None

        def width(k: float, n: float) -> float:
            return _half_width(confidence, *self._variances(k, n), int(k), int(n))

        k, n = self.runs, self.rows
        goal = width(k, n) / 2
        times = next((f for f in _MORE_ROWS if width(k, n * f) <= goal), None)
        return VarianceShares(
            seeds / total,
            rows / total,
            self.residual / total,
            next((more for more in _MORE_SEEDS if width(k + more, n) <= goal), None),
            None if times is None else float(f"{times:.1e}"),
        )


def _half_width(confidence: float, seeds: float, rows: float, k: int, n: int) -> float:
    """Half the width of the interval over both, no narrower than either part's."""
    total = seeds + rows
    if total <= 0:
        return 0.0
    squares = seeds * seeds / max(1, k - 1) + rows * rows / max(1, n - 1)
    df = max(1, min(2000, int(total * total / squares))) if squares > 0 else 2000
    return max(
        t_quantile(confidence, df) * math.sqrt(total),
        t_quantile(confidence, max(1, k - 1)) * math.sqrt(seeds) if k > 1 else 0.0,
        normal_quantile(confidence) * math.sqrt(rows),
    )


def _on_share_scale(estimate: Estimate, *, single: bool) -> Estimate:
    limits = (0.0, 1.0) if single else (-1.0, 1.0)
    return replace(estimate, limits=limits, min_width=1 / (10 * estimate.rows))


def estimate_from_shares(table: Array, *, single: bool = False) -> Estimate:
    """From right (1) and wrong (0) rows: paired differences ``table`` (k, n) in [-1, 1].

    ``single`` if they are one contestant's own rows and not differences.
    """
    n = table.shape[1]
    found = _on_share_scale(_two_way(table, floor=1 / (12 * n * n)), single=single)
    rows = table.mean(axis=0, dtype=np.float64)
    variance: float | None
    if single:
        bounds, method = wilson_bounds(float(rows.mean()), n), "Wilson score"
        variance = float(rows.var(ddof=1)) / n if n > 1 else None
    elif n > 1:
        bounds, variance = paired_share_bounds(rows)
        method = "paired shares, adjusted (Bonett and Price)"
    else:
        return found
    return replace(found, row_variance=variance, row_bounds=bounds, row_method=method)


def estimate_from_rows(table: Array) -> Estimate:
    """From a metric that is a mean over rows, such as the loss: ``table`` (k, n)."""
    n = table.shape[1]
    found = _two_way(table)
    rows = table.mean(axis=0, dtype=np.float64)
    if n < 2 or not np.all(np.isfinite(rows)) or has_no_spread(rows):
        return found
    return replace(
        found,
        row_variance=float(rows.var(ddof=1)) / n,
        row_bounds=bootstrap_t(rows),
        row_method=f"bootstrap-t of rows, {RESAMPLES:,} resamples, no narrower than Student's t",
    )


def estimate_from_resamples(values: Array, n: int, resamples: Array, jackknife: Array) -> Estimate:
    """From a metric that is no mean over rows: ``values`` (k,), one per run, on ``n`` rows.

    ``resamples`` (b,) and ``jackknife`` (g,) are its mean over runs on rows drawn again, and with
    rows left out.
    """
    found = estimate_from_runs(values, n)
    usable = np.all(np.isfinite(resamples)) and np.all(np.isfinite(jackknife))
    if n < 2 or not usable or has_no_spread(resamples):
        return found
    return replace(
        found,
        row_variance=float(resamples.var(ddof=1)) * n / (n - 1),
        row_bounds=expanded(bca(found.mean, resamples, jackknife), n),
        row_method=f"bootstrap of rows (BCa), {len(resamples):,} resamples",
    )


def estimate_from_validation(
    values: Array, n: int, ratio: float, *, share: bool, single: bool
) -> Estimate:
    """From runs that were each judged on their own ``n`` rows, ``ratio`` of those they kept."""
    found = estimate_from_runs(values, n, 1 / (12 * n * n) if share else None)
    if share:
        found = _on_share_scale(found, single=single)
    if found.seed_variance is None:
        return found
    widened = found.seed_variance * found.runs * (1 / found.runs + ratio)
    return replace(found, seed_variance=widened, validation_ratio=ratio)


def estimate_from_runs(values: Array, n: int, floor: float | None = None) -> Estimate:
    """From ``values`` (k,), one per run, with no values by row; ``floor`` of their variance.

    They are taken as independent draws from a roughly normal distribution. Fewer than two values,
    values that are not finite, and values that are equal up to rounding have no known variance: an
    interval of zero width would claim certainty.
    """
    k = len(values)
    with np.errstate(all="ignore"):
        mean = float(values.mean()) if k else math.nan
    if k < 2 or not np.all(np.isfinite(values)) or (floor is None and has_no_spread(values)):
        return Estimate(mean, k, n)
    return Estimate(mean, k, n, max(float(values.var(ddof=1)), floor or 0.0) / k)


def _two_way(table: Array, floor: float | None = None) -> Estimate:
    """The variance over seeds in ``table`` (k, n), and the residual it shares with that of rows."""
    k, n = table.shape
    runs = table.mean(axis=1, dtype=np.float64)
    found = estimate_from_runs(runs, n, floor)
    if found.seed_variance is None or n < 2:
        return found
    rows = table.mean(axis=0, dtype=np.float64)
    total = float(np.vdot(table, table))
    left = total - n * float(runs @ runs) - k * float(rows @ rows) + k * n * found.mean**2
    return replace(found, residual=max(0.0, left) / ((k - 1) * (n - 1) * k * n))
