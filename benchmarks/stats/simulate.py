"""Comparisons of nets whose truth is known: rows, hits and losses are drawn, nothing is trained.

A net gives each row of an endless supply a score; a run of it shifts all scores by its seed. A row
is right if its score beats logistic noise. Losses are the exponential of score and noise, so they
are as skewed as those of a trained net. The nets of a cell are equal over the supply: either copies
of one net, or nets that are right on different rows. One more net is better by a known amount, so
that the coverage of intervals is judged where the truth is not zero.

The verdicts are those of ``layerkit.comparison``: its own functions are called, from the table of
rows onwards.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from layerkit.comparison.metric_runs import MetricRuns, pair_runs
from layerkit.comparison.statistics.intervals import Levels
from layerkit.comparison.verdicts import settled_signs

__all__ = ["CONFIDENCE", "Cell", "Outcome", "cells", "judge"]

CONFIDENCE = 0.95
SEEDS = (2, 3, 5, 10, 20, 40)
ROWS = (355, 2000)
NOISE = {"quiet": 0.05, "medium": 0.3, "noisy": 0.8}
HELD = 0.2  # of the pool, on validation
_MEAN, _SPREAD, _APART = 4.2, 2.0, 1.5  # scores of rows: about 95 % right
_STEPS = 1 << 16
_LOGISTIC = np.log(
    (np.arange(_STEPS, dtype=np.float64) + 0.5) / (_STEPS - np.arange(_STEPS) - 0.5)
).astype(np.float32)
_BETTER = 0.4  # the score of the better net
_LOSS = 0.5  # how strongly a score moves the logarithm of a loss


@dataclass(frozen=True)
class Cell:
    """One way in which comparisons are drawn."""

    measure: str  # "hits" or "losses"
    nets: str  # "copies" or "other rows"
    noise: str
    seeds: int
    rows: int
    on: str
    contestants: int


@dataclass
class Outcome:
    """Of the comparisons of a cell."""

    cell: Cell
    compared: int = 0
    apart: int = 0  # comparisons in which any net was told apart from the first
    covered: int = 0  # printed intervals of the better net that hold the truth
    narrowest: float = np.inf  # width of an interval, in rows


def cells() -> Iterator[Cell]:
    """All of them; losses of many contestants, which cost most, for some numbers of seeds only."""
    for measure in ("hits", "losses"):
        for on in ("test", "validation"):
            for contestants in (2, 12):
                for rows in ROWS:
                    for seeds in SEEDS:
                        costly = measure == "losses" and contestants == 12
                        if costly and (rows > 355 or seeds not in (3, 10)):
                            continue
                        for nets in ("copies", "other rows"):
                            for noise in NOISE:
                                yield Cell(measure, nets, noise, seeds, rows, on, contestants)


def judge(cell: Cell, comparisons: int, rng: np.random.Generator) -> Outcome:
    """Draw comparisons of ``cell`` and count what is said of them."""
    found = Outcome(cell)
    levels = Levels(CONFIDENCE, cell.contestants - 1)
    truth = _expected(cell, _BETTER) - _expected(cell, 0.0)
    for _ in range(comparisons):
        first, *others, better = _drawn(cell, rng)
        found.compared += 1
        found.apart += any(settled_signs([pair_runs(first, other) for other in others], levels))
        low, high = pair_runs(first, better).estimate.over_both(levels.confidence)
        found.covered += low <= truth <= high
        found.narrowest = min(found.narrowest, (high - low) * cell.rows)
    return found


def _expected(cell: Cell, better: float) -> float:
    """The metric of a net over the supply of rows and of seeds."""
    apart = _APART if cell.nets == "other rows" else 0.0
    variance = _SPREAD**2 + apart**2 + NOISE[cell.noise] ** 2
    mean = _MEAN + better
    if cell.measure == "losses":
        moment = float(np.exp(_LOSS * _LOGISTIC.astype(np.float64)).mean())
        return moment * float(np.exp(-_LOSS * mean + _LOSS**2 * variance / 2))
    nodes, weights = np.polynomial.hermite_e.hermegauss(200)
    right = 1 / (1 + np.exp(-(mean + np.sqrt(variance) * nodes)))
    return float(weights @ right / weights.sum())


def _drawn(cell: Cell, rng: np.random.Generator) -> list[MetricRuns]:
    """The marks of each contestant in one comparison, and of one that is better."""
    pool = cell.rows if cell.on == "test" else round(cell.rows / HELD)
    base = rng.normal(_MEAN, _SPREAD, pool).astype(np.float32)
    taken = None
    if cell.on == "validation":
        draws = (
            rng.choice(pool, cell.rows, replace=False, shuffle=False) for _ in range(cell.seeds)
        )
        taken = np.stack(list(draws))
    nets = []
    for k in range(cell.contestants + 1):
        scores = base if k < cell.contestants else base + np.float32(_BETTER)
        if cell.nets == "other rows":
            scores = scores + rng.normal(0, _APART, pool).astype(np.float32)
        shifts = rng.normal(0, NOISE[cell.noise], (cell.seeds, 1)).astype(np.float32)
        seen = (scores if taken is None else scores[taken]) + shifts
        nets.append(_marks(cell, seen, rng))
    return nets


def _marks(cell: Cell, scores: Any, rng: np.random.Generator) -> MetricRuns:
    """(k, n) scores as a net's runs in one metric."""
    shape = (cell.seeds, cell.rows)
    noise = _LOGISTIC[rng.integers(0, _STEPS, shape, np.uint16)]
    hits = cell.measure == "hits"
    if hits:
        table = (noise < scores).astype(np.float32)
    else:
        table = np.exp(_LOSS * (noise - scores)).astype(np.float64)
    values = table.mean(axis=1, dtype=np.float64)
    own = HELD / (1 - HELD) if cell.on == "validation" else None
    return MetricRuns(
        seeds=tuple(range(cell.seeds)),
        values=values,
        count=cell.rows,
        higher_is_better=hits,
        share=hits,
        rows=table if own is None else None,
        validation_ratio=own,
    )
