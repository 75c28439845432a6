"""The figures of a study: every run, which chance it is, what a score costs, and confusions."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from layerkit.comparison.class_answers import ClassAnswers
from layerkit.comparison.cost_figures import confusion_figure, cost_figure
from layerkit.comparison.metric_runs import pair_runs
from layerkit.comparison.pareto import COSTS, CostPoint, Quartiles, cost_of, cost_points
from layerkit.comparison.pictures import Lane, chance_figure, lanes_figure
from layerkit.comparison.verdicts import ContestantRuns, differences
from layerkit.display import counted, shortened
from layerkit.figures import Axis, Dots, Figure, Line, Mark, Panel
from layerkit.figures.usual import metric_axis
from layerkit.reporting.numbers import is_share, metric_text
from layerkit.runs.answers import Evaluation, read_packed
from layerkit.runs.folder import RunFolder
from layerkit.statistics.intervals import Levels
from layerkit.studies.document import StudyPlan
from layerkit.studies.findings import Findings
from layerkit.studies.result import PointRow, Study
from layerkit.studies.run import found_in
from layerkit.studies.search_figure import search_figure

_SERIES, _LANES, _COMPARED = 8, 40, 3


@dataclass(frozen=True)
class StudyView:
    """A study and its runs row by row: what its page and its figures are made of."""

    study: Study
    findings: Findings
    folder: RunFolder
    plan: StudyPlan

    @classmethod
    def read(
        cls,
        study: str | os.PathLike[str] | Mapping[str, Any],
        folder: str | os.PathLike[str] | None = None,
        confidence: float = 0.95,
        known: Study | None = None,
        data: str | None = None,
    ) -> StudyView:
        """What the folder of a study holds by now; ``known`` is its result if it is read already.

        ``data`` are those of the runs, if the study does not name them. Errors are those of
        ``layerkit.study``.
        """
        plan, place, trials = found_in(study, folder, data)
        found = known or Study.of(plan, place, confidence, trials)
        return cls(found, Findings.of(plan, place), place, plan)

    @property
    def metric(self) -> str:
        """The main metric in words."""
        return self.study.metric.replace("_", " ")

    @property
    def share(self) -> bool:
        """Whether the main metric is a share."""
        return is_share(self.study.metric)

    @property
    def valued(self) -> list[tuple[int, PointRow]]:
        """(number in the grid, row) of the points with a value, best first."""
        rows = [r for r in self.study.rows if r.summary and math.isfinite(r.summary.mean)]
        return [(self.number(row), row) for row in rows]

    def number(self, row: PointRow) -> int:
        """The number of the point in the grid."""
        labels = [dict(p.point.labels) for p in self.findings.points]
        return labels.index(dict(row.point))

    def title(self, row: PointRow) -> str:
        """The labels of a point in a line."""
        return self.study.title(row)

    def text(self, value: float) -> str:
        """A value of the main metric."""
        return metric_text(self.study.metric, value)

    @property
    def told(self) -> list[ContestantRuns]:
        """The points whose answers row by row are known, best first, if they compare."""
        found = [(k, row, self.findings.runs[k]) for k, row in self.valued]
        held = [ContestantRuns(r, self.title(row)) for _, row, r in found if r is not None]
        return held if len({c.runs.count for c in held}) == 1 else []


def study_figures(view: StudyView) -> list[Figure]:
    """All figures that the finished trials and runs allow."""
    made = (_runs_figure, _chance_figure, _cost_figure, _confusion_figure) if view.valued else ()
    found = [make(view) for make in made]
    if view.study.search is not None:
        found.append(search_figure(view.study.search))
    return [figure for figure in found if figure is not None]


def _runs_figure(view: StudyView) -> Figure:
    """A dot for each run: against a numeric axis of the grid if there is one, else in lanes."""
    axis = _numeric_axis(view)
    if axis is None:
        return _lanes_figure(view)
    rows = [row for _, row in sorted(view.valued, key=lambda found: found[0])]
    places = sorted({row.point[axis] for row in rows}, key=float)
    kinds = list(dict.fromkeys(_others(row, axis) for row in rows))
    marks: list[Mark] = []
    words = []
    for series, kind in enumerate(kinds):
        held = sorted(
            ((places.index(row.point[axis]), row) for row in rows if _others(row, axis) == kind),
            key=lambda found: found[0],
        )
        dots = [(at, v) for at, row in held if row.summary for v in row.summary.values]
        name = kind or view.study.name
        marks.append(Dots(name, series, [at for at, _ in dots], [v for _, v in dots]))
        ends = [held[0], held[-1]] if len(held) > 1 else held
        said = (f"{_mean_text(view, row)} at {row.point[axis]}" for _, row in ends)
        words.append(f"{name}: {', '.join(said)}")
    lost = sum(len(row.diverged) for row in rows)
    left_out = f" Not drawn: {counted(lost, 'run')} that diverged." if lost else ""
    text = f"A dot is a run. Means: {'; '.join(words)}.{left_out}"
    panel = Panel(
        Axis(axis, categories=tuple(places)), metric_axis(view.metric, share=view.share), marks
    )
    return Figure("runs", f"Every run, by {axis}", text, (panel,))


def _numeric_axis(view: StudyView) -> str | None:
    """The axis of numbers with most values, if few enough series are left."""
    rows = [row for _, row in view.valued]
    found = []
    for axis in view.study.axes:
        values = {row.point[axis] for row in rows}
        others = {_others(row, axis) for row in rows}
        if len(values) > 1 and all(map(_is_number, values)) and len(others) <= _SERIES:
            found.append((len(values), axis))
    return max(found, key=lambda pair: pair[0])[1] if found else None


def _is_number(text: str) -> bool:
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False


def _others(row: PointRow, axis: str) -> str:
    """The labels of the other axes."""
    return ", ".join(label for name, label in row.point.items() if name != axis)


def _mean_text(view: StudyView, row: PointRow) -> str:
    return "no value" if row.summary is None else view.text(row.summary.mean)


def _lanes_figure(view: StudyView) -> Figure:
    """A lane for each point, best first, up to as many as can be read."""
    shown = view.valued[:_LANES]
    known = len(shown) > 1 and any(row.among_best for _, row in shown)
    lanes = []
    for _, row in shown:
        level = "not told apart from the best" if row.among_best else "others"
        series = int(known and not row.among_best)
        if row.summary is not None:
            lanes.append(Lane(view.title(row), row.summary, series, level if known else ""))
    return lanes_figure("Every run", view.metric, lanes, view.study.confidence)


def _chance_figure(view: StudyView) -> Figure | None:
    """How much of a difference from the best is chance of what, and what seeds would buy."""
    held = view.told[: _COMPARED + 1]
    if len(held) < 2:
        return None
    levels = Levels(view.study.confidence, len(held) - 1)
    found = differences(held, view.metric, levels)
    others = [
        (series, c, d)
        for series, (c, d) in enumerate(zip(held[1:], found[1:], strict=True))
        if d is not None and d.both is not None
    ]
    if not others:
        return None
    first = held[0]
    lines = [_width_line(series, first, c, view.study.confidence) for series, c, _ in others]
    named = [(series, c.name, d) for series, c, d in others]
    return chance_figure(first.name, view.metric, named, lines, joint=len(others) > 1)


def _width_line(
    series: int, first: ContestantRuns, other: ContestantRuns, confidence: float
) -> Line:
    """Half the width of the interval against seeds; beyond those trained it is what is expected."""
    estimate = pair_runs(first.runs, other.runs).estimate
    now = estimate.runs
    seeds = sorted({*range(2, now + 1), *np.linspace(now, 2 * now + 20, 24).round().astype(int)})
    widths = [estimate.half_width(confidence, k, estimate.rows) for k in map(int, seeds)]
    name = f"{shortened(other.name, 22)} − {shortened(first.name, 22)}"
    return Line(name, series, seeds, widths, solid_to=now)


def _cost_figure(view: StudyView) -> Figure | None:
    """The score against what it costs; dominated only if told apart."""
    points = {
        cost: points_by_cost(view, [cost_of(row, cost) for _, row in view.valued]) for cost in COSTS
    }
    return cost_figure(view.metric, points, share=view.share, machine=view.study.machine)


def points_by_cost(view: StudyView, costs: Sequence[Quartiles | None]) -> tuple[CostPoint, ...]:
    """The points of ``view.valued`` with the cost of each; none if one is unknown."""
    place = {k: i for i, (k, _) in enumerate(view.valued)}
    pairs = view.findings.told_apart(view.study.confidence)
    settled = [(place[i], place[j]) for i, j in pairs if i in place and j in place]
    scores = [(view.title(row), row.summary) for _, row in view.valued if row.summary]
    return cost_points(scores, costs, settled)


def _confusion_figure(view: StudyView) -> Figure | None:
    """Classes against guesses of the best point, over all its runs."""
    k, row = view.valued[0]
    runs, classes = list[Evaluation](), tuple[str, ...]()
    for line in view.findings.points[k].lines:
        found = read_packed(view.folder.answers(line["key"]), {}, line.get("test_rows", 0))
        if found is None or found.predictions.ndim != 2 or found.targets.ndim != 1:
            continue
        width = found.predictions.shape[1]
        if not np.issubdtype(found.targets.dtype, np.integer) or width < 2:
            return None
        known = line.get("classes", ())
        classes = tuple(map(str, known if len(known) == width else range(width)))
        runs.append(found)
    if not runs:
        return None
    guesses = np.stack([run.predictions.argmax(axis=1) for run in runs])
    rows = np.arange(guesses.shape[1])
    return confusion_figure(
        ClassAnswers(classes, runs[0].targets, {view.title(row): guesses}, rows)
    )
