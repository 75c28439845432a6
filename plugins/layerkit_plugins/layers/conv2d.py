r"""The convolution of images: one small kernel for all places, then an elementwise function.

Feed, with rows x (n, c, h, w), weights W (kh, kw, c, f), bias b (f,), and X (n, c, oh, ow, kh, kw)
the windows of the padded x, X[n, c, y, x, i, j] = x[n, c, y s + i, x s + j]::

    z[n, f, y, x] = sum over c, i, j of X[n, c, y, x, i, j] W[i, j, c, f] + b[f]
    y = f(z)                                                        (n, f, oh, ow)

Backprop, given dy = dL/dy (n, f, oh, ow), with D (n, f, h, w, kh, kw) the windows of dz spread by
the stride and padded with kh - 1 and kw - 1::

    dz = dy * f'(z)                                                 (n, f, oh, ow)
    dW[i, j, c, f] = sum over n, y, x of X[n, c, y, x, i, j] dz[n, f, y, x]
    db[f] = sum over n, y, x of dz[n, f, y, x]
    dx[n, c, y, x] = sum over f, i, j of D[n, f, y, x, i, j] W[kh - 1 - i, kw - 1 - j, c, f]

Source: LeCun, Bottou, Bengio, Haffner, "Gradient-based learning applied to document recognition",
Proc. IEEE 86 (1998), section II; padding and strides: ``layerkit.windows``.
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np

from layerkit import Array, Context, Layer, Param, Plan, Shape, activation
from layerkit.fields import ActivationName, InitializerName, Size
from layerkit.windows import image_frames, spread, windows

__all__ = ["Conv2d"]


class Conv2d(Layer):
    """Convolution of rows (channels, height, width), y = f(x * W + b).

    Parameters
    ----------
    filters
        Channels f of the output.
    kernel
        Height and width of W, or one number for both.
    stride
        Step between two windows, in both directions.
    padding
        "same" pads with zeros so that the output has 1/stride of the input's size, rounded up;
        "valid" does not pad.
    activation
        f, linear by default.
    initializer
        How W starts, scaled by kh kw c inputs; b starts at 0.
    use_bias
        Whether there is a b.
    freeze
        Whether training leaves W and b unchanged.

    Raises
    ------
    ShapeError
        From ``plan``, if a row is no image, or no window fits into it.
    """

    type_name = "conv2d"

    def __init__(
        self,
        *,
        filters: Size,
        kernel: Size | list[Size] = 3,
        stride: Size = 1,
        padding: Literal["same", "valid"] = "same",
        activation: ActivationName = "linear",
        initializer: InitializerName = "he_normal",
        use_bias: bool = True,
        freeze: bool = False,
    ) -> None:
        self.filters, self.kernel, self.stride, self.padding = filters, kernel, stride, padding
        self.activation, self.initializer = activation, initializer
        self.use_bias, self.freeze = use_bias, freeze

    @classmethod
    def examples(cls) -> list[tuple[dict[str, Any], Shape]]:
        """Sample (settings, input shape) pairs for tests."""
        return [
            ({"filters": 2, "activation": "tanh"}, (2, 4, 3)),
            ({"filters": 3, "kernel": [2, 3], "stride": 2, "use_bias": False}, (1, 5, 4)),
            ({"filters": 2, "kernel": 2, "padding": "valid", "freeze": True}, (2, 3, 3)),
            ({"filters": 1, "kernel": [3, 1], "stride": 3, "padding": "valid"}, (2, 7, 4)),
        ]

    def plan(self, in_shape: Shape) -> Plan:
        """W (kh, kw, c, f), b (f,)."""
        high, wide = image_frames(in_shape, self.kernel, self.stride, self.padding)
        c, f, area = in_shape[0], self.filters, high.kernel * wide.kernel
        shape = (high.kernel, wide.kernel, c, f)
        W = Param(shape, self.initializer, fan_in=area * c, fan_out=area * f)
        bias = {"b": Param((f,))} if self.use_bias else {}
        return Plan((f, high.out, wide.out), {"W": W, **bias})

    def feed(self, x: Array, ctx: Context) -> Array:
        """Outputs y (n, f, oh, ow) for x (n, c, h, w)."""
        frames = image_frames(x.shape[1:], self.kernel, self.stride, self.padding)
        X = windows(x, frames, axis=2)
        z = np.einsum("nchwij,ijcf->nfhw", X, self.params["W"], optimize=True)
        if self.use_bias:
            z = z + self.params["b"][:, None, None]
        y = activation(self.activation).feed(z)
        ctx.save(frames, X, z, y)
        return y

    def backprop(self, dy: Array, ctx: Context) -> Array:
        """Gradient dL/dx (n, c, h, w); sets dL/dW and dL/db."""
        frames, X, z, y = ctx.saved
        dz = activation(self.activation).backprop(dy, z, y)
        self.grads["W"] = np.einsum("nchwij,nfhw->ijcf", X, dz, optimize=True)
        if self.use_bias:
            self.grads["b"] = dz.sum(axis=(0, 2, 3))
        D, W = spread(dz, frames, axis=2), self.params["W"][::-1, ::-1]
        return np.einsum("nfhwij,ijcf->nchw", D, W, optimize=True)

    def advice(self, ctx: Context) -> list[str]:
        """A warning if the rows that come into the model look like images with channels last."""
        high, wide = ctx.saved[0]
        c = self.params["W"].shape[2]
        if ctx.wants_dx or wide.size not in (1, 3, 4) or min(c, high.size) <= 4:
            return []
        shape, size = [c, high.size, wide.size], f"{high.size} x {wide.size}"
        return [
            f"rows of shape {shape} are taken as {c} channels of {size}; if the last axis holds "
            "the channels, put it first: x.transpose(0, 3, 1, 2)"
        ]
