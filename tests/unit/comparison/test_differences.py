"""Pairing by seed, summaries, verdicts."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from layerkit.comparison.differences import difference, spread_of, summarise
from layerkit.comparison.intervals import Levels
from layerkit.comparison.judging import Judged
from layerkit.registry import METRICS

ACCURACY = METRICS.create("accuracy")
LEVELS = Levels()


def model(right: int, n: int = 10) -> Judged:
    """Judged on n rows, the first ``right`` of them right."""
    predictions = np.array([[1.0, 0.0]] * right + [[0.0, 1.0]] * (n - right))
    losses = np.array([0.1] * right + [2.0] * (n - right))
    values = {"accuracy": right / n, "loss": float(losses.mean())}
    return Judged(predictions, np.zeros(n, np.int64), values, losses)


def accuracy_of(first: dict[Any, Judged], other: dict[Any, Judged], **options: Any) -> Any:
    return difference(("a", first), ("b", other), ("accuracy", ACCURACY), LEVELS, **options)


def test_seeds_are_paired_by_number_and_not_by_place() -> None:
    first = {0: model(2), 1: model(5), 2: model(8)}
    other = {2: model(9), 1: model(6), 0: model(4)}
    d = accuracy_of(first, other)
    assert d.pairs == (0, 1, 2)
    assert d.values == pytest.approx((0.2, 0.1, 0.1))
    assert d.mean == pytest.approx(0.4 / 3)
    # deviation 0.057735, error 1/30, t(2) = 4.302653
    assert (d.seeds.low, d.seeds.high) == pytest.approx((-0.010088, 0.276755), abs=1e-6)


def test_only_common_seeds_count() -> None:
    d = accuracy_of({0: model(2), 1: model(5)}, {1: model(6), 7: model(0)})
    assert d.pairs == (1,)
    assert d.mean == pytest.approx(0.1)
    assert d.seeds is None
    assert d.rows.n == 10
    assert "one pair of training runs" in d.caveat


def test_without_a_common_seed_the_means_are_compared_over_rows_alone() -> None:
    d = accuracy_of({0: model(2), 1: model(4)}, {5: model(6), 6: model(8)})
    assert (d.pairs, d.seeds) == ((), None)
    assert d.mean == pytest.approx(0.4)
    assert "no seed in common" in d.caveat


def test_one_model_each_speaks_of_rows_and_says_so() -> None:
    d = accuracy_of({0: model(100, 400)}, {3: model(300, 400)})
    assert d.seeds is None
    assert (d.rows_better, d.rows_worse) == (200, 0)
    assert d.verdict == "better"
    assert "400 rows" in d.words
    assert "one training run each" in d.caveat


def test_rows_judged_better_and_worse_are_averages_over_seeds() -> None:
    d = accuracy_of({0: model(2), 1: model(5)}, {0: model(4), 1: model(4)})
    assert (d.rows_better, d.rows_worse) == (2, 1)


def test_losses_count_the_other_way_round() -> None:
    first: dict[int | None, Judged] = {0: model(2), 1: model(3)}
    other: dict[int | None, Judged] = {0: model(4), 1: model(6)}
    d = difference(("a", first), ("b", other), ("loss", None), LEVELS)
    assert d.mean < 0
    assert not d.higher_is_better
    assert d.rows_better == 4


def test_settled_needs_both_intervals() -> None:
    """Ten seeds agree that b is better by about one row in ten: too few rows to be sure of."""
    first = {s: model(5) for s in range(10)}
    d = accuracy_of(first, {s: model(6 + (s == 0)) for s in range(10)})
    assert d.seeds.excludes_zero
    assert not d.rows.excludes_zero
    assert d.verdict == "open"
    assert "on these rows" in d.words
    assert "Another test set could say otherwise" in d.caveat


def test_equal_differences_in_all_seeds_give_no_interval_of_no_width() -> None:
    d = accuracy_of({0: model(2), 1: model(3)}, {0: model(4), 1: model(5)})
    assert d.seeds is None
    assert "the same in all 2 seeds" in d.caveat


def test_rows_of_each_seeds_own_give_no_interval_over_rows() -> None:
    pair = {0: model(2), 1: model(5)}, {0: model(4), 1: model(4)}
    assert accuracy_of(*pair, same_rows=False).rows is None
    assert accuracy_of(*pair, same_rows=True).rows is not None


def test_summary_over_seeds_by_hand() -> None:
    s = summarise({0: model(2), 1: model(4), 2: model(6)}, "accuracy", ACCURACY, LEVELS)
    assert [s.mean, s.sd] == pytest.approx([0.4, 0.2])
    assert (s.n, s.share) == (3, True)
    assert s.interval is not None
    assert s.interval.over == "seeds"
    assert s.interval.high == pytest.approx(0.4 + 4.302653 * 0.2 / 3**0.5, abs=1e-6)


def test_summary_of_one_model_speaks_of_rows() -> None:
    s = summarise({0: model(8)}, "accuracy", ACCURACY, LEVELS)
    assert s.sd is None
    assert s.interval is not None
    assert (s.interval.over, s.interval.method) == ("rows", "Wilson score")
    loss = summarise({0: model(8)}, "loss", None, LEVELS)
    assert loss.interval is not None
    assert "bootstrap" in loss.interval.method


def test_values_that_are_no_numbers_settle_nothing() -> None:
    bad = model(5)
    bad.values["accuracy"] = float("nan")
    d = accuracy_of({0: model(2), 1: model(3)}, {0: bad, 1: model(9)})
    assert d.seeds is None
    assert d.verdict == "open"


def test_spread_of_seconds() -> None:
    s = spread_of([1.0, 3.0])
    assert [s.mean, s.sd] == pytest.approx([2, 2**0.5])
    assert not s.higher_is_better
