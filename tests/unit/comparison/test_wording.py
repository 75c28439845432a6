"""Values as text: digits that they deserve, and never finer than a row."""

from __future__ import annotations

from dataclasses import replace

from layerkit.comparison.intervals import Interval, Over
from layerkit.comparison.numbers import row_places
from layerkit.comparison.results import Summary
from layerkit.comparison.wording import basis, bounds, mean_and_sd


def interval(low: float, high: float, over: Over, n: int, wider: float = 0.0) -> Interval:
    return Interval(low, high, low - wider, high + wider, over, n, "by hand")


def test_means_carry_the_digits_of_their_spread() -> None:
    s = Summary((0.96, 0.97), 0.9667, 0.0047, None, True, share=True, rows=10_000)
    assert mean_and_sd(s) == "96.67 ± 0.47 %"
    assert mean_and_sd(replace(s, share=False, sd=None)) == "0.9667"
    assert mean_and_sd(replace(s, sd=None, interval=interval(0.93, 0.98, "rows", 9))) == "96.7 %"


def test_no_share_has_more_digits_than_a_row_is_worth() -> None:
    assert [row_places(n) for n in (1, 10, 99, 100, 101, 355, 1000, 2000)] == [
        0,
        0,
        0,
        0,
        1,
        1,
        1,
        2,
    ]
    s = Summary((0.96, 0.97), 0.9667, 0.0000047, None, True, share=True, rows=355)
    assert mean_and_sd(s) == "96.7 ± 0.0 %"
    narrow = interval(0.100000001, 0.1000000011, "seeds", 3)
    assert bounds(narrow, share=True, rows=10) == "10 to 10"
    assert bounds(interval(0.00001, 0.02, "rows", 355), share=True, rows=355) == "0.0 to 2.0"


def test_joint_bounds_carry_the_digits_of_the_narrow_ones() -> None:
    i = interval(0.719, 0.763, "seeds", 5, 0.2)
    assert bounds(i, share=True, joint=True, rows=355) == "51.9 to 96.3"


def test_what_an_interval_rests_on() -> None:
    assert basis(interval(0, 1, "rows", 355)) == "355 rows"
    assert basis(interval(0, 1, "seeds", 1)) == "1 seed"
    assert basis(replace(interval(0, 1, "both", 5), rows=355)) == "5 seeds, 355 rows"
