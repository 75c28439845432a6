"""What a search has found: the settings chosen, and what fewer trials would have found."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from layerkit.core.search import Dimension
from layerkit.statistics.expected_best import ExpectedBest, expected_best
from layerkit.studies.trials import PointTrials, Trials

_EDGE = 0.05  # of a range: a best value as near to an end is at the border
_ORDERED = 3  # numbers in a list of choices, from which on it has a border


@dataclass(frozen=True)
class TunedPoint:
    """The search of one point of the grid.

    Attributes
    ----------
    point
        The label of its value on each axis.
    done, total
        Trials that are finished, and all that count: fewer than the search has, if the time of this
        point was used up.
    diverged, pruned
        How many of them did not end well, and how many the search gave up.
    settings
        Of the best trial; None without one.
    value
        Of the best trial, on validation rows.
    so_far
        The best value after each trial, in their order; None as long as all diverged.
    expected
        The expected best after each number of trials of a random search; None for one that looks at
        its trials, since these are no draws of one distribution.
    border
        The fields whose best value lies at the border of the space.
    """

    point: dict[str, str]
    done: int
    total: int
    diverged: int
    pruned: int
    settings: dict[str, Any] | None
    value: float | None
    so_far: tuple[float | None, ...]
    expected: ExpectedBest | None
    border: tuple[str, ...]

    @property
    def title(self) -> str:
        """Its labels in one line."""
        return ", ".join(self.point.values()) or "the spec"


@dataclass(frozen=True)
class SearchReport:
    """The search of a study.

    Attributes
    ----------
    engine
        The name of what suggests settings.
    adaptive
        Whether it looks at the finished trials.
    on
        What decides between trials.
    higher_is_better
        Whether a higher value is better.
    trials
        How many each point has at most.
    seconds
        Training time that they have together; None without a limit. With one, the result depends on
        the machine and its load.
    points
        In the order of the grid.
    """

    engine: str
    adaptive: bool
    on: str
    higher_is_better: bool
    trials: int
    seconds: float | None
    points: tuple[TunedPoint, ...]

    @classmethod
    def of(cls, trials: Trials, confidence: float) -> SearchReport:
        """From the finished trials."""
        plan, held = trials.search, trials.of_points()
        values = [trials.value(line) for p in held for line in p.first]
        known = [value for value in values if value is not None]
        worst = (min if plan.higher_is_better else max)(known, default=None)
        return cls(
            engine=plan.name,
            adaptive=plan.adaptive,
            on=plan.on,
            higher_is_better=plan.higher_is_better,
            trials=plan.trials,
            seconds=plan.seconds,
            points=tuple(_tuned(trials, p, worst, confidence) for p in held),
        )


def _tuned(trials: Trials, held: PointTrials, worst: float | None, confidence: float) -> TunedPoint:
    """``worst`` is the value of any trial that diverged: the worst that any point has reached."""
    plan, lines, best = trials.search, held.first, trials.best(held)
    values = [trials.value(line) for line in lines]
    best = None if best is None or trials.value(best) is None else best
    curve = None
    if not plan.adaptive and lines and worst is not None:
        known = [worst if value is None else value for value in values]
        curve = expected_best(known, confidence, higher=plan.higher_is_better)
    return TunedPoint(
        point=dict(held.point.labels),
        done=len(held.lines),
        total=len(held.keys),
        diverged=values.count(None),
        pruned=sum(bool(line["pruned"]) for line in lines),
        settings=None if best is None else dict(best["settings"]),
        value=None if best is None else trials.value(best),
        so_far=tuple(_so_far(values, trials.sign)),
        expected=curve,
        border=() if best is None else tuple(_border(plan.spaces[held.number], best["settings"])),
    )


def _so_far(values: Sequence[float | None], sign: int) -> Iterator[float | None]:
    best: float | None = None
    for value in values:
        if value is not None and (best is None or sign * value > sign * best):
            best = value
        yield best


def _border(space: Mapping[str, Dimension], settings: Mapping[str, Any]) -> Iterator[str]:
    """The fields whose value is at, or close to, the first or last of what has an order."""
    for name, one in space.items():
        value, ends = settings[name], _ends(one)
        if ends is None:
            continue
        low, high, at = (np.log(v) if one.log else v for v in (*ends, value))
        near = 0.0 if one.whole or one.choices else _EDGE * (high - low)
        if at <= low + near or at >= high - near:
            yield name


def _ends(one: Dimension) -> tuple[float, float] | None:
    """The smallest and the largest value; None for choices without an order."""
    if not one.choices:
        return one.low, one.high
    numbers = [v for v in one.choices if type(v) in (int, float)]
    if len(numbers) < len(one.choices) or len(numbers) < _ORDERED:
        return None
    return min(numbers), max(numbers)
