"""One graph made smaller without changing a bit of its results.

Equal subexpressions are computed once, values that nothing needs not at all (but every random draw
stays), and operations that give back what they were given go.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from layerkit.recording.graph import ALL, Graph, Node


def simplify(graph: Graph) -> Graph:
    """An equal graph with as few nodes as the rules here find; ``graph`` stays as it is."""
    new: dict[int, Node] = {}
    known: dict[Any, Node] = {}
    for node in graph.nodes():
        made = node.renewed(lambda arg: new[id(arg)], node.serial)
        if (rule := _RULES.get(node.op)) is not None:
            made = rule(made)
        new[id(node)] = known.setdefault(_key(made), made)  # draws have numbers: none is equal
    return graph.renewed(lambda node: new[id(node)])


def _key(node: Node) -> Any:
    """Equal for nodes that compute equal bits: -0.0 is not 0.0, and 1 is not 1.0 nor True."""
    if node.op == "const":
        value = np.asarray(node.value)
        return "const", value.dtype.str, value.shape, value.tobytes(), node.shape, value.strides
    function = (type(node.fn), node.fn) if node.op in ("call", "matmul", "power") else None
    words = tuple((k, _part(v)) for k, v in sorted(node.kw.items()))
    return node.op, function, node.dtype, node.shape, _part(node.args), words


def _part(arg: Any) -> Any:
    if isinstance(arg, Node):
        return id(arg)
    if isinstance(arg, tuple):
        return type(arg).__name__, tuple(map(_part, arg))
    if isinstance(arg, (float, complex)):
        return type(arg).__name__, repr(arg)
    return type(arg).__name__, arg


def _like(node: Node, x: Any) -> bool:
    """Whether ``x`` could stand in the place of ``node``."""
    return isinstance(x, Node) and x.shape == node.shape and x.dtype == node.dtype


_NEUTRAL = {"multiply": 1, "divide": 1, "subtract": 0}
"""x op number is x; not so x + 0, since -0.0 + 0 is 0.0, nor x - -0.0."""


def _neutral(node: Node) -> Node:
    x, y = node.args
    if node.op == "multiply" and not isinstance(x, Node):
        x, y = y, x
    same = type(y) in (int, float) and y == _NEUTRAL[node.op] and not np.signbit(y)
    return x if same and _like(node, x) else node


def _unchanged(node: Node) -> Node:
    """copy, astype, reshape or broadcast_to what it was."""
    return node.args[0] if _like(node, node.args[0]) else node


def _transpose(node: Node) -> Node:
    """Transposes of transposes are one; one that keeps the order is none."""
    x, axes = node.args
    if x.op == "transpose":
        axes = tuple(x.args[1][i] for i in axes)
        x = x.args[0]
        node.args = x, axes
    return x if axes == tuple(range(len(axes))) else node


def _reshape(node: Node) -> Node:
    """A reshape of a reshape is one."""
    x, shape = node.args
    if x.op == "reshape":
        node.args = x.args[0], shape
    return _unchanged(node)


def _whole(node: Node) -> Node:
    """x[:, :] is x, and all of x replaced is what replaces it."""
    x, keys, *value = node.args
    left = value[0] if value else x
    return left if all(key == ALL for key in keys) and _like(node, left) else node


_RULES: dict[str, Callable[[Node], Node]] = {
    **dict.fromkeys(_NEUTRAL, _neutral),
    **dict.fromkeys(("copy", "astype", "broadcast_to", "positive"), _unchanged),
    "transpose": _transpose,
    "reshape": _reshape,
    "index": _whole,
    "set": _whole,
}
