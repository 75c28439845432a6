"""NumPy's functions that layers use and the array API standard lacks, written with the standard."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from layerkit.execution.devices.device import Device


def einsum(device: Device, subscripts: str, *arrays: Any, optimize: Any = None) -> Any:
    """Sums of products over named axes, each axis once per operand, from left to right.

    Two operands are one product of matrices, for each value of the axes that both and the result
    have.
    """
    before, arrow, after = subscripts.replace(" ", "").partition("->")
    names = before.split(",")
    if not arrow or "." in before or any(len(set(one)) < len(one) for one in names):
        return NotImplemented
    (left, x), *others = zip(names, arrays, strict=True)
    for i, (right, y) in enumerate(others):
        left, x = _product(device, left, x, right, y, after + "".join(names[i + 2 :]))
    gone = tuple(i for i, name in enumerate(left) if name not in after)
    x = device.xp.sum(x, axis=gone) if gone else x
    left = "".join(name for name in left if name in after)
    return device.xp.permute_dims(x, tuple(map(left.index, after)))


def _product(device: Device, left: str, x: Any, right: str, y: Any, wanted: str) -> tuple[str, Any]:
    """Two operands as one: the names of its axes, those that are ``wanted``, and its array."""
    xp = device.xp
    x, left = _summed(xp, x, left, right + wanted)
    y, right = _summed(xp, y, right, left + wanted)
    both = [name for name in left if name in right]
    many, inner = ([n for n in both if (n in wanted) == kept] for kept in (True, False))
    rows, columns = ([n for n in one if n not in both] for one in (left, right))
    sizes = dict(zip(left, x.shape, strict=True)) | dict(zip(right, y.shape, strict=True))

    def stacked(array: Any, own: str, *groups: list[str]) -> Any:
        order = tuple(own.index(name) for group in groups for name in group)
        shape = [math.prod(sizes[name] for name in group) for group in groups]
        return xp.reshape(xp.permute_dims(array, order), tuple(shape if many else shape[1:]))

    multiply = device.operations().get("matmul", xp.matmul)
    made = multiply(stacked(x, left, many, rows, inner), stacked(y, right, many, inner, columns))
    found = [*many, *rows, *columns]
    return "".join(found), xp.reshape(made, tuple(sizes[name] for name in found))


def _summed(xp: Any, x: Any, own: str, kept: str) -> tuple[Any, str]:
    """``x`` summed over its axes that nothing else has."""
    gone = tuple(i for i, name in enumerate(own) if name not in kept)
    x = xp.sum(x, axis=gone) if gone else x
    return x, "".join(name for name in own if name in kept)


def windows(device: Device, x: Any, window_shape: Any, axis: Any = None) -> Any:
    """``sliding_window_view`` along some axes, as a copy."""
    xp = device.xp
    sizes = window_shape if isinstance(window_shape, tuple) else (window_shape,)
    axes = range(x.ndim) if axis is None else axis if isinstance(axis, tuple) else (axis,)
    for along, size in zip([one % x.ndim for one in axes], sizes, strict=True):
        count = x.shape[along] - size + 1
        places = xp.reshape(xp.arange(count), (-1, 1)) + xp.arange(size)
        taken = xp.take(x, xp.reshape(places, (-1,)), axis=along)
        shape = (*x.shape[:along], count, size, *x.shape[along + 1 :])
        x = xp.moveaxis(xp.reshape(taken, shape), along + 1, -1)
    return x


def pad(
    device: Device, x: Any, pad_width: Any, mode: str = "constant", *, constant_values: Any = 0
) -> Any:
    """A border of one number."""
    xp = device.xp
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
    np.einsum: einsum,
    np.lib.stride_tricks.sliding_window_view: windows,
    np.pad: pad,
}
"""By NumPy's function, called with the device first; NotImplemented for other arguments."""
