"""Where the values of a layer lie: order, homes, and memory that is used again.

Values of two axes (n, f) lie feature by feature, as (f, n): elementwise steps, products and sums
over rows then run over contiguous memory. Images (n, c, h, w) lie pixel by pixel, as (h, w, c, n):
the windows of a line are then neighbours (see ``execution.window_products``). A value has a
*home*: some columns of a *slot*. It moves into the home of an operand that is used for the last
time where it is computed, else into a slot of its own. Slots of one layer whose lives do not
overlap share the scratch memory of the stage.

The numbers of kernels are the clock: those of feed, then one for the end of feed, when the state
is written, then those of backprop.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

import numpy as np

from layerkit.execution.planned.joins import Rewriting, made
from layerkit.recording.graph import ALL, LEAVES, VIEWS, Count, Graph, Node, Slice, at, in_order

GIVEN = LEAVES - {"random"}
"""Operations whose values lie somewhere already."""

Kernel = Sequence[Node]
"""Nodes that run as one loop over elements, or a single node."""


# views


def is_view(node: Node) -> bool:
    """Whether ``node`` shows the memory of its argument, wherever that lies.

    A reshape does where it only cuts axes, or drops and adds axes of length 1, and where its
    argument was computed and lies in C order.
    """
    if node.op != "reshape":
        return node.op in VIEWS
    base = node.args[0]
    in_order = base.op not in LEAVES and not is_view(base) and not rows_last(base)
    return in_order or _cuts(base.shape, node.shape)


def _cuts(before: tuple[Any, ...], after: tuple[Any, ...]) -> bool:
    """Whether each axis of ``before`` is a product of successive axes of ``after``."""
    todo = [size for size in after if size != 1]
    for size in before:
        if isinstance(size, Count):
            if not todo or todo.pop(0) != size:
                return False
            continue
        product = 1
        while product < size and todo and not isinstance(todo[0], Count):
            product *= todo.pop(0)
        if product != size:
            return False
    return not todo


def root(node: Node) -> Node:
    """The node whose memory ``node`` shows: itself, or the base of a view."""
    while is_view(node):
        node = node.args[0]
    return node


def features_first(node: Node) -> bool:
    """Whether the value has rows that depend on n, and lies feature by feature."""
    shape = node.shape
    return len(shape) == 2 and isinstance(shape[0], Count) and not isinstance(shape[1], Count)


def is_image(node: Node) -> bool:
    """Whether the value has rows of three axes, and may lie pixel by pixel."""
    rows, *features = node.shape or (0,)
    return isinstance(rows, Count) and len(features) == 3 and _are_sizes(features)


def _are_sizes(shape: Sequence[Any]) -> bool:
    return not any(isinstance(size, Count) for size in shape)


def rows_last(node: Node) -> bool:
    """Whether the value may lie otherwise than in C order."""
    return features_first(node) or is_image(node)


class Part(NamedTuple):
    """What a value shows of ``root``: columns [low, high); ``exact`` if that is all it does."""

    root: Node
    low: int
    high: int
    exact: bool


def part(node: Node) -> Part:
    """The columns of its root that ``node`` shows, if it picks columns only; else all of them."""
    if not is_view(node):
        return Part(node, 0, _width(node), exact=True)
    base = part(node.args[0])
    picked = _columns(node) if base.exact else None
    if picked is None:
        return Part(base.root, 0, _width(base.root), exact=False)
    return Part(base.root, base.low + picked.start, base.low + picked.stop, exact=True)


def _columns(node: Node) -> range | None:
    """The columns that the view ``node`` picks, if it is x[:, a:b]."""
    base = node.args[0]
    if node.op != "index" or not features_first(base) or len(node.args[1]) != 2:
        return None
    rows, picked = node.args[1]
    if rows != ALL or not isinstance(picked, Slice) or any(isinstance(p, Count) for p in picked):
        return None
    found = range(base.shape[1])[slice(*picked)]
    return found if found.step == 1 and found else None


def _width(node: Node) -> int:
    """Columns of a value; a value that lies otherwise counts as one."""
    return int(node.shape[1]) if features_first(node) else 1


# order


def prepare(graph: Graph, *, keeps: bool, wants_dx: bool) -> Graph:
    """What is wanted of ``graph``, with memory of its own for each result.

    A result that is a leaf, a view or another result is copied, and so is a state that feed
    overwrites: backprop may read it, and other results may show it.
    """
    if not keeps:
        draws = tuple(node for node in graph.draws if node.serial < _boundary(graph))
        graph = graph._replace(grads={}, draws=draws)
    graph = graph if keeps and wants_dx else graph._replace(dx=None)
    if graph.state or not keeps:
        graph = _Preparing(graph, keeps).run()
    nodes, begin = graph.nodes(), _boundary(graph)
    taken: set[int] = set()

    def own(node: Node) -> Node:
        if is_view(node) or node.op in GIVEN or id(node) in taken:
            node = made("copy", (node,), node.shape, node)
        taken.add(id(node))
        return node

    y = own(graph.y)
    state = {name: own(node) for name, node in graph.state.items()}
    # Feed leaves alone what belongs to backprop's results: a half that another layer uses now.
    taken |= {id(node) for node in nodes if node.serial < begin}
    dx = None if graph.dx is None else own(graph.dx)
    # Steps do not read gradients, which may be columns of a larger matrix.
    taken |= {id(root(arg)) for node in nodes for arg in node.inputs()}
    grads = {name: own(node) for name, node in graph.grads.items()}
    return Graph(y, dx, grads, state, graph.draws)


class _Preparing(Rewriting):
    """Puts a copy, made by feed, in the place of each state that feed writes at its end.

    For inference, b / a stands for (1 / a) b where nothing else needs 1 / a: one step less.
    """

    def __init__(self, graph: Graph, keeps: bool) -> None:
        super().__init__(graph)
        self.keeps = keeps

    def visit(self, node: Node) -> None:
        super().visit(node)
        if node.op == "state" and node.args[0] in self.graph.state:
            self.new[id(node)] = made("snapshot", (self.new[id(node)],), node.shape, node)
        divides = node.op == "multiply" and not self.keeps
        for inverse, b in (node.args, node.args[::-1]) if divides else ():
            if self._is_inverse(inverse, node) and isinstance(b, Node) and b.dtype == node.dtype:
                args = self.get(b), self.get(inverse.args[1])
                self.new[id(node)] = made("divide", args, node.shape, node)
                break

    def _is_inverse(self, node: Any, like: Node) -> bool:
        """Whether ``node`` is 1 / a, read once, for an array a of its own dtype."""
        if not isinstance(node, Node) or node.op != "divide" or not self.inner(node):
            return False
        one, a = node.args
        same = isinstance(a, Node) and a.dtype == node.dtype == like.dtype
        return same and type(one) in (int, float) and one == 1


def _boundary(graph: Graph) -> float:
    """The serial number at which backprop began."""
    begins = [n.serial for n in graph.nodes() if n.op == "input" and n.args[0] in ("dy", "weights")]
    return begins[0] if begins else math.inf


def split(graph: Graph) -> tuple[list[Node], list[Node]]:
    """What feed and what backprop compute, without leaves and views.

    Feed computes what y and the state need and what the author wrote in ``feed``: the author
    decides what is kept and what is computed again.
    """
    nodes, begin = graph.nodes(), _boundary(graph)
    needed = {id(node) for node in in_order([graph.y, *graph.state.values()])}
    if begin == math.inf and (graph.grads or graph.dx is not None):  # nothing reads dy
        draws = [n.serial for n in graph.draws if id(n) in needed]
        begin = max(draws, default=0)  # draws keep their order
    forward: list[Node] = []
    backward: list[Node] = []
    for node in nodes:
        if node.op in GIVEN or is_view(node):
            continue
        first = id(node) in needed or node.serial < begin or node.op == "snapshot"
        (forward if first else backward).append(node)
    return forward, _products_together(backward)


def _products_together(nodes: list[Node]) -> list[Node]:
    """A product that nothing reads moves down to the next product: cores then share both.

    One of windows moves to the last one of the same windows: these are then packed once.
    """
    read = {id(root(arg)) for node in nodes for arg in node.inputs()}
    last = {_windows(node): node for node in nodes if multiplies_windows(node)}
    moved: dict[int, list[Node]] = {}
    for node in nodes:
        if multiplies_windows(node) and id(node) not in read:
            moved.setdefault(id(last[_windows(node)]), []).append(node)
    gone = {id(node) for others in moved.values() for node in others}
    nodes = [
        one
        for node in nodes
        for one in (*moved.get(id(node), ()), *(() if id(node) in gone else (node,)))
    ]
    ordered: list[Node] = []
    waiting: list[Node] = []
    for node in nodes:
        if node.op == "matmul" and id(node) not in read:
            waiting.append(node)
        else:
            ordered += [*waiting, node] if node.op == "matmul" else [node]
            waiting = [] if node.op == "matmul" else waiting
    return ordered + waiting


def multiplies_windows(node: Node) -> bool:
    """Whether ``node`` is an ``einsum`` of windows with another array."""
    shown = node.args[1] if node.op == "einsum" else node
    while shown.op in VIEWS and shown.op != "windows":
        shown = shown.args[0]
    return node.op == "einsum" and shown.op == "windows"


def are_one(first: Node, second: Node) -> bool:
    """Whether two products of the same windows are computed together."""
    both = multiplies_windows(first) and multiplies_windows(second)
    return both and _windows(first) == _windows(second) and root(second.args[2]) is not first


def _windows(node: Node) -> tuple[str, int]:
    """What a product of windows multiplies, and how."""
    return node.args[0], id(node.args[1])


# homes


class Home(NamedTuple):
    """Columns [start, start + width) of the slot with this number."""

    slot: int
    start: int
    width: int


class _Read(NamedTuple):
    """A kernel reads columns [low, high); ``exact``: element by element, where they lie."""

    kernel: int
    low: int
    high: int
    exact: bool


@dataclass
class Slot:
    """Memory for one value after another, from kernel ``begin`` to kernel ``end``.

    Kinds: ``own`` of the layer (what feed keeps for backprop, and y then); ``half`` for the result
    that goes to the neighbour, in one of two halves that the layers of a stage use in turn;
    ``scratch``, shared by all layers of a stage.
    """

    shape: tuple[Any, ...]
    dtype: np.dtype[Any]
    width: int
    begin: int
    end: int
    kind: Literal["own", "half", "scratch"] = "scratch"
    reads: list[_Read] = field(default_factory=list)

    def nbytes(self, n: int) -> int:
        """Bytes for ``n`` rows, a multiple of 64.

        Large slots do not begin at equal places in a page, where they would drive each other out
        of the cache.
        """
        size: int = math.prod(at(self.shape, n)) * self.dtype.itemsize
        return -(-size // 64) * 64 + (64 if size >= 4096 else 0)


class Sizes(NamedTuple):
    """For one n, in bytes: where each slot begins in the memory of its kind, and all memory."""

    offsets: list[int]
    own: int
    half: int
    scratch: int


@dataclass
class Places:
    """Where a layer's values lie, by id of the node.

    Views and leaves have no home, nor have values that only their own kernel reads. ``grads`` names
    the parameter into whose gradient a value is computed, without a home. ``copied`` says which
    arrays of a ``concatenate`` must be copied; the others lie there. ``pixels``: images lie pixel
    by pixel.
    """

    homes: dict[int, Home]
    slots: list[Slot]
    grads: dict[int, str]
    copied: dict[int, tuple[int, ...]]
    pixels: bool = True

    def home(self, node: Node) -> Home | None:
        """Where ``node`` lies, if it has a home or shows columns of a value that has one."""
        shown = part(node)
        home = self.homes.get(id(shown.root)) if shown.exact else None
        if home is None:
            return None
        return Home(home.slot, home.start + shown.low, shown.high - shown.low)

    def layout(self, n: int) -> Sizes:
        """Where the slots lie for ``n`` rows. Scratch slots: first fit over their lives."""
        own = half = scratch = 0
        offsets: list[int] = []
        placed: list[tuple[int, int, Slot]] = []
        for slot in self.slots:
            size, here = slot.nbytes(n), 0
            if slot.kind == "own":
                here, own = own, own + size
            elif slot.kind == "half":
                half = max(half, size)
            else:
                for begin, end, other in sorted(placed, key=lambda p: p[:2]):
                    if other.end < slot.begin or slot.end < other.begin:
                        continue
                    if begin - here >= size:
                        break
                    here = max(here, end)
                placed.append((here, here + size, slot))
                scratch = max(scratch, here + size)
            offsets.append(here)
        return Sizes(offsets, own, half, scratch)


def place(
    forward: Sequence[Kernel],
    backward: Sequence[Kernel],
    graph: Graph,
    *,
    keeps: bool,
    alone: bool = False,
) -> Places:
    """Homes for the values of these kernels; ``alone``: no neighbour takes a result over.

    A kernel loads all operands of an element before it stores the element: its results may lie
    where an operand lay that dies there.
    """
    handed = None if alone else graph.dx if keeps else graph.y
    kernels = [*forward, [], *backward]
    return _Placing(kernels, len(forward), graph, handed).run()


class _Placing:
    def __init__(self, kernels: list[Kernel], edge: int, graph: Graph, handed: Node | None) -> None:
        self.kernels, self.edge, self.last = kernels, edge, len(kernels)
        self.graph, self.handed = graph, handed
        grads = {id(node): name for name, node in graph.grads.items()}
        pixels = not any(_is_stacked(node) for kernel in kernels for node in kernel)
        self.places = Places({}, [], grads, {}, pixels)
        self.ends = {id(node) for node in graph.outputs()}
        self.made_in = {id(n): i for i, kernel in enumerate(self.kernels) for n in kernel}
        self.reads: dict[int, list[_Read]] = {}
        self.stored: set[int] = set()
        self.whole_of: dict[int, tuple[Node, int]] = {}  # of a part: its concatenate, first column

    def run(self) -> Places:
        """Give homes in the order of the kernels."""
        self._find_reads(self.graph)
        for kernel in self.kernels:
            for node in kernel:
                if node.op == "concatenate":
                    self._find_parts(node)
        for i, kernel in enumerate(self.kernels):
            for node in kernel:
                if id(node) in self.stored and id(node) not in self.places.grads:
                    self._settle(node, i, kernel)
        return self.places

    def _find_reads(self, graph: Graph) -> None:
        for i, kernel in enumerate(self.kernels):
            for node in kernel:
                for arg in node.inputs():
                    self._note(i, part(arg))
        for node in graph.state.values():
            self._note(self.edge, part(node))
        for end in [graph.y, *graph.grads.values(), *([] if graph.dx is None else [graph.dx])]:
            self._note(self.last, part(end))

    def _note(self, kernel: int, read: Part) -> None:
        key = id(read.root)
        self.reads.setdefault(key, []).append(_Read(kernel, *read[1:]))
        if self.made_in.get(key, kernel) != kernel and read.root.dtype is not None:
            self.stored.add(key)

    def _find_parts(self, whole: Node) -> None:
        """Arrays to be concatenated are computed in place where they can be."""
        copied, start = [], 0
        for i, array in enumerate(whole.args[0]):
            if self._fits(array, whole):
                self.whole_of[id(array)] = whole, start
            else:
                copied.append(i)
            start += _width(array)
        self.places.copied[id(whole)] = tuple(copied)

    def _fits(self, array: Node, whole: Node) -> bool:
        """Whether ``array`` can be computed where ``whole`` needs it."""
        return (
            features_first(whole)
            and features_first(array)
            and whole.args[1] == 1
            and array.dtype == whole.dtype
            and array.op not in ("concatenate", *LEAVES)
            and not is_view(array)
            and id(array) not in self.ends | self.whole_of.keys()
            and id(whole) in self.reads.keys() - self.places.grads.keys()
        )

    def _settle(self, node: Node, i: int, kernel: Kernel) -> None:
        key = id(node)
        if key in self.whole_of:
            whole, start = self.whole_of[key]
            if id(whole) not in self.places.homes:
                self._take(whole, self._new(whole, i))
            home = Home(self.places.homes[id(whole)].slot, start, _width(node))
        elif key in self.places.homes:  # a concatenate with parts
            return
        else:
            home = self._dying(node, i, kernel) or self._new(node, i)
        self._take(node, home)

    def _new(self, node: Node, i: int) -> Home:
        width = _width(node)
        self.places.slots.append(Slot(node.shape, np.dtype(node.dtype), width, i, i))
        return Home(len(self.places.slots) - 1, 0, width)

    def _take(self, node: Node, home: Home) -> None:
        """``node`` lives in ``home`` from now on."""
        self.places.homes[id(node)] = home
        slot = self.places.slots[home.slot]
        for read in self.reads[id(node)]:
            slot.reads.append(read._replace(low=read.low + home.start, high=read.high + home.start))
            slot.end = max(slot.end, self._until(read.kernel))
        if node is self.handed:
            slot.kind = "half"
        elif node is self.graph.y or slot.begin < self.edge < slot.end:
            slot.kind = "own"

    def _until(self, i: int) -> int:
        """The last kernel that may run at the same time as kernel i: cores share two products."""
        together = [node.op for kernel in self.kernels[i : i + 2] for node in kernel]
        if together == ["matmul", "matmul"]:
            return i + 1
        while [node.op for kernel in self.kernels[i : i + 2] for node in kernel] == ["einsum"] * 2:
            i += 1  # perhaps of the same windows
        return i

    def _dying(self, node: Node, i: int, kernel: Kernel) -> Home | None:
        """The home of an operand of ``kernel`` that ``node`` can take over; whole slots first."""
        if node.op in ("matmul_add", "set"):  # what they change
            operands = [node.args[2 if node.op == "matmul_add" else 0]]
        elif is_elementwise(node):
            operands = [arg for other in kernel for arg in other.inputs()]
        else:
            return None
        homes = [
            self.places.home(arg)
            for arg in operands
            if arg.shape == node.shape and arg.dtype == node.dtype
        ]
        free = [h for h in homes if h and self._free(h, i) and self._allowed(node, h)]
        return min(free, key=self._is_block, default=None)

    def _free(self, home: Home, i: int) -> bool:
        """Whether nothing reads ``home`` after kernel i, and i only element by element."""
        low, high = home.start, home.start + home.width
        for read in self.places.slots[home.slot].reads:
            if read.kernel >= i and read.low < high and low < read.high:
                same = read.exact and (read.low, read.high) == (low, high)
                if read.kernel > i or not same:
                    return False
        return True

    def _allowed(self, node: Node, home: Home) -> bool:
        """Results take whole slots, and dx none that holds what feed keeps."""
        y = self.graph.y
        if node is not y and node is not self.handed:
            return True
        late = node is y or self.places.slots[home.slot].begin > self.edge
        return late and not self._is_block(home)

    def _is_block(self, home: Home) -> bool:
        return home.width != self.places.slots[home.slot].width


def _is_stacked(node: Node) -> bool:
    """Whether ``node`` is a stack of products, whose matrices must not have rows last."""
    return node.op == "matmul" and len(node.shape) > 2


def is_elementwise(node: Node) -> bool:
    """Whether each element of the result depends on one element of each operand."""
    if isinstance(node.fn, np.ufunc):
        return node.fn.signature is None and node.op not in ("matmul", "matmul_add")
    return node.op in ("where", "clip", "copy", "snapshot", "astype")
