"""Two contestants on several data sets: Wilcoxon's signed ranks, exactly; many pairs by Holm.

Each data set's difference gets the rank of its size. If the contestants are equal, every sign is as
likely as the other, so the distribution of the sum of positive ranks is counted, not approximated:
it holds for any number of data sets, and with ties.

Source: Wilcoxon, "Individual Comparisons by Ranking Methods" (Biometrics Bulletin 1, 1945), with
differences of zero as in Demsar, "Statistical Comparisons of Classifiers over Multiple Data Sets"
(JMLR 7, 2006): their ranks are split evenly, and one is ignored if they are odd in number.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from layerkit.core.context import Array
from layerkit.statistics.ranks import average_ranks, without_rounding


@dataclass(frozen=True)
class SignedRanks:
    """The sums of ranks for (``plus``) and against (``minus``) the second contestant.

    ``p`` is the probability of sums at least as unequal if the contestants are equal.
    """

    plus: float
    minus: float
    p: float


def signed_ranks(differences: Array) -> SignedRanks:
    """From ``differences`` (N,), the second contestant's score minus the first's.

    >>> signed_ranks(np.array([3.0, 1.0, -2.0, 4.0])).plus
    8.0
    """
    d = without_rounding(differences)
    zeros = np.flatnonzero(d == 0)
    if len(zeros) % 2:
        d = np.delete(d, zeros[0])
    ranks = average_ranks(np.abs(d))
    shared = float(ranks[d == 0].sum()) / 2
    plus, minus = float(ranks[d > 0].sum()) + shared, float(ranks[d < 0].sum()) + shared
    return SignedRanks(plus, minus, _probability(ranks[d != 0], min(plus, minus) - shared))


def _probability(ranks: Array, least: float) -> float:
    """That the sum of the ``ranks`` with one sign is ``least`` or less, for either sign.

    Ranks are whole or half, so twice a rank is a place in the distribution.
    """
    steps = np.rint(2 * ranks).astype(np.intp).tolist()
    chances = np.zeros(sum(steps) + 1)
    chances[0] = 1.0
    for step in steps:
        moved = np.zeros_like(chances)
        moved[step:] = chances[: len(chances) - step]
        chances = (chances + moved) / 2
    return min(1.0, 2 * float(chances[: round(2 * least) + 1].sum()))


def holm(probabilities: Sequence[float]) -> list[float]:
    """Each of some tests' probabilities adjusted, so that comparing it with alpha holds jointly.

    Source: Holm, "A Simple Sequentially Rejective Multiple Test Procedure" (Scandinavian Journal of
    Statistics 6, 1979).

    >>> holm([0.01, 0.04, 0.03])
    [0.03, 0.06, 0.06]
    """
    found = [0.0] * len(probabilities)
    largest = 0.0
    for place, i in enumerate(sorted(range(len(found)), key=lambda i: probabilities[i])):
        largest = max(largest, min(1.0, (len(found) - place) * probabilities[i]))
        found[i] = largest
    return found
