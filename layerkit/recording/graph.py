"""The graph of a recorded layer: one node per operation, for any number of rows n.

A graph is what ``feed`` and ``backprop`` of one layer compute. Sizes and numbers that depend on n
are ``Count``s. All other forms of a layer (planned, compiled, counted, exported) are read off it.

Operations, canonical so that readers of a graph know few of them:

- leaves: ``input`` (name: "x", "dy", "targets", "weights"), ``param`` and ``state`` (name),
  ``number`` (name: a Python float that is known only when a step runs), ``const`` (``value``, of
  shape () where it fills a larger ``shape``), ``arange`` (0 to n - 1 along one axis; others are
  of size 1), ``random`` (method, arguments, pairs of keyword and value, number of the draw, path of
  the layer inside that draws, such as ".dense_1", or "");
- elementwise: any ``np.ufunc`` by its name, without keywords, and ``where``, ``clip``, ``astype``
  (x, dtype), ``copy``;
- reductions ``sum``, ``max``, ``min``, ``prod`` with ``axis`` (a tuple, ascending, not negative),
  ``keepdims`` and sometimes ``dtype``; means and variances are written with sums;
- ``matmul``, as NumPy's, and ``einsum`` (letters, a, b) of two arrays, with a letter for each axis,
  none twice in one array, each in two of a, b and the result: "nct,cf->nft";
- views: ``transpose`` (x, axes), ``reshape`` (x, shape), ``broadcast_to`` (x, shape), ``index``
  (x, keys): keys are ints, ``Slice``s and None, one for each axis of x (None makes a new one),
  ``windows`` (x, sizes, axes): NumPy's sliding_window_view;
- ``gather`` (x, keys, some of them arrays of integers), ``set`` (x, keys, value: a copy with a part
  replaced), ``at`` (x, keys, value, ``ufunc``: ``np.ufunc.at`` on a copy), ``concatenate`` (arrays,
  axis, not negative);
- ``call``: any other NumPy function, ``fn``, with its arguments as they were.

Arithmetic of ``number`` leaves among themselves is Python's: such nodes have dtype None.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, ClassVar, NamedTuple

import numpy as np

LEAVES = frozenset(("input", "param", "state", "number", "const", "arange", "random"))
VIEWS = frozenset(("transpose", "reshape", "broadcast_to", "index", "windows"))
REDUCTIONS = frozenset(("sum", "max", "min", "prod"))


class Count(NamedTuple):
    """A number that depends on the number of rows: a n + b, or a / (per n) where ``per``."""

    a: float
    b: float = 0
    per: int = 0

    def at(self, n: int) -> float:
        """The number for ``n`` rows; a / 0 is infinite, as in NumPy."""
        if not self.per:
            return self.a * n + self.b
        return self.a / (self.per * n) if n else self.a * np.inf


N = Count(1)
"""The number of rows."""


class Slice(NamedTuple):
    """A slice that can be compared and hashed."""

    start: Any
    stop: Any
    step: Any


ALL = Slice(None, None, None)
"""All of an axis."""


def at(value: Any, n: int) -> Any:
    """``value`` for ``n`` rows: counts become numbers, ``Slice``s slices, through tuples."""
    if isinstance(value, Count):
        return value.at(n)
    if isinstance(value, Slice):
        return slice(*(at(v, n) for v in value))
    if isinstance(value, tuple):
        return tuple(at(v, n) for v in value)
    return value


class Node:
    """One value: the result of ``op`` on ``args`` and ``kw``.

    Arguments are nodes, numbers, ``Count``s, strings, None, dtypes, ``Slice``s and tuples of them.
    ``shape`` is of ints and ``Count``s; ``dtype`` is None for a Python number, which takes the
    dtype of the arrays that it meets. ``fn(*args, **kw)`` computes the value, except for leaves.
    ``line`` is where the author wrote it, "file:line". ``serial`` increases in the order in which
    the author's code ran.
    """

    __slots__ = ("args", "dtype", "fn", "kw", "line", "op", "serial", "shape", "value")

    _serials: ClassVar[Iterator[int]] = itertools.count(1)  # one step, also between threads

    def __init__(
        self,
        op: str,
        args: tuple[Any, ...] = (),
        kw: Mapping[str, Any] | None = None,
        *,
        fn: Callable[..., Any] | None = None,
        shape: tuple[Any, ...] = (),
        dtype: Any = None,
        value: Any = None,
        line: str = "",
        serial: int | None = None,
    ) -> None:
        self.op, self.args, self.kw, self.fn = op, args, dict(kw or {}), fn
        self.shape, self.dtype, self.value, self.line = shape, dtype, value, line
        self.serial = next(Node._serials) if serial is None else serial

    def inputs(self) -> Iterator[Node]:
        """The nodes among the arguments, in order."""
        return _nodes((*self.args, *self.kw.values()))

    def renewed(self, new: Callable[[Node], Any], serial: int | None = None) -> Node:
        """The same operation on the nodes that ``new`` gives for those among the arguments."""
        kw = {k: substituted(v, new) for k, v in self.kw.items()}
        rest = {k: getattr(self, k) for k in ("fn", "shape", "dtype", "value", "line")}
        return Node(self.op, substituted(self.args, new), kw, **rest, serial=serial)

    def __repr__(self) -> str:
        """The operation with its arguments in short, for debugging."""
        shown = ", ".join(a.op if isinstance(a, Node) else repr(a) for a in self.args)
        return f"{self.op}({shown}) {self.shape}"


def substituted(value: Any, new: Callable[[Node], Any]) -> Any:
    """``value`` with ``new(node)`` for each node in it, through tuples."""
    if isinstance(value, Node):
        return new(value)
    return tuple(substituted(v, new) for v in value) if type(value) is tuple else value


def _nodes(values: Iterable[Any]) -> Iterator[Node]:
    for value in values:
        if isinstance(value, Node):
            yield value
        elif isinstance(value, tuple):
            yield from _nodes(value)


class Graph(NamedTuple):
    """What a layer, a loss or an optimizer's rule computes.

    ``y`` is the output (of a loss: the losses of the rows; of a rule: the new parameters), ``dx``
    the gradient of the first input or None, ``grads`` the gradients by parameter, ``state`` what is
    written to the state (of a rule: to its slots) at the end of feed. ``draws`` are all random
    draws in their order: also one that nothing uses moves the stream.
    """

    y: Node
    dx: Node | None = None
    grads: Mapping[str, Node] = {}
    state: Mapping[str, Node] = {}
    draws: tuple[Node, ...] = ()

    def outputs(self) -> list[Node]:
        """All results, and the draws."""
        last = [] if self.dx is None else [self.dx]
        return [self.y, *self.state.values(), *self.grads.values(), *last, *self.draws]

    def renewed(self, new: Callable[[Node], Node]) -> Graph:
        """The graph of the nodes that ``new`` gives for these."""
        grads, state = ({k: new(v) for k, v in g.items()} for g in (self.grads, self.state))
        dx = None if self.dx is None else new(self.dx)
        return Graph(new(self.y), dx, grads, state, tuple(map(new, self.draws)))

    def nodes(self) -> list[Node]:
        """All nodes that the results need, in the author's order."""
        return in_order(self.outputs())


def in_order(roots: Iterable[Node], known: Iterable[Node] = ()) -> list[Node]:
    """The nodes that ``roots`` need, each after its arguments, in the author's order.

    Without those that are ``known``, and what only these need.
    """
    stop = {id(node) for node in known}
    seen: dict[int, Node] = {}
    todo = list(roots)
    while todo:
        node = todo.pop()
        if id(node) not in seen and id(node) not in stop:
            seen[id(node)] = node
            todo.extend(node.inputs())
    return sorted(seen.values(), key=lambda node: node.serial)


def readers(nodes: Iterable[Node]) -> dict[int, list[Node]]:
    """For each node, by its id, the nodes that read it."""
    nodes = list(nodes)
    found: dict[int, list[Node]] = {id(node): [] for node in nodes}
    for node in nodes:
        for arg in node.inputs():
            found[id(arg)].append(node)
    return found
