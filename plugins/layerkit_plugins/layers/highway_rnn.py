r"""The recurrent highway: between two steps the state passes through a stack of highway layers.

Rows are x (n, t, i), weights W (i, 2 o) and, for each layer l = 1 to L of the stack, Rl (o, 2 o),
bHl, bTl (o,). W and Rl have a block of columns for H and one for T. S is 0 at first.
Feed, for s = 1 to t, within it for l = 1 to L::

    a  = S Rl, for l = 1 + x_s W     (n, 2 o)
    aH = a_H + bHl    H = f(aH)      (n, o)
    aT = a_T + bTl    T = sigma(aT)  (n, o)
    C  = 1 - T = 1 / (1 + exp(aT))   (n, o), the carry gate
    P  = C * (H - S)                 (n, o)
    S := H - P                       (n, o), that is T * H + C * S

y is S after the last step, or all S after l = L, (n, t, o), with ``sequence``.

Backprop, given G = dL/dS (n, o), for s = t to 1, within it for l = L to 1, with S as before::

    gC  = G * C                      (n, o), the gradient for the carried S
    gH  = G - gC                     (n, o), that is G * T, the gradient for H
    dT  = gH * P                     (n, o), as dC/daT = -C T
    dH  = gH * f'(aH)                (n, o)
    d   = [dH dT]                    (n, 2 o)
    dRl = sum over s of S^T d;       dbHl, dbTl: sums over s and rows of dH, dT
    dW  = sum over s of x_s^T d,     dx_s = d W^T, both for l = 1
    G  := d Rl^T + gC                (n, o); for l = 1 with ``sequence`` + dL/dy_{s-1}

The biases bTl start negative, so that the stack first carries the state.

Source: Zilly, Srivastava, Koutnik, Schmidhuber, "Recurrent Highway Networks", arXiv 1607.03474,
equations 6 to 8 with C = 1 - T, and section 5 for the gate bias.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from layerkit import Array, Context, Layer, Param, Plan, Shape, ShapeError, activation
from layerkit.fields import ActivationName, InitializerName, Size

__all__ = ["HighwayRNN"]


class HighwayRNN(Layer):
    """Recurrent highway over rows of shape (steps, features).

    Parameters
    ----------
    units
        Width o of the state.
    depth
        L, the highway layers between two steps.
    activation
        f, the activation of H.
    gate_bias
        Initial bTl: usually -1 to -4, lower for deeper stacks.
    initializer
        How W and Rl start; bHl starts at 0.
    use_bias
        Whether there are bHl; bTl stay.
    sequence
        Whether the states after all steps are the output, (t, o), or only the last, (o,).
    freeze
        Whether training leaves the parameters unchanged.

    Raises
    ------
    ShapeError
        From ``plan``, if a row is not of shape (steps, features).
    """

    type_name = "highway_rnn"

    def __init__(
        self,
        *,
        units: Size,
        depth: Size = 2,
        activation: ActivationName = "tanh",
        gate_bias: float = -2.0,
        initializer: InitializerName = "glorot_uniform",
        use_bias: bool = True,
        sequence: bool = False,
        freeze: bool = False,
    ) -> None:
        self.units, self.depth, self.activation = units, depth, activation
        self.gate_bias, self.initializer = gate_bias, initializer
        self.use_bias, self.sequence, self.freeze = use_bias, sequence, freeze

    @classmethod
    def examples(cls) -> list[tuple[dict[str, Any], Shape]]:
        """Sample (settings, input shape) pairs for tests."""
        return [
            ({"units": 3, "gate_bias": -1.0}, (3, 2)),
            ({"units": 2, "sequence": True, "use_bias": False, "activation": "silu"}, (3, 2)),
            ({"units": 1, "depth": 1, "freeze": True}, (2, 1)),
        ]

    def plan(self, in_shape: Shape) -> Plan:
        """W (i, 2 o) and, for each l, Rl (o, 2 o), bHl, bTl (o,)."""
        if len(in_shape) != 2 or not in_shape[0]:
            raise ShapeError(
                f"expected rows of shape [steps, features], got shape {list(in_shape)}"
            )
        (t, i), o = in_shape, self.units
        params = {"W": Param((i, 2 * o), self.initializer, fan_out=o)}
        for j in range(1, self.depth + 1):
            params[f"R{j}"] = Param((o, 2 * o), self.initializer, fan_out=o)
            if self.use_bias:
                params[f"bH{j}"] = Param((o,))
            params[f"bT{j}"] = Param((o,), self.gate_bias)
        return Plan((t, o) if self.sequence else (o,), params)

    def feed(self, x: Array, ctx: Context) -> Array:
        """Outputs y (n, o), or (n, t, o) with ``sequence``, for x (n, t, i)."""
        p, o, f = self.params, self.units, activation(self.activation)
        S = np.zeros_like(x, shape=(len(x), o))
        ys = []
        ctx.save(x)
        for s in range(x.shape[1]):
            for j in range(1, self.depth + 1):
                a = x[:, s] @ p["W"] if j == 1 else S @ p[f"R{j}"]
                if j == 1 and s:  # S is 0 before the first step
                    a = a + S @ p["R1"]
                aH, aT = a[:, :o], a[:, o:] + p[f"bT{j}"]
                if self.use_bias:
                    aH = aH + p[f"bH{j}"]
                H = f.feed(aH)
                C = 1 / (1 + np.exp(aT))  # where exp is infinite, C is 0: the exact limit
                P = C * (H - S)
                ctx.save((S, aH, H, C, P))
                S = H - P
            ys.append(S)
        return np.stack(ys, axis=1) if self.sequence else S

    def backprop(self, dy: Array, ctx: Context) -> Array:
        """Gradient dL/dx (n, t, i); sets the gradients of all parameters."""
        x, *saved = ctx.saved
        p, f = self.params, activation(self.activation)
        sums = {name: np.zeros_like(value) for name, value in p.items()}
        dxs = []
        G = dy[:, -1] if self.sequence else dy
        for s in range(x.shape[1])[::-1]:
            for j in range(self.depth, 0, -1):
                S, aH, H, C, P = saved.pop()
                gC = G * C
                gH = G - gC
                dT = gH * P
                dH = f.backprop(gH, aH, H)
                d = np.concatenate([dH, dT], axis=1)
                sums[f"bT{j}"] += dT.sum(axis=0)
                if self.use_bias:
                    sums[f"bH{j}"] += dH.sum(axis=0)
                if j > 1 or s:  # S is 0 before the first step
                    sums[f"R{j}"] += S.T @ d
                    G = d @ p[f"R{j}"].T + gC
            sums["W"] += x[:, s].T @ d
            dxs.append(d @ p["W"].T)
            if self.sequence and s:
                G = G + dy[:, s - 1]
        for name, total in sums.items():
            self.grads[name] = total
        return np.stack(dxs[::-1], axis=1)

    def watched(self, ctx: Context) -> dict[str, Array]:
        """T of each step and layer of the stack, (n, t, L, o)."""
        x, *saved = ctx.saved
        gates = np.stack([1 - C for _, _, _, C, _ in saved], axis=1)
        return {"gate": gates.reshape(*x.shape[:2], self.depth, self.units)}
