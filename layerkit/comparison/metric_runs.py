"""The runs of a contestant in one metric, and the paired runs of two contestants."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

import numpy as np

from layerkit.comparison.judging import Evaluations, resample_metric
from layerkit.core.context import Array
from layerkit.core.parts import Metric
from layerkit.runs.answers import is_right_or_wrong, row_values
from layerkit.statistics.estimates import (
    Estimate,
    estimate_from_resamples,
    estimate_from_rows,
    estimate_from_shares,
    estimate_from_validation,
)


@dataclass(frozen=True)
class MetricRuns:
    """One contestant's runs in one metric.

    Seeds that ``diverged`` are among ``seeds`` in a share, with no row right; other metrics have no
    worst value, so there these runs have none.
    """

    seeds: tuple[int | None, ...]
    values: Array  # (k,) of each run
    count: int  # rows that each run was judged on
    higher_is_better: bool
    share: bool  # whether the metric counts the rows that are right
    rows: Array | None = None  # (k, n) row by row, if it is a mean over rows, the same in each run
    resamples: Array | None = None  # (k, b) on rows drawn again, if it is no mean over rows
    jackknife: Array | None = None  # (k, g) with rows left out, if it is no mean over rows
    validation_ratio: float | None = None  # n2/n1 if each run has n2 of its n1 + n2 rows held out
    diverged: frozenset[int | None] = frozenset()

    def finished(self) -> MetricRuns:
        """Without the runs that diverged."""
        return self.take([i for i, seed in enumerate(self.seeds) if seed not in self.diverged])

    def take(self, places: Sequence[int]) -> MetricRuns:
        """The runs at ``places``."""
        index = np.array(places, np.intp)
        rows, resamples, jackknife = (
            None if table is None else table[index]
            for table in (self.rows, self.resamples, self.jackknife)
        )
        return replace(
            self,
            seeds=tuple(self.seeds[i] for i in places),
            values=self.values[index],
            rows=rows,
            resamples=resamples,
            jackknife=jackknife,
        )

    def estimate(self) -> Estimate:
        """The mean of the runs."""
        if self.validation_ratio is not None:
            ratio = self.validation_ratio
            return estimate_from_validation(
                self.values, self.count, ratio, share=self.share, single=True
            )
        if self.rows is not None:
            if self.share:
                return estimate_from_shares(self.rows, single=True)
            return estimate_from_rows(self.rows)
        assert self.resamples is not None  # noqa: S101  # there are either rows or resamples
        assert self.jackknife is not None  # noqa: S101
        means = self.resamples.mean(axis=0), self.jackknife.mean(axis=0)
        return estimate_from_resamples(self.values, self.count, *means)


def metric_runs(
    evaluations: Sequence[Evaluations],
    diverged: Sequence[Collection[int]],
    name: str,
    metric: Metric | None,
    validation_ratio: float | None = None,
) -> list[MetricRuns | None]:
    """Each contestant's runs in one metric, None without any; ``metric`` is None for the loss.

    Rows are resampled with the same draws for all contestants.
    """
    models = [e for by_seed in evaluations for e in by_seed.values()]
    if not models:
        return [None] * len(evaluations)
    tables = [row_values(e, name, metric) for e in models]
    share = (
        metric is not None and metric.target != ("real",) and all(map(is_right_or_wrong, tables))
    )
    by_row = all(table is not None for table in tables)
    found: list[MetricRuns | None] = []
    for by_seed, lost in zip(evaluations, diverged, strict=True):
        held, tables = tables[: len(by_seed)], tables[len(by_seed) :]
        runs = MetricRuns(
            seeds=tuple(by_seed),
            values=np.array([e.values[name] for e in by_seed.values()]),
            count=len(models[0]),
            higher_is_better=metric is not None and metric.higher_is_better,
            share=share,
            validation_ratio=validation_ratio,
            diverged=frozenset(lost),
        )
        if validation_ratio is None and by_seed and by_row:
            runs = replace(runs, rows=np.stack([t for t in held if t is not None]))
        elif validation_ratio is None and by_seed and metric is not None:
            pairs = [resample_metric(e, metric) for e in by_seed.values()]
            resamples, jackknife = (np.stack(part) for part in zip(*pairs, strict=True))
            runs = replace(runs, resamples=resamples, jackknife=jackknife)
        if share and lost:
            runs = with_diverged(runs)
        found.append(runs if runs.seeds else None)
    return found


def with_diverged(runs: MetricRuns) -> MetricRuns:
    """The runs of a share, with those that diverged as runs with no row right, seeds in order."""
    lost = sorted(s for s in runs.diverged if s is not None)
    seeds = [*runs.seeds, *lost]
    order = sorted(range(len(seeds)), key=lambda i: (seeds[i] is not None, seeds[i] or 0))
    values = np.concatenate([runs.values, np.zeros(len(lost))])[order]
    rows = None
    if runs.validation_ratio is None:
        held = np.zeros((0, runs.count)) if runs.rows is None else runs.rows
        rows = np.concatenate([held, np.zeros((len(lost), runs.count))])[order]
    return replace(runs, seeds=tuple(seeds[i] for i in order), values=values, rows=rows)


@dataclass(frozen=True)
class PairedRuns:
    """One contestant minus another in one metric; without common seeds, the means of all runs.

    ``better`` and ``worse`` count the rows on which its mean over runs is; None if the metric is no
    mean over rows.
    """

    seeds: tuple[int | None, ...]  # that both have
    gaps: Array  # (k,) of each pair of runs
    estimate: Estimate
    better: int | None = None
    worse: int | None = None


def pair_runs(first: MetricRuns, other: MetricRuns) -> PairedRuns:
    """``other`` minus ``first``, run by run where they share seeds."""
    seeds = tuple(seed for seed in first.seeds if seed in other.seeds)
    if seeds:
        first = first.take([first.seeds.index(s) for s in seeds])
        other = other.take([other.seeds.index(s) for s in seeds])
    with np.errstate(all="ignore"):
        gaps = other.values - first.values if seeds else _mean_gap(first.values, other.values)
    n = first.count
    better: int | None = None
    worse: int | None = None
    if first.validation_ratio is not None:
        ratio = first.validation_ratio
        estimate = estimate_from_validation(gaps, n, ratio, share=first.share, single=False)
    elif not np.all(np.isfinite(gaps)):
        estimate = Estimate(float(gaps.mean()), len(gaps), n)
    elif first.rows is not None and other.rows is not None:
        table = other.rows - first.rows if seeds else _mean_gap(first.rows, other.rows)
        estimate = estimate_from_shares(table) if first.share else estimate_from_rows(table)
        gains = table.mean(axis=0) if first.higher_is_better else -table.mean(axis=0)
        better, worse = int((gains > 0).sum()), int((gains < 0).sum())
    else:
        (resamples,) = _mean_gap(first.resamples, other.resamples)
        (jackknife,) = _mean_gap(first.jackknife, other.jackknife)
        estimate = estimate_from_resamples(gaps, n, resamples, jackknife)
    return PairedRuns(seeds, gaps if seeds else np.empty(0), estimate, better, worse)


def _mean_gap(first: Array | None, other: Array | None) -> Array:
    """(1, ...) the mean of ``other`` over runs minus that of ``first``."""
    assert first is not None  # noqa: S101  # there are either rows or resamples
    assert other is not None  # noqa: S101
    gap: Array = other.mean(axis=0) - first.mean(axis=0)
    return gap[np.newaxis]
