"""Numbers as people read them."""

from __future__ import annotations

import math

import pytest

from layerkit.comparison.numbers import count, decimals_for, duration, fixed, ratios
from layerkit.display import byte_size, counted


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
    assert count(19306) == "19,306"


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
    assert ratios((1.0, 1.0, 1.0)) == "1×"
    assert ratios((1.28, 1.313, 1.4)) == "1.31× [1.28–1.40]"
    assert (counted(1, "seed"), counted(1200, "row")) == ("1 seed", "1,200 rows")
