r"""The highway layer: a gate T chooses, unit by unit, between a new value H and the input itself.

Feed, with rows x (n, d), weights WH, WT (d, d), biases bH, bT (d,)::

    aH = x WH + bH     H = f(aH)           (n, d)
    aT = x WT + bT     T = sigma(aT)       (n, d)
    y  = T * H + (1 - T) * x
       = x + T * (H - x)                   (n, d)

Backprop, given G = dL/dy (n, d)::

    gT  = G * T                            (n, d), the gradient for H
    dH  = gT * f'(aH)                      (n, d)
    dT  = gT * (H - x) * (1 - T)           (n, d), as sigma' = T (1 - T)
    dWk = x^T dk,  dbk = column sums of dk        for k in H, T
    dx  = dH WH^T + dT WT^T + (G - gT)     (n, d), the last term being G * (1 - T)

bT starts negative, so that at first the layer carries its input and a deep stack can be trained.

Source: Srivastava, Greff, Schmidhuber, "Highway Networks", arXiv 1505.00387, equations 2 to 4,
with C = 1 - T, and section 2.2 for the gate bias.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from layerkit import Array, Context, Layer, Param, Plan, Shape, ShapeError, activation
from layerkit.fields import ActivationName, InitializerName, Size

__all__ = ["Highway"]


class Highway(Layer):
    """Highway layer with an identity carry, y = T * H + (1 - T) * x; as wide as its input.

    Parameters
    ----------
    activation
        f, the activation of H.
    gate_bias
        Where bT starts: -1 to -3 usually, lower for deeper nets.
    initializer
        How WH and WT start; bH starts at 0.
    units
        Width, if it is to be checked; it must be that of the input.
    use_bias
        Without it bH is left out; bT stays, since the layer is not trainable in depth without it.
    freeze
        Training leaves the parameters alone.

    Raises
    ------
    ShapeError
        From ``plan``, if ``units`` is not the width of the input or a row has several axes.
    """

    type_name = "highway"

    def __init__(
        self,
        *,
        activation: ActivationName = "relu",
        gate_bias: float = -2.0,
        initializer: InitializerName = "glorot_uniform",
        units: Size | None = None,
        use_bias: bool = True,
        freeze: bool = False,
    ) -> None:
        self.activation = activation
        self.gate_bias = gate_bias
        self.initializer = initializer
        self.units = units
        self.use_bias = use_bias
        self.freeze = freeze

    @classmethod
    def examples(cls) -> list[tuple[dict[str, Any], Shape]]:
        """Sample (settings, input shape) pairs for tests."""
        return [
            ({"activation": "tanh", "gate_bias": -1.0}, (4,)),
            ({"activation": "silu", "use_bias": False, "units": 3}, (3,)),
            ({"activation": "tanh", "freeze": True}, (1,)),
        ]

    def plan(self, in_shape: Shape) -> Plan:
        """WH, WT (d, d), bH, bT (d,); 2 d^2 multiply-accumulates a row."""
        if len(in_shape) != 1:
            raise ShapeError(f"highway takes rows of one axis, these are of shape {list(in_shape)}")
        d = in_shape[0]
        if self.units not in (None, d):
            raise ShapeError(
                f"highway carries its input unchanged, so {self.units} units cannot follow an "
                f"input of width {d}: use projection, whose carry changes the width, or put a "
                f"dense layer of {self.units} units before it"
            )
        params = {
            "WH": Param((d, d), self.initializer),
            "WT": Param((d, d), self.initializer),
            "bH": Param((d,)),
            "bT": Param((d,), self.gate_bias),
        }
        if not self.use_bias:
            del params["bH"]
        return Plan((d,), params, macs=2 * d * d, joined={"W": ("WH", "WT")})

    # Buffers are (2 d, n), H above T: one product fills both, and each half is contiguous.

    def feed(self, x: Array, ctx: Context) -> Array:
        """Outputs y (n, d) for x (n, d)."""
        n, d = x.shape
        f = activation(self.activation)
        a = np.matmul(self.joined["W"].T, x.T, out=ctx.buffer("a", (2 * d, n)))
        aH, aT = a[:d], a[d:]
        if self.use_bias:
            aH += self.params["bH"][:, None]
        aT += self.params["bT"][:, None]
        H = f.feed(aH, aH if f.from_output else ctx.buffer("H", aH.shape))
        T = activation("sigmoid").feed(aT, aT)
        D = np.subtract(H, x.T, out=ctx.buffer("D", aH.shape))
        y = np.multiply(T, D, out=ctx.buffer("y", aH.shape))
        y += x.T
        ctx.save(x, aH, H, T, D)
        return y.T

    def backprop(self, dy: Array, ctx: Context) -> Array:
        """Gradient dL/dx (n, d); writes the gradients of WH, WT, bH, bT."""
        x, aH, H, T, D = ctx.saved
        d, n = T.shape
        G = dy.T
        da = ctx.buffer("da", (2 * d, n))
        dH, dT = da[:d], da[d:]
        gT = np.multiply(G, T, out=ctx.buffer("gT", T.shape))
        activation(self.activation).backprop(gT, aH, H, dH)
        np.subtract(1, T, out=dT)
        dT *= D
        dT *= gT
        np.matmul(x.T, da.T, out=self.joined_grads["W"])
        if self.use_bias:
            np.sum(dH, axis=1, out=self.grads["bH"])
        np.sum(dT, axis=1, out=self.grads["bT"])
        if not ctx.wants_dx:
            return dy
        dx = np.matmul(self.joined["W"], da, out=ctx.buffer("dx", T.shape))
        dx += np.subtract(G, gT, out=gT)
        return dx.T
