"""NumPy's elementwise functions by the few that every form has, for a writer of such a form.

The few are named as ONNX names them (a writer's ``add`` may translate). What runtimes lack in
float64 is not among them. Every formula gives NumPy's numbers, also for NaN, infinities and zeros.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, Protocol

import numpy as np

Number = float | int
_BOOL = np.dtype(bool)


class Writer(Protocol):
    """What adds nodes and constants to a graph, and gives their names."""

    def add(self, op: str, inputs: list[str], **attributes: Any) -> str:
        """Add a node."""

    def constant(self, value: Any, dtype: Any = None) -> str:
        """Add a number."""

    def cast(self, name: str, dtype: np.dtype[Any]) -> str:
        """Add a change of dtype."""


class Value:
    """A value of the graph under construction; operators add nodes, numbers become constants."""

    def __init__(self, graph: Writer, name: str, dtype: Any) -> None:
        self.graph, self.name, self.dtype = graph, name, np.dtype(dtype)

    def of(self, op: str, *others: Value | Number, dtype: Any = None, **more: Any) -> Value:
        """The node ``op`` of this and other values."""
        names = [self.name, *(self.same(other).name for other in others)]
        return Value(self.graph, self.graph.add(op, names, **more), dtype or self.dtype)

    def same(self, other: Value | Number) -> Value:
        """A number as a constant of this dtype; a value as it is."""
        if isinstance(other, Value):
            return other
        return Value(self.graph, self.graph.constant(other, self.dtype), self.dtype)

    def astype(self, dtype: Any) -> Value:
        """The same numbers in another dtype."""
        return Value(self.graph, self.graph.cast(self.name, np.dtype(dtype)), dtype)

    def __add__(self, other: Value | Number) -> Value:
        return self.of("Add", other)

    def __sub__(self, other: Value | Number) -> Value:
        return self.of("Sub", other)

    def __mul__(self, other: Value | Number) -> Value:
        return self.of("Mul", other)

    def __truediv__(self, other: Value | Number) -> Value:
        return self.of("Div", other)

    def __rtruediv__(self, other: Number) -> Value:
        return self.same(other) / self

    def __rsub__(self, other: Number) -> Value:
        return self.same(other) - self

    def __neg__(self) -> Value:
        return self.of("Neg")

    def __abs__(self) -> Value:
        return self.of("Abs")

    def __lt__(self, other: Value | Number) -> Value:
        return self.of("Less", other, dtype=_BOOL)

    def __gt__(self, other: Value | Number) -> Value:
        return self.of("Greater", other, dtype=_BOOL)

    def equals(self, other: Value | Number) -> Value:
        """Where this is equal to ``other``."""
        return self.of("Equal", other, dtype=_BOOL)

    def __or__(self, other: Value) -> Value:
        return self.of("Or", other)

    def __and__(self, other: Value) -> Value:
        return self.of("And", other)

    def __xor__(self, other: Value) -> Value:
        return self.of("Xor", other)

    def __invert__(self) -> Value:
        return self.of("Not")

    def then(self, yes: Value | Number, no: Value) -> Value:
        """``yes`` where this is true, else ``no``."""
        return self.of("Where", no.same(yes), no, dtype=no.dtype)


def _exp(x: Value) -> Value:
    return x.of("Exp")


def _log(x: Value) -> Value:
    return x.of("Log")


def _sqrt(x: Value) -> Value:
    return x.of("Sqrt")


def _expm1(x: Value) -> Value:
    """exp(x) - 1 = 2 t / (1 - t) with t = tanh(x / 2), exact near 0; for x > 1 as it is written."""
    t = (x.of("Min", 1) * 0.5).of("Tanh")
    return (x > 1).then(_exp(x) - 1, (t + t) / (1 - t))


def _log1p(x: Value) -> Value:
    """log(1 + x) = log(u) x / (u - 1) with u = 1 + x, which corrects the rounding of u; x if u = 1.

    Source: W. Kahan; D. Goldberg, "What every computer scientist should know ...", 1991, Theorem 4.
    """
    u = x + 1
    gap = u - 1
    none = gap.equals(0)
    found = _log(u) * (x / none.then(1, gap))
    return none.then(x, u.equals(np.inf).then(u, found))


def _sinh(x: Value) -> Value:
    """(e + e / (e + 1)) / 2 with e = exp(x) - 1; -(x of -x) below 0, where e nears -1."""
    e = _expm1(abs(x))
    y = e.equals(np.inf).then(e, (e + e / (e + 1)) * 0.5)
    return (x < 0).then(-y, y)


def _negative(x: Value) -> Value:
    """Where the sign is minus, also of a zero."""
    return (x < 0) | (x.equals(0) & (1 / x < 0))


def _copysign(x: Value, y: Value) -> Value:
    return _negative(y).then(-abs(x), abs(x))


def _atan(x: Value) -> Value:
    """Arctan of x >= 0: of 1 / x above 1.

    In float64, which runtimes lack, atan(a) = b + atan(d) with b the float32 arctan and
    d = (a cos b - sin b) / (cos b + a sin b), so small that atan(d) = d.
    """
    far = x > 1
    a = far.then(1 / x, x)
    y = a.astype(np.float32).of("Atan").astype(x.dtype)
    if x.dtype != np.float32:
        sin, cos = y.of("Sin"), y.of("Cos")
        y = y + (a * cos - sin) / (cos + a * sin)
    return far.then(math.pi / 2 - y, y)


def _arctan(x: Value) -> Value:
    return _copysign(_atan(abs(x)), x)


def _arctan2(y: Value, x: Value) -> Value:
    """The angle of (|x|, |y|), mirrored; equal ones are 45 degrees, and 0 at the origin."""
    up, right = abs(y), abs(x)
    slope = up.equals(right).then(up.equals(0).then(0, up.same(1)), up / right)
    angle = _atan(slope)
    return _copysign(_negative(x).then(math.pi - angle, angle), y)


def _arcsin(x: Value) -> Value:
    return _arctan(x / _sqrt((1 - x) * (x + 1)))


def _arccos(x: Value) -> Value:
    return _atan(_sqrt((1 - x) / (x + 1))) * 2


def _hypot(x: Value, y: Value) -> Value:
    """M sqrt(1 + (m / M)^2), without overflow; infinite where one is, also beside NaN."""
    a, b = abs(x), abs(y)
    more = a > b
    high, low = more.then(a, b), more.then(b, a)
    share = low / high
    found = high.equals(0).then(high + low, high * _sqrt(share * share + 1))
    return (a.equals(np.inf) | b.equals(np.inf)).then(np.inf, found)


def _cbrt(x: Value) -> Value:
    return _copysign(abs(x).of("Pow", 1 / 3), x)


def _arcsinh(x: Value) -> Value:
    a = abs(x)
    near = _log1p(a + a * a / (_sqrt(a * a + 1) + 1))
    return _copysign((a > 1e8).then(_log(a) + math.log(2), near), x)


def _arccosh(x: Value) -> Value:
    t = x - 1
    near = _log1p(t + _sqrt(t * (t + 2)))
    return (x < 1).then(np.nan, (x > 1e8).then(_log(x) + math.log(2), near))


def _logaddexp(x: Value, y: Value) -> Value:
    apart = x.equals(y).then(0, -abs(x - y))
    return (x > y).then(x, y) + _log1p(_exp(apart))


def _logaddexp2(x: Value, y: Value) -> Value:
    apart = x.equals(y).then(0, -abs(x - y))
    return (x > y).then(x, y) + _log1p(_exp(apart * math.log(2))) / math.log(2)


def _fmod(x: Value, y: Value) -> Value:
    return x.of("Mod", y, fmod=1)


def _remainder(x: Value, y: Value) -> Value:
    """The rest with the sign of y."""
    rest = _fmod(x, y)
    kept = ((y < 0) ^ (rest < 0)).then(rest + y, rest)
    return rest.equals(0).then(_copysign(rest, y), kept)


def _floor_divide(x: Value, y: Value) -> Value:
    rest = _fmod(x, y)
    below = ~rest.equals(0) & ((y < 0) ^ (rest < 0))
    whole = (x - rest) / y
    return y.equals(0).then(x / y, below.then(whole - 1, whole).of("Round"))


def _fmax(x: Value, y: Value) -> Value:
    return ((x > y) | y.of("IsNaN", dtype=_BOOL)).then(x, y)


def _fmin(x: Value, y: Value) -> Value:
    return ((x < y) | y.of("IsNaN", dtype=_BOOL)).then(x, y)


def _heaviside(x: Value, y: Value) -> Value:
    known = (x < 0).then(0, x.equals(0).then(y, x.same(1)))
    return x.of("IsNaN", dtype=_BOOL).then(x, known)


FORMULAS: Mapping[str, Callable[..., Value]] = {
    "arccos": _arccos,
    "arccosh": _arccosh,
    "arcsin": _arcsin,
    "arcsinh": _arcsinh,
    "arctan": _arctan,
    "arctan2": _arctan2,
    "arctanh": lambda x: (_log1p(x) - _log1p(-x)) * 0.5,
    "cbrt": _cbrt,
    "copysign": _copysign,
    "cosh": lambda x: (_exp(x) + _exp(-x)) * 0.5,
    "deg2rad": lambda x: x * (math.pi / 180),
    "degrees": lambda x: x * (180 / math.pi),
    "exp2": lambda x: x.same(2).of("Pow", x),
    "expm1": _expm1,
    "float_power": lambda x, y: x.of("Pow", y),
    "floor_divide": _floor_divide,
    "fmax": _fmax,
    "fmin": _fmin,
    "fmod": _fmod,
    "heaviside": _heaviside,
    "hypot": _hypot,
    "isfinite": lambda x: abs(x) < np.inf,
    "isinf": lambda x: abs(x).equals(np.inf),
    "log10": lambda x: _log(x) / math.log(10),
    "log1p": _log1p,
    "log2": lambda x: _log(x) / math.log(2),
    "logaddexp": _logaddexp,
    "logaddexp2": _logaddexp2,
    "rad2deg": lambda x: x * (180 / math.pi),
    "radians": lambda x: x * (math.pi / 180),
    "reciprocal": lambda x: 1 / x,
    "remainder": _remainder,
    "signbit": _negative,
    "sinh": _sinh,
    "square": lambda x: x * x,
    "tan": lambda x: x.of("Sin") / x.of("Cos"),
    "trunc": lambda x: (x < 0).then(x.of("Ceil"), x.of("Floor")),
}
