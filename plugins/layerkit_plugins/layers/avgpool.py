r"""Average pooling: the mean of each window.

Feed, with rows x (n, c, h, w), X (n, c, oh, ow, kh, kw) the windows of x, padded with zeros, and N
(oh, ow) the number of elements of x in each window::

    y = sums of the windows X / N              (n, c, oh, ow)

Backprop, given dy = dL/dy (n, c, oh, ow), with D (n, c, h, w, kh, kw) the windows of dy / N, spread
by the stride and padded with kh - 1 and kw - 1::

    dx = sums of the windows D                 (n, c, h, w)

Source: LeCun, Bottou, Bengio, Haffner, "Gradient-based learning applied to document recognition",
Proc. IEEE 86 (1998), section II.B (sub-sampling layers); padding does not count in the mean.
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np

from layerkit import Array, Context, Layer, Plan, Shape
from layerkit.fields import Size
from layerkit.windows import image_frames, spread, windows

__all__ = ["AvgPool"]


class AvgPool(Layer):
    """The mean of each window of rows (channels, height, width).

    Parameters
    ----------
    kernel
        Height and width of a window, or one number for both.
    stride
        Step between two windows, in both directions; the kernel's height by default.
    padding
        "same": the output has 1/stride of the input's size, rounded up, and windows reach
        beyond the border, where they take the mean of what is there; "valid": windows that do not
        fit are left out.

    Raises
    ------
    ShapeError
        From ``plan``, if a row is no image, or no window fits into it.
    """

    type_name = "avgpool"

    def __init__(
        self,
        *,
        kernel: Size | list[Size] = 2,
        stride: Size | None = None,
        padding: Literal["same", "valid"] = "valid",
    ) -> None:
        self.kernel, self.stride, self.padding = kernel, stride, padding

    @classmethod
    def examples(cls) -> list[tuple[dict[str, Any], Shape]]:
        """Sample (settings, input shape) pairs for tests."""
        return [
            ({}, (2, 4, 5)),
            ({"kernel": 3, "stride": 2, "padding": "same"}, (1, 4, 5)),
            ({"kernel": [1, 2], "stride": 3}, (2, 4, 3)),
        ]

    def plan(self, in_shape: Shape) -> Plan:
        """No parameters."""
        high, wide = self._frames(in_shape)
        return Plan((in_shape[0], high.out, wide.out))

    def feed(self, x: Array, ctx: Context) -> Array:
        """Outputs y (n, c, oh, ow) for x (n, c, h, w)."""
        frames = self._frames(x.shape[1:])
        ones = np.ones((1, 1, *x.shape[2:]), ctx.dtype)
        N = windows(ones, frames, axis=2).sum(axis=(4, 5))
        ctx.save(frames, N)
        return windows(x, frames, axis=2).sum(axis=(4, 5)) / N

    def backprop(self, dy: Array, ctx: Context) -> Array:
        """Gradient dL/dx (n, c, h, w)."""
        frames, N = ctx.saved
        return spread(dy / N, frames, axis=2).sum(axis=(4, 5))

    def _frames(self, shape: Shape) -> Any:
        return image_frames(shape, self.kernel, self.stride, self.padding)
