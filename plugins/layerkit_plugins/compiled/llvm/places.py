"""Where values lie in memory, for any number of rows.

Widths are not written into the code: layers of other widths run the same code. They stand in the
``cells`` of a layer's row of the table, and so do all addresses. Views are NumPy's own, of memory
that stands in for that of a value, once for each of two numbers of rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from layerkit.core.context import Array
from layerkit.execution.planned.joins import address
from layerkit.recording.graph import ALL, Node, at
from layerkit.recording.graph import N as N

Dim = Any
"""An int, or ``N``."""

Cell = tuple[Any, ...]
"""What a cell of the table holds: ("size", 64), ("param", "W"), ("slot", 3), ..."""


class NotCompiled(Exception):  # noqa: N818  # a reason, not a fault
    """Why there is no machine code for a recording."""


def unknown(node: Node, how: str = "") -> NotCompiled:
    """The reason where an operation is not known, with NumPy's name of it."""
    name = getattr(node.fn, "__name__", "")
    if node.op != "call" and not isinstance(node.fn, np.ufunc):
        return NotCompiled(f"{node.op}{how} is not compiled")
    owner = getattr(node.fn, "__self__", None)  # of np.add.accumulate
    module = f"np.{owner.__name__}" if isinstance(owner, np.ufunc) else node.fn.__module__
    return NotCompiled(f"{module.replace('numpy', 'np')}.{name}{how} is not compiled")


class Size(NamedTuple):
    """The number a n + b, for n rows."""

    a: int
    b: int

    @classmethod
    def of(cls, dim: Dim) -> Size:
        """The length of an axis."""
        return cls(1, 0) if dim == N else cls(0, dim)


ONE, NOTHING = Size(0, 1), Size(0, 0)

ROWS = 5, 8
"""Of the stand-ins."""


class Place:
    """Where a value of shape ``dims`` lies: elements of LLVM's type ``kind``, after ``cell``.

    ``shown`` stand in for it, ``begins`` are where the memory of each begins.
    """

    def __init__(
        self,
        cell: Cell,
        dims: tuple[Dim, ...],
        kind: str,
        shown: Sequence[Array],
        begins: Sequence[int],
    ) -> None:
        self.cell, self.dims, self.kind, self.shown, self.begins = cell, dims, kind, shown, begins
        self.offset = _size([address(a) - begin for a, begin in zip(shown, begins, strict=True)])
        # An axis of one element has no stride.
        sizes = map(_size, zip(*(array.strides for array in shown), strict=True))
        self.strides = [NOTHING if d == 1 else s for d, s in zip(dims, sizes, strict=True)]

    def view(self, node: Node, dims: tuple[Dim, ...], rows: Sequence[int]) -> Place:
        """What the view ``node`` shows of it; raises NotCompiled where NumPy would copy."""
        assert node.fn is not None  # noqa: S101  # only leaves have none
        shown = []
        for array, n in zip(self.shown, rows, strict=True):
            found = node.fn(array, *at(node.args[1:], n))
            if found.size and not np.may_share_memory(found, array):
                raise NotCompiled("a reshape that would have to copy")
            shown.append(found)
        return Place(self.cell, dims, self.kind, shown, self.begins)

    def turned(self) -> Place:
        """A matrix, transposed."""
        return Place(self.cell, self.dims[::-1], self.kind, [a.T for a in self.shown], self.begins)

    def part(self, dims: tuple[Dim, ...], key: tuple[slice, ...]) -> Place:
        """Some of its elements."""
        return Place(self.cell, dims, self.kind, [a[key] for a in self.shown], self.begins)

    def is_at(self, other: Place) -> bool:
        """Whether both begin at one address."""
        return (self.cell, self.offset) == (other.cell, other.offset)


def _size(values: Sequence[int]) -> Size:
    first, second = values
    a = (second - first) // (ROWS[1] - ROWS[0])
    return Size(a, first - a * ROWS[0])


def memory(shape: tuple[int, ...], axis: int | None) -> Array:
    """Memory in C order, but the axis of the rows last: neighbouring rows lie side by side.

    Images (n, c, h, w) lie pixel by pixel, as (h, w, c, n).
    """
    if axis is None:
        return np.empty(shape, np.uint8)
    if axis == 0 and len(shape) == 4:
        n, c, h, w = shape
        image: Array = np.empty((h, w, c, n), np.uint8).transpose(3, 2, 0, 1)
        return image
    last: Array = np.empty((*shape[:axis], *shape[axis + 1 :], shape[axis]), np.uint8)
    return np.moveaxis(last, -1, axis)


def is_same(node: Node) -> bool:
    """Whether a view only adds or drops axes of one element."""
    before = node.args[0]
    same = [d for d in before.shape if d != 1] == [d for d in node.shape if d != 1]
    if node.op == "index":
        return same and all(key is None or key == ALL for key in node.args[1])
    return same and node.op != "transpose"
