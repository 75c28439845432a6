"""From what each model made of the rows to summaries and paired differences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from layerkit.comparison.intervals import (
    Interval,
    Levels,
    over_resamples,
    over_right_rows,
    over_seeds,
    share_of_rows,
)
from layerkit.comparison.judging import Judged, resampled, row_values
from layerkit.comparison.results import Difference, Summary
from layerkit.comparison.wording import sentence, verdict_of, why_no_seeds
from layerkit.layer import Array
from layerkit.parts import Metric

__all__ = ["BySeed", "difference", "spread_of", "summarise"]

BySeed = Mapping[int | None, Judged]
"""One contestant's judged models."""


def spread_of(values: Sequence[float]) -> Summary:
    """Mean, sample deviation and interval of plain numbers such as seconds; less is better."""
    array = np.array(values, np.float64)
    sd = float(array.std(ddof=1)) if len(array) > 1 else None
    interval = over_seeds(array, Levels())
    return Summary(tuple(array.tolist()), float(array.mean()), sd, interval, False)


def summarise(judged: BySeed, name: str, metric: Metric | None, levels: Levels) -> Summary:
    """One metric of one contestant; ``metric`` is None for the loss."""
    models = list(judged.values())
    values = np.array([j.values[name] for j in models])
    rows = row_values(models, name, metric)
    share = _right_or_wrong(rows, metric)
    if len(models) > 1:
        interval = over_seeds(values, levels)
    elif share:
        interval = share_of_rows(float(values[0]), len(models[0]), levels)
    else:
        interval = over_resamples(resampled(models, rows, metric)[0], len(models[0]), levels)
    with np.errstate(all="ignore"):
        sd = float(values.std(ddof=1)) if len(values) > 1 else None
        mean = float(values.mean())
    return Summary(tuple(values.tolist()), mean, sd, interval, _higher(metric), share)


def difference(
    first: tuple[str, BySeed],
    other: tuple[str, BySeed],
    metric: tuple[str, Metric | None],
    levels: Levels,
    *,
    same_rows: bool = True,
) -> Difference:
    """``other`` minus ``first`` in one metric, paired by seed.

    Where no seed is shared the means are compared, and there is no interval over seeds.
    ``same_rows`` is False when each seed is judged on rows of its own.
    """
    name, part = metric
    shared = [seed for seed in first[1] if seed in other[1]]
    mine = [other[1][s] for s in shared] or list(other[1].values())
    base = [first[1][s] for s in shared] or list(first[1].values())
    with np.errstate(all="ignore"):
        gaps = np.array([a.values[name] - b.values[name] for a, b in zip(mine, base, strict=False)])
        mean = float(np.mean(_of(mine, name)) - np.mean(_of(base, name)))
    pairs = gaps if shared else np.empty(0)
    seeds = over_seeds(pairs, levels)
    rows = counts = None
    share = False
    if np.isfinite(mean) and (same_rows or len(mine) == len(base) == 1):
        rows, counts, share = _over_rows(mine, base, name, part, levels)
    drawn = Difference(
        metric=name,
        mean=mean,
        pairs=tuple(shared),
        values=tuple(pairs.tolist()),
        seeds=seeds,
        rows=rows,
        rows_better=None if counts is None else counts[0],
        rows_worse=None if counts is None else counts[1],
        verdict=verdict_of(mean, seeds, rows, _higher(part)),
        higher_is_better=_higher(part),
        share=share,
    )
    reason = why_no_seeds(drawn.values, len(first[1]) + len(other[1]))
    words, caveat = sentence(other[0], first[0], drawn, levels, reason)
    return replace(drawn, words=words, caveat=caveat)


def _over_rows(
    mine: list[Judged], base: list[Judged], name: str, metric: Metric | None, levels: Levels
) -> tuple[Interval | None, tuple[int, int] | None, bool]:
    """(interval, (rows better, rows worse), whether the metric is a share of right rows)."""
    both = [*mine, *base]
    k, n = len(mine), len(base[0])
    rows = row_values(both, name, metric)
    counts = None
    if rows is not None:
        gaps = rows[:k].mean(axis=0) - rows[k:].mean(axis=0)
        better = gaps if _higher(metric) else -gaps
        counts = int((better > 0).sum()), int((better < 0).sum())
        if _right_or_wrong(rows, metric):
            return over_right_rows(gaps, levels), counts, True
    drawn = resampled(both, rows, metric)
    gaps = drawn[:k].mean(axis=0) - drawn[k:].mean(axis=0)
    return over_resamples(gaps, n, levels), counts, False


def _of(judged: list[Judged], name: str) -> list[float]:
    return [j.values[name] for j in judged]


def _higher(metric: Metric | None) -> bool:
    return metric is not None and metric.higher_is_better


def _right_or_wrong(rows: Array | None, metric: Metric | None) -> bool:
    """Whether the metric judges classes and every row is simply right (1) or wrong (0)."""
    if metric is None or rows is None or metric.target == ("real",):
        return False
    return bool(np.all((rows == 0) | (rows == 1)))
