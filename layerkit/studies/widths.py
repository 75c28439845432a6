"""Whole numbers whose cost is nearest to a target, near a common multiple of given ones.

First all numbers are scaled by one factor, found by bisection. Then the box around them grows, one
step at a time, until some combination in it is close enough to the target.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence

Widths = tuple[int, ...]
Cost = Callable[[Widths], int | None]
"""The cost of some widths, None for such as cannot be; it should grow with each of them."""

CLOSE = 0.005  # of the target: combinations farther from the common factor are not looked for
_MOST = 1 << 20  # of a width
_COMBINATIONS = 20_000
_MANY = 6  # free widths; of more, not every combination is tried


def nearest_widths(cost: Cost, start: Widths, steps: Widths, target: float) -> Widths:
    """The widths, each ``start`` plus a multiple of its step, whose cost is nearest to ``target``.

    That is the nearest combination in the smallest box, around the multiples of ``start`` between
    which the target lies, that holds one within ``CLOSE`` of it; among equals the one nearest to
    such a multiple. More than six free widths move one or two at a time instead. ``cost(start)``
    must be possible.
    """
    search = _Search(cost, start, steps, target)
    below = search.multiple_below()
    if len(start) > _MANY:
        return search.climbed(below)
    return search.boxed(below)


class _Search:
    """The state of one search: what is known of the cost."""

    def __init__(self, cost: Cost, start: Widths, steps: Widths, target: float) -> None:
        self.start, self.steps, self.target = start, steps, target
        self.least = tuple((w - 1) % s + 1 for w, s in zip(start, steps, strict=True))
        self._cost, self._known = cost, dict[Widths, int | None]()

    def cost(self, widths: Widths) -> int | None:
        """The cost of ``widths``, asked for once."""
        if widths not in self._known:
            possible = all(map(int.__le__, self.least, widths))
            self._known[widths] = self._cost(widths) if possible else None
        return self._known[widths]

    def multiple(self, factor: float) -> Widths:
        """``start`` times ``factor``, rounded to what is allowed."""
        parts = zip(self.start, self.steps, self.least, strict=True)
        return tuple(low + s * max(0, round((factor * w - low) / s)) for w, s, low in parts)

    def multiple_below(self) -> Widths:
        """The largest multiple of ``start`` that costs at most ``target``, or the smallest one."""
        low, high = 0.0, 1.0
        while self._fits(high) and high * max(self.start) < _MOST:
            low, high = high, 2 * high
        while self.multiple(low) != self.multiple(high) and high - low > 1e-12 * high:
            middle = (low + high) / 2
            low, high = (middle, high) if self._fits(middle) else (low, middle)
        return self.multiple(low)

    def _fits(self, factor: float) -> bool:
        cost = self.cost(self.multiple(factor))
        return cost is not None and cost <= self.target

    def boxed(self, centre: Widths) -> Widths:
        """The best of the smallest box around ``centre`` that holds a close one."""
        found = centre
        for radius in itertools.count(1):
            found = self.best([found, *self._shell(centre, radius)])
            enough = self._missed(found) <= CLOSE * self.target or len(centre) == 1
            if enough or (2 * radius + 3) ** len(centre) > _COMBINATIONS:
                return found
        raise AssertionError

    def _shell(self, centre: Widths, radius: int) -> Iterator[Widths]:
        """The combinations that are ``radius`` steps away in one width, and not more in another."""
        for offsets in itertools.product(range(-radius, radius + 1), repeat=len(centre)):
            if max(map(abs, offsets)) == radius:
                yield self._moved(centre, enumerate(offsets))

    def climbed(self, found: Widths) -> Widths:
        """``found`` after steps of one width, or else of two, for as long as they help."""
        single = [((i, by),) for i in range(len(found)) for by in (1, -1)]
        double = [(*a, *b) for a, b in itertools.combinations(single, 2) if a[0][0] != b[0][0]]
        while self._missed(found) > CLOSE * self.target:
            for moves in (single, double):
                after = self.best([found, *(self._moved(found, move) for move in moves)])
                if self._missed(after) < self._missed(found):
                    break
            else:
                break
            found = after
        return found

    def _moved(self, widths: Widths, offsets: Iterable[tuple[int, int]]) -> Widths:
        moved = list(widths)
        for i, by in offsets:
            moved[i] += by * self.steps[i]
        return tuple(moved)

    def best(self, candidates: Sequence[Widths]) -> Widths:
        """The nearest to the target; among equals that of the most even multiple of ``start``."""
        return min(candidates, key=lambda widths: (self._missed(widths), self._uneven(widths)))

    def _missed(self, widths: Widths) -> float:
        cost = self.cost(widths)
        return float("inf") if cost is None else abs(cost - self.target)

    def _uneven(self, widths: Widths) -> tuple[float, Widths]:
        """How far apart the factors of the widths are, then the widths themselves."""
        factors = [w / s for w, s in zip(widths, self.start, strict=True)]
        return max(factors) - min(factors), widths
