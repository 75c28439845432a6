"""The function ``compare_across``: the same specs compared on several data sets."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from layerkit.comparison.across_ranks import AcrossDataSets, across
from layerkit.comparison.command import command_of
from layerkit.comparison.comparison import Comparison
from layerkit.comparison.contestants import ContestantLike, Entry, read_contestants
from layerkit.comparison.data import JudgedSplit
from layerkit.comparison.data_sets import DataSet, learns_numbers, read_data_set
from layerkit.comparison.run import compare
from layerkit.comparison.trainings import ComparisonStoppedError
from layerkit.data import Dialect
from layerkit.display import quoted
from layerkit.errors import DataError, SpecError
from layerkit.runs.workers import GivenExecutor
from layerkit.specs import Spec
from layerkit.training import Listener

Finished = Callable[[str, int, int], object]
"""Gets the name of a data set that is done, how many are, and the total."""


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
    executor: GivenExecutor | None = None,
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
    seeds, settings, listener, on, dialect, keep, processes, executor
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
        If a contestant, a data set or the executor cannot be read or used, or they do not fit
        together.
    StudyError, MissingExtraError
        As for ``compare``.
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
    command = command_of(
        entries, data, seeds=seeds, settings=settings, confidence=confidence, on=on,
        dialect=dialect,
    )  # fmt: skip
    comparisons: list[Comparison] = []
    for name, specs in zip(names, adapted, strict=True):
        try:
            found = _one(name, specs, seeds=seeds, listener=listener, keep=keep, on=on,
                         confidence=confidence, dialect=dialect, processes=processes,
                         executor=executor)  # fmt: skip
        except ComparisonStoppedError as stopped:
            _extend(stopped, entries, names, len(comparisons), seeds)
            stopped.command = command
            raise
        comparisons.append(replace(found, command=command))
        if finished is not None:
            finished(name, len(comparisons), len(names))
    return across([e.name for e in entries], names, comparisons, confidence, command)


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
