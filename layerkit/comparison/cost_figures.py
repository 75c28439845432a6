"""Figures of a comparison: what a score costs, and which classes are confused."""

from __future__ import annotations

from collections.abc import Sequence
from typing import get_args

import numpy as np

from layerkit.comparison.pareto import Cost, CostPoint, pareto
from layerkit.comparison.results import ComparisonResult
from layerkit.display import counted
from layerkit.figures import Axis, Cells, Dots, Figure, Intervals, Mark, Panel

_TITLES: dict[Cost, str] = {
    "parameters": "parameters",
    "macs": "multiply-adds per row",
    "microseconds": "microseconds for one row",
}
_CLASSES = 26  # of a confusion matrix; a larger one cannot be read
_CONTESTANTS = 4  # whose matrices stand side by side
_WIDE = 8  # costs that differ by more are shown on a logarithmic axis


def answer_figures(result: ComparisonResult) -> list[Figure]:
    """Those of the two that there are."""
    return [f for f in (cost_figure(result), confusion_figure(result)) if f is not None]


def cost_figure(result: ComparisonResult) -> Figure | None:
    """The score against each cost that is known and differs; None if there is none."""
    panels, words = [], []
    for cost in get_args(Cost):
        points = pareto(result, cost)
        if len({point.cost for point in points}) < 2:
            continue
        panels.append(_cost_panel(result, points, _TITLES[cost]))
        lost = [
            f"{point.name} (by {', '.join(point.dominated_by)})"
            for point in points
            if point.dominated_by
        ]
        words.append(f"{_TITLES[cost]}: {', '.join(lost) or 'none'}")
    if not panels:
        return None
    text = (
        "A contestant is dominated by one that costs no more and is told apart as better. "
        f"Dominated by {'; by '.join(words)}."
    )
    return Figure("cost", f"What {result.metric} costs", text, tuple(panels))


def _cost_panel(result: ComparisonResult, points: Sequence[CostPoint], title: str) -> Panel:
    marks: list[Mark] = []
    for series, (name, lost) in enumerate((("not dominated", False), ("dominated", True))):
        held = [point for point in points if bool(point.dominated_by) == lost]
        if not held:
            continue
        costs, scores = [p.cost for p in held], [p.score for p in held]
        ends = [p.low for p in held], [p.high for p in held]
        marks.append(Intervals(name, series, costs, scores, *ends))
        marks.append(Dots(name, series, costs, scores, tuple(p.name for p in held)))
    costs = [point.cost for point in points]
    share = all(c.metrics[result.metric].share for c in result.contestants
                if result.metric in c.metrics)  # fmt: skip
    axis = Axis(title, log=min(costs) > 0 and max(costs) > _WIDE * min(costs))
    measure = f"{result.metric} in per cent" if share else result.metric
    return Panel(axis, Axis(measure, share=share), tuple(marks))


def confusion_figure(result: ComparisonResult) -> Figure | None:
    """True classes by the classes answered, over all runs of each contestant; None for many."""
    answers = result.answers
    if answers is None or len(answers.classes) > _CLASSES:
        return None
    panels, words = [], []
    for name in list(answers.guesses)[:_CONTESTANTS]:
        counts = answers.confusion(name)
        cells = Cells("rows", 0, tuple(map(tuple, counts.tolist())), 0.0, float(counts.max()),
                      written=True)  # fmt: skip
        truth = Axis("true class", categories=answers.classes)
        panels.append(Panel(Axis("answer", categories=answers.classes), truth, (cells,), name))
        wrong = [(int(counts[i, j]), i, j) for i, j in np.ndindex(counts.shape) if i != j]
        n, i, j = max(wrong, default=(0, 0, 0))
        most = f"{answers.classes[i]} as {answers.classes[j]} ({n})" if n else "none"
        words.append(f"{name}, {counted(len(answers.guesses[name]), 'run')}: {most}")
    return Figure(
        "confusion", "Confusions", f"Most frequent confusions: {'; '.join(words)}.", tuple(panels)
    )
