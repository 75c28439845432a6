"""How many seeds make the intervals of a study as narrow as is asked for: a rule of precision.

It looks at the width of the intervals alone, never at whether points differ. What it decides after
k seeds follows from those k seeds, so a study that was killed goes the same way again.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from layerkit.statistics.estimates import Estimate

_FEWEST = 5  # seeds before a width is believed: two or three agree by chance
_GROWTH = 1.5  # at most, from one look to the next: an estimate of few seeds may be far off
_NO_END = 10**6  # seeds
_MORE_ROWS = np.geomspace(1, 1000, 61)


@dataclass(frozen=True)
class Goal:
    """Half the width that no interval may exceed, and the most seeds that may be used for it.

    Shares are in points (hundredths), other metrics in their own unit.
    """

    half_width: float
    most_seeds: int


@dataclass(frozen=True)
class Precision:
    """How precise a study is.

    Attributes
    ----------
    wanted, half_width
        Half the width asked for, and that of the widest interval; in points for shares of right
        rows, else in the unit of the metric. None if a point has no interval.
    seeds
        That it took, of each point.
    point
        The title of the point that has the widest interval.
    reached
        Whether it is as precise as was asked for.
    words
        The same in a sentence, and what would help.
    """

    wanted: float
    half_width: float | None
    seeds: int
    point: str
    reached: bool
    words: str


@dataclass(frozen=True)
class Width:
    """A point's title, the mean of its runs so far, and whether that is a share."""

    title: str
    estimate: Estimate
    share: bool

    @property
    def scale(self) -> float:
        """From the metric to the unit of the goal."""
        return 100.0 if self.share else 1.0

    def now(self, confidence: float) -> float:
        """Half the width of its interval; infinite if it has none."""
        bounds = self.estimate.bounds
        if bounds is None:
            return math.inf
        low, high = bounds(confidence)
        return self.scale * (high - low) / 2

    def expected(self, confidence: float, seeds: int, rows: int | None = None) -> float:
        """Half the width to be expected of other numbers of seeds and rows."""
        estimate = self.estimate
        rows = estimate.rows if rows is None else rows
        return self.scale * estimate.half_width(confidence, seeds, rows)


def look(
    widths: Sequence[Width], seeds: int, goal: Goal, confidence: float
) -> tuple[int, Precision | None]:
    """(seeds to train next, None), or (``seeds``, what was reached) if more would not help."""
    if seeds < min(_FEWEST, goal.most_seeds):
        return min(_FEWEST, goal.most_seeds), None
    wide = [w for w in widths if w.now(confidence) > goal.half_width]
    hopeless = [w for w in wide if _never(w, goal, confidence)]
    if wide and not hopeless and seeds < goal.most_seeds:
        wanted = max(_seeds_for(w, seeds, goal, confidence) for w in wide)
        return min(wanted, math.ceil(_GROWTH * seeds), goal.most_seeds), None
    if not widths:
        return seeds, Precision(goal.half_width, None, seeds, "", False, "no run has a value")
    widest = max(hopeless or widths, key=lambda w: w.now(confidence))
    width = widest.now(confidence)
    words = _words(widest, seeds, goal, confidence, hopeless=bool(hopeless))
    found = None if math.isinf(width) else width
    return seeds, Precision(goal.half_width, found, seeds, widest.title, not wide, words)


def _never(w: Width, goal: Goal, confidence: float) -> bool:
    """Whether the rows alone leave a wider interval."""
    return w.estimate.bounds is not None and (w.expected(confidence, _NO_END) > goal.half_width)


def _seeds_for(w: Width, seeds: int, goal: Goal, confidence: float) -> int:
    """The fewest seeds that are expected to do."""
    counts = range(seeds + 1, goal.most_seeds)
    if w.estimate.bounds is None:
        return goal.most_seeds
    enough = (k for k in counts if w.expected(confidence, k) <= goal.half_width)
    return next(enough, goal.most_seeds)


def _words(w: Width, seeds: int, goal: Goal, confidence: float, *, hopeless: bool) -> str:
    unit = " points" if w.share else ""
    width = w.now(confidence)
    if math.isinf(width):
        return f"{w.title} has no interval with {seeds} seeds, so its precision is not known"
    now = f"the widest interval is ± {width:.2g}{unit} ({w.title}) with {seeds} seeds"
    if width <= goal.half_width:
        return f"{now}, within the ± {goal.half_width:g}{unit} asked for"
    now += f", wider than ± {goal.half_width:g}{unit}"
    if not hopeless:
        return f"{now}, the most that were allowed; more would help"
    rows = w.estimate.rows
    counts = (int(rows * f) for f in _MORE_ROWS)
    enough = next((n for n in counts if w.expected(confidence, _NO_END, n) <= goal.half_width), 0)
    if not rows or not enough:
        return f"{now}; more seeds cannot help, for want of rows"
    about = float(f"{enough:.1e}")
    return f"{now}; more seeds cannot help, but about {about:,.0f} test rows instead of {rows:,}"
