"""From a comparison on each data set to ranks, tests and verdicts over all of them."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from layerkit.comparison.across_figures import across_figures
from layerkit.comparison.across_page import across_page
from layerkit.comparison.across_result import LEAST, AcrossResult, RankPair, Verdict
from layerkit.comparison.comparison import Comparison
from layerkit.comparison.results import Contestant
from layerkit.core.context import Array
from layerkit.figures import Figure
from layerkit.statistics.aggregates import Aggregate, improvement, interquartile_mean
from layerkit.statistics.ranks import (
    critical_difference,
    friedman,
    groups,
    rank_table,
    without_rounding,
)
from layerkit.statistics.signed_ranks import holm, signed_ranks


class AcrossDataSets(AcrossResult):
    """A finished comparison over several data sets; its fields are those of ``AcrossResult``."""

    def figures(self) -> tuple[Figure, ...]:
        """Average ranks, scores by data set, probabilities of improvement, and profiles."""
        return across_figures(self)

    def to_html(self) -> str:
        """One page that needs nothing else: no script, no network."""
        return across_page(self)


def across(
    contestants: Sequence[str],
    names: Sequence[str],
    comparisons: Sequence[Comparison],
    confidence: float,
    command: str = "",
) -> AcrossDataSets:
    """From a comparison on each data set, whose contestants have the same order."""
    metric = comparisons[0].metric
    cells = [[_Cell.of(c, metric) for c in found.contestants] for found in comparisons]
    higher = next((cell.higher for row in cells for cell in row if cell.known), True)
    means = np.array([[cell.mean for cell in row] for row in cells])
    ranks = rank_table(means, higher=higher)
    average = ranks.mean(axis=0)
    test = friedman(ranks)
    pairs = _pairs(contestants, cells, average.tolist(), higher=higher, confidence=confidence)
    critical = _critical(len(contestants), len(names), confidence)
    enough = len(names) >= LEAST
    if enough:
        pairs = [_judged(pair, critical, test.p, confidence) for pair in pairs]
    open_ = all(pair.verdict == "open" for pair in pairs)
    joined = groups(average.tolist(), math.inf if open_ else critical or 0.0) if enough else []
    return AcrossDataSets(
        contestants=tuple(contestants),
        data=tuple(names),
        metric=metric,
        means=_rows(means),
        ranks=_rows(ranks),
        diverged=tuple(tuple(cell.lost for cell in row) for row in cells),
        average_ranks=tuple(average.tolist()),
        friedman=test,
        critical_difference=critical,
        groups=tuple(tuple(contestants[j] for j in group) for group in joined),
        pairs=tuple(pairs),
        interquartile_means=tuple(
            _middle(column, confidence) for column in zip(*cells, strict=True)
        ),
        confidence=confidence,
        comparisons=tuple(comparisons),
        command=command,
    )


@dataclass(frozen=True)
class _Cell:
    """One contestant on one data set: its runs (k,), and how many of them diverged.

    Of a share, those that diverged are among the runs with the value 0; else they have no value.
    """

    runs: Array
    lost: int
    higher: bool
    share: bool
    known: bool

    @classmethod
    def of(cls, c: Contestant, metric: str) -> _Cell:
        summary, lost = c.metrics.get(metric), len(c.failures)
        if summary is None:
            return cls(np.zeros(0), lost, higher=True, share=False, known=False)
        missing = [0.0] * lost if summary.share else []
        runs = np.array([*summary.values, *missing])
        return cls(runs, lost, higher=summary.higher_is_better, share=summary.share, known=True)

    @property
    def mean(self) -> float:
        """Not-a-number, which ranks last, without a run or if one has no value."""
        if not len(self.runs) or (self.lost and not self.share):
            return math.nan
        return float(self.runs.mean())

    def with_lost(self, worst: float) -> Array:
        """The runs, with those that have no value as ``worst``."""
        return np.concatenate([self.runs, np.full(0 if self.share else self.lost, worst)])


_Cells = Sequence[Sequence[_Cell]]
"""By data set, then by contestant."""


def _rows(table: Array) -> tuple[tuple[float, ...], ...]:
    return tuple(tuple(row) for row in table.tolist())


def _pairs(
    names: Sequence[str], cells: _Cells, ranks: Sequence[float], *, higher: bool, confidence: float
) -> list[RankPair]:
    """All pairs, without verdicts."""
    numbers = list(itertools.combinations(range(len(names)), 2))
    tests = []
    for i, j in numbers:
        gaps = np.array([row[j].mean - row[i].mean for row in cells])
        gaps = without_rounding(gaps if higher else -gaps)
        tests.append((gaps, None if np.isnan(gaps).any() else signed_ranks(gaps)))
    adjusted = holm([1.0 if test is None else test.p for _, test in tests])
    found = []
    for (i, j), (gaps, test), joint in zip(numbers, tests, adjusted, strict=True):
        sides = [_without_gaps(row[i], row[j], higher=higher) for row in cells]
        first, other = zip(*sides, strict=True)
        found.append(
            RankPair(
                names[i],
                names[j],
                wins=int((gaps > 0).sum()),
                losses=int((gaps < 0).sum()),
                ties=int((gaps == 0).sum()),
                rank_difference=ranks[j] - ranks[i],
                signed=test,
                p_holm=None if test is None else joint,
                improvement=improvement(first, other, confidence, higher=higher),
                verdict=None,
            )
        )
    return found


def _without_gaps(a: _Cell, b: _Cell, *, higher: bool) -> tuple[Array, Array]:
    """The runs of two contestants on one data set; one that has no value loses to all others."""
    values = np.concatenate([a.runs, b.runs, np.zeros(1)])
    worst = values.min() - 1 if higher else values.max() + 1
    return a.with_lost(worst), b.with_lost(worst)


def _critical(k: int, n: int, confidence: float) -> float | None:
    """The critical difference; None for two contestants, whose signed ranks say more."""
    return critical_difference(k, n, confidence) if k > 2 else None


def _judged(pair: RankPair, critical: float | None, p: float, confidence: float) -> RankPair:
    """With a verdict; ``p`` is that of Friedman's test for all contestants."""
    verdict: Verdict = "open"
    if critical is None:
        if pair.signed is not None and pair.signed.p < 1 - confidence:
            verdict = "better" if pair.signed.plus > pair.signed.minus else "worse"
    elif p < 1 - confidence and abs(pair.rank_difference) >= critical:
        verdict = "better" if pair.rank_difference < 0 else "worse"
    return replace(pair, verdict=verdict)


def _middle(column: Sequence[_Cell], confidence: float) -> Aggregate | None:
    """The interquartile mean, where scores have a common scale and every run has one."""
    if not all(cell.known and cell.higher and (cell.share or not cell.lost) for cell in column):
        return None
    return interquartile_mean([cell.runs for cell in column], confidence)
