"""One graph made smaller without changing a bit of its results.

Equal subexpressions are computed once, values that nothing needs not at all (but every random draw
stays), and operations that give back what they were given go.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from layerkit.recording.arrays import ALL
from layerkit.recording.graph import Graph, Node, Slice


def simplify(graph: Graph) -> Graph:
    """An equal graph with as few nodes as the rules here find; ``graph`` stays as it is."""
    new: dict[int, Node] = {}
    known: dict[Any, Node] = {}

    def renewed(arg: Any) -> Any:
        if isinstance(arg, Node):
            return new[id(arg)]
        if type(arg) is tuple:
            return tuple(map(renewed, arg))
        return arg

    for node in graph.nodes():
        made = Node(
            node.op,
            renewed(node.args),
            {k: renewed(v) for k, v in node.kw.items()},
            fn=node.fn,
            shape=node.shape,
            dtype=node.dtype,
            value=node.value,
            line=node.line,
            serial=node.serial,
        )
        rule = _RULES.get(node.op)
        if rule is not None:
            made = rule(made)
        new[id(node)] = known.setdefault(_key(made), made)  # draws have numbers: none is equal
    return Graph(
        renewed(graph.y),
        None if graph.dx is None else renewed(graph.dx),
        {k: renewed(v) for k, v in graph.grads.items()},
        {k: renewed(v) for k, v in graph.state.items()},
        renewed(graph.draws),
    )


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


def _neutral(number: float, *, left: bool = False) -> Callable[[Node], Node]:
    """A rule: x op number is x; with ``left``, also number op x.

    Adding 0 is no such operation, since -0.0 + 0 is 0.0, nor is taking away -0.0.
    """

    def is_number(y: Any) -> bool:
        return type(y) in (int, float) and y == number and not np.signbit(y)

    def rule(node: Node) -> Node:
        x, y = node.args
        if left and is_number(x):
            x, y = y, x
        return x if is_number(y) and _like(node, x) else node

    return rule


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


def _index(node: Node) -> Node:
    """x[:, :] is x."""
    x, keys = node.args
    return x if all(isinstance(k, Slice) and k == ALL for k in keys) else node


def _set(node: Node) -> Node:
    """All of x replaced is what replaces it."""
    _, keys, value = node.args
    whole = all(isinstance(k, Slice) and k == ALL for k in keys)
    return value if whole and _like(node, value) else node


_RULES: dict[str, Callable[[Node], Node]] = {
    "multiply": _neutral(1, left=True),
    "divide": _neutral(1),
    "subtract": _neutral(0),
    "copy": _unchanged,
    "astype": _unchanged,
    "broadcast_to": _unchanged,
    "positive": _unchanged,
    "transpose": _transpose,
    "reshape": _reshape,
    "index": _index,
    "set": _set,
}
