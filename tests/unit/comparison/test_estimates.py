"""Both sources of variation in one interval: parts, floors, and what would halve it."""

from __future__ import annotations

import numpy as np
import pytest

from layerkit.core.context import Array
from layerkit.statistics.estimates import (
    Estimate,
    estimate_from_resamples,
    estimate_from_rows,
    estimate_from_shares,
    estimate_from_validation,
)
from layerkit.statistics.intervals import Levels

RNG = np.random.default_rng(5)


def table(k: int, n: int, seeds: float, rows: float, rest: float) -> Array:
    return RNG.normal(0, seeds, (k, 1)) + RNG.normal(0, rows, (1, n)) + RNG.normal(0, rest, (k, n))


def test_variances_by_hand() -> None:
    found = estimate_from_rows(np.array([[1.0, 2, 3], [2, 4, 9]]))
    assert found.mean == pytest.approx(3.5)
    assert found.seed_variance == pytest.approx(4.5 / 2)  # run means 2 and 5
    assert found.row_variance == pytest.approx(5.25 / 3)  # row means 1.5, 3 and 6
    # residuals of the two-way table: +-(1, .5, -1.5) -> 2 (1 + .25 + 2.25) / 2 / 6
    assert found.residual == pytest.approx(7 / 2 / 6)


@pytest.mark.parametrize(("k", "n"), [(2, 30), (3, 355), (10, 40)])
@pytest.mark.parametrize("kind", ["shares", "rows"])
def test_both_is_no_narrower_than_either_part(k: int, n: int, kind: str) -> None:
    for scale in (0.01, 1.0):
        drawn = table(k, n, scale, 1, 1)
        found = (
            estimate_from_shares(np.sign(drawn)) if kind == "shares" else estimate_from_rows(drawn)
        )
        told = found.intervals(Levels(0.95, 3))
        both, seeds, rows = told["both"], told["seeds"], told["rows"]
        assert both is not None
        assert seeds is not None
        assert rows is not None
        assert both.low <= min(seeds.low, rows.low)
        assert both.high >= max(seeds.high, rows.high)
        assert both.joint_low <= both.low
        assert both.joint_high >= both.high


@pytest.mark.parametrize("n", [1, 2, 10, 355, 2000])
@pytest.mark.parametrize("k", [1, 2, 3, 40, 1000])
@pytest.mark.parametrize("level", [-1.0, 0.0, 1.0])
def test_no_interval_of_a_share_is_narrower_than_a_tenth_of_a_row(
    k: int, n: int, level: float
) -> None:
    """Runs that agree on every row are no certainty, at the ends of the scale neither."""
    if k * n > 100_000:
        return
    for found, low, high in (
        (estimate_from_shares(np.full((k, n), level)), -1, 1),
        (estimate_from_shares(np.full((k, n), abs(level)), single=True), 0, 1),
        (estimate_from_validation(np.full(k, level), n, 0.25, share=True, single=False), -1, 1),
    ):
        for one in found.intervals(Levels(0.95, 11)).values():
            if one is not None:
                assert one.high - one.low >= 0.1 / n - 1e-12
                assert low <= one.joint_low <= one.low <= one.high <= one.joint_high <= high


def test_rounding_is_no_spread() -> None:
    rows = np.linspace(0, 1, 50)
    found = estimate_from_rows(np.stack([rows, rows + 1e-17, rows]))
    assert found.seed_variance is None
    assert not found.covers_both
    assert found.row_bounds is not None


def test_runs_on_rows_of_their_own() -> None:
    """Nadeau and Bengio: the variance of the mean is (1/k + n2/n1) s^2."""
    values = np.array([0.1, 0.2, 0.4])
    found = estimate_from_validation(values, 100, 0.25, share=False, single=False)
    assert found.seed_variance == pytest.approx(values.var(ddof=1) * (1 / 3 + 0.25))
    assert found.covers_both
    assert {k for k, v in found.intervals(Levels()).items() if v} == {"both"}


def test_parts_add_up_and_say_what_would_halve_the_interval() -> None:
    noisy = estimate_from_rows(table(4, 500, 0.5, 0.3, 0.3)).variance_shares(0.95)
    assert noisy is not None
    assert noisy.seeds + noisy.rows + noisy.residual == pytest.approx(1)
    assert noisy.seeds > 0.9
    assert noisy.more_seeds is not None
    few_rows = estimate_from_rows(table(20, 30, 0.01, 1, 0.1)).variance_shares(0.95)
    assert few_rows is not None
    assert few_rows.rows > 0.9
    assert few_rows.more_seeds is None
    assert few_rows.rows_times == pytest.approx(4, abs=1)


@pytest.mark.parametrize("k", [3, 8])
def test_so_many_more_seeds_do_halve_it(k: int) -> None:
    """What is advised is true: held against the interval of that many seeds, of equal variance."""
    found = estimate_from_rows(table(k, 400, 1, 0.01, 0.1))
    parts = found.variance_shares(0.95)
    assert parts is not None
    assert parts.more_seeds is not None
    assert found.seed_variance is not None
    more = k + parts.more_seeds
    then = Estimate(
        found.mean, more, found.rows, found.seed_variance * k / more, found.row_variance,
        row_bounds=lambda c: (found.mean, found.mean),
    )  # fmt: skip
    now, later = (np.ptp(c.over_both(0.95)) for c in (found, then))
    assert later <= now / 2 * 1.01


def test_a_metric_that_is_no_mean_over_rows() -> None:
    values, drawn = np.array([0.5, 0.52, 0.56]), RNG.normal(0.527, 0.03, 2000)
    found = estimate_from_resamples(values, 100, drawn, RNG.normal(0.527, 0.003, 100))
    told = found.intervals(Levels())
    assert found.covers_both
    assert told["rows"] is not None
    assert "BCa" in told["rows"].method
    broken = estimate_from_resamples(values, 100, np.append(drawn[:-1], np.nan), np.zeros(100))
    assert broken.row_bounds is None
    assert not broken.covers_both
