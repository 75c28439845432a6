"""Whether the rows of a recording do not meet, so that parts of a batch may be computed apart.

A value with an axis of n holds one part for each row there, in the order of the rows; one without
is the same for all batches, or a plain sum over rows. What no rule here explains meets.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from layerkit.recording.graph import ALL, REDUCTIONS, Count, Graph, N, Node, Slice, at


class _MeetError(Exception):
    """Rows meet, or may meet."""


def is_rowwise(graph: Graph) -> bool:
    """Whether rows of y and dx do not meet, and gradients are plain sums over rows.

    Nothing may be drawn, no state be written, and the number of rows enter no number.
    """
    if graph.draws or graph.state:
        return False
    sums: set[int] = set()
    try:
        for node in graph.nodes():
            if _is_sum(node, sums):
                sums.add(id(node))
    except _MeetError:
        return False
    rows = [graph.y] if graph.dx is None else [graph.y, graph.dx]
    return all(r.shape[0] == N for r in rows) and all(
        id(g) in sums or _is_zero(g) for g in graph.grads.values()
    )


def _is_sum(node: Node, sums: set[int]) -> bool:
    """Whether ``node`` is a plain sum over rows, as ``sums`` are; raises where rows meet."""
    for arg in node.inputs():
        index = node.op in ("gather", "set", "at") and any(arg is key for key in node.args[1])
        _need(arg.op != "arange" or index)  # the numbers of the rows are of one batch
    found = _RULES.get(node.op, _elementwise)(node, sums)
    _need(_rows(node) is None or not found)
    return found


def _need(fits: bool) -> None:
    if not fits:
        raise _MeetError


def _rows(value: Any) -> int | None:
    """The axis of the rows of an array, counted from the last; None if it has none."""
    _need(not isinstance(value, Count))
    shape = value.shape if isinstance(value, Node) else ()
    found = [i for i, size in enumerate(shape, -len(shape)) if isinstance(size, Count)]
    _need(len(found) < 2 and not any(shape[i].b for i in found))
    return found[0] if found else None


def _aligned(args: Iterable[Any], sums: set[int]) -> int | None:
    """The axis of the rows of arrays that are broadcast, counted from the last, or None."""
    args = list(args)
    _need(not any(id(arg) in sums for arg in args))
    found = {rows for arg in args if (rows := _rows(arg)) is not None}
    _need(len(found) < 2)
    return max(found, default=None)


def _is_zero(value: Any) -> bool:
    if isinstance(value, Node):
        return value.op == "const" and not np.any(value.value)
    return type(value) in (int, float) and value == 0


def _elementwise(node: Node, sums: set[int]) -> bool:
    if node.op in ("add", "subtract", "negative") and any(id(a) in sums for a in node.args):
        _need(all(id(a) in sums or _is_zero(a) for a in node.args))
        return True
    _aligned(node.args, sums)
    return False


def _reduction(node: Node, sums: set[int]) -> bool:
    x = node.args[0]
    rows = _rows(x)
    over_rows = id(x) in sums or (rows is not None and rows + len(x.shape) in node.kw["axis"])
    _need(node.op == "sum" or not over_rows)
    return over_rows


def _matmul(node: Node, sums: set[int]) -> bool:
    x, y = node.args
    at_x, at_y = _aligned([x], sums), _aligned([y], sums)
    # axes of (..., i, j) and (..., j, k); a vector y is taken as (j, 1)
    if at_y is not None and len(y.shape) == 1:
        at_y = -2
    over_rows = at_x == -1, at_y == -2
    _need(over_rows[0] == over_rows[1])
    _need(over_rows[0] or at_x is None or at_y is None or at_x == at_y)
    return over_rows[0]


def _einsum(node: Node, sums: set[int]) -> bool:
    words, *arrays = node.args
    *given, result = words.replace("->", ",").split(",")
    found = [(_aligned([array], sums), word) for array, word in zip(arrays, given, strict=True)]
    rows = [word[axis] for axis, word in found if axis is not None]
    _need(len(set(rows)) < 2)
    over_rows = bool(rows) and rows[0] not in result
    _need(not over_rows or len(rows) == 2)
    return over_rows


def _windows(node: Node, sums: set[int]) -> bool:
    x, _, axes = node.args
    rows = _aligned([x], sums)
    _need(rows is None or rows + len(x.shape) not in axes)
    return False


def _view(node: Node, sums: set[int]) -> bool:
    """``transpose`` and ``reshape``: blocks of rows stay together while nothing before changes."""
    x, shape = node.args
    rows = _rows(x)
    if node.op == "reshape" and rows is not None:
        axis, found = rows + len(x.shape), _rows(node)
        _need(found is not None and shape[:axis] == x.shape[:axis])
        _need(all(size == 1 for size in shape[axis:found]))
    return id(x) in sums


def _pick(node: Node, sums: set[int]) -> bool:
    """``index`` and ``gather``."""
    _picked_rows(node, sums)
    return id(node.args[0]) in sums


def _put(node: Node, sums: set[int]) -> bool:
    """``set`` and ``at``; a gradient may be scattered into zeros, row by row."""
    x, _, *values = node.args
    picked, given = _picked_rows(node, sums), _aligned(values, sums)
    _need(id(x) not in sums and given in (picked, None))
    scatters = picked is not None and _rows(x) is None
    _need(not scatters or (node.op == "at" and node.kw["ufunc"] == "add" and _is_zero(x)))
    return scatters


def _picked_rows(node: Node, sums: set[int]) -> int | None:
    """The axis of the rows of x[keys], counted from the last, or None.

    Row i is of row i of x if the rows are picked by a full slice, or by the numbers of the rows.
    """
    x, keys = node.args[:2]
    _need(at(keys, 1) == at(keys, 2))
    arrays = [key for key in keys if isinstance(key, Node)]
    block = max((len(key.shape) for key in arrays), default=0)
    rows, of_arrays = _rows(x), _aligned(arrays, sums)
    # Axes that arrays pick become one block: where they stood if together, else in front.
    taken = [i for i, k in enumerate(keys) if isinstance(k, Node) or (arrays and type(k) is int)]
    together = taken and taken[-1] - taken[0] < len(taken)
    first = taken[0] if together else 0
    axis, axes = -len(x.shape), []
    for i, key in enumerate(keys):
        axes += ["block"] * block if taken and i == first else []
        is_rows = key is not None and axis == rows
        if is_rows and isinstance(key, Node):
            _need(key.op == "arange")
        elif is_rows:
            _need(key == ALL and of_arrays is None)
        if key is None or isinstance(key, Slice):
            axes.append("rows" if is_rows else "other")
        axis += key is not None
    if "rows" in axes:
        return axes.index("rows") - len(axes)
    return None if of_arrays is None else axes.index("block") + block + of_arrays - len(axes)


def _concatenate(node: Node, sums: set[int]) -> bool:
    arrays, axis = node.args
    found = {id(array) in sums for array in arrays}
    _need(len(found) == 1 and _rows(node) != axis - len(node.shape))
    return found.pop()


_ALONG: dict[Any, int] = {
    **dict.fromkeys((np.sort, np.argsort, np.argmax, np.argmin, np.cumsum), 1),
}
"""Functions that work along axes, and the place of the axes among the arguments."""


def _call(node: Node, sums: set[int]) -> bool:
    told = node.args, *node.kw.values()
    _need(at(told, 1) == at(told, 2))  # no number of rows
    if _rows(node) is None and all(_rows(a) is None and id(a) not in sums for a in node.inputs()):
        return False
    x, place = node.args[0], _ALONG.get(node.fn, 0)
    axis = node.kw.get("axis", node.args[place] if place < len(node.args) else None)
    rows = _aligned([x], sums)
    _need(bool(place) and axis is not None and rows is not None)
    along = {a % len(x.shape) for a in (axis if isinstance(axis, tuple) else (axis,))}
    _need(len(x.shape) + (rows or 0) not in along)
    return False


_RULES: dict[str, Callable[[Node, set[int]], bool]] = {
    **dict.fromkeys(("input", "param", "number", "state", "const", "arange"), lambda *_: False),
    **dict.fromkeys(REDUCTIONS, _reduction),
    **dict.fromkeys(("transpose", "reshape"), _view),
    **dict.fromkeys(("index", "gather"), _pick),
    **dict.fromkeys(("set", "at"), _put),
    "matmul": _matmul,
    "einsum": _einsum,
    "windows": _windows,
    "concatenate": _concatenate,
    "call": _call,
}
