"""The Pareto front of score against cost: what is dominated, and only where that is told apart.

A contestant is dominated by one that costs no more and whose score is told apart as better, all
pairs jointly. Measured costs are ranges, and one is no dearer than another only if the ranges do
not overlap.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, get_args

from layerkit.comparison.results import ComparisonResult, Summary, Timing

Cost = Literal["parameters", "macs", "microseconds"]
"""Numbers of parameters, multiply-adds of a row, microseconds to predict one row alone."""

COSTS: tuple[Cost, ...] = get_args(Cost)

Range = tuple[float, float]

Quartiles = tuple[float, float, float]
"""Lower quartile, median and upper quartile of a measured cost; else three times the cost."""


@dataclass(frozen=True)
class CostPoint:
    """A contestant's score and cost.

    ``cost_low`` and ``cost_high`` are the quartiles of a measured cost, else the cost; ``low`` and
    ``high`` the interval of the score, or the score. ``dominated_by`` names those that dominate it.
    """

    name: str
    cost: float
    cost_low: float
    cost_high: float
    score: float
    low: float
    high: float
    dominated_by: tuple[str, ...]


def pareto(result: ComparisonResult, cost: Cost) -> tuple[CostPoint, ...]:
    """The contestants that have a score in the main metric, in order; none if a cost is unknown."""
    held = [c for c in result.contestants if result.metric in c.metrics]
    place = {c.name: i for i, c in enumerate(held)}
    settled = [(place[a], place[b]) for a, b in result.told_apart if a in place and b in place]
    scores = [(c.name, c.metrics[result.metric]) for c in held]
    return cost_points(scores, [cost_of(c, cost) for c in held], settled)


def cost_points(
    scores: Sequence[tuple[str, Summary]],
    costs: Sequence[Quartiles | None],
    settled: Collection[tuple[int, int]],
) -> tuple[CostPoint, ...]:
    """From names, scores, costs, and the pairs (better, worse) that are told apart, by place.

    None if a cost is unknown.
    """
    known = [cost for cost in costs if cost is not None]
    if len(known) < len(costs):
        return ()
    points = []
    better = dominated_by([(low, high) for low, _, high in known], settled)
    for (name, s), (low, middle, high), by in zip(scores, known, better, strict=True):
        ends = (s.mean, s.mean) if s.interval is None else (s.interval.low, s.interval.high)
        names = tuple(scores[i][0] for i in by)
        points.append(CostPoint(name, middle, low, high, s.mean, *ends, names))
    return tuple(points)


def dominated_by(
    costs: Sequence[Range], settled: Collection[tuple[int, int]]
) -> list[tuple[int, ...]]:
    """By whom each is dominated, from the range of each cost and the pairs (better, worse)."""
    return [
        tuple(sorted(i for i, k in settled if k == j and costs[i][1] <= low))
        for j, (low, _) in enumerate(costs)
    ]


class Costly(Protocol):
    """A contestant, or a point of a study."""

    @property
    def parameters(self) -> int | None:
        """Trained numbers."""

    @property
    def macs(self) -> int | None:
        """Multiply-adds of a row."""

    @property
    def timing(self) -> Timing | None:
        """Measured times of inference."""


def cost_of(one: Costly, cost: Cost) -> Quartiles | None:
    """What one costs; None if it is not known."""
    if cost == "microseconds":
        if one.timing is None:
            return None
        low, middle, high = one.timing.single_ratio
        scale = 1e6 * one.timing.single / middle
        return low * scale, 1e6 * one.timing.single, high * scale
    found = one.macs if cost == "macs" else one.parameters
    return None if found is None else (float(found),) * 3
