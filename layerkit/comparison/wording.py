"""Values with their spread, as text: as many digits as they deserve, and never finer than a row."""

from __future__ import annotations

import math

from layerkit.comparison.intervals import Interval
from layerkit.comparison.numbers import decimals_for, fixed, row_places, spread
from layerkit.comparison.results import Difference, Summary
from layerkit.display import counted

__all__ = ["amount", "basis", "bounds", "mean_and_sd"]


def mean_and_sd(summary: Summary) -> str:
    """``96.7 ± 0.5 %``; without a spread the value alone."""
    if math.isnan(summary.mean):
        return "not defined"
    scale, unit = (100, " %") if summary.share else (1, "")
    sd = None if summary.sd is None else scale * summary.sd
    width = spread(summary.interval.low, summary.interval.high) if summary.interval else None
    places = decimals_for(sd or (None if width is None else scale * width), scale * summary.mean)
    if summary.share:
        places = min(places, row_places(summary.rows))
    text = fixed(scale * summary.mean, places)
    return f"{text}{unit}" if sd is None else f"{text} ± {fixed(sd, places)}{unit}"


def bounds(
    interval: Interval,
    *,
    share: bool,
    rows: int = 0,
    sign: bool = False,
    joint: bool = False,
    unit: str = "",
) -> str:
    """``71.9 to 76.3``, in per cent or points if ``share``, of so many ``rows``."""
    scale = 100 if share else 1
    low, high = interval.low, interval.high
    places = decimals_for(scale * spread(low, high), scale * high)
    if joint:  # as many digits as the narrower one, so that the two can be compared
        low, high = interval.joint_low, interval.joint_high
    places = max(places, *(_visible(scale * bound, places) for bound in (low, high)))
    if share:
        places = min(places, row_places(rows))
    return (
        f"{fixed(scale * low, places, sign=sign)} to {fixed(scale * high, places, sign=sign)}"
        + (f" {unit}" if unit else "")
    )


def _visible(bound: float, places: int) -> int:
    """Places that show a bound beside zero as what it is, not as 0."""
    while places < 9 and bound != 0 and round(bound, places) == 0:
        places += 1
    return places


def amount(difference: Difference, *, sign: bool = True) -> str:
    """``+74.1 points``: as many digits as its interval deserves."""
    scale, unit = (100, " points") if difference.share else (1, "")
    interval = difference.interval
    width = None if interval is None else scale * spread(interval.low, interval.high)
    value = scale * difference.mean if sign else abs(scale * difference.mean)
    places = decimals_for(width, value)
    if difference.share:
        places = min(places, row_places(difference.count))
    return fixed(value, places, sign=sign) + unit


def basis(interval: Interval) -> str:
    """``5 seeds, 355 rows``: what an interval rests on."""
    words = counted(interval.n, "row" if interval.over == "rows" else "seed")
    return words if interval.rows is None else f"{words}, {counted(interval.rows, 'row')}"
