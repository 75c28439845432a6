"""Axes: from numbers to places on paper, and the ticks between them."""

from __future__ import annotations

import math
from dataclasses import dataclass

from layerkit.comparison.numbers import fixed

__all__ = ["Scale", "linear", "logarithmic", "wants_log"]

_LOG_FROM = 30.0  # a range of more than this factor is drawn on a logarithmic scale


@dataclass(frozen=True)
class Scale:
    """Values from ``low`` to ``high`` at places from ``start`` to ``end`` (user units of the SVG).

    ``ticks`` are (value, label) pairs inside the range.
    """

    low: float
    high: float
    start: float
    end: float
    ticks: tuple[tuple[float, str], ...]
    log: bool = False

    def __call__(self, value: float) -> float:
        """Where ``value`` is drawn; values outside land on the edge."""
        low, high = (math.log(self.low), math.log(self.high)) if self.log else (self.low, self.high)
        if self.log:
            value = math.log(max(value, self.low))
        share = (min(max(value, low), high) - low) / (high - low)
        return self.start + share * (self.end - self.start)


def wants_log(low: float, high: float) -> bool:
    """Whether positive values from ``low`` to ``high`` span enough for a logarithmic scale."""
    return low > 0 and high / low > _LOG_FROM


def linear(
    low: float,
    high: float,
    start: float,
    end: float,
    *,
    wanted: int = 5,
    factor: float = 1,
    whole: bool = False,
) -> Scale:
    """A linear scale with round ticks, about ``wanted`` of them.

    ``factor`` turns values into what labels show: 100 for per cent. ``whole`` keeps ticks at whole
    numbers.
    """
    if not high > low:
        low, high = low - (abs(low) or 1) / 2, high + (abs(high) or 1) / 2
    step = _round_step((high - low) * factor / max(1, wanted))
    step = max(1.0, step) if whole else step
    decimals = max(0, -math.floor(math.log10(step) + 1e-9))
    first, last = math.ceil(low * factor / step - 1e-9), math.floor(high * factor / step + 1e-9)
    ticks = tuple((k * step / factor, fixed(k * step, decimals)) for k in range(first, last + 1))
    return Scale(low, high, start, end, ticks)


def logarithmic(low: float, high: float, start: float, end: float, *, wanted: int = 5) -> Scale:
    """A logarithmic scale for 0 < ``low`` < ``high``: powers of ten, with 2s and 5s if few."""
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    stride = max(1, math.ceil((len(decades) - 1) / max(1, wanted)))
    factors = (1, 2, 5) if high / low < 200 else (1,)
    values = [k * 10.0**d for d in decades if d % stride == 0 for k in factors]
    ticks = tuple((v, f"{v:g}") for v in values if low * 0.999 <= v <= high * 1.001)
    return Scale(low, high, start, end, ticks, log=True)


def _round_step(rough: float) -> float:
    """1, 2 or 5 times a power of ten, near ``rough``."""
    power = 10.0 ** math.floor(math.log10(rough))
    return next(k * power for k in (1, 2, 5, 10) if k * power >= 0.7 * rough)
