"""Figures of a comparison over several data sets."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from layerkit.comparison.across_result import AcrossResult
from layerkit.comparison.results import Summary
from layerkit.core.context import Array
from layerkit.figures import Axis, Dots, Figure, Intervals, Line, Mark, Panel, Rule
from layerkit.figures.usual import metric_axis
from layerkit.reporting.numbers import level_text, percent
from layerkit.statistics.aggregates import performance_profile

_POINTS = 101  # of a profile


def across_figures(found: AcrossResult) -> tuple[Figure, ...]:
    """Average ranks, scores by data set, probabilities of improvement, and profiles of scores."""
    figures = [_ranks(found), _scores(found), _improvements(found)]
    if any(found.interquartile_means):
        figures.append(_profiles(found))
    return tuple(figures)


def _ranks(found: AcrossResult) -> Figure:
    """Average ranks; half the critical difference on either side, so that overlap says it all."""
    order = found.order
    names = tuple(found.contestants[j] for j in order)
    ranks = [found.average_ranks[j] for j in order]
    places = list(range(len(order)))
    ends = ", ".join(f"{name} {rank:.2f}" for name, rank in zip(names, ranks, strict=True))
    half = (found.critical_difference or 0.0) / 2
    if found.enough and half:
        marks: list[Mark] = [
            Intervals("average rank", 0, places, ranks, [r - half for r in ranks],
                      [r + half for r in ranks])
        ]  # fmt: skip
        note = (
            f"Two whose intervals do not overlap are told apart (critical difference {2 * half:.2f}"
            f", Nemenyi, {level_text(found.confidence)})."
        )
        if all(pair.verdict == "open" for pair in found.pairs):
            note = "None are told apart."
    else:
        marks = [Dots("average rank", 0, ranks, places)]
        note = " ".join(found.headline[:1])
    panel = Panel(Axis("average rank, 1 is best"), Axis("", categories=names), tuple(marks))
    words = f"Average ranks over {len(found.data)} data sets: {ends}. {note}"
    return Figure("average-ranks", "Average ranks", words, (panel,))


def _scores(found: AcrossResult) -> Figure:
    """A dot for the mean of each contestant on each data set."""
    places = list(range(len(found.data)))
    columns = np.array(found.means).T
    marks = [
        Dots(name, j, column.tolist(), places)
        for j, (name, column) in enumerate(zip(found.contestants, columns, strict=True))
    ]
    axis = metric_axis(found.metric, share=found.share)
    panel = Panel(axis, Axis("", categories=found.data), tuple(marks))
    best = [found.contestants[j] for j in np.argmin(found.ranks, axis=1)]
    counts = ", ".join(f"{name} on {best.count(name)}" for name in dict.fromkeys(best))
    words = f"Mean {found.metric} of the runs on each data set. Best: {counts}."
    return Figure("scores", "Scores by data set", words, (panel,))


def _improvements(found: AcrossResult) -> Figure:
    """The probability that a new run beats a new run of the first contestant."""
    pairs = [pair for pair in found.pairs if pair.first == found.contestants[0]]
    values = [pair.improvement.value for pair in pairs]
    known = [pair.improvement for pair in pairs if pair.improvement.low is not None]
    places = list(range(len(pairs)))
    first = found.contestants[0]
    mark: Mark = Dots("probability", 0, values, places)
    if len(known) == len(pairs):
        low, high = ([getattr(a, end) for a in known] for end in ("low", "high"))
        mark = Intervals("probability", 0, places, values, low, high)
    panel = Panel(
        Axis(f"a new run beats one of {first}, in per cent", share=True, low=0.0, high=1.0),
        Axis("", categories=tuple(pair.other for pair in pairs)),
        (mark, Rule(0.5, "x")),
    )
    ends = ", ".join(f"{p.other} {percent(p.improvement.value)}" for p in pairs)
    words = f"Probability that a new run beats a new run of {first}, all data sets alike: {ends}."
    return Figure("improvement", "Probability of improvement", words, (panel,))


def _profiles(found: AcrossResult) -> Figure:
    """The share of runs that score more than each level: the higher line is better."""
    scores = [_runs(found, j) for j in range(len(found.contestants))]
    every = np.concatenate([values for column in scores for values in column])
    levels = np.linspace(every.min(), every.max(), _POINTS)
    marks = [
        Line(name, j, levels.tolist(), performance_profile(column, levels).tolist())
        for j, (name, column) in enumerate(zip(found.contestants, scores, strict=True))
    ]
    axis = metric_axis(found.metric, share=found.share)
    panel = Panel(
        axis, Axis("runs that score more, in per cent", share=True, low=0.0, high=1.0), tuple(marks)
    )
    middle = float(np.median(every))
    shares = (performance_profile(column, np.array([middle]))[0] for column in scores)
    ends = ", ".join(f"{n} {percent(s)}" for n, s in zip(found.contestants, shares, strict=True))
    words = (
        "Share of runs, all data sets alike, that score more than each level. More than the median "
        f"of all runs: {ends}."
    )
    return Figure("profiles", "Performance profiles", words, (panel,))


def _summaries(found: AcrossResult, j: int) -> Sequence[Summary | None]:
    return [each.contestants[j].metrics.get(found.metric) for each in found.comparisons]


def _runs(found: AcrossResult, j: int) -> list[Array]:
    """The runs of one contestant by data set, those that diverged with no row right."""
    held = zip(_summaries(found, j), found.diverged, strict=True)
    return [np.array([*(s.values if s else ()), *[0.0] * lost[j]]) for s, lost in held]
