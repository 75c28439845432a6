"""Kernels: which nodes of a graph run as one loop over memory.

Elementwise operations over the same elements share a loop; every product and reduction is a kernel
of its own. A product whose result is only added to another value is computed onto that value.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from layerkit.execution.planned.joins import Rewriting, made
from layerkit.execution.planned.memory import is_image, root
from layerkit.recording.graph import ALL, VIEWS, Graph, Node, Slice
from layerkit_plugins.compiled.llvm.places import is_same

Kernel = list[Node]

_LOOPS = frozenset(("where", "astype", "copy", "snapshot", "clip", "gather", "set", "reshape"))


def in_loop(node: Node) -> bool:
    """Whether a node is computed element by element."""
    if is_block_set(node) or is_flattened(node):
        return False
    return node.op in _LOOPS or (isinstance(node.fn, np.ufunc) and node.op != "matmul")


def is_flattened(node: Node) -> bool:
    """Whether a node is an image in another shape, which its order in memory does not show."""
    return node.op == "reshape" and is_image(node.args[0])


def is_block_set(node: Node) -> bool:
    """Whether a node is a copy of an array with a block of it replaced."""
    return node.op == "set" and all(isinstance(key, (int, Slice)) for key in node.args[1])


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
    return _FewerPasses(graph).run()


class _FewerPasses(Rewriting):
    def visit(self, node: Node) -> None:
        self.new[id(node)] = self._accumulated(node) or self._shifted(node) or self._same(node)

    def _same(self, node: Node) -> Node:
        super().visit(node)
        return self.new[id(node)]

    def _accumulated(self, node: Node) -> Node | None:
        """Rule 1."""
        for product, rest in (node.args, node.args[::-1]) if node.op == "add" else ():
            if isinstance(product, Node) and isinstance(rest, Node) and self._adds(product, rest):
                args = tuple(map(self.get, (*product.args, rest)))
                return made("matmul_add", args, node.shape, node)
        return None

    def _adds(self, product: Node, rest: Node) -> bool:
        """Whether ``product`` can be computed onto ``rest``, in the node that reads it."""
        if product.op != "matmul" or not self.inner(product):
            return False
        (node,) = self.readers[id(product)]
        return (
            (in_loop(rest) or rest.op in ("matmul", "matmul_add"))
            and node.shape == rest.shape == product.shape
            and node.dtype == rest.dtype == product.dtype
            and all(reader.serial <= node.serial for reader in self.readers[id(rest)])
            and not any(root(arg) is rest for arg in product.inputs())  # it would be overwritten
        )

    def _shifted(self, node: Node) -> Node | None:
        """Rule 2."""
        if node.op != "index" or not _is_biased(node.args[0]) or node.args[1][0] != ALL:
            return None
        total, keys = node.args
        wanted = [reader.args[1] for reader in self.readers[id(total)] if reader.op == "index"]
        apart = len(wanted) == len(self.readers[id(total)]) == len(set(wanted)) > 1
        if not apart or self.ends[id(total)] or len(node.shape) != 2:
            return None
        product, bias = map(self.get, total.args)
        columns = made("index", (product, keys), node.shape, node)
        return made(
            "add",
            (columns, made("index", (bias, keys[1:]), node.shape[1:], node)),
            node.shape,
            node,
        )


def _is_biased(node: Node) -> bool:
    """Whether ``node`` is a product plus a vector of parameters."""
    if node.op != "add" or not all(isinstance(arg, Node) for arg in node.args):
        return False
    product, bias = node.args
    ops, two = (product.op, bias.op), len(node.shape) == 2
    return ops == ("matmul", "param") and two and product.shape == (node.shape[0], *bias.shape)


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
