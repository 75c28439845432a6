"""Pairing by seed, summaries, and verdicts that cover no more than was measured."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from layerkit.comparison.metric_runs import metric_runs
from layerkit.comparison.results import Difference, Summary
from layerkit.comparison.verdicts import (
    ContestantRuns,
    best_contestants,
    differences,
    summarise_seconds,
)
from layerkit.comparison.verdicts import summarise as summarise_runs
from layerkit.discovery.registry import METRICS
from layerkit.runs.answers import Evaluation
from layerkit.statistics.intervals import Levels

ACCURACY = METRICS.create("accuracy")
LEVELS = Levels()


def model(right: int, n: int = 10) -> Evaluation:
    """Judged on n rows, the first ``right`` of them right."""
    predictions = np.array([[1.0, 0.0]] * right + [[0.0, 1.0]] * (n - right))
    losses = np.array([0.1] * right + [2.0] * (n - right))
    values = {"accuracy": right / n, "loss": float(losses.mean())}
    return Evaluation(predictions, np.zeros(n, np.int64), values, losses)


def of(
    first: Any,
    other: Any,
    metric: Any = ("accuracy", ACCURACY),
    *,
    validation_ratio: float | None = None,
    failures: Any = ((), ()),
    levels: Levels = LEVELS,
) -> Difference:
    """Contestant "b" minus contestant "a" in one metric."""
    name, part = metric
    pair = metric_runs([first, other], failures, name, part, validation_ratio)
    contestants = [
        None if r is None else ContestantRuns(r, n) for r, n in zip(pair, "ab", strict=True)
    ]
    found = differences(contestants, name, levels)[1]
    assert found is not None
    return found


def summarise(judged: dict[Any, Evaluation], name: str, metric: Any) -> Summary:
    (runs,) = metric_runs([judged], [()], name, metric)
    assert runs is not None
    found = summarise_runs(runs, LEVELS)
    assert found is not None
    return found


def test_seeds_are_paired_by_number_and_not_by_place() -> None:
    first = {0: model(2), 1: model(5), 2: model(8)}
    other = {2: model(9), 1: model(6), 0: model(4)}
    d = of(first, other)
    assert d.pairs == (0, 1, 2)
    assert d.values == pytest.approx((0.2, 0.1, 0.1))
    assert d.mean == pytest.approx(0.4 / 3)
    # deviation 0.057735, error 1/30, t(2) = 4.302653
    assert d.seeds is not None
    assert (d.seeds.low, d.seeds.high) == pytest.approx((-0.010088, 0.276755), abs=1e-6)


def test_only_common_seeds_count() -> None:
    d = of({0: model(2), 1: model(5)}, {1: model(6), 7: model(0)})
    assert d.pairs == (1,)
    assert d.mean == pytest.approx(0.1)
    assert (d.both, d.seeds) == (None, None)
    assert d.rows is not None
    assert d.rows.n == 10
    assert "one pair of training runs" in d.caveat


def test_without_a_common_seed_nothing_is_said_of_the_architecture() -> None:
    d = of({0: model(20, 400), 1: model(40, 400)}, {5: model(360, 400), 6: model(380, 400)})
    assert (d.pairs, d.both, d.covers, d.verdict) == ((), None, "files", "files_better")
    assert d.mean == pytest.approx(0.85)
    assert "no seed in common" in d.caveat
    assert "is better" not in d.words


def test_one_model_each_speaks_of_these_models_and_says_so() -> None:
    d = of({0: model(100, 400)}, {3: model(300, 400)})
    assert (d.both, d.seeds, d.improvement) == (None, None, None)
    assert (d.rows_better, d.rows_worse) == (200, 0)
    assert (d.verdict, d.covers) == ("files_better", "files")
    assert "400 rows" in d.words
    assert "one training run each" in d.caveat
    worse = of({0: model(300, 400)}, {3: model(100, 400)})
    assert worse.verdict == "files_worse"


def test_one_row_settles_nothing_about_architectures() -> None:
    """Today's loss on one row was "better" after three seeds."""
    first = {s: model(0, 1) for s in range(3)}
    other = {s: model(1, 1) for s in range(3)}
    for s in range(3):  # losses that differ from seed to seed
        first[s].losses[:] += 0.01 * s
        first[s].values["loss"] = float(first[s].losses.mean())
    d = of(first, other, ("loss", None))
    assert (d.rows, d.both, d.covers) == (None, None, "files")
    assert d.verdict == "files_better"
    assert "one row" in d.words


