"""What a recording costs: multiply-adds, floating-point operations, memory kept for backprop.

Everything counted is the number of elements of some shapes, for n rows.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np

from layerkit.core.planning import PlannedLayer
from layerkit.recording.arrays import NotRecorded
from layerkit.recording.graph import LEAVES, REDUCTIONS, VIEWS, Graph, Node, at
from layerkit.recording.recordings import Recordings

_MULTIPLY = frozenset((
    *("convolve", "correlate", "corrcoef", "cov", "cross", "einsum", "inner", "kron"),
    *("matvec", "polyval", "tensordot", "vdot", "vecdot", "vecmat"),
))  # fmt: skip
"""Functions that multiply and add, how often is not counted here."""
_FREE = frozenset((
    *(*LEAVES, *VIEWS, "gather", "set", "at", "concatenate", "copy", "astype"),
    *("matmul", "einsum", "call"),
))  # fmt: skip
"""Operations without arithmetic, and those that are counted by themselves."""

_Shapes = list[tuple[Any, ...]]


class Size(NamedTuple):
    """A number of things: fixed + rows n + squares n^2 for n rows."""

    fixed: int = 0
    rows: int = 0
    squares: int = 0

    @classmethod
    def of(cls, shapes: _Shapes) -> Size:
        """The number of elements of ``shapes``, none of which has three axes of rows."""
        none, one, two = (sum(int(math.prod(at(s, n))) for s in shapes) for n in range(3))
        squares = (two - 2 * one + none) // 2
        return cls(none, one - none - squares, squares)

    @property
    def per_row(self) -> int | None:
        """What one more row adds; None if that depends on the number of rows."""
        return None if self.squares else self.rows


class Costs(NamedTuple):
    """What one pass over n rows costs.

    Parameters
    ----------
    macs
        Multiply-adds of all products; None if there are some that are not counted.
    flops
        Floating-point operations: two for each multiply-add, one for each number that an
        elementwise operation gives or a reduction takes.
    kept
        Bytes of the arrays that feed keeps for backprop, beside parameters and inputs.
    unknown
        Functions that were called and are not counted, by name.
    """

    macs: Size | None
    flops: Size
    kept: Size
    unknown: tuple[str, ...]


def macs_of_layers(planned: Sequence[PlannedLayer], dtype: Any) -> list[int | None]:
    """Multiply-adds of each layer for one more row; None if not known, or if rows meet there.

    Layers of equal structure are recorded and counted once.
    """
    recordings = Recordings(dtype)
    known: dict[int, int | None] = {}
    found = [recordings.get(one, training=False, keeps=False) for one in planned]
    for one in found:
        if id(one) not in known:
            size = None if isinstance(one, NotRecorded) else multiply_adds(one.graph.nodes())
            known[id(one)] = None if size is None else size.per_row
    return [known[id(one)] for one in found]


def total(counts: Iterable[int | None]) -> int | None:
    """The sum of ``counts``; None if one of them is not known."""
    found = list(counts)
    known = [count for count in found if count is not None]
    return sum(known) if len(known) == len(found) else None


def costs(graph: Graph) -> Costs:
    """Count what ``graph`` does; see ``feed_only`` for what inference does."""
    nodes = graph.nodes()
    flops = [(2, *shape) for node in nodes for shape in _products(node) or ()]
    worked = [node for node in nodes if node.op not in _FREE]
    flops += [node.args[0].shape if node.op in REDUCTIONS else node.shape for node in worked]
    called = [node.fn for node in nodes if node.op == "call" and not _einsum(node)]
    unknown = {str(getattr(fn, "__name__", fn)) for fn in called}
    kept = Size.of([(node.dtype.itemsize, *node.shape) for node in _kept(graph)])
    return Costs(multiply_adds(nodes), Size.of(flops), kept, tuple(sorted(unknown)))


def feed_only(graph: Graph) -> Graph:
    """``graph`` without its backprop."""
    return graph._replace(dx=None, grads={})


def multiply_adds(nodes: Iterable[Node]) -> Size | None:
    """Multiply-adds of ``nodes``: all combinations of a product's indices; None if unknown."""
    found = [_products(node) for node in nodes]
    known = [shape for shapes in found if shapes is not None for shape in shapes]
    return None if None in found else Size.of(known)


def _products(node: Node) -> _Shapes | None:
    """The sizes of the indices of a product, if ``node`` is one; None if it may be one."""
    if node.op == "matmul":
        return [(*node.shape, node.args[0].shape[-1])]
    if node.op not in ("call", "einsum"):
        return []
    if not _einsum(node):
        name, home = (str(getattr(node.fn, key, "")) for key in ("__name__", "__module__"))
        opaque = name in _MULTIPLY or "fft" in home or ("linalg" in home and name != "norm")
        return None if opaque else []
    words = node.args[0].replace(" ", "").partition("->")[0].split(",")
    sizes = {
        letter: size
        for word, arg in zip(words, node.args[1:], strict=True)
        for letter, size in zip(word, arg.shape, strict=False)
    }
    return [tuple(sizes.values())] if len(words) > 1 else []


def _einsum(node: Node) -> bool:
    """Whether ``node`` sums products of arrays, written in letters."""
    named = node.op == "call" and node.fn is np.einsum and isinstance(node.args[0], str)
    return node.op == "einsum" or (named and "." not in node.args[0])


def _kept(graph: Graph) -> list[Node]:
    """What backprop reads of feed's, each array once, views as what they show."""
    feed = {id(node) for node in feed_only(graph).nodes()}
    kept: dict[int, Node] = {}
    for node in graph.nodes():
        for arg in node.inputs() if id(node) not in feed else ():
            while arg.op in VIEWS and not _copies(arg):
                arg = arg.args[0]
            if id(arg) in feed and arg.op not in LEAVES:
                kept[id(arg)] = arg
    return list(kept.values())


def _copies(view: Node) -> bool:
    """Whether ``view`` gives windows another shape, which NumPy copies for."""
    base = view
    while view.op == "reshape" and base.op in VIEWS:
        base = base.args[0]
        if base.op == "windows":
            return True
    return False
