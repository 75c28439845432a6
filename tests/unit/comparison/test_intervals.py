"""Intervals against numbers worked out by hand, and their coverage in simulation."""

from __future__ import annotations

import math

import numpy as np
import pytest

from layerkit.core.context import Array
from layerkit.statistics.estimates import estimate_from_runs
from layerkit.statistics.intervals import (
    Interval,
    Levels,
    paired_share_bounds,
    wilson_bounds,
)


def student_interval(values: Array, levels: Levels) -> Interval | None:
    """Over runs alone."""
    return estimate_from_runs(values, 0).intervals(levels)["seeds"]


def found(interval: Interval | None) -> Interval:
    assert interval is not None
    return interval


def mcnemar(wins: int, losses: int) -> float:
    """Two-sided exact p: the smaller tail of a fair coin, doubled."""
    n, k = wins + losses, min(wins, losses)
    tail: float = sum(math.comb(n, i) for i in range(k + 1)) / 2.0**n
    return min(1.0, 2 * tail)


def gaps(n: int, wins: int, losses: int) -> Array:
    return np.array([1.0] * wins + [-1.0] * losses + [0.0] * (n - wins - losses))


def test_seeds_by_hand() -> None:
    # mean 3, deviation sqrt(2.5), error sqrt(0.5), t(4) = 2.776445: half width 1.963243
    interval = found(student_interval(np.array([1.0, 2, 3, 4, 5]), Levels()))
    assert (interval.low, interval.high) == pytest.approx((1.036757, 4.963243), abs=1e-6)
    assert (interval.over, interval.n) == ("seeds", 5)


def test_joint_interval_is_bonferroni() -> None:
    # 95 % for 5 comparisons is 99 % for each: t(4) = 4.604095
    interval = found(student_interval(np.array([1.0, 2, 3, 4, 5]), Levels(0.95, 5)))
    assert interval.high == pytest.approx(4.963243, abs=1e-6)
    assert interval.joint_high == pytest.approx(3 + 4.604095 * math.sqrt(0.5), abs=1e-5)


def test_zero_is_excluded_only_if_the_joint_interval_excludes_it() -> None:
    values = np.array([0.5, 2, 3, 4, 5.5])
    alone, of_many = (found(student_interval(values, Levels(0.95, k))) for k in (1, 50))
    assert alone.low > 0
    assert alone.excludes_zero
    assert of_many.low == alone.low
    assert not of_many.excludes_zero


@pytest.mark.parametrize(
    "values",
    [
        [],
        [1.0],
        [2.0, 2.0, 2.0],
        [0.1, 0.1 + 2e-17],
        [9e9, 9e9 + 1e-6],
        [1.0, math.nan],
        [math.inf, 2],
    ],
)
def test_no_interval_where_the_spread_cannot_be_told(values: list[float]) -> None:
    assert student_interval(np.array(values), Levels()) is None


def test_right_rows_by_hand() -> None:
    # 8 wins and 2 losses in 98 rows; with two imaginary rows 9 and 3 in 100:
    # 0.06 +- 1.959964 sqrt((0.12 - 0.0036) / 100)
    bounds, variance = paired_share_bounds(gaps(98, 8, 2))
    half = 1.959964 * math.sqrt(0.1164 / 100)
    assert bounds(0.95) == pytest.approx((0.06 - half, 0.06 + half), abs=1e-7)
    assert variance == pytest.approx(0.1164 / 100)


@pytest.mark.parametrize("losses", [0, 1, 2, 5, 10])
def test_right_rows_agree_with_mcnemar(losses: int) -> None:
    """Zero leaves the interval within one win of where the exact test says so."""
    wins = range(losses, 40)
    exact = next(w for w in wins if mcnemar(w, losses) < 0.05)
    ours = next(w for w in wins if paired_share_bounds(gaps(400, w, losses))[0](0.95)[0] > 0)
    assert abs(ours - exact) <= 1


def test_models_that_agree_on_every_row_still_have_an_interval() -> None:
    low, high = paired_share_bounds(np.zeros(100))[0](0.95)
    assert (low, high) == pytest.approx((-high, 1.959964 * math.sqrt(2 / 102 / 102)), abs=1e-6)


def test_wilson_by_hand() -> None:
    # 8 of 10: the textbook interval 0.490 to 0.943
    assert wilson_bounds(0.8, 10)(0.95) == pytest.approx((0.4902, 0.9433), abs=1e-4)


def test_a_settled_sign_cuts_the_joint_interval_at_zero() -> None:
    held = Interval(0.1, 0.3, -0.1, 0.5, "both", 3, "")
    assert (held.cut_at_zero(1).joint_low, held.cut_at_zero(1).joint_high) == (0.0, 0.5)
    assert held.cut_at_zero(0) == held
    assert held.cut_at_zero(-1).joint_high == 0.0


@pytest.mark.parametrize("n", [3, 5])
def test_coverage_over_seeds(n: int) -> None:
    rng = np.random.default_rng(n)
    hits = 0
    for _ in range(2000):
        interval = found(student_interval(rng.normal(1, 2, n), Levels()))
        hits += interval.low <= 1 <= interval.high
    assert 0.94 <= hits / 2000 <= 0.96


@pytest.mark.parametrize(("n", "discordant", "tilt"), [(50, 0.1, 0.8), (397, 0.01, 0.8)])
def test_coverage_over_rows_where_models_seldom_disagree(
    n: int, discordant: float, tilt: float
) -> None:
    """There a bootstrap covers 90 to 92 % only; this one must not fall below what it claims."""
    rng = np.random.default_rng(0)
    chances = [discordant * tilt, discordant * (1 - tilt), 1 - discordant]
    truth = discordant * (2 * tilt - 1)
    hits = 0
    for _ in range(2000):
        low, high = paired_share_bounds(rng.choice([1.0, -1.0, 0.0], size=n, p=chances))[0](0.95)
        hits += low <= truth <= high
    assert hits / 2000 >= 0.95
