r"""Windows that slide along axes: what convolutions and poolings share.

Along an axis of ``size`` elements, with ``before`` and ``after`` elements of padding, window o
holds the elements o s to o s + k - 1 of the padded axis, for a kernel of k and a stride of s.

Padding "valid" is none. "same" gives out = ceil(size / s), with the odd element behind, as
TensorFlow and Keras do; "causal" puts k - 1 before, so that window o ends with element o s.

A layer gets its frames from its settings (``image_frames``, or ``frames`` for sequences) in
``plan`` and ``feed``. It computes with all ``windows`` at once and with ``spread`` in backprop, as
``conv1d`` does, or with one element of all windows at a time, ``padded`` and ``taps``, as
``maxpool`` does.

Source: Dumoulin, Visin, "A guide to convolution arithmetic for deep learning", arXiv 1603.07285,
relationships 6 (out) and 14 (dx is a convolution of dz, spread by s, with the turned kernel).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import product
from typing import Any, NamedTuple

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from layerkit.errors import ShapeError

__all__ = [
    "Frame",
    "frames",
    "image_frames",
    "inner",
    "padded",
    "shape_of_an_image",
    "spread",
    "taps",
    "windows",
]

Array = np.ndarray[Any, Any]


class Frame(NamedTuple):
    """How windows lie along one axis."""

    size: int
    kernel: int
    stride: int
    before: int
    after: int

    @property
    def padded(self) -> int:
        """Elements with the padding."""
        return self.size + self.before + self.after

    @property
    def out(self) -> int:
        """The number of windows."""
        return (self.padded - self.kernel) // self.stride + 1


def frames(
    sizes: Sequence[int], kernel: int | list[int], stride: int | None, padding: str
) -> tuple[Frame, ...]:
    """The frame of each axis, by default with the stride of a window beside the last one.

    ShapeError where not one window fits.
    """
    kernels = kernel if isinstance(kernel, list) else [kernel] * len(sizes)
    if len(kernels) != len(sizes):
        raise ShapeError(f"expected a kernel of {len(sizes)} sizes, got {kernels}")
    stride = stride or kernels[0]
    found = []
    for size, k in zip(sizes, kernels, strict=True):
        missing = max((-(-size // stride) - 1) * stride + k - size, 0)
        before = {"valid": 0, "same": missing // 2, "causal": k - 1}[padding]
        after = missing - before if padding == "same" else 0
        frame = Frame(size, k, stride, before, after)
        if frame.out < 1 or size < 1:
            raise ShapeError(f"expected at least {k} elements for a window of {k}, got {size}")
        found.append(frame)
    return tuple(found)


def image_frames(
    shape: tuple[int, ...], kernel: int | list[int], stride: int | None, padding: str
) -> tuple[Frame, ...]:
    """The frames of rows (c, h, w); ShapeError for others."""
    if len(shape) != 3:
        raise ShapeError(
            f"expected rows (channels, height, width), got shape {list(shape)}"
            f"{shape_of_an_image(shape)}"
        )
    return frames(shape[1:], kernel, stride, padding)


_RESHAPE = "set the input's shape, or put a reshape layer before it"


def shape_of_an_image(shape: tuple[int, ...]) -> str:
    """Advice about the shape of rows that are no images, with sizes that fit them."""
    if len(shape) == 2:
        return f"; an image of one channel is {[1, *shape]}: {_RESHAPE}"
    numbers = math.prod(shape)
    for channels in (1, 3):
        side = math.isqrt(numbers // channels)
        if side > 1 and channels * side * side == numbers:
            image = [channels, side, side]
            return f"; {_RESHAPE}, such as {image} for rows of {numbers:,} numbers"
    return f"; {_RESHAPE}"


def padded(x: Array, frames: Sequence[Frame], axis: int, fill: float = 0.0) -> Array:
    """The array with the padding of its axes from ``axis`` on, filled with a number."""
    if all(f.padded == f.size for f in frames):
        return x
    shape = *x.shape[:axis], *(f.padded for f in frames), *x.shape[axis + len(frames) :]
    whole = np.full_like(x, fill, shape=shape)
    whole[inner(frames, axis)] = x
    return whole


def inner(frames: Sequence[Frame], axis: int) -> tuple[slice, ...]:
    """Where x lies in the padded array."""
    lead = (slice(None),) * axis
    return *lead, *(slice(f.before, f.before + f.size) for f in frames)


def windows(x: Array, frames: Sequence[Frame], axis: int) -> Array:
    """All windows of the padded x, a view (..., out..., ..., kernel...)."""
    axes = tuple(range(axis, axis + len(frames)))
    kernels = tuple(f.kernel for f in frames)
    view = sliding_window_view(padded(x, frames, axis), kernels, axes)
    return view[(slice(None),) * axis + tuple(slice(None, None, f.stride) for f in frames)]


def spread(dz: Array, frames: Sequence[Frame], axis: int) -> Array:
    """All windows of dz with its elements s apart, (..., size..., ..., kernel...).

    A window holds, from its end, the dz of the outputs that an element of x took part in.
    """
    axes = tuple(range(axis, axis + len(frames)))
    sizes = (f.size + f.kernel - 1 for f in frames)
    shape = *dz.shape[:axis], *sizes, *dz.shape[axis + len(frames) :]
    whole = np.zeros_like(dz, shape=shape)
    starts = [f.kernel - 1 - f.before for f in frames]
    keys = [_every(start, f) for start, f in zip(starts, frames, strict=True)]
    whole[(slice(None),) * axis + tuple(keys)] = dz
    return sliding_window_view(whole, tuple(f.kernel for f in frames), axes)


def taps(frames: Sequence[Frame], axis: int) -> Iterator[tuple[slice, ...]]:
    """For each element of a window, where it lies in the padded array for all windows."""
    for starts in product(*(range(f.kernel) for f in frames)):
        keys = (_every(start, f) for start, f in zip(starts, frames, strict=True))
        yield *(slice(None),) * axis, *keys


def _every(start: int, frame: Frame) -> slice:
    return slice(start, start + frame.stride * (frame.out - 1) + 1, frame.stride)
