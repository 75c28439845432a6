"""The function ``compare``: specs are trained seed by seed, all models are judged on the same rows.

Every contestant uses the same seeds, which makes pairs of runs: the same validation split and the
same order of rows.
"""

from __future__ import annotations

import io
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from layerkit.comparison.command import command_of
from layerkit.comparison.comparison import Comparison
from layerkit.comparison.contestants import ContestantLike, Entry, check_same_task, read_contestants
from layerkit.comparison.data import ComparisonData, JudgedSplit, load_comparison_data
from layerkit.comparison.judging import Evaluations, class_answers, judge, shared_metrics
from layerkit.comparison.metric_runs import metric_runs
from layerkit.comparison.overlap import Overlap, overlap_cautions
from layerkit.comparison.results import Contestant, Difference, LayerRow, Summary, Timing
from layerkit.comparison.timing import BATCH_ROWS, time_models
from layerkit.comparison.trainings import (
    ComparisonStoppedError,
    Finished,
    Trainings,
    notices_by_text,
    train_entries,
)
from layerkit.comparison.verdicts import (
    ContestantRuns,
    differences,
    not_worse,
    summarise,
    summarise_seconds,
    told_apart,
)
from layerkit.core.parts import Metric
from layerkit.core.planning import PlannedLayer
from layerkit.data import Dialect
from layerkit.file.provenance import provenance
from layerkit.file.save import save
from layerkit.model import Model
from layerkit.recording.counting import macs_of_layers, total
from layerkit.reporting.numbers import percent
from layerkit.reporting.versions import kernels_text, versions
from layerkit.runs.workers import GivenExecutor, worker_source
from layerkit.statistics.intervals import Levels, wilson_bounds
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
        contestants=_contestants(entries, runs, overlaps, times, confidence),
        metric=main,
        data=judged.name,
        on=on,
        rows=next((r.runs.count for r in runs[main] if r), 0),
        confidence=confidence,
        cautions=(*judged.cautions, *_cautions(entries, overlaps)),
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


def _contestants(
    entries: Sequence[Entry],
    runs: Mapping[str, Sequence[ContestantRuns | None]],
    overlaps: Sequence[Overlap | None],
    times: Mapping[str, Timing],
    confidence: float,
) -> tuple[Contestant, ...]:
    """Each contestant with its metrics and its differences from the first."""
    compared = _differences(entries, runs, confidence)
    contestants = []
    for i, entry in enumerate(entries):
        held = {name: r.runs for name, each in runs.items() if (r := each[i])}
        summaries = {name: summarise(r, Levels(confidence)) for name, r in held.items()}
        contestants.append(
            _contestant(
                entry,
                metrics={name: s for name, s in summaries.items() if s},
                differences={name: d for name, each in compared.items() if (d := each[i])},
                overlap=overlaps[i],
                timing=times.get(entry.name),
            )
        )
    return tuple(contestants)


def _differences(
    entries: Sequence[Entry],
    runs: Mapping[str, Sequence[ContestantRuns | None]],
    confidence: float,
) -> dict[str, list[Difference | None]]:
    """Each contestant's difference from the first, by metric."""
    main = next(iter(runs))
    levels = Levels(confidence, max(1, len(entries) - 1))
    same_loss = [_loss(e) == _loss(entries[0]) for e in entries]
    found = {}
    for name, each in runs.items():
        if name == "loss":  # values of different losses do not compare
            each = [r if same else None for r, same in zip(each, same_loss, strict=True)]
        found[name] = differences(each, name, levels, main=name == main)
    return found


def _planned(entry: Entry) -> Sequence[PlannedLayer]:
    """The layers; none if all trainings diverged that would have learned the width of the input."""
    if not entry.spec.learns:
        return entry.spec.plan()
    return [] if entry.first_model is None else entry.first_model.network.planned


def _contestant(
    entry: Entry,
    metrics: dict[str, Summary],
    differences: dict[str, Difference],
    overlap: Overlap | None,
    timing: Timing | None,
) -> Contestant:
    planned = _planned(entry)
    model = entry.first_model
    return Contestant(
        name=entry.name,
        kind=entry.kind,
        sources=tuple(entry.sources),
        seeds=tuple(entry.models),
        parameters=sum(p.parameters for p in planned),
        macs=total(macs_of_layers(planned, entry.spec.dtype)),
        file_bytes=None if model is None else _file_size(model),
        layers=tuple(
            LayerRow(p.name, p.layer.type_name, p.in_shape, p.plan.out_shape, p.parameters)
            for p in planned
        ),
        document=entry.spec.to_document(),
        providers={
            kind: f"{by['dist']} {by['version']}" if by["dist"] else "made in this process"
            for kind, by in provenance(entry.spec).items()
        },
        metrics=metrics,
        differences=differences,
        training_seconds=summarise_seconds(list(entry.seconds.values())) if entry.seconds else None,
        timing=timing,
        histories=tuple(m.history for m in entry.models.values()),
        failures=dict(entry.failures),
        failure_rate=_failure_rate(entry),
        notices=notices_by_text(entry),
        seen=None if overlap is None else overlap.share,
        kept=tuple(entry.kept),
    )


def _file_size(model: Model) -> int:
    """Bytes of a file that holds what prediction needs; the same for specs and files."""
    buffer = io.BytesIO()
    save(replace(model), buffer, weights_only=True)  # a copy, because saving sets the file's id
    return len(buffer.getvalue())


def _failure_rate(entry: Entry) -> tuple[float, float, float] | None:
    """(rate, low, high) of trainings that diverged, at 95 %."""
    total = len(entry.failures) + len(entry.models)
    if entry.kind != "spec" or total == 0:
        return None
    rate = len(entry.failures) / total
    return rate, *wilson_bounds(rate, total)(0.95)


def _loss(entry: Entry) -> Any:
    """The configuration of its loss."""
    return None if entry.spec.train is None else entry.spec.train["loss"]


def _cautions(entries: Sequence[Entry], overlaps: Sequence[Overlap | None]) -> list[str]:
    """What a reader must know before believing the numbers."""
    cautions = []
    if len({json.dumps(_loss(e), sort_keys=True) for e in entries}) > 1:
        cautions.append(
            "The contestants were trained with different losses, so their losses do not compare; "
            "metrics do."
        )
    for e in entries:
        rate = _failure_rate(e)
        if e.failures and rate is not None:
            low, high = rate[1:]
            numbers = "the numbers are of the others" if e.models else "it has no numbers"
            cautions.append(
                f"{e.name}: {len(e.failures)} of {len(e.failures) + len(e.models)} trainings "
                f"diverged (95 % interval {100 * low:.0f} to {percent(high)}); {numbers}."
            )
    for e in entries:
        kinds = {kernels_text(m.fit.kernels) for m in e.models.values() if m.fit is not None}
        if len(kinds) > 1:
            cautions.append(
                f"{e.name}: its trainings differ in what ran the layers "
                f"({'; '.join(sorted(kinds))}), so their seconds do not compare."
            )
    names, trained = [e.name for e in entries], [e.kind == "spec" for e in entries]
    return cautions + overlap_cautions(names, overlaps, trained_here=trained)
