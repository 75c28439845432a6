"""What the runs of a contestant made of the rows in one metric, and how two contestants pair up."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from layerkit.comparison.chances import Chances, of_draws, of_own_rows, of_rows, of_shares
from layerkit.comparison.judging import Judged, resampled, row_values
from layerkit.core.layer import Array
from layerkit.core.parts import Metric

__all__ = ["BySeed", "Marks", "Pair", "marks_of", "pair"]

BySeed = Mapping[int | None, Judged]
"""One contestant's judged models."""


@dataclass(frozen=True)
class Marks:
    """One contestant's runs in one metric.

    Attributes
    ----------
    seeds, values
        Of the runs, and the metric of each (k,).
    count
        How many rows each run was judged on.
    higher_is_better, share
        What the metric is like; a share counts rows that are right.
    rows
        (k, n) the metric row by row; None if it is no mean over rows, or each run has its own rows.
    drawn, left
        (k, b) on resamples and (k, g) with rows left out, for a metric that is no mean over rows.
    own_rows
        n2/n1 if each run was judged on n2 rows of its own, kept out of n1 + n2.
    failed
        Seeds of runs that diverged. Those of a share are among ``seeds``, with no row right; for
        other metrics there is no worst value, and they have none.
    """

    seeds: tuple[int | None, ...]
    values: Array
    count: int
    higher_is_better: bool
    share: bool
    rows: Array | None = None
    drawn: Array | None = None
    left: Array | None = None
    own_rows: float | None = None
    failed: frozenset[int | None] = field(default_factory=frozenset)

    @property
    def finished(self) -> list[int]:
        """Places of the runs that did not diverge."""
        return [i for i, seed in enumerate(self.seeds) if seed not in self.failed]

    def summary(self) -> Chances:
        """Of the runs that finished."""
        keep = self.finished
        values = self.values[keep]
        if self.own_rows is not None:
            return of_own_rows(values, self.count, self.own_rows, share=self.share, single=True)
        if self.rows is not None:
            table = self.rows[keep]
            return of_shares(table, single=True) if self.share else of_rows(table)
        drawn, left = (None if a is None else a[keep].mean(axis=0) for a in (self.drawn, self.left))
        assert drawn is not None  # noqa: S101  # either rows or draws
        assert left is not None  # noqa: S101
        return of_draws(values, self.count, drawn, left)


def marks_of(
    judged: Sequence[BySeed],
    failures: Sequence[Collection[int]],
    name: str,
    metric: Metric | None,
    own_rows: float | None = None,
) -> list[Marks | None]:
    """Each contestant's marks in one metric, None without any; ``metric`` is None for the loss.

    The draws of rows are made once, so that all contestants see the same.
    """
    models = [j for by in judged for j in by.values()]
    if not models:
        return [None] * len(judged)
    tables = [row_values([j], name, metric) for j in models]
    share = all(_right_or_wrong(table, metric) for table in tables)
    by_rows = all(table is not None for table in tables)
    n = len(models[0])
    found: list[Marks | None] = []
    at = 0
    for by, failed in zip(judged, failures, strict=True):
        held = tables[at : at + len(by)]
        at += len(by)
        values = np.array([j.values[name] for j in by.values()])
        marks = Marks(
            tuple(by),
            values,
            n,
            metric is not None and metric.higher_is_better,
            share,
            own_rows=own_rows,
            failed=frozenset(failed),
        )
        if own_rows is None and by and by_rows:
            marks = replace(marks, rows=np.concatenate([t for t in held if t is not None]))
        elif own_rows is None and by and metric is not None:
            pairs = [resampled(j, metric) for j in by.values()]
            drawn, left = (np.stack(part) for part in zip(*pairs, strict=True))
            marks = replace(marks, drawn=drawn, left=left)
        if share and failed:
            marks = _counted(marks, n)
        found.append(marks if len(marks.seeds) else None)
    return found


def _counted(marks: Marks, n: int) -> Marks:
    """A share's diverged runs put in as runs with no row right, seeds in order."""
    failed = sorted(s for s in marks.failed if s is not None)
    seeds = [*marks.seeds, *failed]
    order = sorted(range(len(seeds)), key=lambda i: (seeds[i] is not None, seeds[i] or 0))
    values = np.concatenate([marks.values, np.zeros(len(failed))])[order]
    rows = None
    if marks.own_rows is None:
        held = np.zeros((0, n)) if marks.rows is None else marks.rows
        rows = np.concatenate([held, np.zeros((len(failed), n))])[order]
    return replace(marks, seeds=tuple(seeds[i] for i in order), values=values, rows=rows)


def _right_or_wrong(rows: Array | None, metric: Metric | None) -> bool:
    """Whether the metric judges classes and every row is simply right (1) or wrong (0)."""
    if metric is None or rows is None or metric.target == ("real",):
        return False
    return bool(np.all((rows == 0) | (rows == 1)))


@dataclass(frozen=True)
class Pair:
    """One contestant minus another in one metric.

    Attributes
    ----------
    seeds
        That both have; empty if none: then the means of all runs are compared.
    gaps
        (k,) the difference of each pair of runs.
    chances
        Of the mean difference.
    better, worse
        Rows judged better and worse, averaged over runs; None if the metric is no mean over rows.
    """

    seeds: tuple[int | None, ...]
    gaps: Array
    chances: Chances
    better: int | None = None
    worse: int | None = None


def pair(first: Marks, other: Marks) -> Pair:
    """``other`` minus ``first``, run by run where they share seeds."""
    shared = tuple(seed for seed in first.seeds if seed in other.seeds)
    mine = [other.seeds.index(s) for s in shared] or list(range(len(other.seeds)))
    base = [first.seeds.index(s) for s in shared] or list(range(len(first.seeds)))
    with np.errstate(all="ignore"):
        if shared:
            gaps = other.values[mine] - first.values[base]
        else:
            gaps = np.array([other.values.mean() - first.values.mean()])
    found, better, worse = _chances(first, other, base, mine, gaps, paired=bool(shared))
    return Pair(shared, gaps if shared else np.empty(0), found, better, worse)


def _chances(
    first: Marks, other: Marks, base: list[int], mine: list[int], gaps: Array, *, paired: bool
) -> tuple[Chances, int | None, int | None]:
    ratio = first.own_rows
    if ratio is not None and (len(base) > 1 or not paired):
        return _own_rows(first, gaps, ratio), None, None
    if not np.all(np.isfinite(gaps)):
        return Chances(float(gaps.mean()), len(gaps), first.count), None, None
    if first.rows is not None and other.rows is not None:
        a, b = other.rows[mine], first.rows[base]
        table = a - b if paired else (a.mean(axis=0) - b.mean(axis=0))[np.newaxis]
        rows = table.mean(axis=0)
        signed = rows if first.higher_is_better else -rows
        found = of_shares(table) if first.share else of_rows(table)
        return found, int((signed > 0).sum()), int((signed < 0).sum())
    if first.drawn is None or other.drawn is None or first.left is None or other.left is None:
        return _own_rows(first, gaps, 0.0), None, None
    drawn = other.drawn[mine].mean(axis=0) - first.drawn[base].mean(axis=0)
    left = other.left[mine].mean(axis=0) - first.left[base].mean(axis=0)
    return of_draws(gaps, first.count, drawn, left), None, None


def _own_rows(first: Marks, gaps: Array, ratio: float) -> Chances:
    return of_own_rows(gaps, first.count, ratio, share=first.share, single=False)
