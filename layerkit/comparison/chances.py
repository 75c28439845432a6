"""One interval for both chances: other training runs, and other test rows.

The mean of k runs on n rows varies for two reasons. With d_sr the value (or the paired difference)
of row r in run s::

    over seeds   V_s = variance of the k run means / k
    over rows    V_r = variance of the n row means / n
    both         V   = V_s + V_r            what both share, the residual, counts twice: safe
    degrees      V^2 / (V_s^2 / (k - 1) + V_r^2 / (n - 1))      Satterthwaite (1946)

The interval for both is mean +- t sqrt(V), and never narrower than either part: with two or three
runs the spread between them is often found too small by chance, and then Satterthwaite's degrees of
freedom are too many. ``make stats`` shows how often that errs.

Where each run drew rows of its own (validation), run means share rows, and Student's interval is
widened after Nadeau, Bengio, "Inference for the Generalization Error" (2003): the variance of the
mean is (1/k + n2/n1) times that of the runs, n2 rows kept out of n1 + n2.

A share is measured no finer than a row: its deviation between runs is taken to be at least that of
rounding to whole rows, 1 / (n sqrt(12)), and no interval is narrower than a tenth of a row.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from layerkit.comparison.intervals import (
    Bounds,
    Interval,
    Levels,
    interval,
    no_spread,
    normal_quantile,
    over_right_rows,
    share_of_rows,
)
from layerkit.comparison.resampling import RESAMPLES, bca, bootstrap_t, expanded
from layerkit.comparison.student import t_quantile
from layerkit.core.layer import Array

__all__ = ["Chances", "Parts", "chances", "of_draws", "of_own_rows", "of_rows", "of_shares"]

_MORE = (1, 2, 3, 5, 10, 15, 20, 30, 40, 60, 80, 100, 150, 200, 300, 500, 1000)
_ROUND = 2  # significant digits of rows that would be needed


@dataclass(frozen=True)
class Parts:
    """What each chance contributes to the variance of a mean; the shares add up to 1.

    Attributes
    ----------
    seeds, rows, residual
        Shares of the training runs, of the test rows, and of what differs from run to run row by
        row, which more of either makes smaller.
    more_seeds, rows_times
        How many further seeds, or how many times the rows, would halve the interval; None if even
        a thousand (or a thousand times) would not.
    """

    seeds: float
    rows: float
    residual: float
    more_seeds: int | None
    rows_times: float | None


@dataclass(frozen=True)
class Chances:
    """A mean of ``runs`` runs on ``rows`` rows, and how both chances spread it.

    Attributes
    ----------
    seed_variance, row_variance
        Of the mean: V_s and V_r; None where that chance cannot be measured.
    residual
        The part of both that both share.
    row_bounds
        The interval over rows, which may be skewed.
    own_rows
        n2/n1 if each run drew rows of its own; then ``seed_variance`` covers both chances.
    limits, least
        Values that are possible, and the narrowest interval that is.
    """

    mean: float
    runs: int
    rows: int
    seed_variance: float | None = None
    row_variance: float | None = None
    residual: float = 0.0
    row_bounds: Bounds | None = None
    row_method: str = ""
    own_rows: float | None = None
    limits: tuple[float, float] = (-math.inf, math.inf)
    least: float = 0.0

    @property
    def covered(self) -> bool:
        """Whether both chances are measured."""
        if self.seed_variance is None:
            return False
        return self.own_rows is not None or self.row_bounds is not None

    def both(self, confidence: float) -> tuple[float, float]:
        """The interval for both chances, if ``covered``."""
        low, high = self._around(confidence)
        if self.row_bounds is not None:
            row_low, row_high = self.row_bounds(confidence)
            low, high = min(low, row_low), max(high, row_high)
        return self._possible(low, high)

    def seeds(self, confidence: float) -> tuple[float, float]:
        """Student's interval over seeds alone."""
        half = t_quantile(confidence, self.runs - 1) * math.sqrt(self.seed_variance or 0.0)
        return self._possible(self.mean - half, self.mean + half)

    def over_rows(self, confidence: float) -> tuple[float, float]:
        """The interval over rows alone."""
        assert self.row_bounds is not None  # noqa: S101  # asked only where there is one
        return self._possible(*self.row_bounds(confidence))

    def bounds(self) -> Bounds | None:
        """The widest-reaching interval that can be told: both, else seeds, else rows."""
        if self.covered:
            return self.both
        if self.seed_variance is not None:
            return self.seeds
        return None if self.row_bounds is None else self.over_rows

    def _around(self, confidence: float) -> tuple[float, float]:
        half = _half(
            confidence, self.seed_variance or 0.0, self.row_variance or 0.0, self.runs, self.rows
        )
        return self.mean - half, self.mean + half

    def _possible(self, low: float, high: float) -> tuple[float, float]:
        missing = self.least - (high - low)
        if missing > 0:
            low, high = low - missing / 2, high + missing / 2
        bottom, top = self.limits
        low, high = max(low, bottom), min(high, top)
        if high - low < self.least:  # cut at an end of the scale: the other end gives way
            low, high = min(low, top - self.least), max(high, bottom + self.least)
        return low, high

    def intervals(self, levels: Levels) -> dict[str, Interval | None]:
        """By "both", "seeds" and "rows"; None where one cannot be told."""
        found: dict[str, Interval | None] = dict.fromkeys(("both", "seeds", "rows"))
        if self.seed_variance is not None and self.own_rows is None:
            method = f"Student's t, {self.runs - 1} degrees of freedom"
            found["seeds"] = interval(self.seeds, levels, "seeds", self.runs, method)
        if self.row_bounds is not None:
            found["rows"] = interval(self.over_rows, levels, "rows", self.rows, self.row_method)
        if self.covered:
            method = (
                "two-way variance, Satterthwaite's degrees of freedom, no narrower than either part"
                if self.own_rows is None
                else f"Student's t, variance times 1/{self.runs} + {self.own_rows:.3g} "
                "(Nadeau and Bengio)"
            )
            found["both"] = interval(self.both, levels, "both", self.runs, method, self.rows)
        return found

    def parts(self, confidence: float) -> Parts | None:
        """What each chance contributes, and what would halve the interval."""
        if not self.covered or self.own_rows is not None or self.row_variance is None:
            return None
        seeds = max(0.0, (self.seed_variance or 0.0) - self.residual)
        rows = max(0.0, self.row_variance - self.residual)
        total = seeds + rows + self.residual
        if total <= 0:
            return None

        def half(k: float, n: float) -> float:
            shared = self.residual * self.runs * self.rows / (k * n)
            s, r = seeds * self.runs / k + shared, rows * self.rows / n + shared
            return _half(confidence, s, r, int(k), int(n))

        goal = half(self.runs, self.rows) / 2
        seeds_needed = (m for m in _MORE if half(self.runs + m, self.rows) <= goal)
        factors = (f for f in np.geomspace(1.5, 1000, 60) if half(self.runs, self.rows * f) <= goal)
        times = next(factors, None)
        return Parts(
            seeds / total,
            rows / total,
            self.residual / total,
            next(seeds_needed, None),
            None if times is None else float(f"{times:.{_ROUND - 1}e}"),
        )


