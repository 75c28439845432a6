"""Numbers that the machine code computes when it runs, and where a value lies in memory.

Widths are not written into the code: layers of other widths run the same code. They stand in the
``cells`` of a layer's row of the table, and so do all addresses.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

from layerkit.recording.graph import Count, Node, Slice


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


N = Count(1)
Dim = Any
"""An int, or ``N``."""

Cell = tuple[Any, ...]
"""What a cell of the table holds: ("size", 64), ("param", "W"), ("slot", 3), ..."""


class Size(NamedTuple):
    """A sum of products: coefficients by factors, which are ``N`` and cells, sorted."""

    terms: tuple[tuple[int, tuple[Any, ...]], ...] = ()

    @classmethod
    def of(cls, value: Dim) -> Size:
        """``value`` as a size; 0 and 1 are written into the code."""
        if value == N:
            return cls(((1, (N,)),))
        if value < 0:
            return cls(tuple((-c, f) for c, f in cls.of(-value).terms))
        if value < 2:
            return cls(((1, ()),)) if value else cls()
        return cls(((1, (("size", value),)),))

    @classmethod
    def cell(cls, cell: Cell) -> Size:
        """What ``cell`` holds."""
        return cls(((1, (cell,)),))

    def plus(self, other: Size) -> Size:
        """The sum."""
        found: dict[tuple[Any, ...], int] = {}
        for c, factors in (*self.terms, *other.terms):
            found[factors] = found.get(factors, 0) + c
        return Size(tuple((c, f) for f, c in sorted(found.items(), key=str) if c))

    def times(self, other: Size) -> Size:
        """The product."""
        total = Size()
        for c, f in self.terms:
            for d, g in other.terms:
                total = total.plus(Size(((c * d, tuple(sorted((*f, *g), key=str))),)))
        return total


ONE = Size.of(1)


class Place(NamedTuple):
    """Where a value lies: elements from the address in ``cell``, and its axes."""

    cell: Cell
    offset: Size
    dims: tuple[Dim, ...]
    strides: tuple[Size, ...]
    kind: str  # LLVM's type of an element


def canonical(cell: Cell, dims: tuple[Dim, ...], kind: str) -> Place:
    """In C order, but rows last: neighbouring rows lie side by side."""
    strides, step = [Size()] * len(dims), ONE
    order = sorted(range(len(dims)), key=lambda axis: (dims[axis] == N, axis))
    for axis in reversed(order):
        strides[axis] = step
        step = step.times(Size.of(dims[axis]))
    return Place(cell, Size(), dims, tuple(strides), kind)


def transposed(place: Place, axes: tuple[int, ...] | None) -> Place:
    """The view of a ``transpose``."""
    axes = tuple(reversed(range(len(place.dims)))) if axes is None else axes
    dims, strides = (tuple(t[axis] for axis in axes) for t in (place.dims, place.strides))
    return place._replace(dims=dims, strides=strides)


def broadcast(place: Place, dims: tuple[Dim, ...]) -> Place:
    """The view of a ``broadcast_to``."""
    strides = aligned(place, dims)
    return place._replace(dims=dims, strides=strides)


def aligned(place: Place, dims: tuple[Dim, ...]) -> tuple[Size, ...]:
    """Strides of a value that takes part in an operation of shape ``dims``."""
    missing = len(dims) - len(place.dims)
    strides = [Size()] * missing
    for have, want, stride in zip(place.dims, dims[missing:], place.strides, strict=True):
        strides.append(stride if have == want else Size())
    return tuple(strides)


def indexed(place: Place, keys: Any) -> Place:
    """The view of an ``index``: integers, slices, None and Ellipsis; NotCompiled for other keys."""
    keys = keys if isinstance(keys, tuple) and not isinstance(keys, Slice) else (keys,)
    used = sum(1 for key in keys if key is not None and key is not Ellipsis)
    full = (Slice(None, None, None),) * (len(place.dims) - used)
    if Ellipsis not in keys:
        keys = (*keys, Ellipsis)
    where = keys.index(Ellipsis)
    offset, dims, strides, axis = place.offset, [], [], 0
    for key in (*keys[:where], *full, *keys[where + 1 :]):
        if key is None:
            dims.append(1)
            strides.append(Size())
            continue
        dim, stride = place.dims[axis], place.strides[axis]
        axis += 1
        if isinstance(key, Slice):
            start, count, step = _part(key, dim)
            dims.append(count)
            strides.append(stride.times(Size.of(step)))
        elif isinstance(key, int) and isinstance(dim, int):
            start = key + dim if key < 0 else key
        else:
            raise NotCompiled(f"picks by {key!r}")
        offset = offset.plus(stride.times(Size.of(start)))
    return place._replace(offset=offset, dims=tuple(dims), strides=tuple(strides))


def _part(key: Slice, dim: Dim) -> tuple[int, Dim, int]:
    """Start, count and step of a slice."""
    if key.start in (None, 0) and key.stop in (None, dim) and key.step in (None, 1):
        return 0, dim, 1
    if not isinstance(dim, int) or any(isinstance(v, Count) for v in key):
        raise NotCompiled("picks some of the rows")
    found = range(*slice(*key).indices(dim))
    return found.start, len(found), found.step


def reshaped(place: Place, dims: tuple[Dim, ...]) -> Place:
    """The view of a ``reshape``; NotCompiled where it would have to copy."""
    olds = [(d, s) for d, s in zip(place.dims, place.strides, strict=True) if d != 1]
    strides, at = [], 0
    for group_old, group_new in _groups([d for d, _ in olds], [d for d in dims if d != 1]):
        parts = olds[at : at + len(group_old)]
        at += len(group_old)
        for (_, outer), (dim, inner) in pairwise(parts):
            if outer != inner.times(Size.of(dim)):
                raise NotCompiled("a reshape that would have to copy")
        step, found = parts[-1][1], []
        for dim in reversed(group_new):
            found.append(step)
            step = step.times(Size.of(dim)) if len(group_new) > 1 else step
        strides.extend(reversed(found))
    rest = iter(strides)
    all_strides = tuple(Size() if dim == 1 else next(rest) for dim in dims)
    return place._replace(dims=dims, strides=all_strides)


def _groups(old: list[Dim], new: list[Dim]) -> Iterable[tuple[list[Dim], list[Dim]]]:
    """Runs of axes that hold equally many elements before and after."""
    i = j = 0
    while i < len(old) or j < len(new):
        first, second = i, j
        i, j = i + 1, j + 1
        a, b = old[first : first + 1], new[second : second + 1]
        if not a or not b or (a != b and N in (*a, *b)):
            raise NotCompiled("a reshape that joins rows and features")
        while a != b and (have := _product(a)) != (want := _product(b)):
            side, at, where = (a, i, old) if have < want else (b, j, new)
            if at >= len(where) or where[at] == N:
                raise NotCompiled("a reshape that joins rows and features")
            side.append(where[at])
            i, j = (i + 1, j) if side is a else (i, j + 1)
        yield a, b


def _product(dims: list[int]) -> int:
    total = 1
    for dim in dims:
        total *= dim
    return total


def is_same(node: Node) -> bool:
    """Whether a view only adds or drops axes of one element."""
    (before,) = node.inputs()
    if [d for d in before.shape if d != 1] != [d for d in node.shape if d != 1]:
        return False
    if node.op in ("reshape", "broadcast_to"):
        return True
    if node.op == "index":
        keys = node.args[1] if isinstance(node.args[1], tuple) else (node.args[1],)
        return all(key in (None, Ellipsis, Slice(None, None, None)) for key in keys)
    return False
