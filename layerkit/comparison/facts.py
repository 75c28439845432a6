"""What a comparison tells of each contestant, and what a reader must know before believing it."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from layerkit.comparison.contestants import Entry
from layerkit.comparison.overlap import Overlap, overlap_cautions
from layerkit.comparison.results import Contestant, Difference, LayerRow, Summary, Timing
from layerkit.comparison.trainings import notices_by_text
from layerkit.comparison.verdicts import ContestantRuns, differences, summarise, summarise_seconds
from layerkit.core.planning import PlannedLayer
from layerkit.file.provenance import provenance
from layerkit.file.save import save
from layerkit.model import Model
from layerkit.recording.counting import macs_of_layers, total
from layerkit.reporting.numbers import percent
from layerkit.reporting.versions import kernels_text
from layerkit.statistics.intervals import Levels, wilson_bounds


def facts_of(
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


def cautions_of(entries: Sequence[Entry], overlaps: Sequence[Overlap | None]) -> list[str]:
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
