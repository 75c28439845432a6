r"""The mean of each channel of an image or a sequence.

Feed, with rows x (n, c, h, w), or (n, t, c)::

    y = mean of x over h and w, or over t          (n, c)

Backprop, given dy = dL/dy (n, c)::

    dx = dy / (h w), or dy / t, at every place     the shape of x

Source: Lin, Chen, Yan, "Network In Network", arXiv 1312.4400, section 3.2.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from layerkit import Array, Context, Layer, Plan, Shape, ShapeError
from layerkit.windows import shape_of_an_image

__all__ = ["GlobalAvgPool"]


class GlobalAvgPool(Layer):
    """The mean of each channel of rows (channels, height, width) or (steps, channels).

    Raises
    ------
    ShapeError
        From ``plan``, if a row has another number of axes, or no places.
    """

    type_name = "global_avgpool"

    @classmethod
    def examples(cls) -> list[tuple[dict[str, Any], Shape]]:
        """Sample (settings, input shape) pairs for tests."""
        return [({}, (2, 3, 4)), ({}, (3, 1, 1)), ({}, (5, 2))]

    def plan(self, in_shape: Shape) -> Plan:
        """No parameters."""
        if len(in_shape) not in (2, 3) or 0 in in_shape:
            raise ShapeError(
                "expected rows (channels, height, width) or (steps, channels), got shape "
                f"{list(in_shape)}{shape_of_an_image(in_shape)}"
            )
        return Plan((in_shape[0] if len(in_shape) == 3 else in_shape[1],))

    def feed(self, x: Array, ctx: Context) -> Array:
        """Outputs y (n, c) for x (n, c, h, w) or (n, t, c)."""
        ctx.save(x.shape)
        return x.mean(axis=(2, 3) if x.ndim == 4 else 1)

    def backprop(self, dy: Array, ctx: Context) -> Array:
        """Gradient dL/dx, of the shape of x."""
        (shape,) = ctx.saved
        if len(shape) == 3:
            return np.broadcast_to((dy / shape[1])[:, None], shape)
        _, _, h, w = shape
        return np.broadcast_to((dy / (h * w))[:, :, None, None], shape)