def _half(confidence: float, seeds: float, rows: float, k: int, n: int) -> float:
    """Half the width of the interval for both, no narrower than either part's."""
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


def of_shares(table: Array, *, single: bool = False) -> Chances:
    """Of right (1) and wrong (0) rows: paired differences ``table`` (k, n) in [-1, 1].

    ``single`` where they are not differences but one contestant's own rows.
    """
    n = table.shape[1]
    found = _two_way(table, floor=1 / (12 * n * n))
    row_means = table.mean(axis=0, dtype=np.float64)
    if single:
        share = float(row_means.mean())
        bounds = share_of_rows(share, n)
        variance = float(row_means.var(ddof=1)) / n if n > 1 else None
        method = "Wilson score"
    else:
        bounds, variance = over_right_rows(row_means)
        method = "paired shares, adjusted (Bonett and Price)"
    if n < 2 and not single:
        return replace(found, limits=(-1.0, 1.0), least=1 / (10 * n))
    return replace(
        found,
        row_variance=variance,
        row_bounds=bounds,
        row_method=method,
        limits=(0.0, 1.0) if single else (-1.0, 1.0),
        least=1 / (10 * n),
    )


def of_rows(table: Array) -> Chances:
    """Of a metric that is a mean over rows, such as the loss: ``table`` (k, n)."""
    n = table.shape[1]
    found = _two_way(table)
    rows = table.mean(axis=0, dtype=np.float64)
    if n < 2 or not np.all(np.isfinite(rows)) or no_spread(rows):
        return found
    return replace(
        found,
        row_variance=float(rows.var(ddof=1)) / n,
        row_bounds=bootstrap_t(rows),
        row_method=f"bootstrap-t of rows, {RESAMPLES:,} resamples, no narrower than Student's t",
    )


def of_draws(values: Array, n: int, drawn: Array, left: Array) -> Chances:
    """Of a metric that is no mean over rows: ``values`` (k,), one a run, on ``n`` rows.

    ``drawn`` (b,) and ``left`` (g,) are its mean over runs on resamples and with rows left out.
    """
    found = chances(values, n)
    usable = np.all(np.isfinite(drawn)) and np.all(np.isfinite(left))
    if n < 2 or not usable or no_spread(drawn):
        return found
    return replace(
        found,
        row_variance=float(drawn.var(ddof=1)) * n / (n - 1),
        row_bounds=expanded(bca(found.mean, drawn, left), n),
        row_method=f"bootstrap of rows (BCa), {len(drawn):,} resamples",
    )


def of_own_rows(values: Array, n: int, ratio: float, *, share: bool, single: bool) -> Chances:
    """Of runs that were each judged on ``n`` rows of their own, ``ratio`` of those they kept."""
    found = chances(values, n, 1 / (12 * n * n) if share else None)
    if share:
        limits = (0.0, 1.0) if single else (-1.0, 1.0)
        found = replace(found, limits=limits, least=1 / (10 * n))
    if found.seed_variance is None:
        return found
    widened = found.seed_variance * found.runs * (1 / found.runs + ratio)
    return replace(found, seed_variance=widened, own_rows=ratio)


def chances(values: Array | Sequence[float], n: int, floor: float | None = None) -> Chances:
    """Of ``values`` (k,), one a run, whose rows are not known; ``floor`` of their variance."""
    values = np.asarray(values, np.float64)
    k = len(values)
    with np.errstate(all="ignore"):
        mean = float(values.mean())
    if k < 2 or not np.all(np.isfinite(values)) or (floor is None and no_spread(values)):
        return Chances(mean, k, n)
    return Chances(mean, k, n, max(float(values.var(ddof=1)), floor or 0.0) / k)


def _two_way(table: Array, floor: float | None = None) -> Chances:
    """The chance over seeds in ``table`` (k, n), and what it shares with the one over rows."""
    k, n = table.shape
    runs = table.mean(axis=1, dtype=np.float64)
    found = chances(runs, n, floor)
    if found.seed_variance is None or n < 2:
        return found
    rows = table.mean(axis=0, dtype=np.float64)
    total = float(np.vdot(table, table))
    left = total - n * float(runs @ runs) - k * float(rows @ rows) + k * n * found.mean**2
    return replace(found, residual=max(0.0, left) / ((k - 1) * (n - 1) * k * n))
