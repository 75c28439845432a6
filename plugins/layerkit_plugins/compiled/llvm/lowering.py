"""A layer's graph as IR: ``feed`` and ``back``, functions of a row of the table and n.

Values of rows lie rows last, so that the inner loops run over neighbouring rows. In the form for
one row there are no rows: the inner loops run over features, and products are loops too.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from itertools import zip_longest
from typing import Any, NamedTuple

import numpy as np

from layerkit.core.context import Array
from layerkit.execution.planned.joins import Layout, address
from layerkit.execution.planned.memory import are_one, multiplies_windows
from layerkit.recording.graph import ALL, VIEWS, Count, Graph, Node, at
from layerkit_plugins.compiled.llvm import copies, scalars
from layerkit_plugins.compiled.llvm.elements import Element, Pointer, memory_of
from layerkit_plugins.compiled.llvm.emit import ELEMENTWISE, SUM, Function, Value
from layerkit_plugins.compiled.llvm.places import (
    NOTHING,
    ONE,
    ROWS,
    Cell,
    Dim,
    N,
    NotCompiled,
    Place,
    Size,
    memory,
    unknown,
)
from layerkit_plugins.compiled.llvm.products import AFFINE, PRODUCT
from layerkit_plugins.compiled.llvm.schedule import Kernel, in_loop, is_block_set, is_flattened
from layerkit_plugins.compiled.llvm.windows import multiply_windows

HEADER = 2
"""Cells of a row before those of its structure: the addresses of ``feed`` and ``back``."""


class Memory(NamedTuple):
    """Where values lie: slot and first column, or the cell with their address, by id of the node.

    ``copied`` says by id of a ``concatenate`` which of its parts do not lie in it already. Buffers
    come after the ``slots``.
    """

    homes: Mapping[int, tuple[int, int]]
    cells: Mapping[int, Cell]
    copied: Mapping[int, tuple[int, ...]]
    slots: int = 0


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
        self,
        graph: Graph,
        memory: Memory,
        *,
        layout: Layout | None = None,
        row: bool = False,
        apart: Sequence[str] = (),
    ) -> None:
        self.cells: list[Cell] = []
        self.constants: list[np.ndarray[Any, Any]] = []
        self.numbers: list[Node] = []
        self.buffers: dict[str, Size] = {}
        self.memory = memory
        self._graph, self._layout, self._row, self._apart = graph, layout, row, apart
        self.rows = (1, 1) if row else ROWS
        self._places: dict[int, Place] = {}
        self._functions: dict[str, str] = {}  # names by text
        self._intrinsics: set[str] = set()

    def text(self, feed: Sequence[Kernel], back: Sequence[Kernel]) -> str:
        """The module."""
        passes = [self._pass("feed", feed), self._pass("back", back)]
        kernels = [f"define internal void {name}{text}" for text, name in self._functions.items()]
        return "\n".join([*sorted(self._intrinsics), PRODUCT, AFFINE, *kernels, *passes])

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
        """A size as a name or number; 0 and 1 are written into the code."""

        def number(value: int) -> Value:
            return f.number(value, "i64") if value in (0, 1) else self.cell(f, ("size", value))

        def compute() -> Value:
            if not size.a:
                return number(size.b)
            n = Value(f, "%n", "i64")
            n = n if size.a == 1 else n * number(size.a)
            return n + number(size.b) if size.b else n

        return f.once(size, compute).text

    def place(self, node: Node) -> Place:
        """Where a value lies, through views."""
        found = self._places.get(id(node))
        if found is None:
            found = self._places[id(node)] = self._find(node)
        return found

    def _find(self, node: Node) -> Place:
        homes, key = self.memory.homes, id(node)
        if key in homes:
            slot, start = homes[key]
            return self._whole(("slot", slot), node, start)
        if key in self.memory.cells:
            return self._whole(self.memory.cells[key], node)
        if node.op in VIEWS:
            return self.view(node)
        if node.op == "const":
            known = [k for k, value in enumerate(self.constants) if value is node.value]
            if not known:
                self.constants.append(node.value)
            return self._whole(("const", *(known or [len(self.constants) - 1])), node)
        if node.op in ("param", "input", "state"):
            return self._whole((node.op, node.args[0]), node)
        raise NotCompiled(f"{node.op} where an array in memory is needed")

    def view(self, node: Node) -> Place:
        """What ``node`` shows of its argument; NotCompiled if it would have to copy."""
        if node.op == "index":
            keys = [key for key in node.args[1] if key is not None]
            if any(d == N and k != ALL for d, k in zip(node.args[0].shape, keys, strict=True)):
                raise NotCompiled("picks some of the rows")
        return self.place(node.args[0]).view(node, self.dims(node), self.rows)

    def _whole(self, cell: Cell, node: Node, start: int = 0) -> Place:
        """A value after the address in ``cell``; ``start`` columns lie before it."""
        shown, begins = [], []
        for n in self.rows:
            array = self._stand_in(cell, node, n)
            shown.append(array)
            begins.append(address(array) - start * n)
        return Place(cell, self.dims(node), memory_of(node), shown, begins)

    def _stand_in(self, cell: Cell, node: Node, n: int) -> Array:
        shape = at(node.shape, n)
        if cell[0] in ("param", "grad") and self._layout is not None:
            # Matrices may be blocks of columns of wider ones.
            _, _, strides = self._layout.place(cell[1])
            extent = 1 + sum((size - 1) * step for size, step in zip(shape, strides, strict=True))
            room = np.empty(max(extent, 1), np.uint8)
            return (
                np.ndarray(shape, np.uint8, room, 0, strides)
                if 0 not in shape
                else room[:0].reshape(shape)
            )
        if node.op == "const" and np.shape(node.value) != node.shape:  # one number fills it
            return np.broadcast_to(np.empty((), np.uint8), shape)
        apart = node.op == "input" and node.args[0] in self._apart
        return memory(shape, node.shape.index(N) if N in node.shape and not apart else None)

    # Kernels

    def _pass(self, name: str, kernels: Sequence[Kernel]) -> str:
        f = Function(f"define void @{name}(ptr %t, i64 %n, ptr %gemm)")
        products: list[Node] = []  # of the same windows
        for kernel, after in zip_longest(kernels, kernels[1:]):
            node = kernel[0]
            if multiplies_windows(node):
                products.append(node)
                if after is None or not all(are_one(one, after[0]) for one in products):
                    multiply_windows(self, f, products)
                    products = []
            elif in_loop(node):
                self.call(f, partial(self._loop, kernel))
            elif _joining(node) is not None:
                self.call(f, partial(self._reduce, node))
            elif node.op in ("matmul", "matmul_add"):
                self._product(f, node)
            elif node.op == "concatenate":
                copies.join(self, f, node)
            elif is_block_set(node):
                copies.replace(self, f, node)
            elif is_flattened(node):
                copies.flatten(self, f, node)
            else:
                raise unknown(node)
        if name == "feed":
            for key, node in self._graph.state.items():
                copies.copy(self, f, self.place(node), self._whole(("state", key), node))
        return self._finished(f)

    def _finished(self, f: Function) -> str:
        self._intrinsics |= f.intrinsics
        return f.text()

    def call(self, caller: Function, write: Callable[[Function, Pointer], None]) -> None:
        """A kernel as a function of its own: LLVM then knows that its arrays do not overlap.

        Arrays that start at one address are one argument.
        """
        given: dict[tuple[Cell, Size, str], str] = {}

        def pointer(place: Place) -> str:
            return given.setdefault((place.cell, place.offset, place.kind), f"%a{len(given)}")

        f = Function("")
        write(f, pointer)
        self.add(caller, f, {a: self._address(caller, *start) for start, a in given.items()})

    def add(self, caller: Function, f: Function, given: Mapping[str, str], more: str = "") -> None:
        """Add the function ``f``, and its call with arguments by their names in it.

        Equal functions, as those of the steps of a recurrent layer, are one.
        """
        params = "".join(f", ptr noalias {a}" for a in given)
        f.head = f"(ptr noalias readonly %t, i64 %n{more}{params}) noinline"
        name = self._functions.setdefault(self._finished(f), f"@k{len(self._functions)}")
        args = "".join(f", ptr {where}" for where in given.values())
        caller.do(f"call void {name}(ptr %t, i64 %n{more}{args})")

    def address(self, f: Function, place: Place) -> str:
        """Where the first element of a value lies."""
        return self._address(f, place.cell, place.offset, place.kind)

    def buffer(self, f: Function, name: str, size: Size) -> str:
        """The address of memory for ``size`` numbers, which all products of the layer use in turn.

        Only what ``name`` says lies there.
        """
        known = self.buffers.setdefault(name, size)
        self.buffers[name] = Size(max(known.a, size.a), max(known.b, size.b))
        slot = self.memory.slots + list(self.buffers).index(name)
        return self.cell(f, ("slot", slot), "ptr").text

    def _address(self, f: Function, cell: Cell, offset: Size, kind: str) -> str:
        return f.at(kind, self.cell(f, cell, "ptr").text, self.size(f, offset))

    def nest(
        self, f: Function, stack: ExitStack, dims: Sequence[Dim], strides: Sequence[Size] = ()
    ) -> list[str]:
        """Loops over ``dims``, rows inside; the index of each axis.

        The others are in order, or in that of memory with these ``strides``.
        """
        index = ["0"] * len(dims)
        apart = [-s.a * ROWS[1] - s.b for s in strides] or [0] * len(dims)
        for axis in sorted(range(len(dims)), key=lambda i: (dims[i] == N, apart[i], i)):
            if dims[axis] != 1:
                index[axis] = stack.enter_context(f.loop(self.size(f, Size.of(dims[axis]))))
        return index

    def element(self, f: Function, strides: Sequence[Size], index: Sequence[str]) -> str:
        """The number of the element at ``index``."""
        total: Value | None = None
        for stride, i in zip(strides, index, strict=True):
            if i != "0" and stride != NOTHING:
                term = Value(f, i, "i64")
                if stride != ONE:
                    term = term * Value(f, self.size(f, stride), "i64")
                total = term if total is None else total + term
        return "0" if total is None else total.text

    # Products

    def _product(self, f: Function, node: Node) -> None:
        a, b, c = (self.place(value) for value in (*node.args[:2], node))
        if not len(a.dims) == len(b.dims) == len(c.dims) == 2 or {a.kind, b.kind} != {"float"}:
            raise NotCompiled("a product that is not of two matrices of float32")
        adds = node.op == "matmul_add"
        if adds and not (before := self.place(node.args[2])).is_at(c):
            copies.copy(self, f, before, c)
        if self._row:
            self._row_product(f, a, b, c, adds)
            return
        if not _is_plain(c, 0):  # the library stores columns first: C^T = B^T A^T
            a, b, c = b.turned(), a.turned(), c.turned()
        sizes = [self.size(f, Size.of(dim)) for dim in (*c.dims, a.dims[1])]
        args = [f"i64 {size}" for size in sizes] + [f"float {int(adds)}.0"]
        for matrix in (a, b, c):
            turned = not _is_plain(matrix, 0)
            args += self._matrix(f, matrix, 1 if turned else 0)
            args.append(f"i8 {ord('T' if turned else 'N')}")
        f.do(f"call void @product(ptr %gemm, {', '.join(args)})")

    def _row_product(self, f: Function, x: Place, W: Place, z: Place, adds: bool) -> None:
        if x.dims[0] != 1 or not _is_plain(x, 1) or not _is_plain(z, 1):
            raise NotCompiled("a product that is not of a row with a matrix")
        (i, o), (w, apart) = (self.size(f, Size.of(dim)) for dim in W.dims), self._matrix(f, W, 1)
        row, out = (self.address(f, v) for v in (x, z))
        args = f"ptr {row}, i64 {i}, {w}, {apart}, i64 {o}, ptr {out}, i1 {int(adds)}"
        f.do(f"call void @affine({args})")

    def _matrix(self, f: Function, matrix: Place, axis: int) -> list[str]:
        """Address and distance of what BLAS can read: elements must be neighbours along ``axis``,
        and the other axis must run forwards.
        """
        apart = matrix.strides[1 - axis]
        forwards = min(apart) >= 0 and (apart != NOTHING or matrix.dims[1 - axis] == 1)
        if not _is_plain(matrix, axis) or not forwards:
            raise NotCompiled(
                "a product of a matrix that is flipped, repeated or without neighbours"
            )
        where = self.address(f, matrix)
        return [f"ptr {where}", f"i64 {self.size(f, apart)}"]

    # Reductions

    def _reduce(self, node: Node, f: Function, pointer: Pointer) -> None:
        """Totals are kept where the result lies; loops over rows are the innermost."""
        source, target = self.place(node.args[0]), self.place(node)
        how = _joining(node)
        assert how is not None  # noqa: S101  # the caller asked
        if (source.kind, target.kind) != ("float", how.kind):
            raise NotCompiled(f"{node.op} of {node.args[0].dtype}")
        axes = _axes(node)
        outer_dims, inner_dims = (
            [dim if (axis in axes) == inner else 1 for axis, dim in enumerate(source.dims)]
            for inner in (False, True)
        )
        strides = list(target.strides)  # of the result, by axis of the source
        if len(strides) < len(source.dims):
            for axis in sorted(axes):
                strides.insert(axis, NOTHING)
        f.flags = SUM
        features = [1 if dim == N else dim for dim in outer_dims]
        with ExitStack() as stack:
            outer = self.nest(f, stack, features)

            @contextmanager
            def total() -> Iterator[tuple[list[str], str]]:
                """A loop over the rows of the result: the index, and where the total lies."""
                with ExitStack() as inside:
                    rows = [dim if dim == N else 1 for dim in outer_dims]
                    index = _both(outer, self.nest(f, inside, rows))
                    yield index, self.element(f, strides, index)

            with total() as (_, to):
                f.store(f.number(how.start, how.kind), pointer(target), to)
            with ExitStack() as inside:
                inner = self.nest(f, inside, inner_dims)
                with total() as (index, to):
                    index = _both(index, inner)
                    x = f.load("float", pointer(source), self.element(f, source.strides, index))
                    x = how.enter(x, index[axes[0]] if axes else "0")
                    f.store(how.join(f.load(how.kind, pointer(target), to), x), pointer(target), to)
            if how.kind == "i64":
                with total() as (_, to):
                    f.store(how.leave(f.load("i64", pointer(target), to)), pointer(target), to)

    # Elementwise operations

    def _loop(self, kernel: Kernel, f: Function, pointer: Pointer) -> None:
        """All results of an element are computed before the first is stored: they may share memory
        with operands.
        """
        f.flags = ELEMENTWISE
        dims = [dim for dim in self.dims(kernel[0]) if dim != 1]
        with ExitStack() as stack:
            found = self.nest(f, stack, dims, self._order(kernel))
            element = Element(self, f, pointer, found)
            for node in kernel:
                element.compute(node)
            for node in kernel:
                if id(node) in self.memory.homes or id(node) in self.memory.cells:
                    place, value = self.place(node), element.values[id(node)]
                    at = self.element(f, place.strides, element.index(place.dims))
                    f.store(value.to(place.kind), pointer(place), at)

    def _order(self, kernel: Kernel) -> list[Size]:
        """How the axes of a loop lie in memory: those of its first result."""
        for node in kernel:
            if id(node) in self.memory.homes or id(node) in self.memory.cells:
                place = self.place(node)
                return [s for s, d in zip(place.strides, place.dims, strict=True) if d != 1]
        return []


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


def _is_plain(matrix: Place, axis: int) -> bool:
    """Whether elements along ``axis`` are neighbours."""
    return matrix.dims[axis] == 1 or matrix.strides[axis] == ONE


def _both(outer: Sequence[str], inner: Sequence[str]) -> list[str]:
    return [b if a == "0" else a for a, b in zip(outer, inner, strict=True)]
