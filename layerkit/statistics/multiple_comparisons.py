"""Many comparisons at once: which signs are settled."""

from __future__ import annotations

from collections.abc import Sequence

from layerkit.statistics.intervals import Bounds, Levels


def holm_signs(bounds: Sequence[Bounds | None], confidence: float) -> list[int]:
    """The sign of each difference: 1 (above zero), -1 (below) or 0 (open), all holding jointly.

    With r differences still open, each is tested at the level that makes r hold jointly; those
    whose interval excludes zero are settled, and the rest are tested again. None, which cannot be
    measured, stays open and does not count.

    Source: Holm, "A Simple Sequentially Rejective Multiple Test Procedure" (Scandinavian Journal of
    Statistics 6, 1979).
    """
    signs = [0] * len(bounds)
    unsettled = {i: b for i, b in enumerate(bounds) if b is not None}
    while unsettled:
        level = Levels(confidence, len(unsettled)).joint
        open_before = len(unsettled)
        for i, at in list(unsettled.items()):
            low, high = at(level)
            if low > 0 or high < 0:
                signs[i] = 1 if low > 0 else -1
                del unsettled[i]
        if len(unsettled) == open_before:
            break
    return signs
