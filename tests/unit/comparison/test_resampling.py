"""Draws of rows, and the coverage of what is made of them."""

from __future__ import annotations

import numpy as np
import pytest

from layerkit.statistics.estimates import estimate_from_rows
from layerkit.statistics.intervals import probability_of_improvement
from layerkit.statistics.resampling import (
    GROUPS,
    bootstrap_t,
    resample_weights,
    row_groups,
)


def test_weights_are_draws_with_replacement() -> None:
    drawn = resample_weights(40)
    assert drawn.sum(axis=1).tolist() == [40] * len(drawn)
    assert drawn.var() == pytest.approx(1 - 1 / 40, rel=0.05)
    assert resample_weights(40) is drawn


def test_many_rows_are_drawn_in_groups_of_equal_size() -> None:
    assert row_groups(GROUPS) is None
    groups = row_groups(3 * GROUPS + 1)
    assert groups is not None
    counts = np.bincount(groups)
    assert (len(counts), counts.min(), counts.max()) == (GROUPS, 3, 4)


@pytest.mark.parametrize("n", [GROUPS - 1, 2 * GROUPS + 5])
def test_intervals_in_groups_are_those_of_rows(n: int) -> None:
    rows = np.random.default_rng(0).lognormal(0, 1, n)
    low, high = bootstrap_t(rows)(0.95)
    half = 1.96 * rows.std() / np.sqrt(n)
    assert low == pytest.approx(rows.mean() - half, abs=0.15 * half)
    assert high == pytest.approx(rows.mean() + half, abs=0.25 * half)


@pytest.mark.parametrize("n", [10, 30, 100])
def test_differences_of_skewed_losses_are_covered(n: int) -> None:
    """A percentile bootstrap covers 86 to 92 % of these."""
    rng = np.random.default_rng(n)
    hits = 0
    for _ in range(400):
        gaps = rng.lognormal(0, 2, n) - rng.lognormal(0, 2, n)
        low, high = estimate_from_rows(gaps[np.newaxis]).over_rows(0.95)
        hits += low <= 0 <= high
    assert hits / 400 >= 0.93


def test_an_interval_of_skewed_rows_leans_their_way() -> None:
    rows = np.random.default_rng(1).lognormal(0, 1, 60)
    low, high = bootstrap_t(rows)(0.95)
    assert high - rows.mean() > 1.2 * (rows.mean() - low)


@pytest.mark.parametrize(("m", "shift"), [(3, 0.0), (5, 0.0), (5, 1.5), (20, 0.5)])
def test_the_chance_of_a_new_run_is_covered(m: int, shift: float) -> None:
    from statistics import NormalDist

    rng = np.random.default_rng(m)
    truth = NormalDist().cdf(shift / 2**0.5)
    hits = 0
    for _ in range(500):
        found = probability_of_improvement(
            rng.normal(0, 1, m), rng.normal(shift, 1, m), 0.95, higher=True
        )
        assert found is not None
        hits += found.low <= truth <= found.high
    assert hits / 500 >= 0.93


def test_the_chance_of_a_new_run_by_hand() -> None:
    found = probability_of_improvement(np.array([1.0, 2]), np.array([2.0, 3]), 0.95, higher=True)
    assert found is not None
    assert (found.probability, found.runs) == (0.875, (2, 2))
    turned = probability_of_improvement(np.array([1.0, 2]), np.array([2.0, 3]), 0.95, higher=False)
    assert turned is not None
    assert (turned.probability, turned.low) == pytest.approx((0.125, 1 - found.high), abs=1e-6)
    assert (
        probability_of_improvement(np.array([1.0]), np.array([2.0, 3]), 0.95, higher=True) is None
    )
    assert (
        probability_of_improvement(np.array([1.0, np.nan]), np.array([2.0, 3]), 0.95, higher=True)
        is None
    )
