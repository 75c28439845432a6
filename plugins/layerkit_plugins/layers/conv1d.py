r"""The convolution of sequences: one small kernel for all steps, then an elementwise function.

Feed, with rows x (n, t, c), weights W (k, c, f), bias b (f,), and X (n, ot, c, k) the windows of
the padded x, X[n, t, c, i] = x[n, t s + i, c]::

    z[n, t, f] = sum over c, i of X[n, t, c, i] W[i, c, f] + b[f]
    y = f(z)                                                        (n, ot, f)

Backprop, given dy = dL/dy (n, ot, f), with D (n, t, f, k) the windows of dz spread by the stride
and padded with k - 1::

    dz = dy * f'(z)                                                 (n, ot, f)
    dW[i, c, f] = sum over n, t of X[n, t, c, i] dz[n, t, f]
    db[f] = sum over n, t of dz[n, t, f]
    dx[n, t, c] = sum over f, i of D[n, t, f, i] W[k - 1 - i, c, f]

Source: Waibel et al., "Phoneme recognition using time-delay neural networks", IEEE Trans. ASSP 37
(1989); causal padding: van den Oord et al., "WaveNet", arXiv 1609.03499, section 2.1.
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np

from layerkit import Array, Context, Layer, Param, Plan, Shape, ShapeError, activation
from layerkit.fields import ActivationName, InitializerName, Size
from layerkit.windows import frames, spread, windows

__all__ = ["Conv1d"]


class Conv1d(Layer):
    """Convolution of rows (steps, channels) along the steps, y = f(x * W + b).

    Parameters
    ----------
    filters
        Channels f of the output.
    kernel
        Steps k of a window.
    stride
        Steps between two windows.
    padding
        "same" pads with zeros so that the output has 1/stride of the steps, rounded up;
        "causal" pads before only, so that no output sees a later step; "valid" does not pad.
    activation
        f, linear by default.
    initializer
        How W starts, scaled by k c inputs; b starts at 0.
    use_bias
        Whether there is a b.
    freeze
        Whether training leaves W and b unchanged.

    Raises
    ------
    ShapeError
        From ``plan``, if a row has other than two axes, or no window fits into it.
    """

    type_name = "conv1d"

    def __init__(
        self,
        *,
        filters: Size,
        kernel: Size = 3,
        stride: Size = 1,
        padding: Literal["same", "causal", "valid"] = "same",
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
            ({"filters": 2, "activation": "tanh"}, (4, 2)),
            ({"filters": 3, "kernel": 2, "stride": 2, "padding": "causal"}, (5, 1)),
            ({"filters": 2, "padding": "valid", "stride": 3, "use_bias": False}, (7, 2)),
            ({"filters": 1, "kernel": 4, "stride": 2, "freeze": True}, (6, 3)),
        ]

    def plan(self, in_shape: Shape) -> Plan:
        """W (k, c, f), b (f,)."""
        if len(in_shape) != 2:
            raise ShapeError(f"expected rows (steps, channels), got shape {list(in_shape)}")
        (steps,) = frames(in_shape[:1], self.kernel, self.stride, self.padding)
        c, f, k = in_shape[1], self.filters, self.kernel
        W = Param((k, c, f), self.initializer, fan_in=k * c, fan_out=k * f)
        return Plan((steps.out, f), {"W": W, **({"b": Param((f,))} if self.use_bias else {})})

    def feed(self, x: Array, ctx: Context) -> Array:
        """Outputs y (n, ot, f) for x (n, t, c)."""
        steps = frames(x.shape[1:2], self.kernel, self.stride, self.padding)
        X = windows(x, steps, axis=1)
        z = np.einsum("ntci,icf->ntf", X, self.params["W"], optimize=True)
        if self.use_bias:
            z = z + self.params["b"]
        y = activation(self.activation).feed(z)
        ctx.save(steps, X, z, y)
        return y

    def backprop(self, dy: Array, ctx: Context) -> Array:
        """Gradient dL/dx (n, t, c); sets dL/dW and dL/db."""
        steps, X, z, y = ctx.saved
        dz = activation(self.activation).backprop(dy, z, y)
        self.grads["W"] = np.einsum("ntci,ntf->icf", X, dz, optimize=True)
        if self.use_bias:
            self.grads["b"] = dz.sum(axis=(0, 1))
        D, W = spread(dz, steps, axis=1), self.params["W"][::-1]
        return np.einsum("ntfi,icf->ntc", D, W, optimize=True)
