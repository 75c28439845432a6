"""The result of a study: the points of its grid, best first."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from layerkit.comparison.results import Summary, Timing
from layerkit.comparison.verdicts import not_worse, summarise
from layerkit.display import jsonable
from layerkit.recording.counting import macs_of_layers, total
from layerkit.reporting.versions import kernels_text
from layerkit.runs.folder import RunFolder
from layerkit.statistics.intervals import Levels
from layerkit.studies.budget import Matched
from layerkit.studies.document import StudyPlan
from layerkit.studies.findings import Findings
from layerkit.studies.precision import Precision
from layerkit.studies.search_result import SearchReport
from layerkit.studies.trials import Trials


@dataclass(frozen=True)
class PointRow:
    """A point of the grid and its runs.

    Attributes
    ----------
    point
        The label of its value on each axis.
    summary
        Mean, sample deviation and interval of the main metric; None without a finished run. Where
        ``interval.over`` is "both", it would hold for other trainings and other test rows.
    seeds
        Of the finished runs, those that diverged included.
    missing
        Seeds of the study that are not trained yet.
    diverged
        Why a run diverged, by its seed.
    failed
        Why a missing run failed when it was last tried, by its seed.
    parameters, macs
        Of the spec; None if its input is learned from the data.
    among_best
        Whether it is not told apart from the best point, all pairs jointly.
    matched
        The widths that were solved for, so that its spec costs as much as ``match`` of the study
        says; None if none were.
    timing
        What one of its models takes to predict, if that was asked for.
    """

    point: dict[str, str]
    summary: Summary | None
    seeds: tuple[int, ...]
    missing: tuple[int, ...]
    diverged: dict[int, str]
    failed: dict[int, str]
    parameters: int | None
    macs: int | None
    among_best: bool
    matched: Matched | None = None
    timing: Timing | None = None


@dataclass(frozen=True)
class Study:
    """A study as far as it is done.

    Attributes
    ----------
    name, folder
        Of the study.
    axes
        Of its grid.
    metric
        The name of the main metric, such as ``test_accuracy``; empty before the first run.
    rows
        The points, best first; those without a value last.
    done, total
        Finished runs, and all runs, of the seeds that the study lists and those that were added.
    kernels
        What ran the layers; more than one entry if runs differ in that, and so in their last bits.
    confidence
        Of each interval.
    precision
        Whether the intervals are as narrow as was asked for; None if nothing was.
    search
        What the search has found, if the study has one.
    control, machine
        Of the times of the points, if they were measured: the ratio of two timings of the first
        point, for one row and for a batch, and the kind of machine.
    """

    name: str
    folder: Path
    axes: tuple[str, ...]
    metric: str
    rows: tuple[PointRow, ...]
    done: int
    total: int
    kernels: tuple[str, ...]
    confidence: float
    precision: Precision | None = None
    search: SearchReport | None = None
    control: tuple[float, float] | None = None
    machine: str | None = None

    @classmethod
    def of(
        cls,
        plan: StudyPlan,
        folder: RunFolder,
        confidence: float,
        trials: Trials | None = None,
    ) -> Study:
        """From the lines in the folder.

        ``trials`` are those that have given the points of ``plan`` their settings.
        """
        found = Findings.of(plan, folder)
        points, lines = found.points, found.lines
        comparable = found.comparable
        best = not_worse(comparable, found.told_apart(confidence)) if len(comparable) > 1 else []
        rows = [
            _row(found, k, Levels(confidence), among_best=k in best) for k in range(len(points))
        ]
        finished = {(p.point.recipe, s) for p in points for s in p.by_seed}
        planned = {(p.recipe, s) for p in plan.points for s in plan.seeds}
        return cls(
            name=plan.name,
            folder=folder.path,
            axes=plan.axes,
            metric=found.metric,
            rows=tuple(sorted(rows, key=_rank)),
            done=len(finished),
            total=len(finished | planned),
            kernels=tuple(sorted({kernels_text(x["kernels"]) for x in lines if "kernels" in x})),
            confidence=confidence,
            search=None if trials is None else SearchReport.of(trials, confidence),
        )

    def title(self, row: PointRow) -> str:
        """The labels of a point in a line."""
        return ", ".join(row.point.values()) or self.name

    def to_json(self) -> dict[str, Any]:
        """All of it as JSON values."""
        return dict(jsonable({**asdict(self), "folder": str(self.folder)}))


def _row(found: Findings, k: int, levels: Levels, *, among_best: bool) -> PointRow:
    p, runs = found.points[k], found.runs[k]
    planned = None if p.point.spec.learns else p.point.spec.plan()
    return PointRow(
        point=dict(p.point.labels),
        summary=_from_values(found, k, levels) if runs is None else summarise(runs, levels),
        seeds=tuple(p.by_seed),
        missing=p.missing,
        diverged=p.diverged,
        failed=p.failed,
        parameters=None if planned is None else sum(layer.parameters for layer in planned),
        macs=None if planned is None else total(macs_of_layers(planned, p.point.spec.dtype)),
        among_best=among_best,
        matched=p.point.matched,
    )


def _from_values(found: Findings, k: int, levels: Levels) -> Summary | None:
    """The summary of one value per run."""
    values, estimate = found.values(k), found.estimate(k)
    if estimate is None:
        return None
    intervals = estimate.intervals(levels)
    return Summary(
        values=tuple(values.tolist()),
        mean=estimate.mean,
        sd=float(values.std(ddof=1)) if len(values) > 1 else None,
        interval=intervals["both"] or intervals["seeds"],
        higher_is_better=found.higher_is_better(k),
    )


def _rank(row: PointRow) -> tuple[bool, float]:
    """Best first, points without a value last; equal ones stay in the order of the grid."""
    if row.summary is None or not np.isfinite(row.summary.mean):
        return True, 0.0
    return False, -row.summary.mean if row.summary.higher_is_better else row.summary.mean
