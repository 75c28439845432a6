"""Many comparisons at once: which signs are settled, and who may be the best."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from layerkit.comparison.intervals import Bounds, Levels

__all__ = ["not_told_from_the_best", "settled"]


def settled(bounds: Sequence[Bounds | None], confidence: float) -> list[int]:
    """For each difference 1 (above zero), -1 (below) or 0 (open), all holding jointly.

    With r differences still open, each is asked at the level that makes r hold jointly; those whose
    interval excludes zero are settled, and the rest asked again. None, which cannot be told, stays
    open and does not count.

    Source: Holm, "A Simple Sequentially Rejective Multiple Test Procedure" (Scandinavian Journal of
    Statistics 6, 1979).
    """
    found = [0] * len(bounds)
    asked = {i: b for i, b in enumerate(bounds) if b is not None}
    while asked:
        level = Levels(confidence).of(len(asked))
        news = {i: side for i, b in asked.items() if (side := _side(*b(level)))}
        if not news:
            break
        for i, side in news.items():
            found[i] = side
            del asked[i]
    return found


def _side(low: float, high: float) -> int:
    return 1 if low > 0 else -1 if high < 0 else 0


def not_told_from_the_best(
    pairs: Mapping[tuple[int, int], Bounds | None], count: int, confidence: float, *, higher: bool
) -> list[int]:
    """Which of ``count`` contestants are worse than none, with all pairs settled jointly (Holm).

    ``pairs`` (i, j) are of j minus i. With the confidence given, every contestant that is truly
    among the best is in the set, though the data chose who looks best: a model confidence set in
    the sense of Hansen, Lunde, Nason, "The Model Confidence Set" (Econometrica 79, 2011), by the
    plainer way of all pairs.
    """
    sides = settled(list(pairs.values()), confidence)
    worse = set()
    for (i, j), side in zip(pairs, sides, strict=True):
        if side:
            worse.add(i if (side > 0) == higher else j)
    return [k for k in range(count) if k not in worse]
