"""Searches: how the settings that a study tries are chosen.

A search keeps nothing: what it suggests depends on the space, the finished trials and a random
stream alone. So it is resumed from the trials that are kept, and repeated to the bit.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from layerkit.core.parts import Part


@dataclass(frozen=True)
class Dimension:
    """The values of one field that are searched: a list of choices, or a range of numbers.

    Attributes
    ----------
    choices
        The values to choose from; empty for a range.
    low, high
        The ends of a range, which belong to it.
    log
        Whether equal ratios count as equal distances, so that 0.01 is the middle of 0.001 to 0.1.
    whole
        Whether the range holds whole numbers only.
    """

    choices: tuple[Any, ...] = ()
    low: float = 0.0
    high: float = 0.0
    log: bool = False
    whole: bool = False

    def at(self, share: float) -> Any:
        """The value at ``share``, a number >= 0 and <= 1, of the way through the space.

        Uniform shares give uniform values. They have six digits, so that no machine's logarithm
        shows in them.

        >>> Dimension(low=0.001, high=0.1, log=True).at(0.5), Dimension(("a", "b")).at(0.6)
        (0.01, 'b')
        """
        if self.choices:
            return self.choices[min(int(share * len(self.choices)), len(self.choices) - 1)]
        edge = 0.5 if self.whole else 0.0
        low, high = self.low - edge, self.high + edge
        if self.log:
            value = math.exp(math.log(low) + share * (math.log(high) - math.log(low)))
        else:
            value = low + share * (high - low)
        return self.inside(value)

    def inside(self, value: float) -> int | float:
        """``value`` of a range as it is tried: with six digits or whole, and within the ends."""
        value = round(value) if self.whole else float(f"{value:.6g}")
        return min(max(value, self.low), self.high)


class Trial(NamedTuple):
    """A finished trial.

    Parameters
    ----------
    settings
        From field to value.
    score
        Its result, the higher the better; None if it diverged.
    reported
        The score after each epoch.
    pruned
        Whether it ended early because it was ``hopeless``.
    """

    settings: Mapping[str, Any]
    score: float | None
    reported: tuple[float, ...] = ()
    pruned: bool = False


class Search(Part, ABC):
    """Suggests settings to try."""

    @property
    def batch(self) -> int | None:
        """How many trials of a contestant are suggested from the same finished ones.

        They run at the same time where there are workers for them. None: a search that looks at no
        trials, so that all may run at once.
        """
        return None

    @abstractmethod
    def suggest(
        self,
        space: Mapping[str, Dimension],
        trials: Sequence[Trial],
        rng: np.random.Generator,
    ) -> Mapping[str, Any]:
        """A value for each field of ``space``, given the finished ``trials`` of this contestant.

        Equal arguments give equal values.
        """

    def hopeless(self, trials: Sequence[Trial], reported: Sequence[float]) -> bool:
        """Whether to give up a trial, asked after each epoch; ``reported`` are its scores so far.

        ``trials`` are those from which it was suggested.
        """
        return False
