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
from layerkit.execution.planned.joins import address
from layerkit.recording.graph import Node, in_order
from layerkit.recording.record import Recording
from layerkit_plugins.compiled.llvm.driver import JOB, functions
from layerkit_plugins.compiled.llvm.forms import Form, form_of, rule_of
from layerkit_plugins.compiled.llvm.links import link_recording
from layerkit_plugins.compiled.llvm.lowering import HEADER
from layerkit_plugins.compiled.llvm.machine import callable_at
from layerkit_plugins.compiled.llvm.places import Cell, NotCompiled
from layerkit_plugins.compiled.llvm.products import address_of_sgemm

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
        self.address = _rounded(address(self._bytes))
        return True

    def holds(self, array: Array) -> bool:
        """Whether the array begins in this memory."""
        return 0 <= address(array) - self.address < len(self._bytes)

    def rows(self, begin: int, n: int, shape: Shape) -> Array:
        """The values (n, *shape) from the address ``begin``; their rows lie side by side."""
        start = begin - address(self._bytes)
        flat = self._bytes[start : start + 4 * n * math.prod(shape)].view(np.float32)
        if len(shape) == 3:  # an image, pixel by pixel
            c, h, w = shape
            image: Array = flat.reshape(h, w, c, n).transpose(3, 2, 0, 1)
            return image
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
            return address(constant)
        if planned is None or what in ("slot", "input"):
            return None
        layer = planned.layer
        arrays = {"param": layer.params, "grad": layer.grads, "state": layer.state}[what]
        return address(arrays[name.split("|")[0]])  # the first of neighbours "W1|W2"


class _Bound(NamedTuple):
    """A table for one number of rows, and views of what goes in and out."""

    table: Array
    job: Array  # what the driver is given: see JOB
    address: int  # of the job
    x: Array | None  # where x is copied to; None if it is read where it lies
    y: Array
    dy: Array
    dx: Array
    places: dict[str, tuple[int, int]]  # of inputs whose address a call sets


