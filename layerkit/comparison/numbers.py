"""Numbers for people: as many digits as the spread deserves, thousands apart, units that fit."""

from __future__ import annotations

import math

__all__ = [
    "count",
    "decimals_for",
    "duration",
    "fixed",
    "ratios",
    "row_places",
    "spread",
]

MINUS = "\N{MINUS SIGN}"
_DEFAULT_DIGITS = 4
_LONG = 1e15  # what is larger has more digits than a double knows


def decimals_for(spread: float | None, value: float = 0.0) -> int:
    """Decimal places that show two significant digits of ``spread``.

    Without a spread (None or 0), those that show four of ``value``.
    """
    if spread is not None and math.isfinite(spread) and spread > 0:
        # The rounding may carry (0.996 is 1.0), so it comes before the size is taken.
        return max(0, min(9, 1 - math.floor(math.log10(float(f"{spread:.1e}")))))
    if math.isfinite(value) and value != 0:
        return max(0, min(9, _DEFAULT_DIGITS - 1 - math.floor(math.log10(abs(value)))))
    return 2


def row_places(rows: int) -> int:
    """Decimal places of a per cent that one of ``rows`` is worth: 1 for 355, as 1/355 is 0.3 %.

    9, which is no limit, where there are no rows.
    """
    return max(0, -math.floor(math.log10(100 / rows) + 1e-9)) if rows > 0 else 9


def fixed(value: float, decimals: int, *, sign: bool = False) -> str:
    """``value`` with that many decimals, thousands apart and a real minus sign."""
    if not math.isfinite(value):
        return "not defined" if math.isnan(value) else "∞" if value > 0 else f"{MINUS}∞"
    text = f"{abs(value):,.{decimals}f}" if abs(value) < _LONG else f"{abs(value):.2e}"
    if float(text.replace(",", "")) == 0:
        return text
    return (MINUS if value < 0 else "+" if sign else "") + text


def count(value: int) -> str:
    """A whole number, thousands apart."""
    return f"{value:,}"


def spread(low: float, high: float) -> float:
    """Half the width of an interval: what ``decimals_for`` wants."""
    return (high - low) / 2


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


def ratios(quartiles: tuple[float, float, float]) -> str:
    """``1.31× [1.28–1.35]``, the median factor and its middle half; ``1×`` for the reference."""
    low, middle, high = (_significant(q) for q in quartiles)
    return "1×" if quartiles[0] == quartiles[2] == 1 else f"{middle}× [{low}–{high}]"
