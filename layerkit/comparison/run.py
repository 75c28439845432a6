"""The function ``compare``: specs are trained seed by seed, all models are judged on the same rows.

Every contestant uses the same seeds, which makes pairs of runs: the same validation split and the
same order of rows.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from layerkit.comparison.command import command_of
from layerkit.comparison.comparison import Comparison
from layerkit.comparison.contestants import ContestantLike, Entry, check_same_task, read_contestants
from layerkit.comparison.data import ComparisonData, JudgedSplit, load_comparison_data
from layerkit.comparison.facts import cautions_of, facts_of
from layerkit.comparison.judging import Evaluations, class_answers, judge, shared_metrics
from layerkit.comparison.metric_runs import metric_runs
from layerkit.comparison.overlap import Overlap
from layerkit.comparison.results import Timing
from layerkit.comparison.timing import BATCH_ROWS, time_models
from layerkit.comparison.trainings import (
    ComparisonStoppedError,
    Finished,
    Trainings,
    train_entries,
)
from layerkit.comparison.verdicts import ContestantRuns, not_worse, told_apart
from layerkit.core.parts import Metric
from layerkit.data import Dialect
from layerkit.reporting.versions import versions
from layerkit.runs.workers import GivenExecutor, worker_source
from layerkit.training import Listener
from layerkit.training.training_data import DataLike


def compare(
    contestants: Sequence[ContestantLike],
    *,
    data: DataLike = None,
    seeds: int = 5,
    settings: Sequence[str] = (),
    listener: Listener | None = None,
    confidence: float = 0.95,
    timing: bool = True,
    on: JudgedSplit = "test",
    dialect: Dialect | None = None,
    keep: str | os.PathLike[str] | None = None,
    processes: int = 1,
    executor: GivenExecutor | None = None,
    finished: Finished | None = None,
) -> Comparison:
    """Train or load contestants, judge them on the same rows, and compare each with the first.

    Each difference has one interval over two sources of variation, other training runs and other
    test rows, and says what each contributes. Where one of them is not measured, as with one model
    each, the verdict is about these files only. Neither covers other training rows, another
    train/test split, or other settings: all seeds share one split. Only the main metric carries
    verdicts.

    Parameters
    ----------
    contestants
        Specs (paths, parsed objects, ``Spec``), which are trained here, and models (paths,
        ``Model``), which are only judged. Models whose specs differ only in name and seed are
        seeds of one contestant.
    data
        Path, or splits by name; None for what the recipes name.
    seeds
        How many times each spec is trained, counting up from the first contestant's seed.
    settings
        Overrides for all specs, such as ``"train.epochs=5"``.
    listener
        Receives the progress of each training.
    confidence
        Of each interval.
    timing
        Whether to measure inference; takes a fraction of a second per contestant.
    on
        "test" rows, the same for all, or each seed's "validation" rows (specs only), for choosing
        between architectures without touching the test rows.
    dialect
        How tables are written; overrides what the specs say.
    keep
        Folder in which every training is kept as soon as it is done; trainings that are already
        there are not done again. It is a folder as ``study`` has it, and may be that of a study.
        None keeps nothing.
    processes
        How many specs are trained at once, each by a process of its own with one thread, which
        reads the data itself. A script that uses more than one must call this under
        ``if __name__ == "__main__"``.
    executor
        Trains the specs instead, as for ``study``: any ``concurrent.futures.Executor``, or the
        configuration of one.
    finished
        Called with the line of each training that is done, the count of these, and the total.

    Raises
    ------
    DataError
        If the contestants answer different questions (classes, targets, input), were made for
        different data and none are given, or there are no rows to judge.
    SpecError, ModelFileError, PluginError, DataSourceError, OSError
        If a contestant or the data cannot be read, the recipes split the data differently, or there
        is no such executor.
    ValueError
        If ``seeds`` or ``processes`` is below 1, ``confidence`` not between 0 and 1, or rows in
        memory are given to other processes.
    StudyError
        If a training fails in another process, workers cannot be reached or are lost, or the
        folder's ``runs.jsonl`` was changed.
    MissingExtraError
        If a library of the executor is not installed.
    ComparisonStoppedError
        If the listener stops a training: a KeyboardInterrupt that says which are finished.
    """
    if seeds < 1:
        raise ValueError(f"seeds: expected at least 1, got {seeds}")
    if not 0 < confidence < 1:
        raise ValueError(f"confidence: expected a number between 0 and 1, got {confidence}")
    if processes < 1:
        raise ValueError(f"processes: expected at least 1, got {processes}")
    workers = worker_source(executor, processes)
    entries = read_contestants(contestants, settings)
    judged = load_comparison_data(entries, data, on, dialect)
    metrics = shared_metrics(entries)
    named = [] if data is None else [data if isinstance(data, (str, Path)) else "DATA"]
    command = command_of(
        entries, named, seeds=seeds, settings=settings,
        confidence=confidence, on=on, dialect=dialect,
    )  # fmt: skip
    if workers is not None and judged.source is None:
        name = "processes" if executor is None else "executor"
        raise ValueError(f"{name}: expected data that have a path, got rows in memory")
    folder = None if keep is None else Path(keep)
    how = Trainings(
        seeds, listener or Listener(), folder, workers, finished, checkpoints=executor is None
    )
    try:
        train_entries(entries, judged, how)
    except ComparisonStoppedError as stopped:
        stopped.command = command
        raise
    check_same_task([e for e in entries if e.models])  # classes may be known only after training
    overlaps = [judged.overlap(list(e.models.values())) for e in entries]
    found = [judge(e, judged, metrics) for e in entries]
    runs = _runs_by_metric(entries, found, metrics, overlaps, judged.validation_ratio(seeds))
    main = next(iter(runs))
    times, control = _times(entries, judged) if timing else ({}, None)
    held = {i: r for i, r in enumerate(runs[main]) if r}
    pairs = told_apart(held, confidence)
    return Comparison(
        contestants=facts_of(entries, runs, overlaps, times, confidence),
        metric=main,
        data=judged.name,
        on=on,
        rows=next((r.runs.count for r in runs[main] if r), 0),
        confidence=confidence,
        cautions=(*judged.cautions, *cautions_of(entries, overlaps)),
        command=f"{command} --html report.html",
        best=tuple(entries[i].name for i in not_worse(held, pairs)),
        told_apart=tuple((entries[i].name, entries[j].name) for i, j in pairs),
        answers=None if judged.rows is None else class_answers(entries, found, judged.rows.index),
        control=control,
        versions=versions(),
    )


def _runs_by_metric(
    entries: Sequence[Entry],
    evaluations: Sequence[Evaluations],
    metrics: Mapping[str, Metric],
    overlaps: Sequence[Overlap | None],
    ratio: float | None,
) -> dict[str, list[ContestantRuns | None]]:
    """The runs of each contestant by metric, main first and loss last; None without any."""
    diverged = [e.failures for e in entries]
    parts: dict[str, Metric | None] = {**metrics, "loss": None}
    found: dict[str, list[ContestantRuns | None]] = {}
    for name, metric in parts.items():
        found[name] = []
        each = metric_runs(evaluations, diverged, name, metric, ratio)
        for e, runs, overlap in zip(entries, each, overlaps, strict=True):
            seen = overlap.share if overlap and overlap.counts else None
            found[name].append(None if runs is None else ContestantRuns(runs, e.name, e.kind, seen))
    return found


def _times(
    entries: Sequence[Entry], judged: ComparisonData
) -> tuple[dict[str, Timing], tuple[float, float] | None]:
    """The time of inference of each contestant that has a model, and their control."""
    rows = judged.sample(BATCH_ROWS)
    models = {e.name: (e.first_model, rows) for e in entries if e.first_model is not None}
    if not models:
        return {}, None
    found = time_models(list(models.values()))
    return dict(zip(models, found.times, strict=True)), found.control