class _Lines:
    """Layers, then perhaps a loss, for one thread, with the memory that they share.

    In the pool, first come x and dy, then two halves for what goes from line to line, then the
    scratch memory, which all lines use in turn, then what each keeps.
    """

    def __init__(self, lines: list[_Line], in_shape: Shape, out_shape: Shape) -> None:
        self._lines, self._in, self._out = lines, in_shape, out_shape
        self._pool = _Pool()
        self._bounds: dict[tuple[int, int], _Bound] = {}
        self._losses: dict[int, tuple[Recording, _Line]] = {}
        self._x: Array | None = None  # backprop reads it again
        self._run = functions()

    def _learn(
        self, x: Array, targets: Array, weights: Array, loss: Recording
    ) -> tuple[_Bound, float]:
        bound = self._bind(len(x), loss)
        self._x = self._give(bound, x)
        targets = np.ascontiguousarray(targets)
        weights = np.ascontiguousarray(weights, np.float32)
        self._set(bound, "targets", targets)
        self._set(bound, "weights", weights)
        bound.job[JOB.index("weights")] = address(weights)
        return bound, self._run["learn"](bound.address)

    def _give(self, bound: _Bound, x: Array) -> Array:
        """Let the table point to x, or copy it; what must stay alive for the call."""
        if bound.x is not None:
            bound.x[...] = x
            return x
        x = np.ascontiguousarray(x, np.float32)
        if self._pool.holds(x):  # it would be overwritten
            x = x.copy()
        self._set(bound, "x", x)
        return x

    @staticmethod
    def _set(bound: _Bound, name: str, array: Array) -> None:
        if name in bound.places:
            bound.table[bound.places[name]] = address(array)

    def _bind(self, n: int, loss: Recording | None = None) -> _Bound:
        key = n, id(loss)
        if key not in self._bounds:
            if len(self._bounds) >= 8:  # a training needs two to four
                self._bounds.clear()
            lines = self._lines if loss is None else [*self._lines, self._loss(loss)]
            self._bounds[key] = self._make_bound(n, lines)
        return self._bounds[key]

    def _loss(self, recording: Recording) -> _Line:
        if id(recording) not in self._losses:
            line = _Line(form_of(recording, None, keeps=True, wants_dx=True), None)
            self._losses[id(recording)] = recording, line  # the recording stays: so does its id
        return self._losses[id(recording)][1]

    def _make_bound(self, n: int, lines: Sequence[_Line]) -> _Bound:
        forms = [line.form for line in lines]
        layouts = {id(form): form.places.layout(n) for form in forms}
        sizes = [layouts[id(form)] for form in forms]
        apart, half = forms[0].apart, max(size.half for size in sizes)
        edges = [0 if apart else 4 * n * math.prod(self._in), 4 * n * math.prod(self._out)]
        edges += [half, half, max(size.scratch for size in sizes), *(size.own for size in sizes)]
        starts = np.cumsum([0, *map(_rounded, edges)])
        if self._pool.grow(int(starts[-1])):
            self._bounds.clear()  # they hold the memory from before
        x, dy, first, second, scratch, *owns = (starts + self._pool.address).tolist()
        where: list[list[int]] = []  # addresses of the slots
        for form, size, own in zip(forms, sizes, owns, strict=False):
            begin = {"own": own, "half": first, "scratch": scratch}
            slots = zip(form.places.slots, size.offsets, strict=True)
            where.append([begin[slot.kind] + offset for slot, offset in slots])
            first, second = second, first

        def at(i: int, home: tuple[int, int] | None) -> int:
            return dy if home is None else where[i][home[0]] + 4 * n * home[1]

        ys = [x, *(at(i, form.y) for i, form in enumerate(forms))]
        dxs = [*(at(i, form.dx) for i, form in enumerate(forms)), dy]
        table = np.zeros((len(lines), max(len(line.cells) for line in lines)), np.int64)
        places: dict[str, tuple[int, int]] = {}
        for i, line in enumerate(lines):
            table[i, : len(line.cells)] = line.cells
            for column, (what, name) in line.open:
                if what == "slot":
                    table[i, column] = where[i][name]
                elif name == "x" and (i or not apart):
                    table[i, column] = ys[i]
                elif name == "dy":
                    table[i, column] = dxs[i + 1]
                else:
                    places[name] = i, column
        rows, y = self._pool.rows, ys[len(self._lines)]
        sizes_of_row = math.prod(self._in), math.prod(self._out)
        known = (address(table), *table.shape, n, address_of_sgemm() or 0, x, y, *sizes_of_row)
        job = np.array([*known, ys[-1], 0], np.int64)
        return _Bound(
            table,
            job,
            address(job),
            None if apart else rows(x, n, self._in),
            rows(y, n, self._out),
            rows(dy, n, self._out),
            rows(dxs[0], n, self._in) if forms[0].dx else rows(dy, n, self._out),
            places,
        )


class Stage(_Lines):
    """Consecutive layers with memory for one thread.

    Raises NotCompiled if one of them cannot be compiled.
    """

    def __init__(
        self, network: Network, layers: Layers, *, keeps: bool = True, wants_dx: bool = False
    ) -> None:
        self._params = network.params  # copied out of a mapped file, if it lay in one
        if keeps:
            network.allocate_grads()
        self.streams: dict[str, np.random.Generator] = {}  # of layers that draw: there are none
        lines = []
        for i, (planned, recording) in enumerate(layers):
            wants = keeps and (wants_dx or i > 0)
            form = form_of(recording, planned.plan, keeps=keeps, wants_dx=wants, first=i == 0)
            lines.append(_Line(form, planned))
        super().__init__(lines, layers[0][0].in_shape, layers[-1][0].plan.out_shape)
        self._now: _Bound | None = None

    def feed(self, x: Array) -> Array:
        """Scores (n, *out) for x (n, *in); valid until the next feed."""
        bound = self._now = self._bind(len(x))
        self._x = self._give(bound, x)
        self._run["feed"](bound.address)
        return bound.y

    def backprop(self, dy: Array) -> Array:
        """Gradient for x (n, *in), if wanted, for dy (n, *out); fills the layers' gradients."""
        bound = self._now
        assert bound is not None  # noqa: S101  # after feed
        bound.dy[...] = dy
        self._run["back"](bound.address)
        return bound.dx

    def learn(
        self, x: Array, targets: Array, weights: Array, loss: Recording
    ) -> tuple[Array, float]:
        """Scores and the weighted sum of the losses; backprop follows if that is finite.

        ``targets`` are of the shape and dtype that the loss was recorded with, weights (n,).
        """
        bound, lost = self._learn(x, targets, weights, loss)
        return bound.y, lost


