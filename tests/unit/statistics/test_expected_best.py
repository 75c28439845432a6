"""The expected best of n trials, against every possible draw."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from layerkit.statistics.expected_best import expected_best

SETS = {
    "different": [0.3, 0.9, 0.1, 0.7],
    "equal ones": [0.5, 0.2, 0.5, 0.5, 0.9],
    "all equal": [2.0, 2.0, 2.0],
    "one": [-1.5],
    "below zero": [-3.0, 4.0, -1.0],
}


@pytest.mark.parametrize("name", SETS)
@pytest.mark.parametrize("higher", [True, False])
def test_it_is_the_mean_over_all_ordered_draws(name: str, higher: bool) -> None:
    values = SETS[name]
    best = max if higher else min
    found = expected_best(values, higher=higher).values
    for n in range(1, len(values) + 1):
        draws = [best(draw) for draw in itertools.product(values, repeat=n)]
        np.testing.assert_allclose(found[n - 1], np.mean(draws), atol=1e-12)


def test_the_band_is_of_searches_resampled() -> None:
    rng = np.random.default_rng(3)
    values = rng.random(6)
    found = expected_best(values.tolist(), confidence=0.8)
    again = [
        expected_best(rng.choice(values, 6).tolist(), confidence=0.8).values for _ in range(400)
    ]
    low, high = np.quantile(again, [0.1, 0.9], axis=0)
    np.testing.assert_allclose(found.low, low, atol=0.06)
    np.testing.assert_allclose(found.high, high, atol=0.06)
    assert found == expected_best(values.tolist(), confidence=0.8)


def test_a_curve_of_losses_is_that_of_scores_upside_down() -> None:
    values = [0.3, 0.9, 0.1, 0.7]
    scores, losses = expected_best(values), expected_best([-v for v in values], higher=False)
    np.testing.assert_allclose(losses.values, -np.array(scores.values))
    np.testing.assert_allclose(losses.low, -np.array(scores.high))
    np.testing.assert_allclose(losses.high, -np.array(scores.low))


@pytest.mark.parametrize(("count", "solid"), [(1, 1), (2, 1), (7, 3), (24, 12)])
def test_half_the_trials_are_to_be_believed(count: int, solid: int) -> None:
    assert expected_best(list(range(count))).solid == solid


def test_no_trials_have_no_curve() -> None:
    with pytest.raises(ValueError, match="expected one trial or more"):
        expected_best([])
