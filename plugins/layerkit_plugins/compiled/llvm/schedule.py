"""Kernels: which nodes of a graph run as one loop over memory.

Elementwise operations over the same elements share a loop; every product and reduction is a kernel
of its own. A product whose result is only added to another value is computed onto that value.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from layerkit.execution.planned.memory import root
from layerkit.recording.graph import LEAVES, VIEWS, Graph, Node, Slice, readers
from layerkit_plugins.compiled.llvm.sizes import is_same

Kernel = list[Node]

_LOOPS = frozenset(("where", "astype", "copy", "snapshot", "clip", "gather", "set", "reshape"))


def in_loop(node: Node) -> bool:
    """Whether a node is computed element by element."""
    return node.op in _LOOPS or (isinstance(node.fn, np.ufunc) and node.op != "matmul")


def space(node: Node) -> tuple[Any, ...]:
    """What a loop over the node's elements runs over."""
    return tuple(dim for dim in node.shape if dim != 1)


def rewritten(graph: Graph) -> Graph:
    """``graph`` with fewer passes over memory, by two rules.

    1. ``a @ b + c`` is one node ``matmul_add``, unless something else reads ``a @ b``, or c later,
       or c is a or b.
    2. Columns of ``a @ b + bias`` are columns of the product plus columns of the bias: the sum is
       then a part of the loops that read it.
    """
    return _Rewriting(graph).run()


class _Rewriting:
    def __init__(self, graph: Graph) -> None:
        self.graph, self.nodes = graph, graph.nodes()
        self.read = readers(self.nodes)
        self.results = {id(node) for node in graph.outputs()}
        self.new: dict[int, Node] = {}

    def run(self) -> Graph:
        """The new graph."""
        get, graph = self.get, self.graph
        for node in self.nodes:
            made = self.accumulated(node) or self.columns(node) or self.same(node)
            self.new[id(node)] = made
        return Graph(
            get(graph.y),
            None if graph.dx is None else get(graph.dx),
            {k: get(v) for k, v in graph.grads.items()},
            {k: get(v) for k, v in graph.state.items()},
            tuple(map(get, graph.draws)),
        )

    def get(self, value: Any) -> Any:
        """``value`` with new nodes in place of old ones."""
        if isinstance(value, Node):
            return self.new[id(value)]
        if isinstance(value, tuple):
            parts = [self.get(v) for v in value]
            return type(value)(*parts) if hasattr(value, "_fields") else tuple(parts)
        return value

    def same(self, node: Node) -> Node:
        """The same operation."""
        if node.op in LEAVES:
            return node
        kw = {k: self.get(v) for k, v in node.kw.items()}
        return _like(node, node.op, self.get(node.args), kw, node.fn)

    def accumulated(self, node: Node) -> Node | None:
        """Rule 1."""
        for product, rest in (node.args, node.args[::-1]) if node.op == "add" else ():
            fits = _adds(node, product, rest) and len(self.read[id(product)]) == 1
            if fits and self._dies(product, node) and self._dies(rest, node):
                args = (*self.get(product.args), self.get(rest))
                return _like(node, "matmul_add", args)
        return None

    def _dies(self, node: Node, last: Node) -> bool:
        """Whether nothing reads ``node`` after ``last``."""
        later = any(reader.serial > last.serial for reader in self.read[id(node)])
        return id(node) not in self.results and not later

    def columns(self, node: Node) -> Node | None:
        """Rule 2."""
        if node.op != "index" or not _is_biased(node.args[0]):
            return None
        total, keys = node.args
        wanted = [reader.args[1] for reader in self.read[id(total)] if reader.op == "index"]
        apart = len(wanted) == len(self.read[id(total)]) == len(set(wanted)) > 1
        if not apart or id(total) in self.results or len(keys) != 2:
            return None
        if keys[0] != _ALL or not isinstance(keys[1], Slice):
            return None
        product, bias = self.get(total.args)
        part, shift = _like(node, "index", (product, keys)), _like(node, "index", (bias, keys[1:]))
        shift.shape = node.shape[1:]
        return _like(node, "add", (part, shift), fn=np.add)


_ALL = Slice(None, None, None)


def _is_biased(node: Node) -> bool:
    """Whether ``node`` is a product plus a vector of parameters."""
    if node.op != "add" or len(node.shape) != 2:
        return False
    product, bias = node.args
    return (
        isinstance(product, Node)
        and isinstance(bias, Node)
        and (product.op, bias.op) == ("matmul", "param")
        and (product.shape, bias.shape) == (node.shape, node.shape[1:])
    )


def _adds(node: Node, product: Any, rest: Any) -> bool:
    if not isinstance(product, Node) or not isinstance(rest, Node):
        return False
    if any(root(arg) is rest for arg in product.inputs()):
        return False  # the factor would be overwritten
    return (
        product.op == "matmul"
        and (in_loop(rest) or rest.op in ("matmul", "matmul_add"))
        and node.shape == rest.shape == product.shape
        and node.dtype == rest.dtype == product.dtype
    )


def _like(
    node: Node, op: str, args: tuple[Any, ...], kw: Mapping[str, Any] | None = None, fn: Any = None
) -> Node:
    return Node(
        op,
        args,
        kw,
        fn=fn,
        shape=node.shape,
        dtype=node.dtype,
        value=node.value,
        line=node.line,
        serial=node.serial,
    )


def kernels(nodes: Sequence[Node]) -> list[Kernel]:
    """The computed ``nodes`` of a pass, grouped: each joins the latest loop that it may join."""
    found: list[Kernel] = []
    made: dict[int, int] = {}
    for node in (node for node in nodes if node.dtype is not None):  # else a number of Python
        first = max((_after(arg, node, made) for arg in node.inputs()), default=0)
        where = None
        if in_loop(node):
            for k in range(len(found) - 1, first - 1, -1):
                if in_loop(found[k][0]) and space(found[k][0]) == space(node):
                    where = k
                    break
        if where is None:
            found.append([])
            where = len(found) - 1
        found[where].append(node)
        made[id(node)] = where
    return found


def _after(arg: Node, reader: Node, made: Mapping[int, int]) -> int:
    """The first kernel in which ``reader`` may run for the sake of ``arg``.

    The kernel of the argument itself, if its value can be passed on in a register.
    """
    passed = True
    while arg.op in VIEWS and id(arg) not in made:
        passed = passed and is_same(arg)
        arg = next(arg.inputs())
    if id(arg) not in made:
        return 0
    same = passed and in_loop(arg) and in_loop(reader) and space(arg) == space(reader)
    # What is picked or replaced by number is read from memory.
    same = same and reader.op not in ("gather", "reshape")
    return made[id(arg)] + (not same)