class Loss(_Lines):
    """A loss, for one thread. Raises NotCompiled."""

    def __init__(self, recording: Recording) -> None:
        super().__init__([], recording.in_shape, recording.in_shape)
        self.recording = recording
        self._loss(recording)

    def learn(self, scores: Array, targets: Array, weights: Array) -> tuple[float, Array]:
        """The weighted sum of the losses of the rows, and dL/dscores (n, k).

        The latter is valid until the next call, and meaningless if the sum is not finite.
        """
        bound, lost = self._learn(scores, targets, weights, self.recording)
        return lost, bound.dx


class Row:
    """Predictions for one row, up to the link; for any number of threads.

    Raises NotCompiled if a layer cannot be compiled.
    """

    def __init__(self, network: Network, layers: Layers, link: Link) -> None:
        self._params = network.params
        self._in, self._out = layers[0][0].in_shape, layers[-1][0].plan.out_shape
        parts: list[tuple[PlannedLayer | None, Recording]] = list(layers)
        if link != "identity":
            parts.append((None, link_recording(link, self._out)))
        self._lines = [
            _Line(form_of(r, p and p.plan, keeps=False, wants_dx=False, row=True), p)
            for p, r in parts
        ]
        self._free: list[tuple[_Lines, _Bound]] = []
        self._run = functions()["row"]

    def predict(self, x: Array) -> Array | None:
        """(1, *out), a new array, for x (1, *in); None if a number in between is not finite."""
        held = self._free.pop() if self._free else self._memory()
        bound = held[1]
        bound.x[...] = x  # type: ignore[index]  # a row is always copied
        good = self._run(bound.address)
        y = bound.y.copy() if good else None
        self._free.append(held)
        return y

    def _memory(self) -> tuple[_Lines, _Bound]:
        lines = _Lines(self._lines, self._in, self._out)
        return lines, lines._bind(1)


class Rule:
    """An optimizer's rule in one pass over its arrays. Raises NotCompiled."""

    def __init__(self, optimizer: Optimizer, recording: Recording) -> None:
        start, code = rule_of(recording)
        self._run = callable_at(start, None, ctypes.c_void_p, ctypes.c_int64, ctypes.c_void_p)
        slots = [f"slot:{name}" for name in optimizer.slot_names]
        order = {name: k for k, name in enumerate(["p", "g", *slots, "decay"])}
        self._cells = [None if what == "number" else order[name] for what, name in code.cells]
        self._columns = [
            (HEADER + column, code.numbers[name])
            for column, (what, name) in enumerate(code.cells)
            if what == "number"
        ]
        self._nodes = in_order(code.numbers)
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
        table, begin = self._table([p, g, *slots, *([] if decay is None else [decay])])
        found: dict[Node, Any] = {}  # Python's numbers: of the step, settings, and what they give
        for node in self._nodes:
            if node.op == "number":
                found[node] = numbers[node.args[0]]
            else:
                args = [found[arg] if isinstance(arg, Node) else arg for arg in node.args]
                found[node] = node.fn(*args) if node.fn else node.value
        for column, node in self._columns:
            table[column] = found[node]
        self._run(begin, len(p), None)

    def _table(self, arrays: list[Array]) -> tuple[Array, int]:
        """Cells for these arrays, which an optimizer gives again and again."""
        key = tuple(map(id, arrays))
        if key not in self._known:
            if len(self._known) >= 1024:
                self._known.clear()
            given = [*arrays, np.ones_like(arrays[0])]  # the last is no decay, if there is none
            cells = [0 if k is None else address(given[k]) for k in self._cells]
            table = np.array([0] * HEADER + cells, np.int64)
            self._known[key] = table.view(np.float64), address(table), given  # ids stay theirs
        return self._known[key][:2]
