"""Indexing with arrays of integers, by the functions of the array API standard alone.

Places are numbers in the flat array. What is written is found from the side of the target: each
number of it looks for itself in the sorted places. So nothing is assigned to through an array,
which the standard does not have, and the last of several equal places wins, as in NumPy.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from layerkit.recording.graph import Node, Slice, at


def places(xp: Any, node: Node, keys: tuple[Any, ...], n: int) -> Any:
    """Places (in the flat x) that ``x[keys]`` shows, in its shape; ``node`` is x."""
    shape = at(node.shape, n)
    strides = [int(np.prod(shape[i + 1 :], dtype=np.int64)) for i in range(len(shape))]
    axes = iter(range(len(shape)))
    arrays: list[tuple[int, Any]] = []  # (axis, integers) of all keys that are broadcast together
    sliced: list[tuple[int, Any]] = []  # (place among the keys, numbers or None for a new axis)
    first, last = len(keys), -1
    for i, key in enumerate(keys):
        axis = None if key is None else next(axes)
        if axis is None:
            sliced.append((i, None))
        elif isinstance(key, Slice):
            sliced.append((i, np.arange(shape[axis])[at(key, n)] * strides[axis]))
        else:
            arrays.append((axis, key))
            first, last = min(first, i), max(last, i)
    total: Any = 0
    for axis, key in arrays:
        key = xp.asarray(key) if isinstance(key, int) else xp.astype(key, xp.int64)
        total = total + xp.where(key < 0, key + shape[axis], key) * strides[axis]
    joined = all(not first < i < last for i, _ in sliced)
    before = [part for i, part in sliced if joined and i < first]
    after = [part for i, part in sliced if not (joined and i < first)]
    total = xp.reshape(total, (*total.shape, *(1,) * len(after)))
    grids = [*before, *(None,) * (total.ndim - len(after)), *after]
    for axis, numbers in enumerate(grids):
        if numbers is not None:
            ones = (1,) * (len(grids) - axis - 1)
            total = total + xp.reshape(xp.asarray(numbers), (len(numbers), *ones))
    return total


def gathered(xp: Any, x: Any, where: Any) -> Any:
    """The numbers of ``x`` at ``where``."""
    found = xp.take(xp.reshape(x, (-1,)), xp.reshape(where, (-1,)), axis=0)
    return xp.reshape(found, where.shape)


def replaced(xp: Any, x: Any, where: Any, value: Any) -> Any:
    """``x`` with ``value`` (broadcast) at ``where``; of equal places the last wins."""
    flat = xp.reshape(where, (-1,))
    values = xp.reshape(xp.broadcast_to(value, where.shape), (-1,))
    if flat.shape[0] == 0:
        return x
    order = xp.argsort(flat, stable=True)
    known = xp.take(flat, order, axis=0)
    own = xp.arange(x.size, dtype=known.dtype)
    found = xp.searchsorted(known, own, side="right") - 1
    found = xp.where(found < 0, 0, found)
    hit = xp.take(known, found, axis=0) == own
    new = xp.take(values, xp.take(order, found, axis=0), axis=0)
    return xp.reshape(xp.where(hit, new, xp.reshape(x, (-1,))), x.shape)


def added(xp: Any, x: Any, where: Any, value: Any) -> Any:
    """``x`` with ``value`` (broadcast) added at ``where``, each as often as its place occurs.

    One product with a matrix of zeros and ones, (places of x, values): for small arrays only.
    """
    flat = xp.reshape(where, (-1,))
    values = xp.reshape(xp.broadcast_to(value, where.shape), (-1,))
    own = xp.arange(x.size, dtype=flat.dtype)
    ones = xp.astype(own[:, None] == flat[None, :], x.dtype)
    return x + xp.reshape(ones @ values, x.shape)
