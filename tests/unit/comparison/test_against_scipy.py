"""t, paired t, Wilson, Holm and BCa held against SciPy, where it is installed."""

from __future__ import annotations

import math
from functools import partial

import numpy as np
import pytest

from layerkit.statistics.estimates import estimate_from_runs
from layerkit.statistics.intervals import Levels, wilson_bounds
from layerkit.statistics.multiple_comparisons import holm_signs
from layerkit.statistics.resampling import bca
from layerkit.statistics.student_t import t_quantile

stats = pytest.importorskip("scipy.stats", reason="SciPy is not installed")


@pytest.mark.parametrize("df", [1, 2, 3, 4, 7, 19, 39, 354, 1999])
def test_t(df: int) -> None:
    for confidence in (0.5, 0.9, 0.95, 0.99, 1 - 0.05 / 11, 0.9999):
        wanted = stats.t.ppf((1 + confidence) / 2, df)
        assert t_quantile(confidence, df) == pytest.approx(wanted, rel=1e-9)


@pytest.mark.parametrize("n", [2, 3, 5, 20])
def test_paired_t(n: int) -> None:
    rng = np.random.default_rng(n)
    for _ in range(20):
        a, b = rng.normal(0, 1, n), rng.normal(0.3, 1, n)
        found = estimate_from_runs(b - a, 0).intervals(Levels(0.95, 4))["seeds"]
        assert found is not None
        test = stats.ttest_rel(b, a)
        alone, joint = (test.confidence_interval(c) for c in (0.95, 1 - 0.05 / 4))
        assert (found.low, found.high) == pytest.approx((alone.low, alone.high), rel=1e-9)
        assert (found.joint_low, found.joint_high) == pytest.approx((joint.low, joint.high))
        assert found.excludes_zero == (test.pvalue < 0.05 / 4)


@pytest.mark.parametrize(("k", "n"), [(0, 5), (2, 5), (8, 10), (355, 355), (1, 2000)])
def test_wilson(k: int, n: int) -> None:
    wanted = stats.binomtest(k, n).proportion_ci(0.95, method="wilson")
    assert wilson_bounds(k / n, n)(0.95) == pytest.approx((wanted.low, wanted.high), abs=1e-12)


def test_holm() -> None:
    """Signs are those of Holm's procedure on SciPy's p-values."""
    rng = np.random.default_rng(0)
    several = 0
    for _ in range(300):
        groups = [rng.normal(rng.choice([-1.2, 0, 0.9, 2]), 1, 8) for _ in range(6)]

        def bounds(values: np.ndarray, confidence: float) -> tuple[float, float]:
            half = t_quantile(confidence, 7) * values.std(ddof=1) / math.sqrt(8)
            return float(values.mean() - half), float(values.mean() + half)

        found = holm_signs([partial(bounds, v) for v in groups], 0.95)
        p = np.array([stats.ttest_1samp(v, 0).pvalue for v in groups])
        wanted = [0] * 6
        for place, i in enumerate(np.argsort(p)):
            if p[i] > 0.05 / (6 - place):
                break
            wanted[i] = 1 if groups[i].mean() > 0 else -1
        assert found == wanted
        several += sum(map(bool, wanted)) > int((p < 0.05 / 6).sum())
    assert several > 10  # Holm does settle more than Bonferroni here


def test_holm_leaves_out_what_cannot_be_told() -> None:
    assert holm_signs([None, lambda c: (0.1, 0.2), None, lambda c: (-2, -1)], 0.95) == [0, 1, 0, -1]
    assert holm_signs([], 0.95) == []


@pytest.mark.parametrize("statistic", ["mean", "ratio"])
@pytest.mark.parametrize("confidence", [0.9, 0.95, 0.99])
def test_bca(statistic: str, confidence: float) -> None:
    """On SciPy's own resamples the two give the same interval."""
    rng = np.random.default_rng(3)
    rows = rng.lognormal(0, 1, 40)

    def value(x: np.ndarray, axis: int = -1) -> np.ndarray:
        mean: np.ndarray = np.mean(x, axis=axis)
        return mean if statistic == "mean" else np.divide(mean, np.median(x, axis=axis))

    found = stats.bootstrap(
        (rows,), value, method="BCa", confidence_level=confidence, n_resamples=2000, rng=rng
    )
    left = np.array([value(np.delete(rows, i)) for i in range(len(rows))])
    ours = bca(float(value(rows)), found.bootstrap_distribution, left)(confidence)
    wanted = found.confidence_interval
    assert ours == pytest.approx((wanted.low, wanted.high), rel=1e-9)
