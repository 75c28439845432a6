"""The figures of a study: every run, which chance it is, what a score costs, and confusions."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from layerkit.comparison.metric_runs import pair_runs
from layerkit.comparison.pictures import Lane, axis_title, chance_figure, lanes_figure
from layerkit.comparison.verdicts import ContestantRuns, differences, settled_signs
from layerkit.display import counted, shortened
from layerkit.figures import Axis, Cells, Dots, Figure, Intervals, Line, Mark, Panel
from layerkit.reporting.numbers import is_share, metric_text
from layerkit.runs.answers import read_packed
from layerkit.runs.folder import RunFolder
from layerkit.statistics.intervals import Levels
from layerkit.studies.result import Findings, PointRow, Study
from layerkit.studies.run import found_in
from layerkit.studies.search_figure import search_figure

_SERIES, _LANES, _COMPARED, _LABELLED = 8, 40, 3, 12
_CLASSES = 26  # of a confusion matrix; a larger one cannot be read


@dataclass(frozen=True)
class StudyView:
    """A study and its runs row by row: what its page and its figures are made of."""

    study: Study
    findings: Findings
    folder: RunFolder

    @classmethod
    def read(
        cls,
        study: str | os.PathLike[str] | Mapping[str, Any],
        folder: str | os.PathLike[str] | None = None,
        confidence: float = 0.95,
    ) -> StudyView:
        """What the folder of a study holds by now; errors as for ``layerkit.study``."""
        plan, place, trials = found_in(study, folder)
        found = Study.of(plan, place, confidence, trials=trials)
        return cls(found, Findings.of(plan, place), place)

    @property
    def metric(self) -> str:
        """The main metric in words."""
        return self.study.metric.replace("_", " ")

    @property
    def measure(self) -> str:
        """The title of its axis."""
        return axis_title(self.metric, share=self.share)

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
        return ", ".join(row.point.values()) or self.study.name

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
    diverged = f" {counted(lost, 'run')} diverged and is not drawn." if lost == 1 else ""
    diverged = f" {lost} runs diverged and are not drawn." if lost > 1 else diverged
    text = f"A dot is a run. Means: {'; '.join(words)}.{diverged}"
    panel = Panel(Axis(axis, categories=tuple(places)), Axis(view.measure, share=view.share), marks)
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


def dominated(view: StudyView, costs: Sequence[int | None]) -> list[bool]:
    """Of ``view.valued``: whether another point costs no more and is told apart as better.

    All pairs hold jointly. Where the answers row by row are not known, nothing is told apart.
    """
    valued = view.valued
    runs = [view.findings.runs[k] for k, _ in valued]
    pairs = [
        (i, j)
        for i in range(len(valued))
        for j in range(i)
        if runs[i] is not None and runs[j] is not None
    ]
    paired = []
    for i, j in pairs:
        a, b = runs[j], runs[i]
        same = a is not None and b is not None and a.count == b.count
        paired.append(pair_runs(a, b) if same and a is not None and b is not None else None)
    signs = settled_signs(paired, Levels(view.study.confidence))
    found = [False] * len(valued)
    for (i, j), sign in zip(pairs, signs, strict=True):
        summary = valued[i][1].summary
        up = 1 if summary is not None and summary.higher_is_better else -1
        better, worse = (i, j) if sign * up > 0 else (j, i)
        cheap, dear = costs[better], costs[worse]
        if sign and cheap is not None and dear is not None and cheap <= dear:
            found[worse] = True
    return found


def _cost_figure(view: StudyView) -> Figure | None:
    """The score against what it costs; dominated only if told apart."""
    panels, words = [], []
    for title, of in (("parameters", "parameters"), ("multiply-adds per row", "macs")):
        costs = [getattr(row, of) for _, row in view.valued]
        if any(cost is None or cost <= 0 for cost in costs) or len(set(costs)) < 2:
            continue
        lost = dominated(view, costs)
        panels.append(_cost_panel(view, title, costs, lost))
        kept = [view.title(row) for (_, row), out in zip(view.valued, lost, strict=True) if not out]
        listed = "; ".join(kept[:6]) + (f"; and {len(kept) - 6} more" if len(kept) > 6 else "")
        words.append(f"By {title}, no cheaper point is told apart as better than these: {listed}.")
    if not panels:
        return None
    return Figure("cost", "What a score costs", " ".join(words), tuple(panels))


def _cost_panel(view: StudyView, title: str, costs: Sequence[int], lost: Sequence[bool]) -> Panel:
    marks: list[Mark] = []
    for series, (name, out) in enumerate((("not dominated", False), ("dominated", True))):
        held = [
            (cost, row.summary, view.title(row))
            for (_, row), cost, is_lost in zip(view.valued, costs, lost, strict=True)
            if is_lost == out and row.summary is not None
        ]
        if not held:
            continue
        ends = [(c, s.mean, s.interval) for c, s, _ in held if s.interval is not None]
        marks.append(
            Intervals(
                name,
                series,
                [c for c, _, _ in ends],
                [math.nan] * len(ends),
                [i.low for _, _, i in ends],
                [i.high for _, _, i in ends],
                faint=True,
            )
        )
        labels = tuple(t for _, _, t in held) if not out and len(held) <= _LABELLED else ()
        marks.append(
            Dots(name, series, [c for c, _, _ in held], [s.mean for _, s, _ in held], labels)
        )
    log = max(costs) > 8 * min(costs)
    return Panel(Axis(title, log=log), Axis(view.measure, share=view.share), marks)


def _confusion_figure(view: StudyView) -> Figure | None:
    """Classes against guesses of the best point, over all its runs."""
    k, row = view.valued[0]
    tables = []
    for line in view.findings.points[k].lines:
        answers = read_packed(view.folder.answers(line["key"]), {}, line.get("test_rows", 0))
        if answers is None or answers.predictions.ndim != 2 or answers.targets.ndim != 1:
            continue
        classes = answers.predictions.shape[1]
        if not np.issubdtype(answers.targets.dtype, np.integer) or not 1 < classes <= _CLASSES:
            return None
        guessed = answers.predictions.argmax(axis=1)
        table = np.zeros((classes, classes))
        np.add.at(table, (answers.targets, guessed), 1)
        tables.append(table)
    if not tables:
        return None
    counts = np.sum(tables, axis=0)
    names = _class_names(view.findings.points[k].lines, len(counts))
    wrong = [(int(counts[i, j]), i, j) for i, j in np.ndindex(counts.shape) if i != j]
    worst = [f"{names[i]} as {names[j]} ({n})" for n, i, j in sorted(wrong, reverse=True)[:3] if n]
    text = f"{view.title(row)}, {counted(len(tables), 'run')} together. "
    text += f"Most frequent: {', '.join(worst)}." if worst else "No confusions."
    panel = Panel(Axis("guessed class", categories=names), Axis("true class", categories=names),
                  (Cells("rows", 0, counts, 0.0, float(counts.max()), written=True),))  # fmt: skip
    return Figure("confusion", "Confusions of the best point", text, (panel,))


def _class_names(lines: Sequence[Mapping[str, Any]], count: int) -> tuple[str, ...]:
    """The classes by name if the runs know all of them, else by number."""
    for line in lines:
        classes = line.get("classes")
        if isinstance(classes, list) and len(classes) == count:
            return tuple(map(str, classes))
    return tuple(map(str, range(count)))
