"""The public function: contestants in, a ``Comparison`` out.

Specs are trained seed by seed, contestants taking turns within a seed, so that a machine that slows
down slows all of them. Every contestant uses the same seeds, which makes pairs: the same validation
split and the same order of rows.
"""

from __future__ import annotations

import io
import json
import os
import platform
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import layerkit
from layerkit.comparison.differences import BySeed, difference, spread_of, summarise
from layerkit.comparison.entries import Entry, Given, gather
from layerkit.comparison.intervals import Levels
from layerkit.comparison.judging import judge
from layerkit.comparison.outcome import Comparison
from layerkit.comparison.question import On, Question, check_answers, metrics_of, pose
from layerkit.comparison.results import Contestant, Difference, LayerRow, Timing
from layerkit.comparison.timing import BATCH_ROWS, time_models
from layerkit.data import Dialect
from layerkit.errors import TrainingDivergedError
from layerkit.model import Model
from layerkit.parts import Metric
from layerkit.provenance import provenance
from layerkit.store import save
from layerkit.training import Listener, train
from layerkit.training.recipe import loss_and_metrics
from layerkit.training.rows import DataLike

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
) -> Comparison:
    """Train or load contestants, judge them on the same rows, and compare each with the first.

    Differences carry two intervals, because they answer two questions. *Over seeds* (Student's t
    on paired differences): would another training run differ? *Over rows* (paired shares or a
    paired bootstrap): would another test set differ? With one model each there is only the second.
    Neither covers other training rows, another split of train and test, or other settings: all
    seeds share one split.

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

    Raises
    ------
    DataError
        If the contestants answer different questions (classes, targets, input), were made for
        different data and none are given, or there are no rows to judge.
    SpecError, ModelFileError, PluginError, DataSourceError, OSError
        If a contestant or the data cannot be read, or the recipes split the data differently.
    ValueError
        If ``seeds`` is below 1 or ``confidence`` not between 0 and 1.
    KeyboardInterrupt
        If the listener stops a training: half a comparison is none.
    """
    if seeds < 1:
        raise ValueError(f"seeds is at least 1, not {seeds}")
    if not 0 < confidence < 1:
        raise ValueError(f"confidence lies between 0 and 1, {confidence} does not")
    entries = gather(contestants, settings)
    question = pose(entries, data, on, dialect)
    metrics = metrics_of(entries)
    _train_all(entries, question, seeds, listener or Listener())
    ready = [e for e in entries if e.models]
    for other in ready[1:]:
        check_answers(ready[0], other)
    judged = [_judge_all(e, question, metrics) for e in entries]
    levels = Levels(confidence, max(1, len(entries) - 1))
    times = _times(entries, question) if timing else {}
    parts: dict[str, Metric | None] = {**metrics, "loss": None}
    found = tuple(
        _contestant(
            entry,
            {name: summarise(by, name, m, Levels(confidence)) for name, m in parts.items()}
            if by
            else {},
            _differences(entries, judged, i, parts, levels, on) if i else {},
            times.get(i),
        )
        for i, (entry, by) in enumerate(zip(entries, judged, strict=True))
    )
    return Comparison(
        contestants=found,
        metric=next(iter(parts)),
        data=question.data,
        on=on,
        rows=next((len(j) for by in judged for j in by.values()), 0),
        confidence=confidence,
        cautions=(*question.cautions, *_cautions(entries)),
        command=_command(entries, data, seeds, settings, confidence, on),
        versions=_versions(),
    )


def _train_all(
    entries: Sequence[Entry], question: Question, seeds: int, listener: Listener
) -> None:
    base = (entries[0].spec.train or {}).get("seed", 0)
    for seed in range(base, base + seeds):
        for entry in entries:
            if entry.kind != "spec":
                continue
            try:
                run = train(entry.spec, data=question.splits, seed=seed, listener=listener)
            except TrainingDivergedError as error:
                entry.failures[seed] = error.message
                listener.notice(f"{entry.name}, seed {seed}: {error.message}")
                continue
            if run.ended == "interrupted":
                raise KeyboardInterrupt("the comparison was stopped before it was complete")
            entry.runs[seed] = run
            entry.models[seed] = run.model


def _judge_all(entry: Entry, question: Question, metrics: Mapping[str, Metric]) -> BySeed:
    loss, _ = loss_and_metrics(entry.spec)
    return {
        seed: judge(model, question.arrays(model, seed, loss), loss, metrics)
        for seed, model in entry.models.items()
    }


def _differences(
    entries: Sequence[Entry],
    judged: Sequence[BySeed],
    i: int,
    parts: Mapping[str, Metric | None],
    levels: Levels,
    on: On,
) -> dict[str, Difference]:
    """Of entry ``i`` to the first; without the loss if the two were trained by different ones."""
    if not judged[0] or not judged[i]:
        return {}
    first, other = ((entries[k].name, judged[k]) for k in (0, i))
    same_loss = _loss_of(entries[0]) == _loss_of(entries[i])
    return {
        name: difference(first, other, (name, part), levels, same_rows=on == "test")
        for name, part in parts.items()
        if part is not None or same_loss
    }


def _loss_of(entry: Entry) -> Any:
    return None if entry.spec.train is None else entry.spec.train["loss"]


def _times(entries: Sequence[Entry], question: Question) -> dict[int, Timing]:
    there = [i for i, e in enumerate(entries) if e.models]
    models = [next(iter(entries[i].models.values())) for i in there]
    if not models:
        return {}
    return dict(zip(there, time_models(models, question.sample(BATCH_ROWS)), strict=True))


def _contestant(entry: Entry, metrics: Any, differences: Any, timing: Timing | None) -> Contestant:
    planned = entry.spec.plan()
    model = next(iter(entry.models.values()), None)
    runs = list(entry.runs.values())
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
        training_seconds=spread_of([r.seconds for r in runs]) if runs else None,
        timing=timing,
        histories=tuple(m.history for m in entry.models.values()),
        failures=dict(entry.failures),
    )


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


def _cautions(entries: Sequence[Entry]) -> list[str]:
    found = []
    losses = {json.dumps((e.spec.train or {}).get("loss"), sort_keys=True) for e in entries}
    if len(losses) > 1:
        found.append(
            "Each contestant's loss is its own (they were trained by different ones), so losses do "
            "not compare; metrics do."
        )
    for e in entries:
        if e.failures:
            total = len(e.failures) + len(e.models)
            kept = f"its numbers are of the {len(e.models)} that did not" if e.models else ""
            found.append(
                f"{e.name}: {len(e.failures)} of {total} trainings diverged"
                + (f"; {kept}, which flatters it." if kept else ", so it has no numbers.")
            )
    return found


def _command(
    entries: Sequence[Entry],
    data: Any,
    seeds: int,
    settings: Sequence[str],
    confidence: float,
    on: On,
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
    return shlex.join([*words, "--html", "report.html"])


def _versions() -> dict[str, str]:
    import numpy as np

    return {
        "layerkit": layerkit.__version__,
        "Python": platform.python_version(),
        "NumPy": np.__version__,
        "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} processors",
    }
