"""NumPy's functions that layers use and the array API standard lacks, written with the standard."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np


def _einsum(xp: Any, subscripts: str, *arrays: Any) -> Any:
    """Sums of products over named axes, each axis once per operand; no ellipsis.

    The product of all operands is held in memory before it is summed.
    """
    before, arrow, after = subscripts.replace(" ", "").partition("->")
    operands = before.split(",")
    names = "".join(dict.fromkeys(before.replace(",", "")))
    if not arrow or "." in before or any(len(set(o)) < len(o) for o in operands):
        return NotImplemented
    order = after + "".join(name for name in names if name not in after)
    product = None
    for operand, array in zip(operands, arrays, strict=True):
        found = [operand.index(name) for name in order if name in operand]
        sizes = iter(array.shape[i] for i in found)
        shape = tuple(next(sizes) if name in operand else 1 for name in order)
        aligned = xp.reshape(xp.permute_dims(array, tuple(found)), shape)
        product = aligned if product is None else product * aligned
    return xp.sum(product, axis=tuple(range(len(after), len(order))))


def _windows(xp: Any, x: Any, window_shape: Any, axis: Any = None) -> Any:
    """``sliding_window_view`` along one axis, as a copy."""
    if axis is None or isinstance(axis, tuple) or isinstance(window_shape, tuple):
        return NotImplemented
    axis %= x.ndim
    count = x.shape[axis] - window_shape + 1
    starts = xp.reshape(xp.arange(count), (-1, 1)) + xp.arange(window_shape)
    taken = xp.take(x, xp.reshape(starts, (-1,)), axis=axis)
    shape = (*x.shape[:axis], count, window_shape, *x.shape[axis + 1 :])
    return xp.moveaxis(xp.reshape(taken, shape), axis + 1, -1)


def _pad(
    xp: Any, x: Any, pad_width: Any, mode: str = "constant", *, constant_values: Any = 0
) -> Any:
    """A border of one number."""
    if mode != "constant" or np.ndim(constant_values):
        return NotImplemented
    widths = np.broadcast_to(np.asarray(pad_width), (x.ndim, 2)).tolist()
    for axis, sizes in enumerate(widths):
        borders = [
            xp.full((*x.shape[:axis], size, *x.shape[axis + 1 :]), constant_values, dtype=x.dtype)
            for size in sizes
        ]
        x = xp.concat([borders[0], x, borders[1]], axis=axis)
    return x


FUNCTIONS: dict[Any, Callable[..., Any]] = {
    np.einsum: _einsum,
    np.lib.stride_tricks.sliding_window_view: _windows,
    np.pad: _pad,
}
"""By NumPy's function, called with the namespace first; NotImplemented for other arguments."""
