r"""Max pooling: the largest number of each window.

Feed, with rows x (n, c, h, w), and x_k (n, c, oh, ow) the elements number k, from 0 on, of all
windows of x, padded with -infinity::

    y = largest of the x_k                     (n, c, oh, ow)
    K = the first k with x_k = y               (n, c, oh, ow)

Backprop, given dy = dL/dy (n, c, oh, ow)::

    dx_k = dy where K = k, else 0, added for all k where the x_k lie      (n, c, h, w)

Of equal numbers in one window the first takes the whole gradient.

Source: Ranzato, Huang, Boureau, LeCun, "Unsupervised learning of invariant feature hierarchies",
CVPR 2007; Scherer, Mueller, Behnke, "Evaluation of pooling operations", ICANN 2010.
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np

from layerkit import Array, Context, Layer, Plan, Shape
from layerkit.fields import Size
from layerkit.windows import image_frames, inner, padded, taps

__all__ = ["MaxPool"]


class MaxPool(Layer):
    """The largest number of each window of rows (channels, height, width).

    Parameters
    ----------
    kernel
        Height and width of a window, or one number for both.
    stride
        Step between two windows, in both directions; the kernel's height by default.
    padding
        "same": the output has 1/stride of the input's size, rounded up, and windows reach
        beyond the border; "valid": windows that do not fit are left out.

    Raises
    ------
    ShapeError
        From ``plan``, if a row is no image, or no window fits into it.
    """

    type_name = "maxpool"

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
        whole = padded(x, frames, axis=2, fill=-np.inf)
        first, *others = taps(frames, axis=2)
        y = whole[first]
        K = np.zeros_like(y)
        for k, tap in enumerate(others, start=1):
            K = np.where(whole[tap] > y, k, K)
            y = np.maximum(y, whole[tap])
        ctx.save(frames, K)
        return y

    def backprop(self, dy: Array, ctx: Context) -> Array:
        """Gradient dL/dx (n, c, h, w)."""
        frames, K = ctx.saved
        whole = np.zeros_like(dy, shape=(*dy.shape[:2], *(f.padded for f in frames)))
        for k, tap in enumerate(taps(frames, axis=2)):
            whole[tap] += np.where(k == K, dy, 0)
        return whole[inner(frames, axis=2)]

    def _frames(self, shape: Shape) -> Any:
        return image_frames(shape, self.kernel, self.stride, self.padding)
