"""Consecutive first-party layers as one program: a table of layers, and memory to run it in."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from contextlib import suppress
from functools import cache, lru_cache
from typing import NamedTuple, Self

import numpy as np

from layerkit import Array
from layerkit.execution.runner import Line, Link
from layerkit_plugins.compiled import DENSE, HIGHWAY, KEEPS_SLOPE, RARE, batches, number_of, rows
from layerkit_plugins.compiled.blas import address_of_sgemm

__all__ = ["Pass", "Program"]

_LINKS: dict[Link, int] = {"identity": 0, "softmax": 1, "sigmoid": 2}


@cache
def _warn_once() -> None:
    warnings.warn(
        "the kernels of layerkit[fast] find no matrix product to call, so NumPy is used: this "
        "NumPy does not include OpenBLAS (pip's numpy does) and SciPy is not installed",
        RuntimeWarning,
        stacklevel=2,
    )


def _plain(x: Array) -> Array:
    """``x`` in C order and writeable, as numba would compile again for any other memory.

    The kernels never write into it, so a read-only array gets a view that claims to be writeable.
    """
    if x.flags.carray:
        return x
    if x.flags.c_contiguous and x.flags.aligned:
        view = x.view()
        with suppress(ValueError):  # the memory itself is read-only
            view.flags.writeable = True
            return view
    return np.array(x, order="C")


class _Layout(NamedTuple):
    """The layout of ``work`` for one number of rows: the table, a copy of x, floats in all."""

    table: Array
    first: int
    size: int


class Program:
    """The table of the layers.

    The codes of a line are its kind, its activation and that of its carry by ``code_of``, and 1 if
    it has all its biases, else 0.
    """

    def __init__(self, lines: Sequence[Line]) -> None:
        self.lines = [(*line.codes, *line[1:]) for line in lines]
        self._table = np.array(self.lines, np.int64)
        self.width = lines[-1].width_out
        self.widest = max(max(line.width_in, line.width_out) for line in lines)
        numbers = [number_of(code) for line in lines for code in line.codes[1:3]]
        self.rare = 0 if max(numbers) >= RARE else None
        self.layout = lru_cache(maxsize=16)(self._layout)  # a training needs four

    @classmethod
    def of(cls, lines: Sequence[Line]) -> Self | None:
        """The program, or None with a warning if there is no BLAS that compiled code can call."""
        if address_of_sgemm() is None:
            _warn_once()
            return None
        return cls(lines)

    def row(self, params: Array, x: Array, link: Link) -> Array | None:
        """Predictions (1, k), a new array, for x (1, i); None if a number is not finite."""
        out: Array = np.empty((1, self.width), np.float32)
        given = self._table, self.widest, params, _plain(x), out, _LINKS[link]
        return out if rows.program(*given, self.rare) else None

    def make_pass(self, *, keeps: bool) -> Pass:
        """Memory for one thread; without ``keeps`` there is no ``backprop``."""
        return Pass(self, keeps=keeps)

    def _layout(self, n: int, keeps: bool) -> _Layout:
        """Each layer has its own memory if backprop follows; otherwise two places alternate."""
        first, at = -1, 0
        if self.lines[0][0] == HIGHWAY:  # its elementwise part reads x, features first
            first, at = 0, self.lines[0][-2] * n
        slot = max(line[-1] for line in self.lines) * n
        shared = at + 2 * slot
        table = []
        for number, line in enumerate(self.lines):
            kind, o = line[0], line[-1]
            y = at + number % 2 * slot
            if not keeps:
                table.append([*line, y if kind == DENSE else shared, 0, y, 0])
                continue
            P = y = at
            if kind != DENSE:
                P = at + kind * o * n
                y = P + o * n
            table.append([*line, at, P, y, y + o * n])
            at = y + o * n * (2 if number_of(line[1]) >= KEEPS_SLOPE else 1)
        if not keeps:
            at = shared + max(line[0] * line[-1] for line in self.lines) * n
        return _Layout(np.array(table, np.int64), first, at)


class Pass:
    """A program with memory for batches, to be used by one thread at a time."""

    def __init__(self, program: Program, *, keeps: bool) -> None:
        self._program, self._keeps = program, keeps
        self._sgemm = address_of_sgemm()
        self._work = self._out = self._scratch = np.empty(0, np.float32)

    def feed(self, params: Array, x: Array) -> Array:
        """Scores (n, k) for x (n, i), valid until the next feed."""
        n, width = len(x), self._program.width
        if self._out.size < n * width:
            self._out = np.empty(n * width, np.float32)
        out: Array = self._out[: n * width].reshape(n, width)
        self._x = x = _plain(x)
        table, first, size = self._layout = self._program.layout(n, self._keeps)
        if self._work.size < size:
            self._work = np.empty(size, np.float32)
        if n:
            given = table, params, x, first, self._work, out, self._keeps
            batches.feed(self._sgemm, *given, self._program.rare)
        return out

    def backprop(self, params: Array, dy: Array, grads: Array, *, wants_dx: bool) -> Array:
        """Gradient for x (n, i), if wanted, for dy (n, k); writes the layers' part of ``grads``."""
        if not len(dy):
            for k, _, _, biased, start, i, o in self._program.lines:
                biases = k * o if biased else o * (k != DENSE)
                grads[start : start + i * k * o + biases] = 0
            return np.empty(self._x.shape, np.float32)
        table, first, _ = self._layout
        room = self._program.widest * len(dy)
        if self._scratch.size < 5 * room:
            self._scratch = np.empty(5 * room, np.float32)
        scratch = self._scratch[: 5 * room].reshape(5, room)
        batches.backprop(
            self._sgemm,
            table,
            params,
            self._x,
            first,
            self._work,
            scratch,
            _plain(dy),
            grads,
            wants_dx,
            self._program.rare,
        )
        if not wants_dx:
            return dy
        dx: Array = scratch[len(table) % 2][: self._x.size].reshape(-1, len(dy)).T
        return dx
