"""Ranks over data sets: Demsar's worked examples to the digits he prints, and SciPy's numbers."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

from layerkit.statistics.ranks import (
    average_ranks,
    critical_difference,
    f_tail,
    friedman,
    groups,
    nemenyi_quantile,
    rank_table,
)
from layerkit.statistics.signed_ranks import holm, signed_ranks

# Demsar (2006), table 6: AUC of C4.5, C4.5+m, C4.5+cf, C4.5+m+cf on 14 data sets. On "voting" he
# ranks 0.975 before 0.975, so what he rounded differs: 0.9751 stands for the better one.
TABLE_6 = np.array(
    [
        [0.763, 0.768, 0.771, 0.798],
        [0.599, 0.591, 0.590, 0.569],
        [0.954, 0.971, 0.968, 0.967],
        [0.628, 0.661, 0.654, 0.657],
        [0.882, 0.888, 0.886, 0.898],
        [0.936, 0.931, 0.916, 0.931],
        [0.661, 0.668, 0.609, 0.685],
        [0.583, 0.583, 0.563, 0.625],
        [0.775, 0.838, 0.866, 0.875],
        [1.000, 1.000, 1.000, 1.000],
        [0.940, 0.962, 0.965, 0.962],
        [0.619, 0.666, 0.614, 0.669],
        [0.972, 0.981, 0.9751, 0.975],
        [0.957, 0.978, 0.946, 0.970],
    ]
)


def test_friedman_as_in_the_paper() -> None:
    ranks = rank_table(TABLE_6, higher=True)
    assert ranks[5].tolist() == [1, 2.5, 4, 2.5]  # iris
    assert ranks[9].tolist() == [2.5] * 4  # mushroom
    assert [f"{rank:.3f}" for rank in ranks.mean(axis=0)] == ["3.143", "2.000", "2.893", "1.964"]
    test = friedman(ranks)
    assert f"{test.chi2:.2f}" == "9.28"
    assert f"{test.f:.2f}" == "3.69"
    assert test.degrees == (3, 39)
    assert f"{f_tail(2.85, 3, 39):.2f}" == "0.05"  # the critical value that the paper gives
    assert test.p < 0.05


def test_nemenyi_as_in_the_paper() -> None:
    assert f"{critical_difference(4, 14):.2f}" == "1.25"
    assert f"{critical_difference(4, 14, 0.9):.2f}" == "1.12"
    means = rank_table(TABLE_6, higher=True).mean(axis=0).tolist()
    assert groups(means, critical_difference(4, 14)) == [(3, 1, 2, 0)]
    # At 0.10 C4.5 is worse than the two with m; C4.5+cf belongs to neither group.
    assert groups(means, critical_difference(4, 14, 0.9)) == [(3, 1, 2), (2, 0)]


def test_nemenyi_quantiles_are_those_of_the_table() -> None:
    """Table 5 (a), computed from a table of three decimals: its last digit may be off by one."""
    printed = {
        0.95: [1.960, 2.343, 2.569, 2.728, 2.850, 2.949, 3.031, 3.102, 3.164],
        0.90: [1.645, 2.052, 2.291, 2.459, 2.589, 2.693, 2.780, 2.855, 2.920],
    }
    for confidence, values in printed.items():
        for k, value in enumerate(values, start=2):
            assert nemenyi_quantile(k, confidence) == pytest.approx(value, abs=0.001)


def test_wilcoxon_as_in_the_paper() -> None:
    """Table 2: C4.5 against C4.5+m, with two data sets on which they are equal."""
    found = signed_ranks(TABLE_6[:, 1] - TABLE_6[:, 0])
    assert (found.plus, found.minus) == (93, 12)
    assert found.p < 0.05  # the paper: significant, as 12 is no more than 21


def test_an_odd_zero_is_ignored() -> None:
    assert signed_ranks(np.array([0.0, 1, 2, 3])) == signed_ranks(np.array([1.0, 2, 3]))


def test_wilcoxon_counts_all_signs() -> None:
    """With ties, against every assignment of signs."""
    ranks = average_ranks(np.array([1.0, 1, 2, 3, 3, 3]))
    sums = [ranks @ np.array(signs) for signs in itertools.product([0, 1], repeat=6)]
    found = signed_ranks(np.array([-1.0, 1, 2, 3, 3, 3]))
    assert found.p == pytest.approx(2 * np.mean([s <= found.minus for s in sums]), abs=1e-15)


def test_six_wins_are_the_first_that_tell() -> None:
    assert signed_ranks(np.arange(1.0, 6)).p == pytest.approx(0.0625, abs=1e-15)
    assert signed_ranks(np.arange(1.0, 7)).p == pytest.approx(0.03125, abs=1e-15)


def test_rounding_is_no_difference() -> None:
    assert average_ranks(np.array([0.1 + 0.2, 0.3, 1.0])).tolist() == [1.5, 1.5, 3]


def test_no_value_ranks_last() -> None:
    scores = np.array([[np.nan, 0.2, 0.9]])
    assert rank_table(scores, higher=True).tolist() == [[3, 2, 1]]
    assert rank_table(scores, higher=False).tolist() == [[3, 1, 2]]


def test_data_sets_that_agree() -> None:
    test = friedman(np.tile([1.0, 2, 3], (8, 1)))
    assert (test.chi2, test.f, test.p) == (16, math.inf, 0)


@pytest.mark.parametrize("distance", [0.0, 0.5, 1.0, 1.5, 9.0])
def test_groups_are_the_largest_sets_not_told_apart(distance: float) -> None:
    means = [3.0, 1.0, 1.4, 2.2, 4.0]
    found = {frozenset(group) for group in groups(means, distance)}
    sets = [
        set(some)
        for size in range(2, 6)
        for some in itertools.combinations(range(5), size)
        if all(abs(means[i] - means[j]) < distance for i, j in itertools.combinations(some, 2))
    ]
    assert found == {frozenset(s) for s in sets if not any(s < other for other in sets)}


def test_wrong_numbers_are_refused() -> None:
    with pytest.raises(ValueError, match="two data sets"):
        friedman(np.ones((1, 3)))
    with pytest.raises(ValueError, match="two contestants"):
        nemenyi_quantile(1)
    with pytest.raises(ValueError, match="confidence between"):
        nemenyi_quantile(3, 1.0)


class TestAgainstSciPy:
    """The same numbers, where SciPy is installed."""

    stats = staticmethod(lambda: pytest.importorskip("scipy.stats", reason="no SciPy"))

    def test_range(self) -> None:
        stats = self.stats()
        for k, confidence in ((2, 0.9), (20, 0.95)):
            wanted = stats.studentized_range.ppf(confidence, k, np.inf) / math.sqrt(2)
            assert nemenyi_quantile(k, confidence) == pytest.approx(wanted, rel=1e-9)

    def test_f(self) -> None:
        stats = self.stats()
        for f, d1, d2 in itertools.product((1e-3, 0.5, 3.69, 40), (1, 3, 19), (1, 5, 39, 1881)):
            assert f_tail(f, d1, d2) == pytest.approx(stats.f.sf(f, d1, d2), rel=1e-8)

    def test_friedman(self) -> None:
        """SciPy corrects for ties, the paper does not."""
        stats = self.stats()
        scores = np.random.default_rng(0).normal(size=(9, 5))
        wanted = stats.friedmanchisquare(*scores.T).statistic
        assert friedman(rank_table(scores, higher=True)).chi2 == pytest.approx(wanted, rel=1e-12)

    def test_wilcoxon(self) -> None:
        stats = self.stats()
        for n in (4, 9, 30):
            values = np.random.default_rng(n).normal(0.3, 1, n)
            wanted = stats.wilcoxon(values, method="exact")
            found = signed_ranks(values)
            assert min(found.plus, found.minus) == wanted.statistic
            assert found.p == pytest.approx(wanted.pvalue, abs=1e-12)


def test_holm() -> None:
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.9, 0.8]) == [1, 1]