def test_rows_judged_better_and_worse_are_averages_over_seeds() -> None:
    d = of({0: model(2), 1: model(5)}, {0: model(4), 1: model(4)})
    assert (d.rows_better, d.rows_worse) == (2, 1)


def test_losses_count_the_other_way_round() -> None:
    d = of({0: model(2), 1: model(3)}, {0: model(4), 1: model(6)}, ("loss", None))
    assert d.mean < 0
    assert not d.higher_is_better
    assert d.rows_better == 4


def test_settled_needs_both_chances() -> None:
    """Ten seeds agree that b is better by about one row in ten: too few rows to be sure of."""
    first = {s: model(5) for s in range(10)}
    d = of(first, {s: model(6 + (s == 0)) for s in range(10)})
    assert d.both is not None
    assert d.seeds is not None
    assert d.seeds.excludes_zero
    assert not d.both.excludes_zero
    assert d.verdict == "open"
    assert "another test set might not" in d.caveat


@pytest.mark.parametrize(
    ("right", "n"), [((320, 326, 337, 343), 355), ((2, 4, 3, 5), 10), ((0, 3, 1, 4), 7)]
)
def test_equal_gaps_never_give_an_interval_finer_than_a_row(
    right: tuple[int, int, int, int], n: int
) -> None:
    """Gaps that differ in the last bit of a float are no spread, and no certainty."""
    a0, b0, a1, b1 = right
    d = of({0: model(a0, n), 1: model(a1, n)}, {0: model(b0, n), 1: model(b1, n)})
    for i in (d.both, d.seeds, d.rows):
        assert i is not None
        assert i.high - i.low >= 1 / n
    digits = d.words.partition("by ")[2] or d.words.partition("is ")[2]
    assert len(digits.partition(".")[2].partition(" ")[0]) <= 1


def test_equal_losses_in_all_seeds_say_nothing_of_seeds() -> None:
    first, other = ({s: model(k, 50) for s in range(3)} for k in (10, 40))
    d = of(first, other, ("loss", None))
    assert (d.seeds, d.both, d.covers) == (None, None, "files")
    assert "the same in all 3 seeds" in d.caveat


def test_rows_of_each_seeds_own_widen_the_interval() -> None:
    pair = {0: model(2), 1: model(5), 2: model(4)}, {0: model(4), 1: model(4), 2: model(7)}
    plain, own = of(*pair), of(*pair, validation_ratio=0.25)
    assert (own.seeds, own.rows) == (None, None)
    assert plain.seeds is not None
    assert own.both is not None
    # variance times 1/3 + 0.25 in place of 1/3
    wider = np.sqrt((1 / 3 + 0.25) * 3)
    half = (plain.seeds.high - plain.seeds.low) / 2
    assert own.both.high - own.mean == pytest.approx(wider * half)


def test_summary_over_seeds_and_rows() -> None:
    s = summarise({0: model(2), 1: model(4), 2: model(6)}, "accuracy", ACCURACY)
    assert [s.mean, s.sd] == pytest.approx([0.4, 0.2])
    assert (s.n, s.share) == (3, True)
    assert s.interval is not None
    assert s.interval.over == "both"
    assert (s.interval.low, s.interval.high) == pytest.approx(
        (0, 0.4 + 4.302653 * 0.2 / 3**0.5), abs=0.1
    )
    assert s.interval.low >= 0


def test_shares_stay_on_their_scale() -> None:
    s = summarise({0: model(98, 100), 1: model(100, 100)}, "accuracy", ACCURACY)
    assert s.interval is not None
    assert s.interval.high == 1
    d = of(
        {0: model(10, 100), 1: model(60, 100)},
        {0: model(90, 100), 1: model(50, 100)},
        levels=Levels(0.95, 11),
    )
    assert d.both is not None
    assert (d.both.joint_low, d.both.joint_high) == (-1, 1)
    assert "Too few to tell: 2 seeds, 100 rows." in d.caveat


