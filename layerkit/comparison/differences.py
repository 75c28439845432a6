"""From what each model made of the rows to summaries, differences and verdicts."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from layerkit.comparison.improvement import Improvement, improvement
from layerkit.comparison.intervals import Levels, over_seeds
from layerkit.comparison.marks import BySeed, Marks, Pair, marks_of, pair
from layerkit.comparison.multiple import not_told_from_the_best, settled
from layerkit.comparison.results import Difference, Summary, Verdict
from layerkit.comparison.sentences import Who, sentence
from layerkit.core.layer import Array
from layerkit.core.parts import Metric

__all__ = ["Side", "best_of", "difference", "differences", "spread_of", "summarise", "verdicts"]


@dataclass(frozen=True)
class Side:
    """A contestant on one side of a difference.

    ``seen`` is the share of the judged rows that it was fitted on, where that counts.
    """

    marks: Marks
    name: str = "a"
    kind: str = "spec"
    seen: float | None = None

    @property
    def who(self) -> Who:
        """In a sentence."""
        return Who(self.name, self.kind, len(self.marks.seeds), len(self.marks.failed))


def spread_of(values: Sequence[float]) -> Summary:
    """Mean, sample deviation and interval of plain numbers such as seconds; less is better."""
    array = np.array(values, np.float64)
    sd = float(array.std(ddof=1)) if len(array) > 1 else None
    interval = over_seeds(array, Levels())
    return Summary(tuple(array.tolist()), float(array.mean()), sd, interval, False)


def summarise(marks: Marks, levels: Levels) -> Summary | None:
    """One metric of one contestant, over its runs that did not diverge; None if all did."""
    values = marks.values[marks.finished]
    if not len(values):
        return None
    found = marks.summary().intervals(levels)
    with np.errstate(all="ignore"):
        sd = float(values.std(ddof=1)) if len(values) > 1 else None
        mean = float(values.mean())
    return Summary(
        tuple(values.tolist()),
        mean,
        sd,
        found["both"] or found["seeds"] or found["rows"],
        marks.higher_is_better,
        marks.share,
        marks.count,
    )


def differences(
    sides: Sequence[Side | None], name: str, levels: Levels, *, main: bool = True
) -> list[Difference | None]:
    """Of each side to the first, in one metric; None for the first, and where there is no value.

    Only the ``main`` metric carries verdicts, which hold jointly.
    """
    first = sides[0]
    pairs = [
        None if first is None or other is None else pair(first.marks, other.marks)
        for other in sides[1:]
    ]
    signs = verdicts(pairs, levels)
    found: list[Difference | None] = [None]
    for other, pairing, sign in zip(sides[1:], pairs, signs, strict=True):
        if first is None or other is None or pairing is None:
            found.append(None)
        else:
            found.append(_difference(first, other, pairing, sign if main else None, name, levels))
    return found


def difference(
    first: tuple[str, BySeed],
    other: tuple[str, BySeed],
    metric: tuple[str, Metric | None],
    levels: Levels,
    *,
    own_rows: float | None = None,
    failures: Sequence[Collection[int]] = ((), ()),
) -> Difference | None:
    """``other`` minus ``first`` in one metric, alone; arguments as for ``marks_of``."""
    name, part = metric
    marks = marks_of([first[1], other[1]], failures, name, part, own_rows)
    named = zip((first[0], other[0]), marks, strict=True)
    return differences([None if m is None else Side(m, who) for who, m in named], name, levels)[1]


def verdicts(pairs: Sequence[Pair | None], levels: Levels) -> list[int]:
    """The sign of each difference that is settled, all holding jointly; 0 for open."""
    return settled([None if p is None else p.chances.bounds() for p in pairs], levels.confidence)


def _difference(
    first: Side, other: Side, found: Pair, sign: int | None, name: str, levels: Levels
) -> Difference:
    higher, chances = first.marks.higher_is_better, found.chances
    architecture = chances.covered and len(found.seeds) > 1
    intervals = chances.intervals(levels)
    shown = "both" if architecture else "rows" if intervals["rows"] else "seeds"
    if (told := intervals[shown]) is not None:
        intervals[shown] = told.beyond_zero(sign or 0)
    d = Difference(
        metric=name,
        mean=chances.mean,
        pairs=found.seeds,
        values=tuple(found.gaps.tolist()),
        both=intervals["both"] if architecture else None,
        seeds=intervals["seeds"],
        rows=intervals["rows"],
        verdict=None if sign is None else _verdict(first, other, sign, architecture=architecture),
        covers="architecture" if architecture else "files",
        higher_is_better=higher,
        share=first.marks.share,
        count=first.marks.count,
        rows_better=found.better,
        rows_worse=found.worse,
        parts=chances.parts(levels.confidence) if architecture else None,
        improvement=_improvement(first.marks, other.marks, levels.confidence),
        diverged=(len(first.marks.failed), len(other.marks.failed)),
        counted=first.marks.share,
        seen=(first.seen, other.seen),
    )
    words, caveat = sentence(first.who, other.who, d, levels)
    return replace(d, words=words, caveat=caveat)


def _improvement(first: Marks, other: Marks, confidence: float) -> Improvement | None:
    """With runs that diverged as losing to all that did not."""
    higher = first.higher_is_better
    values = np.concatenate([first.values, other.values])
    worst = values.min() - 1 if higher else values.max() + 1

    def all_runs(marks: Marks) -> Array:
        lost = 0 if marks.share else len(marks.failed)
        return np.concatenate([marks.values, np.full(lost, worst)])

    return improvement(all_runs(first), all_runs(other), confidence, higher=higher)


def _verdict(first: Side, other: Side, sign: int, *, architecture: bool) -> Verdict:
    """In words; a side that has an unfair advantage never wins."""
    if sign == 0:
        return "open"
    wins = (sign > 0) == first.marks.higher_is_better
    winner = other if wins else first
    if winner.seen is not None or (winner.marks.failed and not winner.marks.share):
        return "open"
    if architecture:
        return "better" if wins else "worse"
    return "files_better" if wins else "files_worse"


def best_of(sides: Mapping[int, Side], confidence: float) -> list[int]:
    """Keys of the sides that are not told apart from the best, by all pairs in one metric.

    A side that was fitted on the judged rows, or whose diverged runs have no value, tells nobody
    else from the best.
    """
    keys = list(sides)
    bounds = {}
    for i, a in enumerate(keys):
        for j in range(i + 1, len(keys)):
            found = pair(sides[a].marks, sides[keys[j]].marks).chances
            unfair = sides[a].seen is not None or sides[keys[j]].seen is not None
            unfair |= any(m.failed and not m.share for m in (sides[a].marks, sides[keys[j]].marks))
            bounds[i, j] = None if unfair else found.bounds()
    higher = all(side.marks.higher_is_better for side in sides.values())
    kept = not_told_from_the_best(bounds, len(keys), confidence, higher=higher)
    return [keys[k] for k in kept]
