r"""Random shifts of images while a network is trained; nothing else.

Feed in training, with rows x (n, c, h, w), and whole numbers u, v of each row, drawn evenly from
-m to m::

    y[n, c, i, j] = x[n, c, i - u[n], j - v[n]], or 0 beyond the border         (n, c, h, w)

Backprop, given dy = dL/dy (n, c, h, w)::

    dx[n, c, i, j] = dy[n, c, i + u[n], j + v[n]], or 0 beyond the border       (n, c, h, w)

In inference y = x and dx = dy.

Source: LeCun, Bottou, Bengio, Haffner, "Gradient-based learning applied to document recognition",
Proc. IEEE 86 (1998), section III.B (translations among the distortions).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from layerkit import Array, Context, Layer, Plan, Shape
from layerkit.fields import Size
from layerkit.windows import Frame, image_frames, padded

__all__ = ["Shift"]


class Shift(Layer):
    """Random shifts of rows (channels, height, width), zero filled; the identity in inference.

    Parameters
    ----------
    most
        m, the largest shift in both directions, in elements.

    Raises
    ------
    ShapeError
        From ``plan``, if a row is no image.
    """

    type_name = "shift"

    def __init__(self, *, most: Size = 2) -> None:
        self.most = most

    @classmethod
    def examples(cls) -> list[tuple[dict[str, Any], Shape]]:
        """Sample (settings, input shape) pairs for tests."""
        return [({}, (2, 3, 4)), ({"most": 3}, (1, 2, 2))]

    def plan(self, in_shape: Shape) -> Plan:
        """No parameters."""
        image_frames(in_shape, 1, 1, "valid")
        return Plan(in_shape)

    def feed(self, x: Array, ctx: Context) -> Array:
        """Outputs y (n, c, h, w) for x (n, c, h, w)."""
        if not ctx.training:
            return x
        uv = ctx.rng.integers(-self.most, self.most + 1, size=(2, len(x)))
        ctx.save(uv)
        return self._shifted(x, -uv)

    def backprop(self, dy: Array, ctx: Context) -> Array:
        """Gradient dL/dx (n, c, h, w)."""
        if not ctx.training:
            return dy
        (uv,) = ctx.saved
        return self._shifted(dy, uv)

    def _shifted(self, x: Array, by: Array) -> Array:
        """The elements ``by`` further down and to the right of each place."""
        m, (h, w) = self.most, x.shape[2:]
        whole = padded(x, [Frame(size, 1, 1, m, m) for size in (h, w)], axis=2)
        rows = (by[0][:, None] + np.arange(m, m + h))[:, :, None]
        columns = (by[1][:, None] + np.arange(m, m + w))[:, None, :]
        found = whole[np.arange(len(x))[:, None, None], :, rows, columns]  # (n, h, w, c)
        return found.transpose(0, 3, 1, 2)
