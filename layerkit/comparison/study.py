"""The public function: contestants in, a ``Comparison`` out.

Specs are trained seed by seed. Every contestant uses the same seeds, which makes pairs: the same
validation split and the same order of rows.
"""

from __future__ import annotations

import io
import json
import os
import platform
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import layerkit
from layerkit.comparison.differences import Side, best_of, differences, spread_of, summarise
from layerkit.comparison.entries import Entry, Given, gather
from layerkit.comparison.intervals import Levels, share_of_rows
from layerkit.comparison.judging import judge
from layerkit.comparison.marks import BySeed, Marks, marks_of
from layerkit.comparison.outcome import Comparison
from layerkit.comparison.question import On, Question, check_answers, metrics_of, pose
from layerkit.comparison.results import Contestant, Difference, LayerRow, Summary, Timing
from layerkit.comparison.seen import Seen, seen_cautions
from layerkit.comparison.timing import BATCH_ROWS, Timed, time_models
from layerkit.comparison.trainings import ComparisonStoppedError, noted, train_all
from layerkit.core.parts import Metric
from layerkit.data import Dialect
from layerkit.file.provenance import provenance
from layerkit.file.save import save
from layerkit.model import Model
from layerkit.training import Listener
from layerkit.training.recipe import loss_and_metrics
from layerkit.training.training_data import DataLike

__all__ = ["compare"]


def compare(
    contestants: Sequence[Given],
    *,
    data: DataLike = None,
    seeds: int = 5,
    settings: Sequence[str] = (),
    listener: Listener | None = None,
    confidence: float = 0.95,
    timing: bool = True,
    on: On = "test",
    dialect: Dialect | None = None,
    keep: str | os.PathLike[str] | None = None,
) -> Comparison:
    """Train or load contestants, judge them on the same rows, and compare each with the first.

    A difference carries one interval for both chances, of other training runs and of other test
    rows, and what each contributes. Where one of them is not measured, as with one model each, the
    verdict is about these very files. Neither covers other training rows, another split of train
    and test, or other settings: all seeds share one split. Only the main metric carries verdicts.

    Parameters
    ----------
    contestants
        Specs (paths, parsed objects, ``Spec``), which are trained here, and models (paths,
        ``Model``), which are only judged. Models whose specs differ in name and seed alone are
        seeds of one contestant.
    data
        Path, or splits by name; None for what the recipes name.
    seeds
        How many times each spec is trained: from the first contestant's seed upwards.
    settings
        Overrides for all specs, such as ``"train.epochs=5"``.
    listener
        Told of each training.
    confidence
        Of each interval.
    timing
        Whether to measure inference; a fraction of a second for each contestant.
    on
        "test" rows, the same for all, or each seed's "validation" rows (specs only), for choosing
        between architectures without touching the test rows.
    dialect
        How tables are written, before what the specs say of it.
    keep
        Folder in which every training is kept as soon as it is done; those that are there already
        are not done again. None keeps nothing.

    Raises
    ------
    DataError
        If the contestants answer different questions (classes, targets, input), were made for
        different data and none are given, or there are no rows to judge.
    SpecError, ModelFileError, PluginError, DataSourceError, OSError
        If a contestant or the data cannot be read, or the recipes split the data differently.
    ValueError
        If ``seeds`` is below 1 or ``confidence`` not between 0 and 1.
    ComparisonStoppedError
        If the listener stops a training, a KeyboardInterrupt that says which are finished: half a
        comparison is none.
    """
    if seeds < 1:
        raise ValueError(f"seeds is at least 1, not {seeds}")
    if not 0 < confidence < 1:
        raise ValueError(f"confidence lies between 0 and 1, {confidence} does not")
    entries = gather(contestants, settings)
    question = pose(entries, data, on, dialect)
    metrics = metrics_of(entries)
    again = _command(entries, data, seeds, settings, confidence, on, dialect)
    folder = None if keep is None else Path(keep)
    try:
        train_all(entries, question.splits, seeds, listener or Listener(), folder)
    except ComparisonStoppedError as stopped:
        stopped.command = again
        raise
    ready = [e for e in entries if e.models]
    for other in ready[1:]:
        check_answers(ready[0], other)
    judged = [_judge_all(e, question, metrics) for e in entries]
    levels = Levels(confidence, max(1, len(entries) - 1))
    timed = _times(entries, question) if timing else None
    parts: dict[str, Metric | None] = {**metrics, "loss": None}
    main = next(iter(parts))
    marked = {
        name: marks_of(judged, [e.failures for e in entries], name, m, question.own_rows(seeds))
        for name, m in parts.items()
    }
    seen = [question.seen(list(e.models.values())) for e in entries]
    sides = {name: _sides(entries, marks, seen) for name, marks in marked.items()}
    found = _contestants(entries, sides, seen, main, levels)
    return Comparison(
        contestants=tuple(
            replace(c, timing=timed[1].get(i) if timed else None) for i, c in enumerate(found)
        ),
        metric=main,
        data=question.data,
        on=on,
        rows=next((len(j) for by in judged for j in by.values()), 0),
        confidence=confidence,
        cautions=(*question.cautions, *_cautions(entries, seen)),
        command=f"{again} --html report.html",
        best=_best(sides[main], confidence),
        control=timed[0].control if timed else None,
        versions=_versions(),
    )


