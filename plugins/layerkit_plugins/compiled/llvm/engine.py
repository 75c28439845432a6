"""Networks as machine code: stages of layers, one row, an optimizer's rule.

A stage has a table with a row of numbers for each layer: addresses of code, parameters and values,
and widths. One call of the driver runs all layers, without the interpreter and its lock.
"""

from __future__ import annotations

import ctypes
import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from layerkit.core.context import Array, Shape
from layerkit.core.network import Network
from layerkit.core.optimizer import Optimizer
from layerkit.core.parts import Link
from layerkit.core.planning import PlannedLayer
from layerkit.recording.graph import Node, in_order
from layerkit.recording.record import Recording
from layerkit_plugins.compiled.llvm.driver import functions
from layerkit_plugins.compiled.llvm.forms import Form, form_of, rule_of
from layerkit_plugins.compiled.llvm.links import link_recording
from layerkit_plugins.compiled.llvm.lowering import HEADER
from layerkit_plugins.compiled.llvm.machine import callable_at
from layerkit_plugins.compiled.llvm.products import address_of_sgemm
from layerkit_plugins.compiled.llvm.sizes import Cell, NotCompiled

Layers = Sequence[tuple[PlannedLayer, Recording]]

_ALIGNMENT = 64


def trouble() -> str:
    """Why nothing can be compiled on this machine; empty if it can."""
    if address_of_sgemm() is None:
        return "no matrix product to call: NumPy includes no OpenBLAS and SciPy is not installed"
    return ""


def takes(recording: Recording, planned: PlannedLayer | None = None) -> str | None:
    """Why a layer, or a loss where ``planned`` is None, is not compiled; None if it can be."""
    plan = None if planned is None else planned.plan
    try:
        form_of(recording, plan, keeps=recording.keeps, wants_dx=recording.keeps)
    except NotCompiled as reason:
        return str(reason)
    return None


def _address(array: Array) -> int:
    found: int = array.__array_interface__["data"][0]
    return found