def test_summary_of_one_model_speaks_of_rows() -> None:
    s = summarise({0: model(8)}, "accuracy", ACCURACY)
    assert s.sd is None
    assert s.interval is not None
    assert (s.interval.over, s.interval.method) == ("rows", "Wilson score")
    loss = summarise({0: model(8)}, "loss", None)
    assert loss.interval is not None
    assert "bootstrap" in loss.interval.method


def test_values_that_are_no_numbers_settle_nothing() -> None:
    bad = model(5)
    bad.values["accuracy"] = float("nan")
    d = of({0: model(2), 1: model(3)}, {0: bad, 1: model(9)})
    assert d.interval is None
    assert d.verdict == "open"
    assert "not defined" in d.words


def test_diverged_runs_of_a_share_count_as_no_row_right() -> None:
    """Two of five diverge; the three others are better, which today was the verdict."""
    solid = {s: model(84, 100) for s in range(5)}
    fragile = {s: model(97, 100) for s in (0, 2, 4)}
    d = of(solid, fragile, failures=((), (1, 3)))
    assert d.mean == pytest.approx(0.6 * 0.97 - 0.84)
    assert d.pairs == (0, 1, 2, 3, 4)
    assert d.verdict == "open"
    assert "3 of 5 runs of b finished, 2 diverged and count as 0 %" in d.words
    assert d.improvement is not None
    assert d.improvement.probability == pytest.approx(0.6)
    gone = of(solid, {}, failures=((), range(5)))
    assert gone.verdict == "worse"
    assert gone.mean == pytest.approx(-0.84)


def test_diverged_runs_without_a_worst_value_are_never_better() -> None:
    solid = {s: model(20 + s, 100) for s in range(5)}
    fragile = {s: model(90 + s * s // 3, 100) for s in (0, 2, 4)}
    d = of(solid, fragile, ("loss", None), failures=((), (1, 3)))
    assert d.both is not None
    assert d.both.excludes_zero
    assert d.verdict == "open"
    assert "3 of 5 runs of b finished, 2 diverged and have no value" in d.words
    assert of(fragile, solid, ("loss", None), failures=((1, 3), ())).verdict == "open"


def test_a_contestant_that_saw_the_rows_is_never_better() -> None:
    runs = metric_runs(
        [{s: model(20 + s, 100) for s in range(4)}, {s: model(80 + s, 100) for s in range(4)}],
        [(), ()],
        "accuracy",
        ACCURACY,
    )
    low, high = (m for m in runs if m is not None)
    for contestants, wanted in (
        ([ContestantRuns(low, "a"), ContestantRuns(high, "b", seen=0.7)], "open"),
        ([ContestantRuns(high, "a", seen=0.7), ContestantRuns(low, "b")], "open"),
        ([ContestantRuns(low, "a", seen=0.7), ContestantRuns(high, "b")], "better"),
    ):
        d = differences(contestants, "accuracy", LEVELS)[1]
        assert d is not None
        assert d.verdict == wanted
        assert "was fitted on about 70 % of these rows" in d.words


def test_only_the_main_metric_carries_words() -> None:
    contestants = [
        ContestantRuns(m, "x")
        for m in metric_runs(
            [{0: model(2, 90), 1: model(4, 90)}, {0: model(80, 90), 1: model(83, 90)}],
            [(), ()],
            "accuracy",
            ACCURACY,
        )
        if m is not None
    ]
    d = differences(contestants, "accuracy", LEVELS, main=False)[1]
    assert d is not None
    assert d.verdict is None
    assert "better" not in d.words


def test_many_contestants_are_settled_jointly_and_the_best_are_named() -> None:
    by: list[dict[int | None, Evaluation]] = [
        {s: model(k + s % 2, 400) for s in range(6)} for k in (200, 203, 390, 391, 10)
    ]
    runs = metric_runs(by, [()] * 5, "accuracy", ACCURACY)
    contestants = {i: ContestantRuns(m, str(i)) for i, m in enumerate(runs) if m is not None}
    found = differences(list(contestants.values()), "accuracy", Levels(0.95, 4))
    told = [None if d is None else d.verdict for d in found]
    assert told == [None, "open", "better", "better", "worse"]
    assert best_contestants(contestants, 0.95) == [2, 3]


def test_spread_of_seconds() -> None:
    s = summarise_seconds([1.0, 3.0])
    assert [s.mean, s.sd] == pytest.approx([2, 2**0.5])
    assert not s.higher_is_better
