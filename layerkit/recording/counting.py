"""What a recording costs: multiply-adds, floating-point operations, memory kept for backprop."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np

from layerkit.recording.graph import LEAVES, REDUCTIONS, VIEWS, Count, Graph, Node

_MULTIPLY = frozenset((
    *("convolve", "correlate", "corrcoef", "cov", "cross", "einsum", "inner", "kron"),
    *("matvec", "polyval", "tensordot", "vdot", "vecdot", "vecmat"),
))  # fmt: skip
"""Functions that multiply and add, how often is not counted here."""
_MOVES = {*VIEWS, "gather", "set", "at", "concatenate", "copy", "astype"}


class Size(NamedTuple):
    """A number of things: fixed + rows n + squares n^2 for n rows."""

    fixed: int = 0
    rows: int = 0
    squares: int = 0

    def at(self, n: int) -> int:
        """The number for ``n`` rows."""
        return self.fixed + self.rows * n + self.squares * n * n

    def plus(self, other: Size, times: int = 1) -> Size:
        """The sum of this and ``times`` the other."""
        return Size(*(a + times * b for a, b in zip(self, other, strict=True)))


class Costs(NamedTuple):
    """What one pass over n rows costs.

    Parameters
    ----------
    macs
        Multiply-adds of all products.
    flops
        Floating-point operations: two for each multiply-add, one for each number that an
        elementwise operation gives or a reduction takes.
    kept
        Bytes of the arrays that feed keeps for backprop, beside parameters and inputs.
    unknown
        Functions that were called and are not counted, by name.
    """

    macs: Size
    flops: Size
    kept: Size
    unknown: tuple[str, ...]


def feed_only(graph: Graph) -> Graph:
    """``graph`` without its backprop."""
    return graph._replace(dx=None, grads={})


def costs(graph: Graph) -> Costs:
    """Count what ``graph`` does; see ``feed_only`` for what inference does."""
    macs = flops = Size()
    unknown = set()
    for node in graph.nodes():
        if node.op == "matmul" or _einsum(node):
            found = products(node) or Size()
            macs, flops = macs.plus(found), flops.plus(found, 2)
        elif node.op == "call":
            unknown.add(str(getattr(node.fn, "__name__", node.fn)))
        elif node.op in REDUCTIONS:
            flops = flops.plus(size_of(node.args[0].shape))
        elif node.op not in LEAVES and node.op not in _MOVES:
            flops = flops.plus(size_of(node.shape))
    return Costs(macs, flops, _kept(graph), tuple(sorted(unknown)))


def size_of(shape: Iterable[Any]) -> Size:
    """The number of elements of a shape; more than two axes of rows are not known."""
    sizes = list(shape)
    counts = [s for s in sizes if isinstance(s, Count)]
    fixed = math.prod(s for s in sizes if not isinstance(s, Count))
    found = [fixed]  # by powers of n
    for a, b, _ in counts:
        found = [
            int(b) * low + int(a) * high for low, high in zip([*found, 0], [0, *found], strict=True)
        ]
    return Size(*found[:3])


def _einsum(node: Node) -> bool:
    """Whether ``node`` sums products of arrays, written in letters."""
    named = node.op == "call" and node.fn is np.einsum and isinstance(node.args[0], str)
    return named and "." not in node.args[0]


def products(node: Node) -> Size | None:
    """Multiply-adds of ``node``: all combinations of a product's indices; None if unknown."""
    if node.op == "matmul":
        return size_of((*node.shape, node.args[0].shape[-1]))
    if node.op != "call":
        return Size()
    if not _einsum(node):
        name, home = (str(getattr(node.fn, key, "")) for key in ("__name__", "__module__"))
        opaque = name in _MULTIPLY or "fft" in home or ("linalg" in home and name != "norm")
        return None if opaque else Size()
    if len(node.args) < 3:
        return Size()
    words = node.args[0].replace(" ", "").partition("->")[0].split(",")
    sizes = {
        letter: size
        for word, arg in zip(words, node.args[1:], strict=True)
        for letter, size in zip(word, arg.shape, strict=False)
    }
    return size_of(sizes.values())


def _kept(graph: Graph) -> Size:
    """Bytes of what backprop reads of feed's, each array once, views as what they show."""
    feed = {id(node) for node in feed_only(graph).nodes()}
    kept: dict[int, Node] = {}
    for node in graph.nodes():
        for arg in node.inputs() if id(node) not in feed else ():
            while arg.op in VIEWS:
                arg = arg.args[0]
            if id(arg) in feed and arg.op not in LEAVES:
                kept[id(arg)] = arg
    total = Size()
    for node in kept.values():
        total = total.plus(size_of(node.shape), node.dtype.itemsize)
    return total
