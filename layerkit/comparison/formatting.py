"""Numbers as text: as many digits as their spread deserves, and never finer than a row."""

from __future__ import annotations

import math

from layerkit.comparison.results import Difference, Summary
from layerkit.comparison.statistics.intervals import Interval
from layerkit.display import counted

MINUS = "\N{MINUS SIGN}"
_DEFAULT_DIGITS = 4
_LARGE = 1e15  # larger numbers have more digits than a double holds


def decimals_for(spread: float | None, value: float = 0.0) -> int:
    """Decimal places that show two significant digits of ``spread``.

    Without a spread (None or 0), those that show four of ``value``.
    """
    if spread is not None and math.isfinite(spread) and spread > 0:
        # Round first, because rounding may carry: 0.996 is 1.0.
        return max(0, min(9, 1 - math.floor(math.log10(float(f"{spread:.1e}")))))
    if math.isfinite(value) and value != 0:
        return max(0, min(9, _DEFAULT_DIGITS - 1 - math.floor(math.log10(abs(value)))))
    return 2


def row_decimals(rows: int) -> int:
    """Decimal places of a per cent that one of ``rows`` is worth: 1 for 355, as 1/355 is 0.3 %.

    9, which is no limit, where there are no rows.
    """
    return max(0, -math.floor(math.log10(100 / rows) + 1e-9)) if rows > 0 else 9


def fixed(value: float, decimals: int, *, sign: bool = False) -> str:
    """``value`` with that many decimals, thousands separators and a real minus sign."""
    if not math.isfinite(value):
        return "not defined" if math.isnan(value) else "∞" if value > 0 else f"{MINUS}∞"
    text = f"{abs(value):,.{decimals}f}" if abs(value) < _LARGE else f"{abs(value):.2e}"
    if float(text.replace(",", "")) == 0:
        return text
    return (MINUS if value < 0 else "+" if sign else "") + text


def percent(share: float) -> str:
    """A share in whole per cent: ``95 %``."""
    return f"{100 * share:.0f} %"


def level_text(confidence: float) -> str:
    """A level of confidence: ``95 %``, ``99.9 %``."""
    return f"{100 * confidence:g} %"


def _significant(value: float, digits: int = 3) -> str:
    if value == 0 or not math.isfinite(value):
        return fixed(value, 0)
    rounded = float(f"{value:.{digits - 1}e}")
    return fixed(rounded, max(0, digits - 1 - math.floor(math.log10(abs(rounded)))))


def duration(seconds: float) -> str:
    """Three digits in ns, µs, ms or s."""
    for unit, size in (("ns", 1e-9), ("µs", 1e-6), ("ms", 1e-3)):
        if seconds < 0.9995 * 1000 * size:
            return f"{_significant(seconds / size)} {unit}"
    return f"{_significant(seconds)} s"


def ratio_text(quartiles: tuple[float, float, float]) -> str:
    """``1.31× [1.28–1.35]``, the median and the quartiles; ``1×`` for the reference."""
    low, middle, high = (_significant(q) for q in quartiles)
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
