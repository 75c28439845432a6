"""The figures of a report: confusions, a reliability curve, predicted against true, residuals."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from layerkit.display import counted, printable, shortened
from layerkit.evaluation.results import Calibration, ClassScores, EvaluationResult, Residuals
from layerkit.figures import Axis, Bars, Dots, Figure, Line, Mark, Panel, Rule
from layerkit.figures.usual import MOST_CLASSES, confusion_panel

_PAIRS, _TARGETS = 10, 8
_POINTS, _BINS, _NAME = 1500, 24, 24


def evaluation_figures(r: EvaluationResult) -> tuple[Figure, ...]:
    """All pictures of a report."""
    return tuple(_figures(r))


def _figures(r: EvaluationResult) -> Iterator[Figure]:
    c = r.classes
    if c is not None:
        if not c.several:
            yield _confusions(c) if len(c.names) <= MOST_CLASSES else _pairs(c)
        yield _reliability(c.calibration, several=c.several)
    for j, one in enumerate(r.residuals[:_TARGETS]):
        yield _scatter(one, f"scatter-{j}")
        yield _histogram(one, f"residuals-{j}")


def _confusions(c: ClassScores) -> Figure:
    """The confusion matrix, shaded by the share of each class."""
    panel = confusion_panel(c.confusion_matrix, list(map(str, c.names)))
    said = "; ".join(f"{p.true} as {p.guessed}: {p.rows}" for p in c.worst_confusions(5))
    words = (
        f"Class downwards, guess to the right, shaded by the share of the class. {said or 'None'}."
    )
    return Figure("confusion", "Rows by class and guess", words, [panel])


def _pairs(c: ClassScores) -> Figure:
    """The most frequent confusions as bars, for many classes."""
    pairs = c.worst_confusions(_PAIRS)
    names = [
        f"{shortened(printable(p.true), _NAME)} as {shortened(printable(p.guessed), _NAME)}"
        for p in pairs
    ]
    bars = Bars("rows", 0, range(len(pairs)), [p.rows for p in pairs], 0.5)
    said = "; ".join(f"{p.true} as {p.guessed}: {p.rows}" for p in pairs) or "no confusions"
    panel = Panel(
        Axis("rows", whole=True, low=0.0), Axis("", categories=tuple(names) or ("none",)), [bars]
    )
    words = f"The most frequent confusions of {len(c.names):,} classes. {said}."
    return Figure("confusion", "Most frequent confusions", words, [panel])


def _reliability(c: Calibration, *, several: bool) -> Figure:
    """The share that came true against the probability, and how many rows have it."""
    whose = "yes" if several else "the guess" if c.of is None else c.of
    title = f"Probability of {shortened(printable(whose), 40)}"
    held = [j for j, n in enumerate(c.rows.tolist()) if n]
    predicted, observed = c.predicted[held].tolist(), c.observed[held].tolist()
    said = "; ".join(
        f"{100 * p:.0f} % predicted, {100 * o:.0f} % came true in {counted(int(c.rows[j]), 'row')}"
        for j, p, o in zip(held, predicted, observed, strict=True)
    )
    probability = Axis("probability in per cent", share=True, low=0.0, high=1.0)
    curve = Panel(
        probability,
        Axis("came true in per cent", share=True, low=0.0, high=1.0),
        [Line("", 7, [0, 1], [0, 1], faint=True), Line("", 0, predicted, observed)],
        "what came true; on the thin line they agree",
    )
    middles, width = (c.edges[1:] + c.edges[:-1]) / 2, float(c.edges[1] - c.edges[0])
    rows = Bars("", 0, middles.tolist(), c.rows.tolist(), 0.9 * width)
    words = f"Off by {100 * c.error:.1f} points on average. {said}."
    return Figure(
        "reliability",
        title,
        words,
        [curve, Panel(probability, Axis("rows", whole=True, low=0.0), [rows], "how many rows")],
    )


def _scatter(r: Residuals, key: str) -> Figure:
    """Predicted against true; on the line predictions are right."""
    some = np.unique(np.linspace(0, len(r.true) - 1, min(len(r.true), _POINTS)).astype(int))
    low = float(min(r.true.min(), r.predicted.min()))
    high = float(max(r.true.max(), r.predicted.max()))
    said = "; ".join(f"{band.predicted:.4g} on average, true {band.true:.4g}" for band in r.bands)
    marks: list[Mark] = [
        Line("", 7, [low, high], [low, high], faint=True),
        Dots("", 0, r.true[some].tolist(), r.predicted[some].tolist(), faint=True),
    ]
    name = shortened(printable(r.name), 40)
    words = f"On the line they agree. Predicted {said}." if said else "On the line they agree."
    panel = Panel(Axis("true"), Axis("predicted"), marks)
    return Figure(key, f"{name}: predicted against true", words, [panel])


def _histogram(r: Residuals, key: str) -> Figure:
    """How often residuals of each size occur."""
    counts, edges = np.histogram(r.predicted - r.true, bins=min(_BINS, max(1, len(r.true))))
    width = float(edges[1] - edges[0])
    bars = Bars("", 0, ((edges[1:] + edges[:-1]) / 2).tolist(), counts.tolist(), width)
    said = ", ".join(f"{100 * s:g} %: {v:.4g}" for s, v in r.quantiles.items())
    panel = Panel(
        Axis("residual (predicted − true)"),
        Axis("rows", whole=True, low=0.0),
        [bars, Rule(0.0, "x")],
    )
    name = shortened(printable(r.name), 40)
    return Figure(
        key, f"{name}: residuals", f"How far predictions are off; quantiles {said}.", [panel]
    )
