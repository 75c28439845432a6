"""Products of windows: ``einsum`` for images whose rows lie last, without a copy of all windows.

Neighbouring windows share most of their elements. The windows of one line of an image are packed
into a buffer that holds each element once, and one stacked product of small matrices runs over
views of it. All of this stays in the cache of a core.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from functools import lru_cache, partial
from itertools import pairwise, product
from threading import local
from typing import Any, NamedTuple

import numpy as np
from numpy.lib.stride_tricks import as_strided

from layerkit.core.context import Array
from layerkit.execution import products
from layerkit.threads import together

Pair = tuple[Array, Array]
"""A second operand, and where its product goes."""

NEAR, _CACHE = 40_000, 1 << 20
"""Bytes of one window of all rows, and of a line of them, that stay in the caches of a core."""

_kept = local()


def multiply_windows(letters: str, a: Array, *pairs: Pair) -> None:
    """Write ``einsum(letters, a, b)`` into ``out`` for each (b, out); all are of one dtype.

    ``out`` shares no memory with the operands. Bits depend on shapes and strides alone.
    """
    shown = {tuple(v for x in (a, *pair) for v in (x.shape, x.strides)) for pair in pairs}
    plan = plan_of(letters, *shown.pop()) if len(shown) == 1 else None
    if plan is None:
        for b, out in pairs:
            np.copyto(out, np.einsum(letters, a, b, optimize=True))
        return
    work = plan.work * len(pairs)
    parts = min(products.count_of(work), plan.first) if work >= products.LARGE else 1
    spans = list(pairwise(round(plan.first * i / parts) for i in range(parts + 1)))
    source = as_strided(a, plan.shape, plan.strides)
    if plan.sums:
        totals = np.zeros((parts, len(pairs), plan.taps, plan.columns), a.dtype)
        others = [b.transpose(plan.other) for b, _ in pairs]
        together(
            [
                partial(_sums, plan, source, others, total, span)
                for total, span in zip(totals, spans, strict=True)
            ]
        )
        for (_, out), total in zip(pairs, totals.sum(axis=0), strict=True):
            target = out.transpose(plan.result)
            target[...] = total.reshape(target.shape)
    else:
        both = [(plan.matrix(b), out.transpose(plan.result)) for b, out in pairs]
        together([partial(_lines, plan, source, both, span) for span in spans])


class Lines(NamedTuple):
    """How products are done for arrays of given shapes and strides.

    ``axes`` are those of the windows in the order (lines..., line, rest..., rows), where a line has
    the axis of a window's elements; ``shape`` and ``strides`` are what is packed so: a line
    holds ``windows`` windows of ``tap`` elements, each ``step`` elements after the one before.
    ``other`` and ``result`` are the axes of the second operand and of the result: one is (columns,
    tap and rest), or that turned, the other (lines..., windows, columns, rows). ``sums``: whether
    the result is the matrix.
    """

    lines: int
    axes: tuple[int, ...]
    shape: tuple[int, ...]
    strides: tuple[int, ...]
    windows: int
    tap: int
    step: int
    columns: int
    other: tuple[int, ...]
    result: tuple[int, ...]
    sums: bool

    @property
    def first(self) -> int:
        """The number of lines along the first axis of lines."""
        return self.shape[0] if self.lines else 1

    @property
    def taps(self) -> int:
        """The size of a window with all that it holds."""
        return self.tap * math.prod(self.shape[self.lines + 1 : -1])

    @property
    def work(self) -> int:
        """Multiply-adds."""
        lines = math.prod(self.shape[: self.lines])
        return lines * self.windows * self.shape[-1] * self.taps * self.columns

    def matrix(self, b: Array) -> Array:
        """The matrix (columns, taps) in C order: turned, it is a third slower."""
        turned = b.transpose(self.other).reshape(self.columns, self.taps)
        return np.ascontiguousarray(turned)

    def blocks(self, span: tuple[int, int], itemsize: int) -> Iterator[tuple[Any, int, int]]:
        """All lines with their first axis in ``span``, and of each the rows in blocks."""
        rows, line = self.shape[-1], math.prod(self.shape[self.lines : -1])
        most = min(NEAR // (self.taps * itemsize), _CACHE // (line * itemsize))
        count = max(1, round(rows / max(most // 16 * 16, 16)))
        lines = [range(*span), *map(range, self.shape[1 : self.lines])] if self.lines else []
        for place in product(*lines):
            for i in range(count):
                yield place, rows * i // count, rows * (i + 1) // count


@lru_cache(maxsize=512)
def plan_of(
    letters: str,
    shape: tuple[int, ...],
    strides: tuple[int, ...],
    other: tuple[int, ...],
    other_strides: tuple[int, ...],
    result: tuple[int, ...],
    result_strides: tuple[int, ...],
) -> Lines | None:
    """The plan, or None where there is none."""
    a, b, c = letters.replace("->", ",").split(",")
    apart = dict(zip(a, strides, strict=True))
    sizes = dict(zip(a + b, shape + other, strict=True))
    rows = min((x for x in a if sizes[x] > 1), key=apart.__getitem__, default="")
    sums = rows in b and rows not in c
    image, matrix = (b, c) if sums else (c, b)
    columns = [x for x in image if x not in a]
    over = [x for x in image if x in a and x != rows]  # the windows
    inside = [x for x in a if x not in image]  # what they hold
    fits = rows and rows in image and len(columns) == 1 and set(matrix) == {*inside, *columns}
    if not fits or set(image) != {*over, *columns, rows}:
        return None
    steps = dict(zip(image, other_strides if sums else result_strides, strict=True))
    if steps[rows] != apart[rows] or min(steps.values()) < apart[rows] or min(strides) < 0:
        return None
    # Of all ways to lie in a line, the one in which an element belongs to most windows.
    slides = [
        (-sizes[y] * apart[y] / apart[x], apart[y], x, y)
        for x in over
        for y in inside
        if apart[y] and apart[x] % apart[y] == 0 and 0 < apart[x] // apart[y] <= sizes[y]
    ]
    if not slides:
        return None
    *_, slide, tap = min(slides)
    step = apart[slide] // apart[tap]
    lines = sorted((x for x in over if x != slide), key=lambda x: -apart[x])
    rest = sorted((x for x in inside if x != tap), key=lambda x: -apart[x])
    line = (sizes[slide] - 1) * step + sizes[tap]
    order = [*lines, slide, columns[0], rows], [columns[0], tap, *rest]
    if sums:
        order = [*lines, slide, rows, columns[0]], [tap, *rest, columns[0]]
    words = zip((image, matrix), order, strict=True)
    of_image, of_matrix = (tuple(map(word.index, found)) for word, found in words)
    return Lines(
        len(lines),
        tuple(map(a.index, (*lines, tap, *rest, rows))),
        (*(sizes[x] for x in lines), line, *(sizes[x] for x in (*rest, rows))),
        (*(apart[x] for x in lines), apart[tap], *(apart[x] for x in (*rest, rows))),
        sizes[slide],
        sizes[tap],
        step,
        sizes[columns[0]],
        of_image if sums else of_matrix,
        of_matrix if sums else of_image,
        sums,
    )


def _buffer(plan: Lines, source: Array, rows: int) -> tuple[Array, Array]:
    """Memory for a line, and all its windows (windows, taps, rows)."""
    shape = (*source.shape[plan.lines : -1], rows)
    size = math.prod(shape)
    memory = getattr(_kept, "memory", None)
    if memory is None or memory.nbytes < size * source.itemsize:
        memory = _kept.memory = np.empty(size * source.itemsize, np.uint8)
    line = memory[: size * source.itemsize].view(source.dtype).reshape(shape)
    apart = line.strides[0] * plan.step, rows * source.itemsize, source.itemsize
    return line, as_strided(line, (plan.windows, plan.taps, rows), apart)


def _lines(plan: Lines, source: Array, both: Sequence[Pair], span: tuple[int, int]) -> None:
    """Products of the windows of some lines with matrices (columns, taps)."""
    for place, low, high in plan.blocks(span, source.itemsize):
        line, windows = _buffer(plan, source, high - low)
        np.copyto(line, source[place][..., low:high])
        for matrix, out in both:
            np.matmul(matrix, windows, out[place][..., low:high])


def _sums(
    plan: Lines, source: Array, others: Sequence[Array], totals: Array, span: tuple[int, int]
) -> None:
    """Add up to ``totals`` (others, taps, columns) what some lines give."""
    found = np.empty((plan.windows, plan.taps, plan.columns), source.dtype)
    for place, low, high in plan.blocks(span, source.itemsize):
        line, windows = _buffer(plan, source, high - low)
        np.copyto(line, source[place][..., low:high])
        for other, total in zip(others, totals, strict=True):
            np.matmul(windows, other[place][:, low:high], found)
            total += found.sum(axis=0)
