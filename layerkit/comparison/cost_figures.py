"""Figures of a comparison: what a score costs, and which classes are confused."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from layerkit.comparison.class_answers import ClassAnswers
from layerkit.comparison.pareto import COSTS, Cost, CostPoint, pareto
from layerkit.comparison.results import ComparisonResult
from layerkit.display import counted, few
from layerkit.figures import Axis, Dots, Figure, Intervals, Mark, Panel
from layerkit.figures.usual import MOST_CLASSES, confusion_panel, metric_axis

_TITLES: dict[Cost, str] = {
    "parameters": "parameters",
    "macs": "multiply-adds per row",
    "microseconds": "microseconds for one row",
}
_CONTESTANTS = 4  # whose matrices stand side by side
_WIDE = 8  # costs that differ by more are shown on a logarithmic axis
_NAMED, _LABELLED = 6, 12  # points in a sentence, and of one kind in a panel


def answer_figures(result: ComparisonResult) -> list[Figure]:
    """Those of the two that there are."""
    share = any(c.metrics[result.metric].share for c in result.contestants
                if result.metric in c.metrics)  # fmt: skip
    points = {cost: pareto(result, cost) for cost in COSTS}
    machine = result.versions.get("machine")
    costs = cost_figure(result.metric, points, share=share, machine=machine)
    made = costs, confusion_figure(result.answers)
    return [figure for figure in made if figure is not None]


def cost_figure(
    metric: str, points: Mapping[Cost, Sequence[CostPoint]], *, share: bool, machine: str | None
) -> Figure | None:
    """The score against each cost that differs; None if there is none.

    ``machine`` is the one on which times were measured.
    """
    panels, words = [], []
    for cost, held in points.items():
        if len({point.cost for point in held}) < 2:
            continue
        panels.append(Panel(_cost_axis(cost, held), metric_axis(metric, share=share), _marks(held)))
        lost = [f"{p.name} (by {', '.join(p.dominated_by)})" for p in held if p.dominated_by]
        words.append(f"{_TITLES[cost]}: {few(lost, _NAMED) or 'none'}")
    if not panels:
        return None
    text = (
        "Dominated is what costs no less than another that is told apart as better. "
        f"In {'; in '.join(words)}."
    )
    if machine is not None and points.get("microseconds"):
        text += f" Times are of {machine}, one thread."
    return Figure("cost", f"What {metric} costs", text, panels)


def _cost_axis(cost: Cost, points: Sequence[CostPoint]) -> Axis:
    costs = [point.cost for point in points]
    return Axis(_TITLES[cost], log=min(costs) > 0 and max(costs) > _WIDE * min(costs))


def _marks(points: Sequence[CostPoint]) -> list[Mark]:
    """Thin intervals behind dots, in one colour for what is dominated."""
    marks: list[Mark] = []
    for series, (name, lost) in enumerate((("not dominated", False), ("dominated", True))):
        held = [point for point in points if bool(point.dominated_by) == lost]
        if not held:
            continue
        costs, none = [p.cost for p in held], [math.nan] * len(held)
        ends = [p.low for p in held], [p.high for p in held]
        labels = tuple(p.name for p in held) if len(held) <= _LABELLED else ()
        marks.append(Intervals(name, series, costs, none, *ends, faint=True))
        marks.append(Dots(name, series, costs, [p.score for p in held], labels))
    return marks


def confusion_figure(answers: ClassAnswers | None) -> Figure | None:
    """True classes by the classes answered, over all runs of each contestant; None for many."""
    if answers is None or len(answers.classes) > MOST_CLASSES:
        return None
    panels, words = [], []
    for name in list(answers.guesses)[:_CONTESTANTS]:
        counts = answers.confusion(name)
        panels.append(confusion_panel(counts, answers.classes, name))
        wrong = [(int(counts[i, j]), i, j) for i, j in np.ndindex(counts.shape) if i != j]
        n, i, j = max(wrong, default=(0, 0, 0))
        most = f"{answers.classes[i]} as {answers.classes[j]} ({n})" if n else "none"
        words.append(f"{name}, {counted(len(answers.guesses[name]), 'run')}: {most}")
    return Figure(
        "confusion", "Confusions", f"Most frequent confusions: {'; '.join(words)}.", panels
    )
