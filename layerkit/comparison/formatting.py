"""The numbers of a comparison as text, with their deviations and intervals."""

from __future__ import annotations

import math

from layerkit.comparison.results import Difference, Summary
from layerkit.display import counted
from layerkit.reporting.numbers import decimals_for, fixed, row_decimals, significant
from layerkit.statistics.intervals import Interval


def ratio_text(quartiles: tuple[float, float, float]) -> str:
    """``1.31× [1.28–1.35]``, the median and the quartiles; ``1×`` for the reference."""
    low, middle, high = (significant(q) for q in quartiles)
    return "1×" if quartiles[0] == quartiles[2] == 1 else f"{middle}× [{low}–{high}]"


def _half_width(interval: Interval | None) -> float | None:
    return None if interval is None else (interval.high - interval.low) / 2


def mean_and_sd(summary: Summary) -> str:
    """``96.7 ± 0.5 %``; without a deviation the mean alone."""
    if math.isnan(summary.mean):
        return "not defined"
    scale, unit = (100, " %") if summary.share else (1, "")
    spread = summary.sd or _half_width(summary.interval)
    places = decimals_for(None if spread is None else scale * spread, scale * summary.mean)
    if summary.share:
        places = min(places, row_decimals(summary.rows))
    text = fixed(scale * summary.mean, places)
    deviation = "" if summary.sd is None else f" ± {fixed(scale * summary.sd, places)}"
    return text + deviation + unit


def difference_text(difference: Difference, *, sign: bool = True) -> str:
    """``+74.1 points``: as many digits as its interval deserves."""
    scale, unit = (100, " points") if difference.share else (1, "")
    spread = _half_width(difference.interval)
    value = scale * (difference.mean if sign else abs(difference.mean))
    places = decimals_for(None if spread is None else scale * spread, value)
    if difference.share:
        places = min(places, row_decimals(difference.count))
    return fixed(value, places, sign=sign) + unit


def interval_ends(
    interval: Interval, *, share: bool, rows: int = 0, sign: bool = False, joint: bool = False
) -> str:
    """``71.9 to 76.3``, in per cent or points if ``share``, measured on ``rows``."""
    scale = 100 if share else 1
    low, high = scale * interval.low, scale * interval.high
    places = decimals_for(scale * (interval.high - interval.low) / 2, high)
    if joint:  # with as many digits as the narrower one, so that the two compare
        low, high = scale * interval.joint_low, scale * interval.joint_high
    places = max(places, _visible(low, places), _visible(high, places))
    if share:
        places = min(places, row_decimals(rows))
    return f"{fixed(low, places, sign=sign)} to {fixed(high, places, sign=sign)}"


def _visible(end: float, places: int) -> int:
    """Decimal places that do not show an end near zero as 0."""
    while places < 9 and end != 0 and round(end, places) == 0:
        places += 1
    return places


def difference_ends(
    interval: Interval, d: Difference, *, sign: bool = True, joint: bool = False
) -> str:
    """The ends of one of the difference's intervals."""
    return interval_ends(interval, share=d.share, rows=d.count, sign=sign, joint=joint)


def summary_ends(s: Summary) -> str | None:
    """The ends of the summary's interval, with their unit; None without one."""
    if s.interval is None:
        return None
    return interval_ends(s.interval, share=s.share, rows=s.rows) + (" %" if s.share else "")


def interval_basis(interval: Interval) -> str:
    """``5 seeds, 355 rows``: what an interval rests on."""
    words = counted(interval.n, "row" if interval.over == "rows" else "seed")
    return words if interval.rows is None else f"{words}, {counted(interval.rows, 'row')}"
