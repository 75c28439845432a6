"""Whether the rows of a recording do not meet, so that parts of a batch may be computed apart.

Each value is one of: the same for all batches (``None``), one part for each row along an axis (the
axis), a plain sum over rows (``SUM``), or the numbers of the rows (``PLACES``). What no rule here
explains meets.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from layerkit.recording.arrays import ALL
from layerkit.recording.graph import REDUCTIONS, Count, Graph, Node, Slice

SUM, PLACES = "sum", "places"
Kind = int | str | None


class _MeetError(Exception):
    """Rows meet, or may meet."""


def is_rowwise(graph: Graph) -> bool:
    """Whether rows of y and dx do not meet, and gradients are plain sums over rows.

    Nothing may be drawn, no state be written, and the number of rows enter no number.
    """
    if graph.draws or graph.state:
        return False
    kinds: dict[int, Kind] = {}
    try:
        for node in graph.nodes():
            kinds[id(node)] = _kind(node, kinds)
    except _MeetError:
        return False
    rows = [graph.y] if graph.dx is None else [graph.y, graph.dx]
    return all(kinds[id(r)] == 0 and r.shape[0] == Count(1) for r in rows) and all(
        kinds[id(g)] == SUM or _is_zero(g) for g in graph.grads.values()
    )


def _kind(node: Node, kinds: dict[int, Kind]) -> Kind:
    """The kind of a node, from those of its arguments."""
    counted = [i for i, size in enumerate(node.shape) if isinstance(size, Count)]
    if len(counted) > 1 or (counted and node.shape[counted[0]].b):
        raise _MeetError
    for arg in node.inputs():
        as_index = node.op in ("gather", "set", "at") and any(arg is key for key in node.args[1])
        if kinds[id(arg)] == PLACES and not as_index:
            raise _MeetError  # the numbers of rows are of one batch
    kind = _RULES.get(node.op, _elementwise)(node, kinds)
    if kind != PLACES and counted != ([kind] if isinstance(kind, int) else []):
        raise _MeetError
    return kind


def _is_zero(node: Any) -> bool:
    """Whether a value is zeros."""
    if isinstance(node, Node):
        return node.op == "const" and not np.any(node.value)
    return type(node) in (int, float) and node == 0


def _leaf(node: Node, _: Any) -> Kind:
    if node.op == "random":
        raise _MeetError
    if node.op == "arange":
        return PLACES
    return next((i for i, size in enumerate(node.shape) if isinstance(size, Count)), None)


def _together(args: Any, kinds: dict[int, Kind]) -> int | None:
    """The axis of the rows of arrays that are broadcast, counted from the last, or None."""
    found = set()
    for arg in args:
        if isinstance(arg, Count):
            raise _MeetError
        if isinstance(arg, Node) and (kind := kinds[id(arg)]) is not None:
            if kind == SUM:
                raise _MeetError
            found.add(-1 if kind == PLACES else int(kind) - len(arg.shape))
    if len(found) > 1:
        raise _MeetError
    return found.pop() if found else None


def _elementwise(node: Node, kinds: dict[int, Kind]) -> Kind:
    sums = [isinstance(a, Node) and kinds[id(a)] == SUM for a in node.args]
    fits = all(is_sum or _is_zero(a) for is_sum, a in zip(sums, node.args, strict=True))
    if any(sums) and fits and node.op in ("add", "subtract", "negative"):
        return SUM
    at = _together(node.args, kinds)
    return None if at is None else len(node.shape) + at


def _reduction(node: Node, kinds: dict[int, Kind]) -> Kind:
    kind, axes = kinds[id(node.args[0])], node.kw["axis"]
    if kind is None or (kind == SUM and node.op == "sum"):
        return kind
    if not isinstance(kind, int):
        raise _MeetError
    if kind in axes:
        if node.op != "sum":
            raise _MeetError
        return SUM
    return kind if node.kw["keepdims"] else kind - sum(a < kind for a in axes)


def _matmul(node: Node, kinds: dict[int, Kind]) -> Kind:
    x, y = node.args
    # axes from the last of (..., i, j) and (..., j, k); a vector y is taken as (j, 1)
    at_x, at_y = _together([x], kinds), _together([y], kinds)
    if at_y is not None and len(y.shape) == 1:
        at_y = -2
    if at_x is None and at_y is None:
        return None
    if (at_x, at_y) == (-1, -2):
        return SUM
    if at_y is None and at_x != -1:
        at = at_x
    elif (at_x is None and at_y != -2) or (at_x == at_y and at_x is not None and at_x < -2):
        at = at_y
    else:
        raise _MeetError
    assert at is not None  # noqa: S101  # one of the two
    lost = (len(y.shape) == 1) + (len(x.shape) == 1 and at < -1)
    return len(node.shape) + at + lost


def _transpose(node: Node, kinds: dict[int, Kind]) -> Kind:
    kind = kinds[id(node.args[0])]
    return list(node.args[1]).index(kind) if isinstance(kind, int) else kind


def _reshape(node: Node, kinds: dict[int, Kind]) -> Kind:
    """Blocks of rows stay together while nothing before them changes."""
    x, shape = node.args
    kind = kinds[id(x)]
    if not isinstance(kind, int):
        return kind
    if shape[:kind] != x.shape[:kind]:
        raise _MeetError
    return next((i for i in range(kind, len(shape)) if shape[i] != 1), None)


def _broadcast_to(node: Node, kinds: dict[int, Kind]) -> Kind:
    x, shape = node.args
    kind = kinds[id(x)]
    if isinstance(kind, int):
        return kind + len(shape) - len(x.shape)
    if kind is not None:
        raise _MeetError
    return next((i for i, size in enumerate(shape) if isinstance(size, Count)), None)


def _chosen(x: Node, keys: Any, kinds: dict[int, Kind]) -> tuple[int | None, bool]:
    """Of x[keys]: the axis of its rows counted from the last, and whether row i is of row i of x.

    That is so for a full slice of the rows of x, and for the numbers of the rows as their index.
    """
    arrays = [k for k in keys if isinstance(k, Node)]
    block = max((len(k.shape) for k in arrays), default=0)
    at = _together(arrays, kinds)
    taken = [i for i, k in enumerate(keys) if isinstance(k, Node) or (arrays and type(k) is int)]
    first = taken[0] if taken and taken == list(range(taken[0], taken[-1] + 1)) else 0
    axes: list[Any] = []  # of the result: "rows" of x, "block" of the arrays, or others
    own, axis, kind = False, -1, kinds[id(x)]
    for i, key in enumerate(keys):
        axis += key is not None
        is_rows = kind == axis and key is not None
        if is_rows and isinstance(key, Node):
            own = kinds[id(key)] == PLACES
            if not own:
                raise _MeetError
        elif is_rows and key != ALL:
            raise _MeetError
        if i == first and taken:
            axes += ["block"] * block
        if key is None or isinstance(key, Slice):
            axes.append("rows" if is_rows else "other")
        if isinstance(key, Slice) and any(isinstance(k, Count) for k in key):
            raise _MeetError
    if isinstance(kind, int) and not own:
        if at is not None:
            raise _MeetError
        return axes.index("rows") - len(axes), True
    if at is None:
        return None, own
    return axes.index("block") + block + at - len(axes), own


def _index(node: Node, kinds: dict[int, Kind]) -> Kind:
    x, keys = node.args
    at, _ = _chosen(x, keys, kinds)
    return kinds[id(x)] if at is None else len(node.shape) + at


def _put(node: Node, kinds: dict[int, Kind]) -> Kind:
    """``set`` and ``at``."""
    x, keys, *values = node.args
    kind, (at, own), found = kinds[id(x)], _chosen(x, keys, kinds), _together(values, kinds)
    if kind == SUM or found not in (at, None) or (isinstance(kind, int) and not own):
        raise _MeetError
    if isinstance(kind, int) or at is None:
        return kind
    if node.op == "at" and node.kw["ufunc"] == "add" and _is_zero(x):
        return SUM
    raise _MeetError


def _concatenate(node: Node, kinds: dict[int, Kind]) -> Kind:
    arrays, axis = node.args
    found = {kinds[id(a)] for a in arrays}
    if len(found) > 1 or axis in found:
        raise _MeetError
    return found.pop()


_ALONG: dict[Any, int] = {
    **dict.fromkeys((np.sort, np.argsort, np.argmax, np.argmin, np.cumsum), 1),
    np.lib.stride_tricks.sliding_window_view: 2,
}
"""Functions that work along axes, and the place of the axes among the arguments."""


def _call(node: Node, kinds: dict[int, Kind]) -> Kind:
    if all(kinds[id(a)] is None for a in node.inputs()):
        return None
    x, place = node.args[0], _ALONG.get(node.fn, 0)
    axis = node.kw.get("axis", node.args[place] if place < len(node.args) else None)
    kind = kinds.get(id(x))
    if not place or axis is None or not isinstance(kind, int):
        raise _MeetError
    along = {a % len(x.shape) for a in (axis if isinstance(axis, tuple) else (axis,))}
    if kind in along:
        raise _MeetError
    lost = sum(a < kind for a in along) if len(node.shape) < len(x.shape) else 0
    return kind - lost


_RULES: dict[str, Callable[[Node, dict[int, Kind]], Kind]] = {
    **dict.fromkeys(("input", "param", "state", "number", "const", "arange", "random"), _leaf),
    **dict.fromkeys(REDUCTIONS, _reduction),
    "matmul": _matmul,
    "transpose": _transpose,
    "reshape": _reshape,
    "broadcast_to": _broadcast_to,
    "index": _index,
    "gather": _index,
    "set": _put,
    "at": _put,
    "concatenate": _concatenate,
    "call": _call,
}
