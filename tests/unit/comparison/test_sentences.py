"""Sentences: what they claim, whom they are about, and what they leave open."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest

from layerkit.comparison.results import Difference, Kind
from layerkit.comparison.sentences import ContestantLabel, difference_sentence
from layerkit.statistics.estimates import VarianceShares
from layerkit.statistics.intervals import Improvement, Interval, Levels

FIRST, OTHER = ContestantLabel("plain", "spec", 5), ContestantLabel("highway", "spec", 5)
SEEDS = Interval(0.719, 0.763, 0.719, 0.763, "seeds", 5, "by hand")
ROWS = Interval(0.70, 0.78, 0.70, 0.78, "rows", 397, "by hand")
SETTLED = Difference(
    metric="accuracy",
    mean=0.741,
    pairs=(0, 1, 2, 3, 4),
    values=(0.74,) * 5,
    both=Interval(0.69, 0.79, 0.69, 0.79, "both", 5, "by hand", 397),
    seeds=SEEDS,
    rows=ROWS,
    rows_better=300,
    rows_worse=4,
    verdict="better",
    covers="architecture",
    higher_is_better=True,
    share=True,
    count=397,
)
OPEN = replace(
    SETTLED, mean=0.003, both=Interval(-0.005, 0.011, -0.005, 0.011, "both", 5, "", 397),
    seeds=None, rows=None, verdict="open",
)  # fmt: skip
ONE_RUN = replace(
    SETTLED, both=None, seeds=None, pairs=(0,), verdict="files_better", covers="files"
)


def told(d: Difference, comparisons: int = 1, **changes: Any) -> tuple[str, str]:
    return difference_sentence(FIRST, replace(OTHER, **changes), d, Levels(0.95, comparisons))


def test_a_settled_difference() -> None:
    assert told(SETTLED) == (
        "highway is better than plain in accuracy by 74.1 points "
        "(95 % interval 69.0 to 79.0; 5 seeds, 397 rows).",
        "",
    )


def test_a_fall_is_told_by_its_size() -> None:
    fall = Interval(-0.79, -0.69, -0.79, -0.69, "both", 5, "", 397)
    words, _ = told(replace(SETTLED, mean=-0.741, both=fall, verdict="worse"))
    assert words.startswith(
        "highway is worse than plain in accuracy by 74.1 points (95 % interval 69"
    )


def test_an_open_difference_is_signed_and_claims_nothing() -> None:
    assert told(OPEN)[0] == (
        "Not settled: highway minus plain in accuracy is +0.3 points "
        "(95 % interval −0.5 to +1.1; 5 seeds, 397 rows)."
    )


def test_what_is_open_jointly_only_is_said() -> None:
    both = Interval(0.001, 0.039, -0.009, 0.049, "both", 5, "", 397)
    words, caveat = told(replace(OPEN, mean=0.02, both=both), comparisons=3)
    assert "jointly over 3 comparisons" in words
    assert "Taken alone, its interval would exclude zero (+0.1 to +3.9)." in caveat


@pytest.mark.parametrize(
    ("kind", "runs", "wanted"),
    [
        ("file", 1, "this file of highway"),
        ("spec", 1, "this run of highway"),
        ("model", 1, "this model of highway"),
        ("file", 3, "these 3 files of highway"),
    ],
)
def test_one_run_each_is_about_these_files_and_calls_nothing_better(
    kind: Kind, runs: int, wanted: str
) -> None:
    words, caveat = difference_sentence(
        ContestantLabel("plain", "file", 1),
        ContestantLabel("highway", kind, runs),
        ONE_RUN,
        Levels(),
    )
    assert words == (
        f"On these 397 rows {wanted} scored a higher accuracy than this file of plain, by 74.1 "
        "points (95 % interval 70.0 to 78.0; 397 rows)."
    )
    assert "This says nothing about the architectures" in caveat
    assert "better" not in words + caveat


def test_a_lower_loss_of_one_run_is_lower() -> None:
    d = replace(ONE_RUN, metric="loss", mean=-0.5, rows=replace(ROWS, low=-0.6, high=-0.4,
                joint_low=-0.6, joint_high=-0.4), share=False, higher_is_better=False)  # fmt: skip
    assert "scored a lower loss than" in told(d)[0]
    assert "by 0.50 (95 % interval 0.40 to 0.60" in told(d)[0]


def test_one_row_and_no_common_seed_say_so() -> None:
    one = replace(ONE_RUN, pairs=(0, 1, 2), rows=None, seeds=SEEDS, count=1)
    assert told(one)[0].startswith("On this one row these 5 runs of highway scored")
    assert "one row says nothing about other rows" in told(one)[1]
    assert "no seed in common" in told(replace(ONE_RUN, pairs=()))[1]


def test_a_metric_that_is_not_defined() -> None:
    nothing = replace(ONE_RUN, mean=math.nan, rows=None, verdict="open")
    assert told(nothing)[0] == "accuracy of highway minus plain is not defined."


def test_other_metrics_carry_no_words() -> None:
    words, _ = told(replace(SETTLED, verdict=None))
    assert words.startswith("highway minus plain in accuracy: +74.1 points (95 % interval +69.0")


def test_diverged_runs_are_in_the_sentence() -> None:
    d = replace(OPEN, counted=True, diverged=(0, 2))
    assert told(d, diverged=2)[0].endswith(
        "; 3 of 5 runs of highway finished, 2 diverged and count as 0 %."
    )
    d = replace(OPEN, metric="loss", share=False, diverged=(0, 2))
    words, caveat = told(d, runs=3, diverged=2)
    assert words.endswith("; 3 of 5 runs of highway finished, 2 diverged and have no value.")
    assert "Diverged runs have no loss" in caveat


def test_rows_that_were_seen_are_in_the_sentence() -> None:
    words, caveat = told(replace(OPEN, seen=(None, 0.753)))
    assert words.endswith("; highway was fitted on about 75 % of these rows.")
    assert "say nothing about other rows" in caveat


def test_what_the_width_is_made_of() -> None:
    parts = VarianceShares(0.8, 0.15, 0.05, 20, None)
    assert told(replace(OPEN, parts=parts))[1] == (
        "Most of the interval's width comes from the seeds (80 % of the variance): "
        "20 more seeds would halve it."
    )
    both = told(replace(OPEN, parts=VarianceShares(0.5, 0.4, 0.1, None, None)))[1]
    assert both.endswith(
        "(50 % of the variance): only more seeds and more rows together would halve it."
    )
    rows = VarianceShares(0.1, 0.8, 0.1, None, 4.0)
    assert told(replace(OPEN, parts=rows))[1] == (
        "Most of the interval's width comes from the rows (80 % of the variance): "
        "4 times the rows would halve it."
    )


def test_the_chance_of_a_new_run() -> None:
    found = Improvement(0.9, 0.62, 0.98, (5, 5))
    assert told(replace(SETTLED, improvement=found))[1] == (
        "A new run of highway beats a new run of plain in 90 % of cases (62 to 98 %)."
    )
