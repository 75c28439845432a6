"""Numbers as text: as many digits as their spread deserves, and never finer than a row."""

from __future__ import annotations

import math
import re

MINUS = "\N{MINUS SIGN}"
_DEFAULT_DIGITS = 4
_SHARE = re.compile(r"(accuracy|top_k)(_\d+)?$")
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


def significant(value: float, digits: int = 3) -> str:
    """``value`` with that many significant digits."""
    if value == 0 or not math.isfinite(value):
        return fixed(value, 0)
    rounded = float(f"{value:.{digits - 1}e}")
    return fixed(rounded, max(0, digits - 1 - math.floor(math.log10(abs(rounded)))))


def duration(seconds: float) -> str:
    """Three digits in ns, µs, ms or s."""
    for unit, size in (("ns", 1e-9), ("µs", 1e-6), ("ms", 1e-3)):
        if seconds < 0.9995 * 1000 * size:
            return f"{significant(seconds / size)} {unit}"
    return f"{significant(seconds)} s"


def is_share(metric: str) -> bool:
    """Whether a metric of that name is a share of right rows, shown in per cent."""
    return _SHARE.search(metric) is not None


def metric_text(name: str, value: float) -> str:
    """``94.65 %`` for an accuracy; any other metric with four significant digits."""
    if is_share(name) and math.isfinite(value):
        return f"{fixed(100 * value, 2)} %"
    return fixed(value, decimals_for(None, value))