def _sides(
    entries: Sequence[Entry], marks: Sequence[Marks | None], seen: Sequence[Seen | None]
) -> list[Side | None]:
    return [
        None if m is None else Side(m, e.name, e.kind, s.share if s and s.counts else None)
        for e, m, s in zip(entries, marks, seen, strict=True)
    ]


def _best(sides: Sequence[Side | None], confidence: float) -> tuple[str, ...]:
    there = {i: side for i, side in enumerate(sides) if side is not None}
    return tuple(there[k].name for k in best_of(there, confidence))


def _contestants(
    entries: Sequence[Entry],
    sides: Mapping[str, Sequence[Side | None]],
    seen: Sequence[Seen | None],
    main: str,
    levels: Levels,
) -> list[Contestant]:
    alone = Levels(levels.confidence)
    summaries: list[dict[str, Summary]] = [{} for _ in entries]
    compared: list[dict[str, Difference]] = [{} for _ in entries]
    for name, held in sides.items():
        wanted = list(held)
        if name == "loss":  # losses of another kind do not compare
            same = [_loss_of(e) == _loss_of(entries[0]) for e in entries]
            wanted = [side if ok else None for side, ok in zip(held, same, strict=True)]
        for i, d in enumerate(differences(wanted, name, levels, main=name == main)):
            if d is not None:
                compared[i][name] = d
        for i, side in enumerate(held):
            summary = None if side is None else summarise(side.marks, alone)
            if summary is not None:
                summaries[i][name] = summary
    return [
        _contestant(e, s, d, None if found is None else found.share)
        for e, s, d, found in zip(entries, summaries, compared, seen, strict=True)
    ]


def _judge_all(entry: Entry, question: Question, metrics: Mapping[str, Metric]) -> BySeed:
    loss, _ = loss_and_metrics(entry.spec)
    return {
        seed: judge(model, question.arrays(model, seed, loss), loss, metrics)
        for seed, model in entry.models.items()
    }


def _loss_of(entry: Entry) -> Any:
    return None if entry.spec.train is None else entry.spec.train["loss"]


def _times(entries: Sequence[Entry], question: Question) -> tuple[Timed, dict[int, Timing]] | None:
    there = [i for i, e in enumerate(entries) if e.models]
    models = [next(iter(entries[i].models.values())) for i in there]
    if not models:
        return None
    timed = time_models(models, question.sample(BATCH_ROWS))
    return timed, dict(zip(there, timed.times, strict=True))


