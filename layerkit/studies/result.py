"""The result of a study: the points of its grid, best first, from the lines of its runs alone."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from layerkit.comparison.metric_runs import MetricRuns, metric_runs, with_diverged
from layerkit.comparison.results import Summary, Timing
from layerkit.comparison.verdicts import ContestantRuns, not_worse, summarise, told_apart
from layerkit.core.context import Array
from layerkit.core.parts import Metric
from layerkit.display import jsonable
from layerkit.errors import LayerkitError
from layerkit.recording.counting import macs_of_layers, total
from layerkit.reporting.versions import kernels_text
from layerkit.runs.answers import Evaluation, read_packed
from layerkit.runs.folder import Line, RunFolder
from layerkit.runs.job import unpacked
from layerkit.runs.keys import job_keys
from layerkit.statistics.estimates import (
    Estimate,
    estimate_from_runs,
    estimate_from_validation,
)
from layerkit.statistics.intervals import Levels
from layerkit.studies.budget import Matched
from layerkit.studies.document import Point, StudyPlan
from layerkit.studies.precision import Precision
from layerkit.studies.search_result import SearchReport
from layerkit.studies.trials import Trials
from layerkit.training.recipe import loss_and_metrics
from layerkit.training.teacher import with_teacher_id


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
        digests: Mapping[str, str] | None = None,
        trials: Trials | None = None,
    ) -> Study:
        """From the lines in the folder; ``digests`` are those of the rows of each recipe.

        If they are not known, the rows of its last line count, and runs on others do not.
        ``trials`` are those that have given the points of ``plan`` their settings.
        """
        found = Findings.of(plan, folder, digests)
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


@dataclass(frozen=True)
class _PointLines:
    """A point of the grid and the lines of its runs by seed, in order."""

    point: Point
    by_seed: dict[int, Line]
    missing: tuple[int, ...]
    failed: dict[int, str]
    validation_ratio: float | None  # n2/n1 if each seed holds out its own n2 of n1 + n2 rows

    @classmethod
    def of(
        cls,
        point: Point,
        plan: StudyPlan,
        lines: Sequence[Line],
        failures: Iterable[Line],
    ) -> _PointLines:
        found = {line["seed"]: line for line in _of_today(point, lines)}
        missing = tuple(s for s in plan.seeds if s not in found)
        failed = {f["seed"]: f["failed"] for f in failures if f["recipe"] == point.recipe}
        ratio = None if plan.validation else _validation_ratio(point)
        return cls(point, dict(sorted(found.items())), missing, failed, ratio)

    @property
    def lines(self) -> list[Line]:
        return list(self.by_seed.values())

    @property
    def diverged(self) -> dict[int, str]:
        return {s: line["diverged"] for s, line in self.by_seed.items() if line["diverged"]}


@dataclass(frozen=True)
class Findings:
    """The finished runs of a study by point, and row by row in the main metric where possible."""

    points: tuple[_PointLines, ...]
    metric: str
    runs: tuple[MetricRuns | None, ...]

    @classmethod
    def of(
        cls,
        plan: StudyPlan,
        folder: RunFolder,
        digests: Mapping[str, str] | None = None,
        seeds: Collection[int] | None = None,
    ) -> Findings:
        """Those of some ``seeds``, or of all; ``digests`` are as for ``Study.of``."""
        written = list(folder.lines().values())
        digests = digests or {line["recipe"]: line["rows"] for line in written}
        by_recipe: dict[str, list[Line]] = {}
        for line in written:
            wanted = seeds is None or line["seed"] in seeds
            if wanted and digests.get(line["recipe"]) == line["rows"]:
                by_recipe.setdefault(line["recipe"], []).append(line)
        failures = folder.failures().values()
        points = tuple(
            _PointLines.of(point, plan, by_recipe.get(point.recipe, ()), failures)
            for point in plan.points
        )
        metric = _main_metric(plan, [line for p in points for line in p.lines])
        return cls(points, metric, tuple(_runs(p, metric, folder) for p in points))

    @property
    def lines(self) -> list[Line]:
        """Those of all points."""
        return [line for p in self.points for line in p.lines]

    @property
    def comparable(self) -> dict[int, ContestantRuns]:
        """The points whose runs are known row by row, by number; none if on different rows."""
        held = {k: ContestantRuns(runs) for k, runs in enumerate(self.runs) if runs is not None}
        one_data_set = len({line["rows"] for line in self.lines}) == 1
        return held if one_data_set and len({r.runs.count for r in held.values()}) == 1 else {}

    def told_apart(self, confidence: float) -> list[tuple[int, int]]:
        """The pairs of points (better, worse) that are told apart, all pairs jointly."""
        return told_apart(self.comparable, confidence)

    def estimate(self, k: int) -> Estimate | None:
        """The mean of the main metric at point ``k``; None without a value.

        It is over seeds alone where the answers to the rows are not known, or over both where each
        seed has validation rows of its own.
        """
        runs, p = self.runs[k], self.points[k]
        if runs is not None:
            finished = runs.finished()
            return finished.estimate() if len(finished.values) else None
        values = _values(p, self.metric)
        if not len(values):
            return None
        if self.metric.startswith("val_") and p.validation_ratio is not None:
            ratio = p.validation_ratio
            return estimate_from_validation(values, 0, ratio, share=False, single=True)
        return estimate_from_runs(values, 0)


def _of_today(point: Point, lines: Sequence[Line]) -> Sequence[Line]:
    """Those made with the plugins and the teacher of today; all, if that holds for none.

    Runs with an older plugin or another teacher stay in the folder, under keys of their own.
    """
    try:
        key = job_keys(with_teacher_id(point.spec))
    except (LayerkitError, OSError):  # the teacher's file need not be here
        return lines
    return [line for line in lines if line["key"] == key(line["seed"], line["rows"])] or lines


def _validation_ratio(point: Point) -> float | None:
    share = (point.spec.train or {}).get("validation")
    return share / (1 - share) if isinstance(share, float) and 0 < share < 1 else None


def _main_metric(plan: StudyPlan, lines: Sequence[Line]) -> str:
    """The first metric of the recipe on test rows, else on validation rows; else a loss."""
    known = {name for line in lines for name in line.get("metrics", {})}
    names = [*_metrics(plan.points[0]), "loss"]
    wanted = [f"{split}{name}" for split in ("test_", "val_", "train_", "") for name in names]
    return next((name for name in wanted if name in known), "")


def _metrics(point: Point) -> dict[str, Metric]:
    return loss_and_metrics(point.spec)[1]


def _higher_is_better(point: Point, metric: str) -> bool:
    found = _metrics(point).get(metric.partition("_")[2])
    return found is not None and found.higher_is_better


def _runs(p: _PointLines, metric: str, folder: RunFolder) -> MetricRuns | None:
    """The runs row by row; None if the folder does not hold their answers to the test rows."""
    held = {s: line for s, line in p.by_seed.items() if metric in line.get("metrics", {})}
    if not held or not metric.startswith("test_"):
        return None
    return _from_right_rows(p, metric, held) or _from_answers(p, metric, held, folder)


def _from_right_rows(p: _PointLines, metric: str, held: dict[int, Line]) -> MetricRuns | None:
    """From what the lines say, if that is which rows are right by ``metric``."""
    right = [line.get("right") for line in held.values()]
    if any(r is None or f"test_{r['metric']}" != metric for r in right):
        return None
    tables = [unpacked(r) for r in right if r is not None]
    if len({len(table) for table in tables}) > 1:
        return None
    runs = MetricRuns(
        seeds=tuple(held),
        values=np.array([line["metrics"][metric] for line in held.values()], np.float64),
        count=len(tables[0]),
        higher_is_better=True,
        share=True,
        rows=np.stack(tables),
        diverged=frozenset(p.diverged),
    )
    return with_diverged(runs) if p.diverged else runs


def _from_answers(
    p: _PointLines, metric: str, held: dict[int, Line], folder: RunFolder
) -> MetricRuns | None:
    """From the files of answers, if all runs have one."""
    found: dict[int | None, Evaluation] = {}
    for seed, line in held.items():
        values = {n.removeprefix("test_"): v for n, v in line["metrics"].items()}
        answers = read_packed(folder.answers(line["key"]), values, line.get("test_rows", 0))
        if answers is None or line["metrics"][metric] is None:
            return None
        found[seed] = answers
    if len({len(answers) for answers in found.values()}) > 1:
        return None
    name = metric.removeprefix("test_")
    return metric_runs([found], [p.diverged], name, _metrics(p.point).get(name))[0]


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


def _values(p: _PointLines, metric: str) -> Array:
    """(k,) the metric of each run that did not diverge."""
    found = [line["metrics"].get(metric) for line in p.lines if line.get("metrics")]
    return np.array([np.nan if v is None else v for v in found], np.float64)


def _from_values(found: Findings, k: int, levels: Levels) -> Summary | None:
    """The summary of one value per run."""
    values, estimate = _values(found.points[k], found.metric), found.estimate(k)
    if estimate is None:
        return None
    intervals = estimate.intervals(levels)
    return Summary(
        values=tuple(values.tolist()),
        mean=estimate.mean,
        sd=float(values.std(ddof=1)) if len(values) > 1 else None,
        interval=intervals["both"] or intervals["seeds"],
        higher_is_better=_higher_is_better(found.points[k].point, found.metric),
    )


def _rank(row: PointRow) -> tuple[bool, float]:
    """Best first, points without a value last; equal ones stay in the order of the grid."""
    if row.summary is None or not np.isfinite(row.summary.mean):
        return True, 0.0
    return False, -row.summary.mean if row.summary.higher_is_better else row.summary.mean
