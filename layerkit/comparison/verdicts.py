"""Summaries, differences from the first contestant, and the verdicts on them."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from layerkit.comparison.metric_runs import MetricRuns, PairedRuns, pair_runs
from layerkit.comparison.results import Difference, Kind, Summary, Verdict
from layerkit.comparison.sentences import ContestantLabel, difference_sentence
from layerkit.core.context import Array
from layerkit.statistics.estimates import estimate_from_runs
from layerkit.statistics.intervals import (
    Improvement,
    Levels,
    Source,
    probability_of_improvement,
)
from layerkit.statistics.multiple_comparisons import holm_signs


@dataclass(frozen=True)
class ContestantRuns:
    """A contestant's runs in one metric.

    ``seen`` is the share of the judged rows that it was fitted on, if more than equal rows explain.
    """

    runs: MetricRuns
    name: str = "a"
    kind: Kind = "spec"
    seen: float | None = None

    @property
    def label(self) -> ContestantLabel:
        """What a sentence says of it."""
        diverged = len(self.runs.diverged)
        return ContestantLabel(self.name, self.kind, len(self.runs.seeds), diverged)

    @property
    def unfair(self) -> bool:
        """Whether it cannot win: it knows the judged rows, or its diverged runs have no value."""
        return self.seen is not None or bool(self.runs.diverged and not self.runs.share)


def summarise_seconds(seconds: Sequence[float]) -> Summary:
    """Mean, sample deviation and interval of training times."""
    array = np.array(seconds, np.float64)
    estimate = estimate_from_runs(array, 0)
    sd = float(array.std(ddof=1)) if len(array) > 1 else None
    interval = estimate.intervals(Levels())["seeds"]
    return Summary(tuple(array.tolist()), estimate.mean, sd, interval, higher_is_better=False)


def summarise(runs: MetricRuns, levels: Levels) -> Summary | None:
    """One metric of one contestant, over its runs that did not diverge; None if all did."""
    finished = runs.finished()
    values = finished.values
    if not len(values):
        return None
    found = finished.estimate().intervals(levels)
    with np.errstate(all="ignore"):
        sd = float(values.std(ddof=1)) if len(values) > 1 else None
        mean = float(values.mean())
    return Summary(
        values=tuple(values.tolist()),
        mean=mean,
        sd=sd,
        interval=found["both"] or found["seeds"] or found["rows"],
        higher_is_better=runs.higher_is_better,
        share=runs.share,
        rows=runs.count,
    )


def differences(
    contestants: Sequence[ContestantRuns | None], metric: str, levels: Levels, *, main: bool = True
) -> list[Difference | None]:
    """Each contestant minus the first in one metric; None for the first, and without a value.

    Only the ``main`` metric carries verdicts, which hold jointly.
    """
    first = contestants[0]
    if first is None:
        return [None] * len(contestants)
    pairs = [None if c is None else pair_runs(first.runs, c.runs) for c in contestants[1:]]
    signs = settled_signs(pairs, levels)
    found: list[Difference | None] = [None]
    for other, pair, sign in zip(contestants[1:], pairs, signs, strict=True):
        if other is None or pair is None:
            found.append(None)
            continue
        d = _difference(first, other, pair, sign if main else None, metric, levels)
        words, caveat = difference_sentence(first.label, other.label, d, levels)
        found.append(replace(d, words=words, caveat=caveat))
    return found


def settled_signs(pairs: Sequence[PairedRuns | None], levels: Levels) -> list[int]:
    """The sign of each difference that is settled, all holding jointly; 0 for open."""
    return holm_signs([None if p is None else p.estimate.bounds for p in pairs], levels.confidence)


def _difference(
    first: ContestantRuns,
    other: ContestantRuns,
    pair: PairedRuns,
    sign: int | None,
    metric: str,
    levels: Levels,
) -> Difference:
    estimate = pair.estimate
    architecture = estimate.covers_both and len(pair.seeds) > 1
    intervals = estimate.intervals(levels)
    shown: Source = "both" if architecture else "rows" if intervals["rows"] else "seeds"
    interval = intervals[shown]
    intervals[shown] = None if interval is None else interval.cut_at_zero(sign or 0)
    return Difference(
        metric=metric,
        mean=estimate.mean,
        pairs=pair.seeds,
        values=tuple(pair.gaps.tolist()),
        both=intervals["both"] if architecture else None,
        seeds=intervals["seeds"],
        rows=intervals["rows"],
        verdict=None if sign is None else _verdict(first, other, sign, architecture=architecture),
        covers="architecture" if architecture else "files",
        higher_is_better=first.runs.higher_is_better,
        share=first.runs.share,
        count=first.runs.count,
        rows_better=pair.better,
        rows_worse=pair.worse,
        parts=estimate.variance_shares(levels.confidence) if architecture else None,
        improvement=_improvement(first.runs, other.runs, levels.confidence),
        diverged=(len(first.runs.diverged), len(other.runs.diverged)),
        counted=first.runs.share,
        seen=(first.seen, other.seen),
    )


def _improvement(first: MetricRuns, other: MetricRuns, confidence: float) -> Improvement | None:
    """With diverged runs as losing to all that did not diverge."""
    higher = first.higher_is_better
    values = np.concatenate([first.values, other.values])
    worst = values.min() - 1 if higher else values.max() + 1

    def with_diverged(runs: MetricRuns) -> Array:
        lost = 0 if runs.share else len(runs.diverged)  # a share counts them already
        return np.concatenate([runs.values, np.full(lost, worst)])

    first_values, other_values = with_diverged(first), with_diverged(other)
    return probability_of_improvement(first_values, other_values, confidence, higher=higher)


def _verdict(
    first: ContestantRuns, other: ContestantRuns, sign: int, *, architecture: bool
) -> Verdict:
    """The verdict on a settled ``sign``; a contestant with an unfair advantage never wins."""
    if sign == 0:
        return "open"
    wins = (sign > 0) == first.runs.higher_is_better
    if (other if wins else first).unfair:
        return "open"
    if architecture:
        return "better" if wins else "worse"
    return "files_better" if wins else "files_worse"


def told_apart(
    contestants: Mapping[int, ContestantRuns], confidence: float
) -> list[tuple[int, int]]:
    """The pairs of keys (better, worse) that are told apart in one metric, all pairs jointly.

    A pair with an unfair advantage on either side is never settled.
    """
    keys = list(itertools.combinations(contestants, 2))
    held = [(contestants[i], contestants[j]) for i, j in keys]
    bounds = [
        None if a.unfair or b.unfair else pair_runs(a.runs, b.runs).estimate.bounds for a, b in held
    ]
    higher = all(c.runs.higher_is_better for c in contestants.values())
    signs = holm_signs(bounds, confidence)
    return [
        (j, i) if (sign > 0) == higher else (i, j)
        for (i, j), sign in zip(keys, signs, strict=True)
        if sign
    ]


def best_contestants(contestants: Mapping[int, ContestantRuns], confidence: float) -> list[int]:
    """Keys of the contestants that are not told apart from the best, by all pairs in one metric."""
    return not_worse(contestants, told_apart(contestants, confidence))


def not_worse(contestants: Iterable[int], pairs: Iterable[tuple[int, int]]) -> list[int]:
    """The contestants that are worse than none in ``pairs`` (better, worse).

    With the confidence of the pairs, every contestant that is truly among the best is one of them,
    although the data chose which looks best: a model confidence set in the sense of Hansen, Lunde,
    Nason, "The Model Confidence Set" (Econometrica 79, 2011), by the simpler method of all pairs.
    """
    worse = {j for _, j in pairs}
    return [key for key in contestants if key not in worse]
