"""Simulated comparisons with a known truth: rows, hits and losses are drawn, nothing is trained.

A net gives each row of an endless supply a score; a run of it shifts all scores by its seed. A row
is right if its score beats logistic noise. Losses are the exponential of score and noise, so they
are as skewed as those of a trained net. The nets of a cell are equal over the supply: either copies
of one net, or nets that are right on different rows. One more net is better by a known amount, to
measure the coverage of intervals where the true difference is not zero.

Verdicts come from the functions of ``layerkit.comparison``, which get the simulated table of rows.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from layerkit.comparison.metric_runs import MetricRuns, pair_runs
from layerkit.comparison.verdicts import settled_signs
from layerkit.statistics.intervals import Levels

__all__ = ["CONFIDENCE", "Cell", "Outcome", "cells", "judge"]

CONFIDENCE = 0.95
SEEDS = (2, 3, 5, 10, 20, 40)
ROWS = (355, 2000)
NOISE = {"quiet": 0.05, "medium": 0.3, "noisy": 0.8}
HELD = 0.2  # share of the pool that is held out, on validation
_MEAN, _SPREAD, _APART = 4.2, 2.0, 1.5  # scores of rows: about 95 % right
_STEPS = 1 << 16
_LOGISTIC = np.log(
    (np.arange(_STEPS, dtype=np.float64) + 0.5) / (_STEPS - np.arange(_STEPS) - 0.5)
).astype(np.float32)
_BETTER = 0.4  # the score of the better net
_LOSS = 0.5  # effect of a score on the logarithm of a loss


@dataclass(frozen=True)
class Cell:
    """One setting of the simulation."""

    measure: str  # "hits" or "losses"
    nets: str  # "copies" or "other rows"
    noise: str
    seeds: int
    rows: int
    on: str
    contestants: int


@dataclass
class Outcome:
    """What was found in the comparisons of a cell."""

    cell: Cell
    compared: int = 0
    apart: int = 0  # comparisons in which any equal net was told apart from the first
    covered: int = 0  # intervals of the better net that contain the true difference
    narrowest: float = np.inf  # width of an interval, in rows


def cells() -> Iterator[Cell]:
    """All cells; losses of many contestants, which cost most, only for some numbers of seeds."""
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
    """Simulate comparisons of ``cell`` and count the verdicts."""
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
    """The expected metric of a net over all rows and seeds."""
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
    """The runs of each contestant in one comparison, and of one that is better."""
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
        nets.append(_runs(cell, seen, rng))
    return nets


def _runs(cell: Cell, scores: Any, rng: np.random.Generator) -> MetricRuns:
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
