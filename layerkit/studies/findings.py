"""The finished runs of a study by point of its grid, from the folder alone."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from layerkit.comparison.metric_runs import MetricRuns, metric_runs, with_diverged
from layerkit.comparison.verdicts import ContestantRuns, told_apart
from layerkit.core.context import Array
from layerkit.core.parts import Metric
from layerkit.errors import LayerkitError
from layerkit.runs.answers import Evaluation, read_packed
from layerkit.runs.folder import Line, RunFolder
from layerkit.runs.job import unpacked
from layerkit.runs.keys import job_keys
from layerkit.statistics.estimates import (
    Estimate,
    estimate_from_runs,
    estimate_from_validation,
)
from layerkit.studies.document import Point, StudyPlan
from layerkit.training.recipe import loss_and_metrics
from layerkit.training.teacher import with_teacher_id


@dataclass(frozen=True)
class PointLines:
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
    ) -> PointLines:
        """Those of ``lines`` that are the point's, and why others are missing."""
        found = {line["seed"]: line for line in _of_today(point, lines)}
        missing = tuple(s for s in plan.seeds if s not in found)
        failed = {f["seed"]: f["failed"] for f in failures if f["recipe"] == point.recipe}
        ratio = None if plan.validation else _validation_ratio(point)
        return cls(point, dict(sorted(found.items())), missing, failed, ratio)

    @property
    def lines(self) -> list[Line]:
        """All of them."""
        return list(self.by_seed.values())

    @property
    def diverged(self) -> dict[int, str]:
        """Why runs diverged, by seed."""
        return {s: line["diverged"] for s, line in self.by_seed.items() if line["diverged"]}


@dataclass(frozen=True)
class Findings:
    """The finished runs of a study by point, and row by row in the main metric where possible."""

    points: tuple[PointLines, ...]
    metric: str
    runs: tuple[MetricRuns | None, ...]

    @classmethod
    def of(
        cls,
        plan: StudyPlan,
        folder: RunFolder,
        seeds: Collection[int] | None = None,
    ) -> Findings:
        """Those of some ``seeds``, or of all, on the rows on which the study was run last."""
        written, digests = folder.lines().values(), folder.row_digests()
        by_recipe: dict[str, list[Line]] = {}
        for line in written:
            wanted = seeds is None or line["seed"] in seeds
            if wanted and digests.get(line["recipe"]) == line["rows"]:
                by_recipe.setdefault(line["recipe"], []).append(line)
        failures = folder.failures().values()
        points = tuple(
            PointLines.of(point, plan, by_recipe.get(point.recipe, ()), failures)
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
        values = self.values(k)
        if not len(values):
            return None
        if self.metric.startswith("val_") and p.validation_ratio is not None:
            ratio = p.validation_ratio
            return estimate_from_validation(values, 0, ratio, share=False, single=True)
        return estimate_from_runs(values, 0)

    def values(self, k: int) -> Array:
        """The main metric of each run at point ``k`` that did not diverge."""
        lines = [line for line in self.points[k].lines if line.get("metrics")]
        found = [line["metrics"].get(self.metric) for line in lines]
        return np.array([np.nan if v is None else v for v in found], np.float64)

    def higher_is_better(self, k: int) -> bool:
        """Whether the main metric is one of the recipe at point ``k`` that should be high."""
        found = _metrics(self.points[k].point).get(self.metric.partition("_")[2])
        return found is not None and found.higher_is_better


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


def _runs(p: PointLines, metric: str, folder: RunFolder) -> MetricRuns | None:
    """The runs row by row; None if the folder does not hold their answers to the test rows."""
    held = {s: line for s, line in p.by_seed.items() if metric in line.get("metrics", {})}
    if not held or not metric.startswith("test_"):
        return None
    return _from_right_rows(p, metric, held) or _from_answers(p, metric, held, folder)


def _from_right_rows(p: PointLines, metric: str, held: dict[int, Line]) -> MetricRuns | None:
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
    p: PointLines, metric: str, held: dict[int, Line], folder: RunFolder
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
