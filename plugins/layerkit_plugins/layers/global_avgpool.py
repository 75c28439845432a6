r"""The mean of each channel of an image.

Feed, with rows x (n, c, h, w)::

    y = mean of x over h and w          (n, c)

Backprop, given dy = dL/dy (n, c)::

    dx = dy / (h w), at every place     (n, c, h, w)

Source: Lin, Chen, Yan, "Network In Network", arXiv 1312.4400, section 3.2.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from layerkit import Array, Context, Layer, Plan, Shape, ShapeError

__all__ = ["GlobalAvgPool"]


class GlobalAvgPool(Layer):
    """The mean of each channel of rows (channels, height, width).

    Raises
    ------
    ShapeError
        From ``plan``, if a row is no image of at least one place.
    """

    type_name = "global_avgpool"

    @classmethod
    def examples(cls) -> list[tuple[dict[str, Any], Shape]]:
        """Sample (settings, input shape) pairs for tests."""
        return [({}, (2, 3, 4)), ({}, (3, 1, 1))]

    def plan(self, in_shape: Shape) -> Plan:
        """No parameters."""
        if len(in_shape) != 3 or 0 in in_shape[1:]:
            raise ShapeError(
                f"expected rows (channels, height, width), got shape {list(in_shape)}; set the "
                "input's shape, such as [1, 28, 28] for rows of 784"
            )
        return Plan(in_shape[:1])

    def feed(self, x: Array, ctx: Context) -> Array:
        """Outputs y (n, c) for x (n, c, h, w)."""
        ctx.save(x.shape)
        return x.mean(axis=(2, 3))

    def backprop(self, dy: Array, ctx: Context) -> Array:
        """Gradient dL/dx (n, c, h, w)."""
        (shape,) = ctx.saved
        _, _, h, w = shape
        return np.broadcast_to((dy / (h * w))[:, :, None, None], shape)
