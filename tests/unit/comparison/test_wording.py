"""Sentences: what they claim, and what they leave open."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from layerkit.comparison.intervals import Interval, Levels, Over
from layerkit.comparison.results import Difference, Summary
from layerkit.comparison.wording import bounds, mean_and_sd, sentence, verdict_of


def interval(low: float, high: float, over: Over, n: int, wider: float = 0.0) -> Interval:
    return Interval(low, high, low - wider, high + wider, over, n, "by hand")


ROWS = interval(0.70, 0.78, "rows", 397)
SETTLED = Difference(
    metric="accuracy",
    mean=0.741,
    pairs=(0, 1, 2, 3, 4),
    values=(0.74,) * 5,
    seeds=interval(0.719, 0.763, "seeds", 5),
    rows=ROWS,
    rows_better=300,
    rows_worse=4,
    verdict="better",
    higher_is_better=True,
    share=True,
)


def told(d: Difference, comparisons: int = 1) -> tuple[str, str]:
    return sentence("highway", "plain", d, Levels(0.95, comparisons), "no seeds")


def test_a_settled_difference() -> None:
    words, caveat = told(SETTLED)
    assert words == (
        "highway is better than plain in accuracy by 74.1 points "
        "(95 % interval 71.9 to 76.3, 5 seeds)."
    )
    assert caveat == ""


def test_a_fall_is_told_by_its_size() -> None:
    d = replace(
        SETTLED,
        mean=-0.741,
        seeds=interval(-0.763, -0.719, "seeds", 5),
        rows=interval(-0.78, -0.70, "rows", 397),
        verdict="worse",
    )
    assert told(d)[0] == (
        "highway is worse than plain in accuracy by 74.1 points "
        "(95 % interval 71.9 to 76.3, 5 seeds)."
    )


def test_lower_may_be_better() -> None:
    d = replace(
        SETTLED,
        metric="loss",
        mean=-0.5,
        seeds=interval(-0.6, -0.4, "seeds", 5),
        rows=None,
        higher_is_better=False,
        share=False,
    )
    assert told(d)[0].startswith("highway is better than plain in loss by 0.50 (")


def test_an_open_difference_is_signed_and_claims_nothing() -> None:
    d = replace(
        SETTLED,
        mean=0.003,
        seeds=interval(-0.005, 0.011, "seeds", 5),
        rows=interval(-0.01, 0.015, "rows", 397),
        verdict="open",
    )
    words, _ = told(d)
    assert words == (
        "Not settled: highway minus plain in accuracy is +0.30 points "
        "(95 % interval −0.50 to +1.10, 5 seeds)."
    )


def test_what_is_open_jointly_only_is_said() -> None:
    d = replace(SETTLED, mean=0.02, seeds=interval(0.001, 0.039, "seeds", 5, 0.01), verdict="open")
    words, caveat = told(d, comparisons=3)
    assert "jointly over 3 comparisons" in words
    assert words.startswith("Not settled")
    assert "Taken alone, its interval would exclude zero (+0.1 to +3.9)." in caveat
    assert "other training runs might not" in caveat


def test_one_pair_speaks_of_rows() -> None:
    words, caveat = told(replace(SETTLED, seeds=None))
    assert words.endswith("(95 % interval 70.0 to 78.0, 397 rows).")
    assert caveat == "This speaks of these very models on other rows: no seeds."


def test_no_interval_at_all() -> None:
    words, caveat = told(replace(SETTLED, seeds=None, rows=None, mean=math.nan))
    assert words == "highway minus plain in accuracy is not a number points."
    assert caveat == "No seeds."


@pytest.mark.parametrize(
    ("seeds", "rows", "wanted"),
    [
        ((0.1, 0.2), (0.05, 0.3), "better"),
        ((0.1, 0.2), (-0.05, 0.3), "open"),
        ((-0.1, 0.2), (0.05, 0.3), "open"),
        ((0.1, 0.2), (-0.3, -0.1), "open"),
        (None, (0.05, 0.3), "better"),
        ((0.1, 0.2), None, "better"),
        (None, None, "open"),
    ],
)
def test_verdicts(
    seeds: tuple[float, float] | None, rows: tuple[float, float] | None, wanted: str
) -> None:
    pair = (
        None if seeds is None else interval(*seeds, "seeds", 5),
        None if rows is None else interval(*rows, "rows", 100),
    )
    assert verdict_of(0.15, *pair, True) == wanted
    assert verdict_of(0.15, *pair, False) == wanted.replace("better", "worse")


def test_a_fall_over_seeds_that_rows_leave_open_is_open() -> None:
    fall, wide = interval(-0.2, -0.1, "seeds", 5), interval(-0.3, 0.05, "rows", 100)
    assert verdict_of(-0.15, fall, wide, True) == "open"
    assert verdict_of(-0.15, fall, fall, True) == "worse"


def test_means_carry_the_digits_of_their_spread() -> None:
    s = Summary((0.96, 0.97), 0.9667, 0.0047, None, True, share=True)
    assert mean_and_sd(s) == "96.67 ± 0.47 %"
    assert mean_and_sd(replace(s, share=False, sd=None)) == "0.9667"
    assert mean_and_sd(replace(s, sd=None, interval=interval(0.93, 0.98, "rows", 9))) == "96.7 %"


def test_joint_bounds_carry_the_digits_of_the_narrow_ones() -> None:
    i = interval(0.719, 0.763, "seeds", 5, 0.2)
    assert bounds(i, share=True, joint=True) == "51.9 to 96.3"
