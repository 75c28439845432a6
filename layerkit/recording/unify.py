"""Two records of one layer, with different numbers of rows, become one graph for any number."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from layerkit.recording.arrays import NotRecorded
from layerkit.recording.graph import Count, Graph, Node, Slice

SIZES = 3, 8
"""Rows of the two records: no common divisor, one odd and one a power of two, so that what is even,
halved, squared or rounded up shows, and the factors of 1 / n come out exactly."""

_STEERS = "the number of rows decides what is computed (if, for, while): it may only enter numbers"


class _DiffersError(Exception):
    """Two records differ in a way that no number of rows explains."""


def unify(first: Graph, second: Graph) -> Graph:
    """``first``, made to hold for any number of rows; raises NotRecorded with the line."""
    ours, theirs = first.nodes(), second.nodes()
    twins = {id(a): b for a, b in zip(ours, theirs, strict=False)}
    line = ""
    for a, b in zip(ours, theirs, strict=False):  # in the author's order
        line = a.line or b.line or line
        try:
            _merge(a, b, twins)
        except _DiffersError as error:
            raise NotRecorded(str(error), line) from None
    names = [(list(g.grads), list(g.state), len(g.draws)) for g in (first, second)]
    pairs = zip(first.outputs(), second.outputs(), strict=False)
    if names[0] != names[1] or any(twins.get(id(a)) is not b for a, b in pairs):
        raise NotRecorded(_STEERS, line)
    return first


def _merge(a: Node, b: Node, twins: dict[int, Node]) -> None:
    """Make ``a``, whose arguments hold for any number of rows, hold for it too."""
    told, other = ((n.op, n.dtype, n.fn, n.line, len(n.shape), list(n.kw)) for n in (a, b))
    if told != other or [id(twins.get(id(x))) for x in a.inputs()] != list(map(id, b.inputs())):
        raise _DiffersError(_STEERS)
    a.args, a.kw = _both(a.args, b.args), {k: _both(v, b.kw[k]) for k, v in a.kw.items()}
    a.shape = tuple(_size(p, q) for p, q in zip(a.shape, b.shape, strict=True))
    if a.op == "const":
        _constant(a, b)
    if a.op in ("index", "set"):
        _check_cut(a)


def _both(p: Any, q: Any) -> Any:
    """One argument for two."""
    if type(p) is not type(q) or (isinstance(p, tuple) and len(p) != len(q)):
        raise _DiffersError(_STEERS)
    if isinstance(p, Node):
        return p  # their twins are compared
    if isinstance(p, tuple):
        parts = [_both(x, y) for x, y in zip(p, q, strict=True)]
        return Slice(*parts) if isinstance(p, Slice) else tuple(parts)
    if type(p) in (int, float):
        return number(p, q)
    if p is q or p == q:
        return p
    raise _DiffersError("an argument differs from call to call")


def number(p: float, q: float) -> Any:
    """A number that is p with the first number of rows and q with the second.

    One of: constant, a n, n + b, a / (c n). Two sizes prove no family of two free numbers.
    """
    n, m = SIZES
    if (p == q or (p != p and q != q)) and np.copysign(1, p) == np.copysign(1, q):
        return p
    for found in _candidates(p, q) if p != q else ():
        if (found.at(n), found.at(m)) == (p, q):
            return found
    raise _DiffersError(
        f"a number depends on the rows in an unknown way, or on chance or time ({p:.6g} for {n} "
        f"rows, {q:.6g} for {m}): n, n + 1, n * 2 and 1 / n can be recorded"
    )


def _candidates(p: float, q: float) -> Iterator[Count]:
    """What gives p with the first number of rows, if it gives q with the second."""
    n, m = SIZES
    if isinstance(p, int):
        yield Count(p // n)
        yield Count(1, p - n)
    elif np.isfinite(p) and np.isfinite(q):
        yield Count(q / m)
        from fractions import Fraction  # takes long to import, and is seldom needed

        part = Fraction(q * m).limit_denominator(1_000_000)
        yield Count(q * m, 0, 1)
        yield Count(float(part.numerator), 0, part.denominator)


def _size(p: Any, q: Any) -> Any:
    size = number(p, q)
    if isinstance(size, Count) and (size.b < 0 or size.per):
        raise _DiffersError("a shape has fewer rows than the batch: rows are cut at fixed places")
    return size


def _check_cut(node: Node) -> None:
    """Refuse slices of rows at fixed places: such a piece has another size if rows are few."""
    x, keys = node.args[0], node.args[1]
    sizes = iter(x.shape)
    for key in keys:
        size = None if key is None else next(sizes)
        if isinstance(key, Slice) and isinstance(size, Count):
            whole = all(v in (None, 0) or (isinstance(v, Count) and v.b == 0) for v in key[:2])
            if not whole or key.step not in (None, 1, -1) or (key.step == -1 and any(key[:2])):
                raise _DiffersError("rows are cut at fixed places: only features may be sliced")


def _constant(a: Node, b: Node) -> None:
    """Equal in both, or one number everywhere, or 0, 1, 2 ..., whatever n; changes ``a``."""
    p, q = np.asarray(a.value), np.asarray(b.value)
    if p.shape == q.shape:
        if p.tobytes() != q.tobytes():
            raise _DiffersError(
                "an array or number made in the layer differs from call to call: numbers that "
                "depend on the rows are Python's, random numbers come from ctx.rng only"
            )
    elif all(_numbers_rows(v, n) for v, n in zip((p, q), SIZES, strict=True)):
        a.op, a.value = "arange", None
    elif p.size and len({v.tobytes() for v in (*p.ravel(), *q.ravel())}) == 1:
        a.value = p.ravel()[0]
    else:
        raise _DiffersError("an array made in the layer depends on the rows in an unknown way")


def _numbers_rows(value: np.ndarray[Any, Any], n: int) -> bool:
    """Whether ``value`` is 0 to n - 1 along one axis, whatever other axes of 1 it has."""
    return n in value.shape and value.size == n and np.array_equal(value.ravel(), np.arange(n))
