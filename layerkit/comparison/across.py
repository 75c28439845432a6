"""The function ``compare_across``: the same specs compared on several data sets."""

from __future__ import annotations

import itertools
import json
import math
import os
import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from layerkit.comparison.across_figures import across_figures
from layerkit.comparison.across_page import across_page
from layerkit.comparison.across_result import LEAST, AcrossResult, RankPair, Verdict
from layerkit.comparison.comparison import Comparison
from layerkit.comparison.contestants import ContestantLike, Entry, read_contestants
from layerkit.comparison.data import JudgedSplit
from layerkit.comparison.data_sets import DataSet, learns_numbers, read_data_set
from layerkit.comparison.results import Contestant
from layerkit.comparison.run import compare
from layerkit.comparison.trainings import ComparisonStoppedError
from layerkit.core.context import Array
from layerkit.data import Dialect
from layerkit.display import quoted
from layerkit.errors import DataError, SpecError
from layerkit.figures import Figure
from layerkit.specs import Spec
from layerkit.statistics.aggregates import Aggregate, improvement, interquartile_mean
from layerkit.statistics.ranks import (
    critical_difference,
    friedman,
    groups,
    rank_table,
    without_rounding,
)
from layerkit.statistics.signed_ranks import holm, signed_ranks
from layerkit.training import Listener

Finished = Callable[[str, int, int], object]
"""Gets the name of a data set that is done, how many are, and the total."""


class AcrossDataSets(AcrossResult):
    """A finished comparison over several data sets; its fields are those of ``AcrossResult``."""

    def figures(self) -> tuple[Figure, ...]:
        """Average ranks, scores by data set, probabilities of improvement, and profiles."""
        return across_figures(self)

    def to_html(self) -> str:
        """One page that needs nothing else: no script, no network."""
        return across_page(self)


def compare_across(
    contestants: Sequence[ContestantLike],
    data: Sequence[str | os.PathLike[str]],
    *,
    seeds: int = 5,
    settings: Sequence[str] = (),
    listener: Listener | None = None,
    confidence: float = 0.95,
    on: JudgedSplit = "test",
    dialect: Dialect | None = None,
    keep: str | os.PathLike[str] | None = None,
    processes: int = 1,
    finished: Finished | None = None,
) -> AcrossDataSets:
    """Train the same specs on several data sets, and compare their ranks over them.

    Every spec is adapted to each data set: inputs and target are those that ``spec_init`` finds
    (the last column of a table), the units of its last layer follow the number of classes; layers
    and training stay. All that cannot be trained is refused before the first training. The data
    sets are the unit of chance: the runs on one are averaged.

    Parameters
    ----------
    contestants
        Specs; models are refused, as each was trained for one data set.
    data
        Two or more: tables, folders, named data sources, and specs, which say themselves what
        their data, inputs and target are.
    seeds, settings, listener, on, dialect, keep, processes
        As for ``compare``.
    confidence
        Of each interval and verdict.
    finished
        Called after each data set with its name, the count of those done, and the total.

    Returns
    -------
    AcrossDataSets
        Scores, ranks, verdicts, and the comparison on each data set.

    Raises
    ------
    SpecError, PluginError, DataError, DataSourceError, PathError
        If a contestant or a data set cannot be read or used, or they do not fit together.
    ValueError
        If there are fewer than two data sets, or as for ``compare``.
    ComparisonStoppedError
        If the listener stops a training: a KeyboardInterrupt that says which are finished.
    """
    if len(data) < 2:
        raise ValueError(f"data: expected two data sets or more, got {len(data)}")
    entries = read_contestants(contestants, settings)
    _check(entries)
    sets = [_read(given, learns_numbers(entries[0].spec), dialect) for given in data]
    _refuse_twice(sets)
    adapted = [[each.fit(entry.spec, entry.name) for entry in entries] for each in sets]
    names = _distinct([each.name for each in sets])
    command = shlex.join(_command(entries, data, seeds, settings, confidence, on))
    comparisons: list[Comparison] = []
    for name, specs in zip(names, adapted, strict=True):
        try:
            found = _one(name, specs, seeds=seeds, listener=listener, keep=keep, on=on,
                         confidence=confidence, dialect=dialect, processes=processes)  # fmt: skip
        except ComparisonStoppedError as stopped:
            _extend(stopped, entries, names, len(comparisons), seeds)
            stopped.command = command
            raise
        comparisons.append(replace(found, command=command))
        if finished is not None:
            finished(name, len(comparisons), len(names))
    return across([e.name for e in entries], names, comparisons, confidence, command)


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


