"""Numbers as text: digits that they deserve, and never finer than a row."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from layerkit.comparison.formatting import interval_basis, interval_ends, mean_and_sd, ratio_text
from layerkit.comparison.results import Summary
from layerkit.display import byte_size, counted
from layerkit.reporting.numbers import decimals_for, duration, fixed, row_decimals
from layerkit.statistics.intervals import Interval, Source


@pytest.mark.parametrize(
    ("spread", "wanted"),
    [(0.47, 2), (2.2, 1), (12.7, 0), (0.0996, 2), (0.0094, 4), (150.0, 0), (1e-30, 9)],
)
def test_two_digits_of_the_spread(spread: float, wanted: int) -> None:
    assert decimals_for(spread) == wanted


@pytest.mark.parametrize(("value", "wanted"), [(0.1234567, 4), (96.123, 2), (0.0, 2)])
def test_without_a_spread_four_digits(value: float, wanted: int) -> None:
    assert decimals_for(None, value) == decimals_for(0.0, value) == wanted


def test_signs_and_thousands() -> None:
    assert fixed(-1234.5, 1) == "−1,234.5"
    assert fixed(0.3, 1, sign=True) == "+0.3"
    assert fixed(-6.589e20, 0) == "−6.59e+20"
    assert fixed(-0.001, 1, sign=True) == "0.0"
    assert fixed(math.nan, 1) == "not defined"
    assert fixed(19306, 0) == "19,306"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (3.4e-7, "340 ns"),
        (4.56e-5, "45.6 µs"),
        (9.996e-4, "1.00 ms"),
        (0.25, "250 ms"),
        (75, "75.0 s"),
    ],
)
def test_durations(seconds: float, text: str) -> None:
    assert duration(seconds) == text


@pytest.mark.parametrize(
    ("size", "text"),
    [(7, "7 B"), (79_400, "79.4 kB"), (999_900, "999.9 kB"), (3 * 10**9, "3.0 GB")],
)
def test_sizes(size: int, text: str) -> None:
    assert byte_size(size) == text


def test_factors_and_plurals() -> None:
    assert ratio_text((1.0, 1.0, 1.0)) == "1×"
    assert ratio_text((1.28, 1.313, 1.4)) == "1.31× [1.28–1.40]"
    assert (counted(1, "seed"), counted(1200, "row")) == ("1 seed", "1,200 rows")


def interval(low: float, high: float, over: Source, n: int, wider: float = 0.0) -> Interval:
    return Interval(low, high, low - wider, high + wider, over, n, "by hand")


def test_means_carry_the_digits_of_their_spread() -> None:
    s = Summary((0.96, 0.97), 0.9667, 0.0047, None, True, share=True, rows=10_000)
    assert mean_and_sd(s) == "96.67 ± 0.47 %"
    assert mean_and_sd(replace(s, share=False, sd=None)) == "0.9667"
    assert mean_and_sd(replace(s, sd=None, interval=interval(0.93, 0.98, "rows", 9))) == "96.7 %"


def test_no_share_has_more_digits_than_a_row_is_worth() -> None:
    assert [row_decimals(n) for n in (1, 10, 99, 100, 101, 355, 1000, 2000)] == [
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
    assert interval_ends(narrow, share=True, rows=10) == "10 to 10"
    assert interval_ends(interval(0.00001, 0.02, "rows", 355), share=True, rows=355) == "0.0 to 2.0"


def test_joint_bounds_carry_the_digits_of_the_narrow_ones() -> None:
    i = interval(0.719, 0.763, "seeds", 5, 0.2)
    assert interval_ends(i, share=True, joint=True, rows=355) == "51.9 to 96.3"


def test_what_an_interval_rests_on() -> None:
    assert interval_basis(interval(0, 1, "rows", 355)) == "355 rows"
    assert interval_basis(interval(0, 1, "seeds", 1)) == "1 seed"
    assert interval_basis(replace(interval(0, 1, "both", 5), rows=355)) == "5 seeds, 355 rows"
