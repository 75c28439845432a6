"""Student's t against printed tables and closed forms."""

from __future__ import annotations

import math

import pytest

from layerkit.statistics.student_t import t_probability, t_quantile

# Two-sided 95 % and 99 % points, as printed in every table (Fisher, Yates, table III).
TABLE = [
    (1, 12.706, 63.657),
    (2, 4.303, 9.925),
    (3, 3.182, 5.841),
    (4, 2.776, 4.604),
    (5, 2.571, 4.032),
    (9, 2.262, 3.250),
    (10, 2.228, 3.169),
    (30, 2.042, 2.750),
    (120, 1.980, 2.617),
]


@pytest.mark.parametrize(("df", "at_95", "at_99"), TABLE)
def test_the_printed_table(df: int, at_95: float, at_99: float) -> None:
    assert t_quantile(0.95, df) == pytest.approx(at_95, abs=5.1e-4)
    assert t_quantile(0.99, df) == pytest.approx(at_99, abs=5.1e-4)


@pytest.mark.parametrize("t", [0.0, 0.3, 1.0, 2.5, 40.0])
def test_closed_forms_of_one_and_two_degrees(t: float) -> None:
    assert t_probability(t, 1) == pytest.approx(2 / math.pi * math.atan(t))
    assert t_probability(t, 2) == pytest.approx(t / math.sqrt(2 + t * t))


@pytest.mark.parametrize("df", [1, 2, 3, 4, 7, 40, 999])
@pytest.mark.parametrize("confidence", [0.5, 0.9, 0.95, 0.9975])
def test_quantile_inverts_the_distribution(df: int, confidence: float) -> None:
    assert t_probability(t_quantile(confidence, df), df) == pytest.approx(confidence, abs=1e-12)


def test_many_degrees_approach_the_normal_distribution() -> None:
    assert t_quantile(0.95, 100_000) == pytest.approx(1.959964, abs=1e-4)


@pytest.mark.parametrize(("confidence", "df"), [(0.0, 3), (1.0, 3), (0.95, 0)])
def test_impossible_arguments_are_refused(confidence: float, df: int) -> None:
    with pytest.raises(ValueError, match=r"between 0 and 1|at least 1"):
        t_quantile(confidence, df)