def _check(entries: Sequence[Entry]) -> None:
    """Raises DataError for models, and SpecError for specs that cannot be trained."""
    for entry in entries:
        if entry.kind != "spec":
            raise DataError(
                f"{quoted(entry.name)} is a trained model, and belongs to one data set",
                hint="give its spec, which is trained on every data set",
            )
        if entry.spec.train is None:
            raise SpecError(f"{quoted(entry.name)} has no 'train' section, which training needs")
    if len(entries) < 2:
        raise SpecError("expected two contestants or more: ranks compare them")
    kinds = [learns_numbers(entry.spec) for entry in entries]
    if len(set(kinds)) > 1:
        numbers, classes = (entries[kinds.index(kind)].name for kind in (True, False))
        raise DataError(
            f"{quoted(numbers)} and {quoted(classes)} answer different questions, so they cannot "
            "be compared: numbers against classes"
        )


def _read(given: str | os.PathLike[str], numbers: bool, dialect: Dialect | None) -> DataSet:
    """A data set; its name is in every error."""
    try:
        return read_data_set(given, numbers=numbers, dialect=dialect)
    except DataError as error:
        name = os.fspath(given)
        if error.source is None:
            error.source = name
        raise


def _refuse_twice(sets: Sequence[DataSet]) -> None:
    """Raises DataError if two are the same: they would count as independent."""
    seen: dict[str, str] = {}
    for each in sets:
        target = each.output.get("column"), each.output.get("targets")
        data = each.data
        if isinstance(data, Mapping) and data.keys() == {"path"}:
            data = data["path"]
        if isinstance(data, str) and Path(data).exists():
            data = os.path.realpath(data)
        key = json.dumps([data, target if each.input.get("columns") else None])
        if key in seen:
            raise DataError(
                f"{quoted(seen[key])} and {quoted(each.name)} are the same data set",
                hint="ranks count data sets that are independent; seeds repeat one: --seeds",
            )
        seen[key] = each.name


def _distinct(names: Sequence[str]) -> list[str]:
    """``names`` with a number where one appears again."""
    return [
        name if name not in names[:i] else f"{name} ({names[: i + 1].count(name)})"
        for i, name in enumerate(names)
    ]


def _one(name: str, specs: Sequence[Spec], **how: Any) -> Comparison:
    """The comparison on one data set; ``how`` are further arguments of ``compare``."""
    try:
        return compare(specs, timing=False, **how)
    except DataError as error:
        if error.source is None:
            error.source = name
        raise


def _extend(
    stopped: ComparisonStoppedError,
    entries: Sequence[Entry],
    names: Sequence[str],
    done: int,
    seeds: int,
) -> None:
    """Name the data set of each training, and add those of the data sets before and after."""
    first = (entries[0].spec.train or {})["seed"]

    def every(sets: Sequence[str]) -> list[tuple[str, int]]:
        runs = range(first, first + seeds)
        return [(f"{e.name} on {name}", seed) for name in sets for seed in runs for e in entries]

    def here(runs: Sequence[tuple[str, int]]) -> list[tuple[str, int]]:
        return [(f"{name} on {names[done]}", seed) for name, seed in runs]

    stopped.finished = (*every(names[:done]), *here(stopped.finished))
    stopped.unfinished = (*here(stopped.unfinished), *every(names[done + 1 :]))


def _command(
    entries: Sequence[Entry],
    data: Sequence[str | os.PathLike[str]],
    seeds: int,
    settings: Sequence[str],
    confidence: float,
    on: JudgedSplit,
) -> list[str]:
    """The words of the command that repeats the comparison."""
    words = ["layerkit", "compare"]
    for entry in entries:
        words += entry.sources or [f"{entry.name}.json"]
    for given in data:
        words += ["--data", os.fspath(given)]
    words += ["--seeds", str(seeds)]
    for setting in settings:
        words += ["--set", setting]
    if confidence != 0.95:
        words += ["--confidence", f"{confidence:g}"]
    return words + (["--on", on] if on != "test" else [])
