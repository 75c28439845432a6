"""A layer's graph as IR: ``feed`` and ``back``, functions of a row of the table and n.

Values of rows lie rows last, so that the inner loops run over neighbouring rows. In the form for
one row there are no rows: the inner loops run over features, and products are loops too.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from layerkit.recording.graph import VIEWS, Count, Graph, Node
from layerkit_plugins.compiled.llvm import scalars
from layerkit_plugins.compiled.llvm.elements import Element, Pointer, memory_of
from layerkit_plugins.compiled.llvm.emit import ELEMENTWISE, SUM, Function, Value
from layerkit_plugins.compiled.llvm.products import AFFINE, PRODUCT
from layerkit_plugins.compiled.llvm.schedule import Kernel, in_loop
from layerkit_plugins.compiled.llvm.sizes import (
    ONE,
    Cell,
    Dim,
    N,
    NotCompiled,
    Place,
    Size,
    broadcast,
    canonical,
    indexed,
    reshaped,
    transposed,
    unknown,
)

HEADER = 2
"""Cells of a row before those of its structure: the addresses of ``feed`` and ``back``."""


class Memory(NamedTuple):
    """Where values lie: slot and first column, or the cell with their address, by id of the node.

    ``copied`` says by id of a ``concatenate`` which of its parts do not lie in it already.
    """

    homes: Mapping[int, tuple[int, int]]
    cells: Mapping[int, Cell]
    copied: Mapping[int, tuple[int, ...]]


class Code:
    """The IR of one structure.

    ``cells`` are what a row of the table holds after its header, ``constants`` the arrays among
    them, ``numbers`` the numbers that are known only when a step runs. ``apart`` names inputs whose
    rows do not lie side by side: (n, f) in C order.

    Raises
    ------
    NotCompiled
        From all methods: the reason why a node is not compiled.
    """

    def __init__(
        self, graph: Graph, memory: Memory, *, row: bool = False, apart: Sequence[str] = ()
    ) -> None:
        self.cells: list[Cell] = []
        self.constants: list[np.ndarray[Any, Any]] = []
        self.numbers: list[Node] = []
        self._graph, self.memory, self._row, self._apart = graph, memory, row, apart
        self._places: dict[int, Place] = {}
        self._functions: list[str] = []
        self._intrinsics: set[str] = set()

    def text(self, feed: Sequence[Kernel], back: Sequence[Kernel]) -> str:
        """The module."""
        passes = [self._pass("feed", feed), self._pass("back", back)]
        return "\n".join([*sorted(self._intrinsics), PRODUCT, AFFINE, *self._functions, *passes])

    # Sizes and places

    def dims(self, node: Node) -> tuple[Dim, ...]:
        """The shape; where there is one row, 1 in place of N."""
        for dim in node.shape:
            if isinstance(dim, Count) and dim != N:
                raise NotCompiled(f"an axis of {dim.a:g} n + {dim.b:g} elements")
        if node.shape.count(N) > 1:
            raise NotCompiled("an array of rows by rows")
        return tuple(1 if self._row and dim == N else dim for dim in node.shape)

    def cell(self, f: Function, cell: Cell, kind: str = "i64") -> Value:
        """What the row of the table holds."""
        if cell not in self.cells:
            self.cells.append(cell)
        index = str(HEADER + self.cells.index(cell))

        def load() -> Value:
            return f.value(f"load {kind}, ptr {f.at('i64', '%t', index)}", kind)

        return f.once((cell, kind), load)

    def size(self, f: Function, size: Size) -> str:
        """A size as a name or number."""

        def compute() -> Value:
            total = f.number(0, "i64")
            for k, (coefficient, factors) in enumerate(size.terms):
                term = f.number(coefficient, "i64")
                for i, factor in enumerate(factors):
                    value = Value(f, "%n", "i64") if factor == N else self.cell(f, factor)
                    term = value if i == 0 and coefficient == 1 else term * value
                total = total + term if k else term
            return total

        return f.once(size, compute).text

    def place(self, node: Node) -> Place:
        """Where a value lies, through views."""
        found = self._places.get(id(node))
        if found is None:
            found = self._places[id(node)] = self._find(node, self.dims(node))
            if found.dims != self.dims(node):
                raise NotCompiled(f"{node.op}: a shape that was not expected")
        return found

    def _find(self, node: Node, dims: tuple[Dim, ...]) -> Place:
        memory = self.memory
        if id(node) in memory.homes:
            slot, start = memory.homes[id(node)]
            whole = canonical(("slot", slot), dims, memory_of(node))
            return (
                whole._replace(offset=whole.strides[-1].times(Size.of(start))) if start else whole
            )
        if id(node) in memory.cells:
            return self._matrix(memory.cells[id(node)], node)
        if node.op == "param":
            return self._matrix(("param", node.args[0]), node)
        if node.op in VIEWS:
            return self._view(self.place(node.args[0]), node, dims)
        if node.op == "const":
            known = [k for k, value in enumerate(self.constants) if value is node.value]
            if not known:
                self.constants.append(node.value)
            cell: Cell = ("const", *(known or [len(self.constants) - 1]))
        elif node.op in ("input", "state"):
            cell = (node.op, node.args[0])
        else:
            raise NotCompiled(f"{node.op} where an array in memory is needed")
        place = canonical(cell, dims, memory_of(node))
        if node.op == "const" and np.shape(node.value) != node.shape:  # one number fills it
            return place._replace(strides=(Size(),) * len(dims))
        if node.op == "input" and node.args[0] in self._apart and len(dims) == 2:
            return place._replace(strides=(Size.cell(("stride", node.args[0])), ONE))
        return place

    def _view(self, place: Place, node: Node, dims: tuple[Dim, ...]) -> Place:
        if node.op == "transpose":
            axes = node.args[1] if len(node.args) > 1 else node.kw.get("axes")
            return transposed(place, axes)
        if node.op == "index":
            return indexed(place, node.args[1])
        if node.op == "reshape":
            return reshaped(place, dims)
        return broadcast(place, dims)

    def _matrix(self, cell: Cell, node: Node) -> Place:
        """A parameter or gradient: matrices may be column blocks of wider ones."""
        dims = self.dims(node)
        whole = canonical(cell, dims, memory_of(node))
        return (
            whole._replace(strides=(Size.cell(("stride", *cell)), ONE)) if len(dims) == 2 else whole
        )

    # Kernels

    def _pass(self, name: str, kernels: Sequence[Kernel]) -> str:
        f = Function(f"define void @{name}(ptr %t, i64 %n, ptr %gemm)")
        for kernel in kernels:
            node = kernel[0]
            if in_loop(node):
                self._call(f, partial(self._loop, kernel))
            elif _joining(node) is not None:
                self._call(f, partial(self._reduce, node))
            elif node.op in ("matmul", "matmul_add"):
                self._product(f, node)
            elif node.op == "concatenate":
                self._join(f, node)
            else:
                raise unknown(node)
        if name == "feed":
            for key, node in self._graph.state.items():
                target = canonical(("state", key), self.dims(node), memory_of(node))
                self._copy(f, self.place(node), target)
        return self._finished(f)

    def _finished(self, f: Function) -> str:
        self._intrinsics |= f.intrinsics
        return f.text()

    def _call(self, caller: Function, write: Callable[[Function, Pointer], None]) -> None:
        """A kernel as a function of its own: LLVM then knows that its arrays do not overlap.

        Arrays that start at one address are one argument.
        """
        given: dict[Place, str] = {}

        def pointer(place: Place) -> str:
            start = place._replace(dims=(), strides=())
            return given.setdefault(start, f"%a{len(given)}")

        f = Function("")
        write(f, pointer)
        name = f"@k{len(self._functions)}"
        params = "".join(f", ptr noalias {a}" for a in given.values())
        f.head = f"define internal void {name}(ptr noalias readonly %t, i64 %n{params}) noinline"
        self._functions.append(self._finished(f))
        args = "".join(f", ptr {self._address(caller, place)}" for place in given)
        caller.do(f"call void {name}(ptr %t, i64 %n{args})")

    def _address(self, f: Function, place: Place) -> str:
        start = self.cell(f, place.cell, "ptr").text
        return f.at(place.kind, start, self.size(f, place.offset))

    def _nest(self, f: Function, stack: ExitStack, dims: Sequence[Dim]) -> list[str]:
        """Loops over ``dims``, rows inside; the index of each axis."""
        index = ["0"] * len(dims)
        for axis in sorted(range(len(dims)), key=lambda axis: (dims[axis] == N, axis)):
            if dims[axis] != 1:
                index[axis] = stack.enter_context(f.loop(self.size(f, Size.of(dims[axis]))))
        return index

    def element(self, f: Function, strides: Sequence[Size], index: Sequence[str]) -> str:
        """The number of the element at ``index``."""
        total: Value | None = None
        for stride, i in zip(strides, index, strict=True):
            if i != "0" and stride.terms:
                term = Value(f, i, "i64")
                if stride != ONE:
                    term = term * Value(f, self.size(f, stride), "i64")
                total = term if total is None else total + term
        return "0" if total is None else total.text

    def _copy(self, caller: Function, source: Place, target: Place) -> None:
        def write(f: Function, pointer: Pointer) -> None:
            with ExitStack() as stack:
                index = self._nest(f, stack, source.dims)
                at, to = (self.element(f, p.strides, index) for p in (source, target))
                value = f.load(source.kind, pointer(source), at)
                if source.kind == "i8" != target.kind:  # truth values among numbers
                    value = value.to("i1").to(target.kind)
                f.store(value, pointer(target), to)

        self._call(caller, write)

    def _join(self, f: Function, node: Node) -> None:
        """The parts of a ``concatenate`` that do not lie in it already."""
        whole, parts = self.place(node), node.args[0]
        axis = node.args[1] if len(node.args) > 1 else node.kw.get("axis", 0)
        start = Size()
        for k, part in enumerate(parts):
            if k in self.memory.copied.get(id(node), range(len(parts))):
                offset = whole.offset.plus(start.times(whole.strides[axis]))
                dims = self.dims(part)
                self._copy(f, self.place(part), whole._replace(offset=offset, dims=dims))
            start = start.plus(Size.of(self.dims(part)[axis]))

    # Products

    def _product(self, f: Function, node: Node) -> None:
        a, b = (self.place(arg) for arg in node.args[:2])
        c = self.place(node)
        if not len(a.dims) == len(b.dims) == len(c.dims) == 2 or {a.kind, b.kind} != {"float"}:
            raise NotCompiled("a product that is not of two matrices of float32")
        adds = node.op == "matmul_add"
        if adds:
            before = self.place(node.args[2])
            if (before.cell, before.offset) != (c.cell, c.offset):
                self._copy(f, before, c)
        if self._row:
            self._row_product(f, a, b, c, adds)
            return
        if c.strides[0] != ONE:  # the library stores columns first: C^T = B^T A^T
            a, b, c = transposed(b, None), transposed(a, None), transposed(c, None)
        m, n = (self.size(f, Size.of(dim)) for dim in c.dims)
        k = self.size(f, Size.of(a.dims[1]))
        args = f"i64 {m}, i64 {n}, i64 {k}, float {int(adds)}.0"
        for matrix in (a, b, c):
            turned = matrix.strides[0] != ONE
            _check_matrix(matrix, 1 if turned else 0)
            apart = self.size(f, matrix.strides[0 if turned else 1])
            args += (
                f", ptr {self._address(f, matrix)}, i64 {apart}, i8 {ord('T' if turned else 'N')}"
            )
        f.do(f"call void @product(ptr %gemm, {args})")

    def _row_product(self, f: Function, a: Place, b: Place, c: Place, adds: bool) -> None:
        if a.dims[0] != 1 or a.strides[1] != ONE or c.strides[1] != ONE:
            raise NotCompiled("a product that is not of a row with a matrix")
        _check_matrix(b, 1)
        i, o = (self.size(f, Size.of(dim)) for dim in b.dims)
        x, w, z = (self._address(f, place) for place in (a, b, c))
        apart = self.size(f, b.strides[0])
        args = f"ptr {x}, i64 {i}, ptr {w}, i64 {apart}, i64 {o}, ptr {z}, i1 {int(adds)}"
        f.do(f"call void @affine({args})")

    # Reductions

    def _reduce(self, node: Node, f: Function, pointer: Pointer) -> None:
        source, target = self.place(node.args[0]), self.place(node)
        how = _joining(node)
        assert how is not None  # noqa: S101  # the caller asked
        if (source.kind, target.kind) != ("float", how.kind):
            raise NotCompiled(f"{node.op} of {node.args[0].dtype}")
        axes = _axes(node)
        dims, inner = list(source.dims), [1] * len(source.dims)
        for axis in axes:
            inner[axis], dims[axis] = dims[axis], 1
        kept = [axis for axis in range(len(dims)) if axis not in axes]
        strides = [Size()] * len(dims)  # of the result, by axis of the source
        own = kept if len(target.dims) == len(kept) else range(len(dims))
        for axis, stride in zip(own, target.strides, strict=True):
            strides[axis] = stride if axis in kept else Size()
        f.flags = SUM

        def take(index: list[str], total: str, at: str = "0") -> None:
            value = f.load("float", pointer(source), self.element(f, source.strides, index))
            value = how.enter(value, index[axes[0]] if axes else "0")
            f.store(how.join(f.load(how.kind, total, at), value), total, at)

        if N not in dims:
            with ExitStack() as stack:
                outer = self._nest(f, stack, dims)
                total = f.room(how.kind, f.number(how.start, how.kind).text)
                with ExitStack() as inside:
                    take(_both(outer, self._nest(f, inside, inner)), total)
                at = self.element(f, strides, outer)
                f.store(how.leave(f.load(how.kind, total)), pointer(target), at)
            return
        rows = dims.index(N)
        features = [1 if axis == rows else dim for axis, dim in enumerate(dims)]
        count = self.size(f, Size.of(N))
        with ExitStack() as stack:
            outer = self._nest(f, stack, features)
            with f.loop(count) as outer[rows]:
                at = self.element(f, strides, outer)
                f.store(f.number(how.start, how.kind), pointer(target), at)
            with ExitStack() as inside:
                inside_index = self._nest(f, inside, inner)
                with f.loop(count) as outer[rows]:
                    at = self.element(f, strides, outer)
                    take(_both(outer, inside_index), pointer(target), at)
            with f.loop(count if how.kind == "i64" else "0") as outer[rows]:
                at = self.element(f, strides, outer)
                f.store(how.leave(f.load(how.kind, pointer(target), at)), pointer(target), at)

    # Elementwise operations

    def _loop(self, kernel: Kernel, f: Function, pointer: Pointer) -> None:
        """All results of an element are computed before the first is stored: they may share memory
        with operands.
        """
        f.flags = ELEMENTWISE
        dims = [dim for dim in self.dims(kernel[0]) if dim != 1]
        with ExitStack() as stack:
            found = self._nest(f, stack, dims)
            element = Element(self, f, pointer, found)
            for node in kernel:
                element.compute(node)
            for node in kernel:
                if id(node) in self.memory.homes or id(node) in self.memory.cells:
                    place, value = self.place(node), element.values[id(node)]
                    at = self.element(f, place.strides, element.index(place.dims))
                    f.store(value.to(place.kind), pointer(place), at)


class _Joining(NamedTuple):
    """A reduction: what it starts from, and how a total takes an element.

    ``enter`` makes of an element and its index what is joined, ``leave`` of the total the result.
    """

    start: float
    join: Callable[[Value, Value], Value]
    enter: Callable[[Value, str], Value] = lambda x, _: x
    leave: Callable[[Value], Value] = lambda total: total
    kind: str = "float"


_ARG = _Joining(-(2**63), scalars.larger, scalars.ranked, scalars.index_of, "i64")

_JOINING = {
    "sum": _Joining(0.0, lambda a, b: a + b),
    "prod": _Joining(1.0, lambda a, b: a * b),
    "max": _Joining(-math.inf, scalars.maximum),
    "min": _Joining(math.inf, scalars.minimum),
}


def _joining(node: Node) -> _Joining | None:
    """How a reduction works; None for other nodes, and for a search of the whole array."""
    if node.op != "call" or node.fn not in (np.argmax, np.argmin):
        return _JOINING.get(node.op)
    if not _axes(node):
        return None
    down = node.fn is np.argmin
    return _ARG._replace(enter=lambda x, i: scalars.ranked(-x, i)) if down else _ARG


def _axes(node: Node) -> tuple[int, ...]:
    """The axes that a reduction is over."""
    axis = node.kw.get("axis", node.args[1] if len(node.args) > 1 else ())
    axes = axis if isinstance(axis, tuple) else () if axis is None else (axis,)
    return tuple(axis % len(node.args[0].shape) for axis in axes)


def _check_matrix(matrix: Place, axis: int) -> None:
    """Refuse what BLAS cannot read: elements must be neighbours along ``axis``, and the other axis
    must run forwards.
    """
    other = matrix.strides[1 - axis]
    forwards = bool(other.terms) and all(coefficient > 0 for coefficient, _ in other.terms)
    if matrix.strides[axis] != ONE or not (forwards or matrix.dims[1 - axis] == 1):
        raise NotCompiled("a product of a matrix that is flipped, repeated or without neighbours")


def _both(outer: Sequence[str], inner: Sequence[str]) -> list[str]:
    return [b if a == "0" else a for a, b in zip(outer, inner, strict=True)]
