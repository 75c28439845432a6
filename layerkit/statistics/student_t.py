"""Student's t distribution for integer degrees of freedom, without SciPy.

For integer degrees of freedom the distribution function is a finite sum, exact up to rounding:
Abramowitz, Stegun, "Handbook of Mathematical Functions" (1964),
26.7.3 and 26.7.4::

    A(t|v) = P(|T| <= t),  a = atan(t / sqrt(v)),  s = sin a,  c = cos a
    v = 1     A = 2 a / pi
    v odd     A = 2/pi (a + s (c + 2/3 c^3 + 2*4/(3*5) c^5 + ...)), up to c^(v-2)
    v even    A = s (1 + 1/2 c^2 + 1*3/(2*4) c^4 + ...), up to c^(v-2)
"""

from __future__ import annotations

import math
from functools import lru_cache


def t_probability(t: float, df: int) -> float:
    """The probability that T lies between -``t`` and ``t``, A(t|df) above.

    Raises ValueError for ``df`` below 1.
    """
    if df < 1:
        raise ValueError(f"df: expected at least 1 degree of freedom, got {df}")
    angle = math.atan2(t, math.sqrt(df))
    sine, cosine = math.sin(angle), math.cos(angle)
    odd = df % 2
    total, term = 0.0, cosine if odd else 1.0
    for k in range(1 + odd, df, 2):  # term: c^(k-1) times the ratio of products up to it
        total += term
        term *= cosine * cosine * k / (k + 1)
    return 2 / math.pi * (angle + sine * total) if odd else sine * total


@lru_cache(maxsize=4096)
def t_quantile(confidence: float, df: int) -> float:
    """The t > 0 for which P(-t <= T <= t) is ``confidence``; raises ValueError outside (0, 1).

    >>> round(t_quantile(0.95, 4), 3)
    2.776
    """
    if not 0 < confidence < 1:
        raise ValueError(f"confidence: expected a number between 0 and 1, got {confidence}")
    low, high = 0.0, 1.0
    while t_probability(high, df) < confidence and high < 1e300:
        low, high = high, 2 * high
    while low < (middle := (low + high) / 2) < high:
        if t_probability(middle, df) < confidence:
            low = middle
        else:
            high = middle
    return high
