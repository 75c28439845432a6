"""Interquartile mean and probability of improvement: the formulas of the paper, by SciPy."""

from __future__ import annotations

import numpy as np
import pytest

from layerkit.statistics.aggregates import improvement, interquartile_mean


def test_small_numbers_by_hand() -> None:
    """The matrices of rliable's own test: four and three runs on two tasks."""
    x = np.array([[1.0, 2], [2, 2], [1, 1], [2, 1]])
    y = np.array([[1.0, 1], [2, 2], [3, 3]])
    assert interquartile_mean(list(x.T), 0.95).value == 1.5
    assert interquartile_mean(list(y.T), 0.95).value == 2
    found = improvement(list(y.T), list(x.T), 0.95, higher=True)
    assert found.value == pytest.approx(1 / 3, abs=1e-15)
    turned = improvement(list(y.T), list(x.T), 0.95, higher=False)
    assert turned.value == pytest.approx(2 / 3, abs=1e-15)


@pytest.mark.parametrize(("runs", "others", "sets"), [(3, 3, 1), (5, 4, 7), (10, 3, 6)])
def test_formulas_by_scipy(runs: int, others: int, sets: int) -> None:
    stats = pytest.importorskip("scipy.stats", reason="SciPy is not installed")
    rng = np.random.default_rng(runs)
    x, y = rng.normal(0.2, 1, (runs, sets)).round(1), rng.normal(size=(others, sets)).round(1)
    wanted = stats.trim_mean(x, 0.25, axis=None)
    assert interquartile_mean(list(x.T), 0.95).value == pytest.approx(wanted, abs=1e-12)
    wins = [
        stats.mannwhitneyu(x[:, i], y[:, i], alternative="greater").statistic / (runs * others)
        for i in range(sets)
    ]
    found = improvement(list(y.T), list(x.T), 0.95, higher=True)
    assert found.value == pytest.approx(np.mean(wins), abs=1e-12)


def test_intervals_are_stratified() -> None:
    """Data sets far apart widen neither interval: runs are drawn again within each."""
    rng = np.random.default_rng(1)
    level = np.arange(6) * 100.0
    near = [rng.normal(0, 1, 5) for _ in level]
    far = [values + shift for values, shift in zip(near, level, strict=True)]
    a, b = (improvement(s, [v + 0.5 for v in s], 0.95, higher=True) for s in (near, far))
    assert (a.value, a.low, a.high) == pytest.approx((b.value, b.low, b.high))
    found = interquartile_mean(far, 0.95)
    assert found.low is not None
    assert found.high is not None
    assert found.low < found.value < found.high
    assert found.high - found.low < 5


def test_two_runs_have_no_interval() -> None:
    two = [np.array([0.1, 0.2])] * 6
    assert interquartile_mean(two, 0.95).low is None
    assert improvement(two, [np.array([0.3, 0.4, 0.5])] * 6, 0.95, higher=True).low is None


def test_the_same_each_time() -> None:
    scores = [np.random.default_rng(i).normal(size=4) for i in range(3)]
    assert interquartile_mean(scores, 0.9) == interquartile_mean(scores, 0.9)
