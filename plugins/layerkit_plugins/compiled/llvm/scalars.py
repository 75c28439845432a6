"""NumPy's ufuncs on one number, written so that LLVM turns loops of them into vectors.

``exp`` and its relatives are written out because a call into the C library for each element keeps a
loop from being vectorised: with n = round(x / ln 2) and r = x - n ln 2 in two parts, e^r - 1 is its
Taylor sum to degree 7 (error 5e-9 of e^r for |r| <= ln 2 / 2) and 2^n is made from its bits.
NaN, infinities, zeros and subnormal numbers give what NumPy gives, but for subnormal powers of e;
the sign of a zero may differ.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable

from layerkit_plugins.compiled.llvm.emit import Value

_LN2_HIGH, _LN2_LOW = 0.693359375, -2.1219444005469058e-4
_ROUND = 12582912.0  # 1.5 * 2^23: adding it rounds to an integer, which the lowest bits then hold
_ROUND_BITS = 0x4B400000
_TINY = 2.0**-126
_LEAST = math.log(_TINY)


def _horner(x: Value, *coefficients: float) -> Value:
    """c0 + c1 x + c2 x^2 + ..."""
    *rest, last, top = coefficients
    total = last + x * top
    for c in reversed(rest):
        total = c + x * total
    return total


def _power_of_2(n: Value) -> Value:
    """2^n for an i32 from -126 to 127."""
    return ((n + 127) << 23).bits("float")


def _parts(x: Value) -> tuple[Value, Value]:
    """Return n and e^r - 1, for |x| up to 2^21."""
    turned = x * (1 / math.log(2)) + _ROUND
    n = turned - _ROUND
    r = x - n * _LN2_HIGH
    r = r - n * _LN2_LOW
    rest = r + r * r * _horner(r, *(1 / math.factorial(k) for k in range(2, 8)))
    return turned.bits("i32") - _ROUND_BITS, rest


def _held(x: Value, low: float, high: float) -> Value:
    """``x`` within [low, high]; NaN stays."""
    x = (x < low).choose(low, x)
    return (x > high).choose(high, x)


def _scaled(n: Value, rest: Value) -> Value:
    """2^n (1 + rest) by two factors, as 2^n itself may be no normal number."""
    half = n >> 1
    one = _power_of_2(half)
    return (one * rest + one) * _power_of_2(n - half)


def exp(x: Value) -> Value:
    """e^x; 0 where that is subnormal, as each operation on such a number takes a hundred times as
    long.
    """
    return (x < _LEAST).choose(0.0, _scaled(*_parts(_held(x, _LEAST, 89.0))))


def expm1(x: Value) -> Value:
    """e^x - 1; all digits are kept near 0."""
    held = _held(x, -104.0, 89.0)
    n, rest = _parts(held)
    low = _power_of_2(_held(n, -126, 127))
    return (held > 88.0).choose(_scaled(n, rest), low * rest + (low - 1))


def tanh(x: Value) -> Value:
    """Tanh x = m / (m + 2), m = e^(2 x) - 1; 1 beyond 9.02."""
    n, rest = _parts(2.0 * _held(x, -9.02, 9.02))
    power = _power_of_2(n)
    m = power * rest + (power - 1)
    return m / (m + 2)


def log(x: Value) -> Value:
    """Ln x = e ln 2 + 2 artanh s, s = (m - 1) / (m + 1), for x = 2^e m, m in [0.7, 1.4]."""
    small = x < _TINY
    bits = small.choose(x * 2.0**23, x).bits("i32")
    e = (bits - 0x3F3504F3) >> 23  # of sqrt(1/2): m is from there to sqrt 2
    m = (bits - (e << 23)).bits("float")
    scale = small.choose(e - 23, e).to("float")
    f = m - 1.0
    s = f / (2.0 + f)
    q = s * s
    # f - s (f - r), r = s^2 (2/3 + 2/5 s^2 + ...) is 2 artanh s with the digits of f
    r = q * _horner(q, *(2 / k for k in (3, 5, 7, 9, 11)))
    found = scale * _LN2_HIGH + (scale * _LN2_LOW + (f - s * (f - r)))
    found = (x < math.inf).choose(found, x)  # infinity and NaN
    found = x.compare("oeq", 0).choose(-math.inf, found)
    return (x < 0.0).choose(math.nan, found)


def log1p(x: Value) -> Value:
    """Ln(1 + x) = ln(u) x / (u - 1), u = 1 + x rounded (Kahan); x where u is 1."""
    u = 1.0 + x
    found = log(u) * (x / (u - 1.0))
    found = u.compare("oeq", 1.0).choose(x, found)
    found = x.compare("oeq", math.inf).choose(math.inf, found)
    return x.compare("oeq", -1.0).choose(-math.inf, found)


def maximum(a: Value, b: Value) -> Value:
    """The larger; NaN if one is."""
    found = a.compare("uge", b).choose(a, b)
    return b.compare("uno", b).choose(b, found)


def minimum(a: Value, b: Value) -> Value:
    """The smaller; NaN if one is."""
    found = a.compare("ule", b).choose(a, b)
    return b.compare("uno", b).choose(b, found)


def larger(a: Value, b: Value) -> Value:
    """The larger of two integers."""
    return (a > b).choose(a, b)


def ranked(x: Value, index: str) -> Value:
    """An i64 that is larger for a larger x, then for an earlier index; the largest for NaN.

    The bits of positive floats are ordered as the floats are, those of negative ones in reverse.
    They go into the upper half, less the index.
    """
    bits = x.compare("oeq", 0).choose(0.0, x).bits("i32")  # -0 equals 0
    bits = (bits < 0).choose(bits ^ 0x7FFFFFFF, bits)
    bits = x.compare("uno", x).choose(0x7FFFFFFF, bits)
    return (bits.to("i64") << 32) - Value(x.of, index, "i64")


def index_of(rank: Value) -> Value:
    """The index that went into ``ranked``."""
    return (0 - rank) & 0xFFFFFFFF


def _sign(x: Value) -> Value:
    return (x < 0.0).choose(-1.0, (x > 0.0).choose(1.0, x))


def _logaddexp(a: Value, b: Value) -> Value:
    top = maximum(a, b)
    rest = top + log1p(exp(-(a - b).call("fabs")))
    return a.compare("oeq", b).choose(a + math.log(2), rest)


def _hypot(a: Value, b: Value) -> Value:
    """Sqrt(a^2 + b^2) without overflow of the squares; infinite if one is."""
    a, b = a.call("fabs"), b.call("fabs")
    top = maximum(a, b)
    rest = minimum(a, b) / top
    found = top * (1.0 + rest * rest).call("sqrt")
    found = top.compare("oeq", 0).choose(0.0, found)
    return (a.compare("oeq", math.inf) | b.compare("oeq", math.inf)).choose(math.inf, found)


def _finite(x: Value) -> Value:
    return x.call("fabs").compare("olt", math.inf)


_Function = Callable[..., Value]

FLOATS: dict[str, _Function] = {
    "add": operator.add,
    "subtract": operator.sub,
    "multiply": operator.mul,
    "divide": operator.truediv,
    "negative": operator.neg,
    "positive": lambda x: x,
    "square": lambda x: x * x,
    "reciprocal": lambda x: 1.0 / x,
    "absolute": lambda x: x.call("fabs"),
    **{
        name: lambda *x, name=name: Value.call(x[0], name, *x[1:])
        for name in ("fabs", "sqrt", "floor", "ceil", "trunc", "rint", "copysign")
    },
    "exp": exp,
    "expm1": expm1,
    "tanh": tanh,
    "log": log,
    "log1p": log1p,
    "logaddexp": _logaddexp,
    "maximum": maximum,
    "minimum": minimum,
    "fmax": lambda a, b: a.call("maxnum", b),
    "fmin": lambda a, b: a.call("minnum", b),
    "sign": _sign,
    "hypot": _hypot,
    "clip": lambda x, low, high: minimum(maximum(x, low), high),
}
"""Ufuncs of floats that give a float."""

TESTS: dict[str, _Function] = {
    "isnan": lambda x: x.compare("uno", x),
    "isfinite": _finite,
    "isinf": lambda x: x.call("fabs").compare("oeq", math.inf),
    "signbit": lambda x: x.bits("i32").compare("slt", 0),
}
"""Ufuncs of floats that give a boolean."""

COMPARISONS = {
    "greater": ("ogt", "sgt"),
    "greater_equal": ("oge", "sge"),
    "less": ("olt", "slt"),
    "less_equal": ("ole", "sle"),
    "equal": ("oeq", "eq"),
    "not_equal": ("une", "ne"),
}
"""LLVM's words for them: of floats, of integers."""

INTEGERS = {name: FLOATS[name] for name in ("add", "subtract", "multiply")}
"""Ufuncs of integers."""

BOOLEANS: dict[str, _Function] = {
    **dict.fromkeys(("logical_and", "bitwise_and", "minimum", "multiply"), operator.and_),
    **dict.fromkeys(("logical_or", "bitwise_or", "maximum", "add"), operator.or_),
    **dict.fromkeys(("logical_xor", "bitwise_xor"), operator.xor),
    **dict.fromkeys(("logical_not", "invert"), lambda x: x ^ True),
}
"""Ufuncs of booleans that give a boolean."""

POWERS: dict[float, _Function] = {
    0.5: lambda x: x.call("sqrt"),
    1: lambda x: x,
    2: lambda x: x * x,
    3: lambda x: x * x * x,
    4: lambda x: (x * x) * (x * x),
    -1: lambda x: 1.0 / x,
    -2: lambda x: 1.0 / (x * x),
    -0.5: lambda x: 1.0 / x.call("sqrt"),
}
"""Powers with these exponents."""