def _rounded(size: int) -> int:
    return -(-size // _ALIGNMENT) * _ALIGNMENT


class _Pool:
    """Aligned memory that only grows."""

    def __init__(self) -> None:
        self._bytes = np.empty(0, np.uint8)
        self.address = 0

    def grow(self, size: int) -> bool:
        """Make room for ``size`` bytes; whether all addresses changed."""
        if len(self._bytes) >= size + _ALIGNMENT:
            return False
        self._bytes = np.empty(size + _ALIGNMENT, np.uint8)
        self.address = _rounded(_address(self._bytes))
        return True

    def holds(self, address: int) -> bool:
        """Whether this memory is part of it."""
        return self.address <= address < self.address + len(self._bytes)

    def rows(self, address: int, n: int, shape: Shape) -> Array:
        """The values (n, *shape) at ``address``; their rows lie side by side."""
        start = address - _address(self._bytes)
        flat = self._bytes[start : start + 4 * n * math.prod(shape)].view(np.float32)
        found: Array = np.moveaxis(flat.reshape(*shape, n), -1, 0)
        return found


class _Line:
    """One row of a table: what stays the same, and the cells that depend on n and on the call."""

    def __init__(self, form: Form, planned: PlannedLayer | None) -> None:
        self.form = form
        self.cells = [*form.addresses()]
        self.open: list[tuple[int, Cell]] = []
        for cell in form.cells:
            value = self._value(cell, planned)
            if value is None:
                self.open.append((len(self.cells), cell))
            self.cells.append(value or 0)

    def _value(self, cell: Cell, planned: PlannedLayer | None) -> int | None:
        what, name = cell[0], cell[-1]
        if what == "size":
            return int(name)
        if what == "const":
            constant = self.form.constants[name] = np.ascontiguousarray(self.form.constants[name])
            return _address(constant)
        if what in ("param", "grad", "state") and planned is not None:
            return _address(_array(planned, what, name))
        if what == "stride" and len(cell) == 3 and planned is not None:
            return _array(planned, cell[1], name).strides[0] // 4
        return None


def _array(planned: PlannedLayer, what: str, name: str) -> Array:
    """The array, or the first of neighbours "W1|W2"."""
    table = {"param": "params", "grad": "grads", "state": "state"}[what]
    array: Array = getattr(planned.layer, table)[name.split("|")[0]]
    plain = array.ndim == 2 and array.strides[1] == 4
    if array.dtype != np.float32 or not (plain or array.flags.c_contiguous):
        raise NotCompiled(f"{name!r} is not float32 in C order")
    return array


class _Bound(NamedTuple):
    """The table for one number of rows, and views of what goes in and out."""

    table: Array
    args: tuple[int, ...]
    x: Array | None  # where x is copied to; None if it is read where it lies
    y: Array
    dy: Array | None
    dx: Array | None
    losses: int
    places: dict[Cell, tuple[int, int]]  # of the cells that a call sets


def _table(lines: Sequence[_Line]) -> Array:
    table: Array = np.zeros((len(lines), max(len(line.cells) for line in lines)), np.int64)
    for row, line in zip(table, lines, strict=True):
        row[: len(line.cells)] = line.cells
    return table


class _Runner:
    """Tables of layers and of a loss, for one thread, and their memory."""

    def __init__(self, in_shape: Shape, out_shape: Shape) -> None:
        self._in, self._out = in_shape, out_shape
        self._lines: list[_Line] = []
        self._pool = _Pool()
        self._bounds: dict[tuple[int, int], _Bound] = {}
        self._losses: dict[int, tuple[Recording, _Line]] = {}
        self._now: _Bound | None = None
        self._x: Array | None = None  # backprop reads it again
        self._driver, self._gemm = functions(), address_of_sgemm() or 0
        self.streams: dict[str, np.random.Generator] = {}  # of layers that draw: there are none

    def _learn(
        self, x: Array, targets: Array, weights: Array, loss: Recording
    ) -> tuple[_Bound, float]:
        bound = self._bind(len(x), loss)
        self._x = self._give(bound, x)
        targets = np.ascontiguousarray(targets)
        weights = np.ascontiguousarray(weights, np.float32)
        self._set(bound, ("input", "targets"), _address(targets))
        if targets.ndim == 2:
            self._set(bound, ("stride", "targets"), targets.shape[1])
        at_weights = _address(weights)
        self._set(bound, ("input", "weights"), at_weights)
        lost = self._driver["learn"](*bound.args, bound.losses, at_weights)
        return bound, lost

    def _give(self, bound: _Bound, x: Array) -> Array:
        """Let the table point to x, or copy it; what must stay alive for the call."""
        if bound.x is not None:
            bound.x[...] = x
            return x
        if x.dtype != np.float32 or x.strides[1] != 4 or x.strides[0] < 4 * x.shape[1]:
            x = np.ascontiguousarray(x, np.float32)
        address = _address(x)
        if self._pool.holds(address):  # it would be overwritten
            x = x.copy()
            address = _address(x)
        self._set(bound, ("input", "x"), address)
        self._set(bound, ("stride", "x"), x.strides[0] // 4)
        return x

    @staticmethod
    def _set(bound: _Bound, cell: Cell, value: int) -> None:
        if cell in bound.places:
            bound.table[bound.places[cell]] = value

    def _bind(self, n: int, loss: Recording | None = None) -> _Bound:
        key = n, id(loss)
        if key not in self._bounds:
            lines = self._lines if loss is None else [*self._lines, self._loss(loss)]
            if len(self._bounds) >= 8:  # a training needs two to four
                self._bounds.clear()
            bound = self._make_bound(n, lines, loss is not None)
            self._bounds[key] = bound
        return self._bounds[key]

    def _loss(self, recording: Recording) -> _Line:
        if id(recording) not in self._losses:
            line = _Line(form_of(recording, None, keeps=True, wants_dx=True), None)
            self._losses[id(recording)] = recording, line  # the recording stays: so does its id
        return self._losses[id(recording)][1]

    def _make_bound(self, n: int, lines: Sequence[_Line], learns: bool) -> _Bound:
        sizes = {id(line.form): line.form.places.layout(n) for line in lines}
        each = [sizes[id(line.form)] for line in lines]
        first = lines[0].form
        edges = [0 if first.apart else 4 * n * math.prod(self._in), 4 * n * math.prod(self._out)]
        half = max(size.half for size in each)
        edges += [half, half, max(size.scratch for size in each), *(size.own for size in each)]
        starts = np.cumsum([0, *map(_rounded, edges)]).tolist()
        if self._pool.grow(starts[-1]):
            self._bounds.clear()  # they hold the memory from before
        x, dy, *halves, scratch = (self._pool.address + start for start in starts[:5])
        table = _table(lines)
        where: list[list[int]] = []  # addresses of the slots
        for i, (line, size) in enumerate(zip(lines, each, strict=True)):
            own = self._pool.address + starts[5 + i]
            begin = {"own": own, "half": halves[i % 2], "scratch": scratch}
            slots = zip(line.form.places.slots, size.offsets, strict=True)
            where.append([begin[slot.kind] + offset for slot, offset in slots])

        def at(i: int, home: tuple[int, int] | None) -> int:
            return 0 if home is None else where[i][home[0]] + 4 * n * home[1]

        last = len(self._lines) - 1
        places: dict[Cell, tuple[int, int]] = {}
        for i, line in enumerate(lines):
            before = at(i - 1, lines[i - 1].form.y) if i else x
            after = at(i + 1, lines[i + 1].form.dx) if i + 1 < len(lines) else dy
            for column, cell in line.open:
                if cell[0] == "slot":
                    table[i, column] = where[i][cell[1]]
                elif cell == ("input", "x"):
                    table[i, column] = before
                elif cell == ("input", "dy"):
                    table[i, column] = after
                # x enters the first line, even if nothing there reads it; the rest is the loss's.
                if cell[0] in ("input", "stride") and i == (0 if cell[-1] == "x" else last + 1):
                    places[cell] = i, column
        rows = self._pool.rows
        dx = at(0, first.dx)
        return _Bound(
            table,
            (_address(table), *table.shape, n, self._gemm),
            None if first.apart else rows(x, n, self._in),
            rows(at(last, lines[last].form.y) if self._lines else x, n, self._out),
            rows(dy, n, self._out),
            rows(dx, n, self._in) if dx else None,
            at(len(lines) - 1, lines[-1].form.y),
            places,
        )


class Stage(_Runner):
    """Consecutive layers with memory for one thread.

    Raises NotCompiled if one of them cannot be compiled.
    """

    def __init__(
        self, network: Network, layers: Layers, *, keeps: bool = True, wants_dx: bool = False
    ) -> None:
        self._params = network.params  # copied out of a mapped file, if it lay in one
        if keeps:
            network.allocate_grads()
        self._keeps, self._wants_dx = keeps, wants_dx
        super().__init__(layers[0][0].in_shape, layers[-1][0].plan.out_shape)
        lines = []
        for i, (planned, recording) in enumerate(layers):
            wants = keeps and (wants_dx or i > 0)
            form = form_of(recording, planned.plan, keeps=keeps, wants_dx=wants, first=i == 0)
            lines.append(_Line(form, planned))
        self._lines = lines

    def feed(self, x: Array) -> Array:
        """Scores (n, *out) for x (n, *in); valid until the next feed."""
        bound = self._now = self._bind(len(x))
        self._x = self._give(bound, x)
        self._driver["feed"](*bound.args)
        return bound.y

    def backprop(self, dy: Array) -> Array:
        """Gradient for x (n, *in), if wanted, for dy (n, *out); fills the layers' gradients."""
        bound = self._now
        assert bound is not None and bound.dy is not None  # noqa: S101, PT018  # after feed
        bound.dy[...] = dy
        self._driver["back"](*bound.args)
        return dy if bound.dx is None else bound.dx

    def learn(
        self, x: Array, targets: Array, weights: Array, loss: Recording
    ) -> tuple[Array, float]:
        """Scores and the weighted sum of the losses; backprop follows if that is finite.

        ``targets`` are of the shape and dtype that the loss was recorded with, weights (n,).
        """
        bound, lost = self._learn(x, targets, weights, loss)
        return bound.y, lost


class Loss(_Runner):
    """A loss, for one thread. Raises NotCompiled."""

    def __init__(self, recording: Recording) -> None:
        super().__init__(recording.in_shape, recording.in_shape)
        self.recording = recording
        self._loss(recording)

    def learn(self, scores: Array, targets: Array, weights: Array) -> tuple[float, Array]:
        """The weighted sum of the losses of the rows, and dL/dscores (n, k).

        The latter is valid until the next call, and meaningless if the sum is not finite.
        """
        bound, lost = self._learn(scores, targets, weights, self.recording)
        assert bound.dx is not None  # noqa: S101  # a loss has one
        return lost, bound.dx


class Row:
    """Predictions for one row, up to the link; for any number of threads.

    Raises NotCompiled if a layer cannot be compiled.
    """

    def __init__(self, network: Network, layers: Layers, link: Link) -> None:
        self._params = network.params
        planned = layers[-1][0]
        forms = [form_of(r, p.plan, keeps=False, wants_dx=False, row=True) for p, r in layers]
        self._lines = [_Line(form, p) for form, (p, _) in zip(forms, layers, strict=True)]
        last = link_recording(link, planned.plan.out_shape)
        if last is not None:
            form = form_of(last, None, keeps=False, wants_dx=False, row=True)
            self._lines.append(_Line(form, None))
        self._in, self._out = layers[0][0].in_shape, planned.plan.out_shape
        self._free: list[_RowMemory] = []
        self._run = functions()["row"]

    def predict(self, x: Array) -> Array | None:
        """(1, *out), a new array, for x (1, *in); None if a number in between is not finite."""
        memory = self._free.pop() if self._free else _RowMemory(self._lines, self._in, self._out)
        memory.x[...] = x
        good = self._run(*memory.args)
        y = memory.y.copy() if good else None
        self._free.append(memory)
        return y


class _RowMemory:
    """The table for one row, with its memory."""

    def __init__(self, lines: Sequence[_Line], in_shape: Shape, out_shape: Shape) -> None:
        sizes = [line.form.places.layout(1) for line in lines]
        half = max(_rounded(size.half) for size in sizes)
        begin = _rounded(4 * math.prod(in_shape))
        scratch = begin + 2 * half
        self._pool = pool = _Pool()
        # Nothing is kept for backprop, so what is a layer's own is free after it.
        pool.grow(scratch + max(_rounded(size.scratch) + size.own for size in sizes))
        self._table = table = _table(lines)
        before = pool.address
        for i, (row, line, size) in enumerate(zip(table, lines, sizes, strict=True)):
            starts = {"half": begin + i % 2 * half, "scratch": scratch}
            starts["own"] = scratch + _rounded(size.scratch)
            places = line.form.places
            where = [
                pool.address + starts[slot.kind] + offset
                for slot, offset in zip(places.slots, size.offsets, strict=True)
            ]
            for column, cell in line.open:
                row[column] = before if cell == ("input", "x") else where[cell[1]]
            before = where[line.form.y[0]] + 4 * line.form.y[1]
        self.x = pool.rows(pool.address, 1, in_shape)
        self.y = pool.rows(before, 1, out_shape)
        x = pool.address, math.prod(in_shape)
        self.args = _address(table), *table.shape, None, *x, before, math.prod(out_shape)


class _Scalars:
    """Python's numbers of a step: arithmetic on the rate, the count of steps, and settings."""

    def __init__(self, wanted: Sequence[Node]) -> None:
        self._wanted, self._nodes = wanted, in_order(wanted)

    def compute(self, numbers: Mapping[str, float]) -> list[float]:
        """The wanted numbers."""
        found: dict[Node, Any] = {}
        for node in self._nodes:
            if node.op == "number":
                found[node] = numbers[node.args[0]]
            else:
                args = [found[arg] if isinstance(arg, Node) else arg for arg in node.args]
                found[node] = node.fn(*args) if node.fn else node.value
        return [found[node] for node in self._wanted]


class Rule:
    """An optimizer's rule in one pass over its arrays. Raises NotCompiled."""

    def __init__(self, optimizer: Optimizer, recording: Recording) -> None:
        self._form = form = rule_of(recording)
        kinds = ctypes.c_void_p, ctypes.c_int64, ctypes.c_void_p
        self._run = callable_at(form.address(), None, *kinds)
        self._slots = [f"slot:{name}" for name in optimizer.slot_names]
        self._scalars = _Scalars(form.numbers)
        self._columns = [
            (HEADER + column, cell[1])
            for column, cell in enumerate(form.cells)
            if cell[0] == "number"
        ]
        self._known: dict[tuple[int, ...], tuple[Array, int, list[Array]]] = {}

    def __call__(
        self,
        p: Array,
        g: Array,
        slots: Sequence[Array],
        numbers: Mapping[str, float],
        decay: Array | None = None,
    ) -> None:
        """Change p (m,) and ``slots`` in place by the gradient g.

        ``numbers`` are "rate" and "steps"; ``decay`` (m,) is 1 everywhere where None. All arrays
        are float32 and contiguous.
        """
        table, address = self._table([p, g, *slots, *([] if decay is None else [decay])])
        values = self._scalars.compute(numbers)
        for column, number in self._columns:
            table[column] = values[number]
        self._run(address, len(p), None)

    def _table(self, arrays: list[Array]) -> tuple[Array, int]:
        """Cells for these arrays, which an optimizer gives again and again."""
        key = tuple(map(id, arrays))
        if key not in self._known:
            if len(self._known) >= 1024:
                self._known.clear()
            self._known[key] = self._make_table(arrays)  # holds the arrays: ids stay theirs
        return self._known[key][:2]

    def _make_table(self, arrays: list[Array]) -> tuple[Array, int, list[Array]]:
        names = ["p", "g", *self._slots, "decay"]
        if len(arrays) < len(names):
            arrays = [*arrays, np.ones_like(arrays[0])]
        by_name = dict(zip(names, arrays, strict=True))
        cells = [
            0 if what == "number" else _address(by_name[name]) for what, name in self._form.cells
        ]
        table = np.array([0] * HEADER + cells, np.int64)
        return table.view(np.float64), _address(table), arrays