def _contestant(
    entry: Entry,
    metrics: dict[str, Summary],
    differences: dict[str, Difference],
    seen: float | None,
) -> Contestant:
    planned = entry.spec.plan()
    model = next(iter(entry.models.values()), None)
    seconds = list(entry.seconds.values())
    return Contestant(
        name=entry.name,
        kind=entry.kind,
        sources=tuple(entry.sources),
        seeds=tuple(entry.models),
        parameters=sum(p.size for p in planned),
        macs=sum(p.plan.macs for p in planned),
        file_bytes=None if model is None else _size(model),
        layers=tuple(
            LayerRow(p.name, p.layer.type_name, p.in_shape, p.plan.out_shape, p.size)
            for p in planned
        ),
        document=entry.spec.to_document(),
        providers=_providers(entry),
        metrics=metrics,
        differences=differences,
        training_seconds=spread_of(seconds) if seconds else None,
        histories=tuple(m.history for m in entry.models.values()),
        failures=dict(entry.failures),
        failure_rate=_failure_rate(entry),
        notices=noted(entry),
        seen=seen,
        kept=tuple(entry.kept),
    )


def _failure_rate(entry: Entry) -> tuple[float, float, float] | None:
    """(rate, low, high) of trainings that diverged, at 95 %."""
    total = len(entry.failures) + len(entry.models)
    if entry.kind != "spec" or total == 0:
        return None
    rate = len(entry.failures) / total
    return rate, *share_of_rows(rate, total)(0.95)


def _size(model: Model) -> int:
    """Bytes of a file that holds what prediction needs; the same rule for specs and files."""
    buffer = io.BytesIO()
    save(replace(model), buffer, weights_only=True)  # a copy: saving notes the file's id in it
    return len(buffer.getvalue())


def _providers(entry: Entry) -> dict[str, str]:
    return {
        kind: f"{held['dist']} {held['version']}" if held["dist"] else "made in this process"
        for kind, held in provenance(entry.spec.layers).items()
    }


def _cautions(entries: Sequence[Entry], seen: Sequence[Seen | None]) -> list[str]:
    found = []
    losses = {json.dumps((e.spec.train or {}).get("loss"), sort_keys=True) for e in entries}
    if len(losses) > 1:
        found.append(
            "Each contestant's loss is its own (they were trained by different ones), so losses do "
            "not compare; metrics do."
        )
    for e in entries:
        rate = _failure_rate(e)
        if e.failures and rate is not None:
            total = len(e.failures) + len(e.models)
            low, high = (f"{100 * v:.0f}" for v in rate[1:])
            found.append(
                f"{e.name}: {len(e.failures)} of {total} trainings diverged (95 % interval {low} "
                f"to {high} %)"
                + ("; its own numbers are of those that did not." if e.models else ": no numbers.")
            )
    here = [e.kind == "spec" for e in entries]
    return found + seen_cautions([e.name for e in entries], seen, trained_here=here)


def _command(
    entries: Sequence[Entry],
    data: Any,
    seeds: int,
    settings: Sequence[str],
    confidence: float,
    on: On,
    dialect: Dialect | None,
) -> str:
    words = ["layerkit", "compare"]
    for e in entries:
        words += e.sources or [f"{e.name}.json" if e.kind == "spec" else f"{e.name}.layerkit"]
    if any(e.kind == "spec" for e in entries):
        words += ["--seeds", str(seeds)]
    words += [] if data is None else ["--data", "DATA" if isinstance(data, Mapping) else str(data)]
    words += [word for setting in settings for word in ("--set", setting)]
    words += [] if confidence == 0.95 else ["--confidence", f"{confidence:g}"]
    words += [] if on == "test" else ["--on", on]
    return shlex.join(words + _spelt(dialect))


def _spelt(dialect: Dialect | None) -> list[str]:
    """The options that give ``dialect``."""
    if dialect is None:
        return []
    words = []
    for name in ("delimiter", "decimal", "thousands", "quote", "comment", "encoding"):
        value = getattr(dialect, name)
        words += [] if value is None else [f"--{name}", value]
    if dialect.header is not None:
        words.append("--header" if dialect.header else "--no-header")
    return words + [word for cell in dialect.missing_values for word in ("--missing-value", cell)]


def _versions() -> dict[str, str]:
    import numpy as np

    return {
        "layerkit": layerkit.__version__,
        "Python": platform.python_version(),
        "NumPy": np.__version__,
        "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} processors",
    }
