r"""The convolutional highway layer: a gate T chooses, place by place, between H and the input.

Feed, with rows x (n, c, h, w), weights WH, WT (k, k, c, c), biases bH, bT (c,), and X
(n, c, h, w, k, k) the windows of x, padded with zeros so that sizes stay::

    aH[n, f, y, x] = sum over c, i, j of X[n, c, y, x, i, j] WH[i, j, c, f] + bH[f]
    aT[n, f, y, x] = sum over c, i, j of X[n, c, y, x, i, j] WT[i, j, c, f] + bT[f]
    H = f(aH)     C = 1 - sigma(aT) = 1 / (1 + exp(aT))             (n, c, h, w)
    P = C * (H - x)                                                 (n, c, h, w)
    y = H - P, that is T * H + (1 - T) * x with T = 1 - C           (n, c, h, w)

Backprop, given G = dL/dy (n, c, h, w), with Dk (n, c, h, w, k, k) the windows of the padded dk::

    gC = G * C                          the gradient for the carried x
    gH = G - gC                         that is G * T
    dT = gH * P,  dH = gH * f'(aH)      as dC/daT = -C T
    dWk[i, j, c, f] = sum over n, y, x of X[n, c, y, x, i, j] dk[n, f, y, x]    for k in H, T
    dbk[f] = sum over n, y, x of dk[n, f, y, x]
    dx[n, c, y, x] = gC + sum over k, f, i, j of Dk[n, f, y, x, i, j] Wk[k - 1 - i, k - 1 - j, c, f]

bT starts negative, so that the layer first carries its input.

Source: Srivastava, Greff, Schmidhuber, "Training Very Deep Networks", arXiv 1507.06228, equations
2 to 4 and section 3.3 (convolutional highway layers with zero-padded feature maps).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from layerkit import Array, Context, Layer, Param, Plan, Shape, activation
from layerkit.fields import ActivationName, InitializerName, Size
from layerkit.windows import image_frames, spread, windows

__all__ = ["ConvHighway"]


class ConvHighway(Layer):
    """Highway layer whose H and T are convolutions, y = T * H + (1 - T) * x.

    Parameters
    ----------
    kernel
        Height and width of WH and WT.
    activation
        f, the activation of H.
    gate_bias
        Initial bT: usually -1 to -3, lower for deeper nets.
    initializer
        How WH and WT start, scaled by k k c inputs; bH starts at 0.
    freeze
        Whether training leaves the parameters unchanged.

    Raises
    ------
    ShapeError
        From ``plan``, if a row is no image (channels, height, width).
    """

    type_name = "conv_highway"

    def __init__(
        self,
        *,
        kernel: Size = 3,
        activation: ActivationName = "relu",
        gate_bias: float = -1.0,
        initializer: InitializerName = "he_normal",
        freeze: bool = False,
    ) -> None:
        self.kernel, self.activation, self.gate_bias = kernel, activation, gate_bias
        self.initializer, self.freeze = initializer, freeze

    @classmethod
    def examples(cls) -> list[tuple[dict[str, Any], Shape]]:
        """Sample (settings, input shape) pairs for tests."""
        return [
            ({"activation": "tanh"}, (2, 3, 4)),
            ({"kernel": 2, "activation": "silu", "gate_bias": -2.0}, (1, 3, 2)),
            ({"kernel": 1, "activation": "tanh", "freeze": True}, (3, 1, 2)),
        ]

    def plan(self, in_shape: Shape) -> Plan:
        """WH, WT (k, k, c, c), bH, bT (c,)."""
        image_frames(in_shape, self.kernel, 1, "same")
        k, c = self.kernel, in_shape[0]
        W = Param((k, k, c, c), self.initializer, fan_in=k * k * c, fan_out=k * k * c)
        bT = Param((c,), self.gate_bias)
        return Plan(in_shape, {"WH": W, "WT": W, "bH": Param((c,)), "bT": bT})

    def feed(self, x: Array, ctx: Context) -> Array:
        """Outputs y (n, c, h, w) for x (n, c, h, w)."""
        p, frames = self.params, image_frames(x.shape[1:], self.kernel, 1, "same")
        X = windows(x, frames, axis=2)
        aH, aT = (np.einsum("nchwij,ijcf->nfhw", X, p[W], optimize=True) for W in ("WH", "WT"))
        aH, aT = aH + p["bH"][:, None, None], aT + p["bT"][:, None, None]
        H = activation(self.activation).feed(aH)
        C = 1 / (1 + np.exp(aT))  # where exp is infinite, C is 0: the exact limit
        P = C * (H - x)
        ctx.save(frames, X, aH, H, C, P)
        return H - P

    def backprop(self, dy: Array, ctx: Context) -> Array:
        """Gradient dL/dx (n, c, h, w); sets the gradients of WH, WT, bH, bT."""
        frames, X, aH, H, C, P = ctx.saved
        gC = dy * C
        gH = dy - gC
        dx = gC
        both = {"H": activation(self.activation).backprop(gH, aH, H), "T": gH * P}
        for k, dk in both.items():
            self.grads[f"W{k}"] = np.einsum("nchwij,nfhw->ijcf", X, dk, optimize=True)
            self.grads[f"b{k}"] = dk.sum(axis=(0, 2, 3))
            D, W = spread(dk, frames, axis=2), self.params[f"W{k}"][::-1, ::-1]
            dx = dx + np.einsum("nfhwij,ijcf->nchw", D, W, optimize=True)
        return dx

    def watched(self, ctx: Context) -> dict[str, Array]:
        """T and H, (n, c, h, w) each."""
        _, _, _, H, C, _ = ctx.saved
        return {"gate": 1 - C, "new": H}
