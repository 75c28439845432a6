"""Products of windows: the windows of a line are packed once, then multiplied one by one by BLAS.

The method is that of ``layerkit.execution.window_products``, which plans the products.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING

from layerkit.execution.window_products import NEAR, Lines, plan_of
from layerkit.recording.graph import Node
from layerkit_plugins.compiled.llvm.emit import Function, Value
from layerkit_plugins.compiled.llvm.places import N, NotCompiled, Place, Size

if TYPE_CHECKING:
    from layerkit_plugins.compiled.llvm.lowering import Code

LINE, MATRIX = "line", "matrix"
"""Buffers: of a packed line, by row, and of matrices in the order of the windows."""


def multiply_windows(code: Code, f: Function, nodes: Sequence[Node]) -> None:
    """Emit the products ``einsum`` of one array of windows with others.

    Raises
    ------
    NotCompiled
        If these are no windows of images whose rows lie last.
    """
    letters, windows, _ = nodes[0].args
    a = code.place(windows)
    pairs = [(code.place(node.args[2]), code.place(node)) for node in nodes]
    if N not in a.dims:
        raise NotCompiled("windows of a single row")
    plans = {_plan(letters, a, b, c) for b, c in pairs}
    if len(plans) != 1:
        raise NotCompiled("products of the same windows that lie otherwise")
    _Products(code, plans.pop(), a, pairs).write(f)


def _plan(letters: str, a: Place, b: Place, c: Place) -> Lines:
    shown = [place.shown[1] for place in (a, b, c)]
    plan = plan_of(letters, *(v for array in shown for v in (array.shape, array.strides)))
    if plan is None or {a.kind, b.kind, c.kind} != {"float"}:
        raise NotCompiled("a product of other than windows of images")
    return plan


class _Products:
    """One function: packs line after line, and calls BLAS for each window and operand."""

    def __init__(
        self, code: Code, plan: Lines, a: Place, pairs: Sequence[tuple[Place, Place]]
    ) -> None:
        self.code, self.plan, self.a, self.pairs = code, plan, a, pairs
        self.matrix = plan.taps * plan.columns
        self.f = Function("")

    def write(self, caller: Function) -> None:
        """The function, and its call."""
        f, plan, code = self.f, self.plan, self.code
        if plan.sums:
            with f.loop(self._number(self.matrix * len(self.pairs))) as i:
                f.store(f.number(0.0), "%matrix", i)
        else:
            for k, (b, _) in enumerate(self.pairs):
                self._move(b, plan.other, f"%b{k}", k, loads=True)
        with ExitStack() as stack:
            sizes = [self._number(size) for size in plan.shape[: plan.lines]]
            lines = [stack.enter_context(f.loop(size)) for size in sizes]
            self._pack(lines)
            x = stack.enter_context(f.loop(self._number(plan.windows)))
            most = self._number(max(NEAR // (4 * plan.taps) // 16 * 16, 16))
            low = stack.enter_context(f.loop("%n", step=most))
            self._multiply([*lines, x], Value(f, low, "i64"), Value(f, most, "i64"))
        if plan.sums:
            for k, (_, c) in enumerate(self.pairs):
                self._move(c, plan.result, f"%c{k}", k, loads=False)
        size = Size(math.prod(plan.shape[plan.lines : -1]), 0)
        given = {"%a": code.address(caller, self.a), "%line": code.buffer(caller, LINE, size)}
        size = Size(0, self.matrix * len(self.pairs))
        given["%matrix"] = code.buffer(caller, MATRIX, size)
        for k, (b, c) in enumerate(self.pairs):
            given |= {f"%b{k}": code.address(caller, b), f"%c{k}": code.address(caller, c)}
        code.add(caller, f, given, ", ptr %gemm")

    def _number(self, value: int) -> str:
        return self.code.size(self.f, Size(0, value))

    def _at(self, strides: Sequence[Size], index: Sequence[str]) -> str:
        return self.code.element(self.f, strides, index)

    def _move(self, place: Place, axes: Sequence[int], where: str, k: int, *, loads: bool) -> None:
        """Matrix number k from a parameter, or to a gradient."""
        f = self.f
        sizes = [place.dims[axis] for axis in axes]
        own = [Size(0, math.prod(sizes[i + 1 :])) for i in range(len(sizes))]
        begin = f.at("float", "%matrix", self._number(k * self.matrix))
        with ExitStack() as stack:
            index = [stack.enter_context(f.loop(self._number(size))) for size in sizes]
            there = self._at([place.strides[axis] for axis in axes], index)
            here = self._at(own, index)
            if loads:
                f.store(f.load("float", where, there), begin, here)
            else:
                f.store(f.load("float", begin, here), where, there)

    def _pack(self, lines: Sequence[str]) -> None:
        """A line in order, all rows."""
        f, plan = self.f, self.plan
        strides = [self.a.strides[axis] for axis in plan.axes]
        sizes = plan.shape[plan.lines : -1]
        own = [Size(math.prod(sizes[i + 1 :]), 0) for i in range(len(sizes))]
        with ExitStack() as stack:
            index = [stack.enter_context(f.loop(self._number(size))) for size in sizes]
            source = f.at("float", "%a", self._at(strides[:-1], [*lines, *index]))
            target = f.at("float", "%line", self._at(own, index))
            with f.loop("%n") as row:
                f.store(f.load("float", source, row), target, row)

    def _multiply(self, window: Sequence[str], low: Value, most: Value) -> None:
        """One window of some rows with all operands."""
        f, plan = self.f, self.plan
        n = Value(f, "%n", "i64")
        left = n - low
        rows = left.compare("slt", most).choose(left, most).text
        every = Value(
            f, self._number(plan.step * math.prod(plan.shape[plan.lines + 1 : -1])), "i64"
        )
        windows = f.at("float", "%line", (Value(f, window[-1], "i64") * every * n + low).text)
        taps, columns = self._number(plan.taps), self._number(plan.columns)
        for k, (b, c) in enumerate(self.pairs):
            place, axes, name = (b, plan.other, "b") if plan.sums else (c, plan.result, "c")
            strides = [place.strides[axis] for axis in axes]
            line = strides[:-2]
            apart = self.code.size(f, strides[-2] if not plan.sums else strides[-1])
            image = f.at("float", f.at("float", f"%{name}{k}", self._at(line, window)), low.text)
            matrix = f.at("float", "%matrix", self._number(k * self.matrix))
            if plan.sums:  # (taps, columns) += windows image^T, columns first
                sizes = f"i64 {columns}, i64 {taps}, i64 {rows}, float 1.0"
                given = (image, apart, "T"), (windows, "%n", "N"), (matrix, columns, "N")
            else:  # image = matrix windows
                sizes = f"i64 {rows}, i64 {columns}, i64 {taps}, float 0.0"
                given = (windows, "%n", "N"), (matrix, taps, "N"), (image, apart, "N")
            args = "".join(f", ptr {p}, i64 {ld}, i8 {ord(t)}" for p, ld, t in given)
            f.do(f"call void @product(ptr %gemm, {sizes}{args})")
