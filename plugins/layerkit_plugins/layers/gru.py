r"""The gated recurrent unit: a gate z carries the state h from step to step.

Rows are x (n, t, i), weights W (i, 3 o), U (o, 3 o), biases b (3 o,), c (o,). W, U and b have one
block of o columns for each of r, z and k, in this order. h_0 = 0. Feed, for s = 1 to t::

    a = x_s W + b                (n, 3 o)
    u = h_{s-1} U                (n, 3 o)
    g = [r z] = sigma(a_rz + u_rz)         the reset gate r and the update gate z, (n, o) each
    m = u_k + c                  (n, o)
    ak = a_k + r * m             (n, o)
    k = f(ak)                    (n, o), the candidate
    D = z * (h_{s-1} - k)        (n, o)
    h_s = k + D                  (n, o), that is (1 - z) * k + z * h_{s-1}

y is h_t, or all of h_1 to h_t with ``sequence``. r acts after the product with U, which has a bias
of its own there: PyTorch's form, and Keras' by default (``reset_after=True``; its blocks are in the
order z, r, k). In the paper r acts before it.

Backprop, given G = dL/dh_t (n, o), for s = t to 1::

    q  = 1 - g = [q_r q_z]                 (n, 2 o)
    dk = G * q_z * f'(ak)                  (n, o)
    dm = dk * r                            (n, o)
    dr = dm * m * q_r,  dz = G * D * q_z   (n, o) each
    da = [dr dz dk],  du = [dr dz dm]      (n, 3 o) each
    dW = sum over s of x_s^T da,      db = sum over s and rows of da
    dU = sum over s of h_{s-1}^T du,  dc = sum over s and rows of dm
    dx_s = da W^T                          (n, i)
    G := G * z + du U^T                    (n, o), for h_{s-1}; with ``sequence`` + dL/dy_{s-1}

Source: Cho et al., "Learning Phrase Representations using RNN Encoder-Decoder for Statistical
Machine Translation", arXiv 1406.1078, equations 5 to 8; ``torch.nn.GRU`` for where r acts.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from layerkit import Array, Context, Layer, Param, Plan, Shape, ShapeError, activation
from layerkit.fields import ActivationName, InitializerName, Size

__all__ = ["GRU"]


class GRU(Layer):
    """Gated recurrent unit over rows of shape (steps, features).

    Parameters
    ----------
    units
        Width o of the state.
    activation
        f, the activation of the candidate.
    initializer
        How W starts; each row of U starts orthonormal to the others, and biases at 0.
    use_bias
        Whether there are b and c.
    sequence
        Whether all states are the output, (t, o), or only the last, (o,).
    freeze
        Whether training leaves the parameters unchanged.

    Raises
    ------
    ShapeError
        From ``plan``, if a row is not of shape (steps, features).
    """

    type_name = "gru"

    def __init__(
        self,
        *,
        units: Size,
        activation: ActivationName = "tanh",
        initializer: InitializerName = "glorot_uniform",
        use_bias: bool = True,
        sequence: bool = False,
        freeze: bool = False,
    ) -> None:
        self.units, self.activation, self.initializer = units, activation, initializer
        self.use_bias, self.sequence, self.freeze = use_bias, sequence, freeze

    @classmethod
    def examples(cls) -> list[tuple[dict[str, Any], Shape]]:
        """Sample (settings, input shape) pairs for tests."""
        return [
            ({"units": 3}, (4, 2)),
            ({"units": 2, "sequence": True, "use_bias": False, "activation": "silu"}, (3, 2)),
            ({"units": 1, "freeze": True}, (2, 1)),
        ]

    def plan(self, in_shape: Shape) -> Plan:
        """W (i, 3 o), U (o, 3 o), b (3 o,), c (o,)."""
        if len(in_shape) != 2 or not in_shape[0]:
            raise ShapeError(
                f"expected rows of shape [steps, features], got shape {list(in_shape)}"
            )
        (t, i), o = in_shape, self.units
        W = Param((i, 3 * o), self.initializer, fan_out=o)
        U = Param((o, 3 * o), "orthogonal")
        biases = {"b": Param((3 * o,)), "c": Param((o,))} if self.use_bias else {}
        return Plan((t, o) if self.sequence else (o,), {"W": W, "U": U, **biases})

    def feed(self, x: Array, ctx: Context) -> Array:
        """Outputs y (n, o), or (n, t, o) with ``sequence``, for x (n, t, i)."""
        p, o, f = self.params, self.units, activation(self.activation)
        h, u = np.zeros_like(x, shape=(len(x), o)), np.zeros_like(x, shape=(len(x), 3 * o))
        hs = []
        ctx.save(x)
        for s in range(x.shape[1]):
            a = x[:, s] @ p["W"]
            if self.use_bias:
                a = a + p["b"]
            if s:  # as h_0 is 0
                u = h @ p["U"]
            g = 1 / (1 + np.exp(-(a[:, : 2 * o] + u[:, : 2 * o])))
            m = u[:, 2 * o :]
            if self.use_bias:
                m = m + p["c"]
            ak = a[:, 2 * o :] + g[:, :o] * m
            k = f.feed(ak)
            D = g[:, o:] * (h - k)
            ctx.save((h, g, m, ak, k, D))
            h = k + D
            hs.append(h)
        return np.stack(hs, axis=1) if self.sequence else h

    def backprop(self, dy: Array, ctx: Context) -> Array:
        """Gradient dL/dx (n, t, i); sets the gradients of W, U, b and c."""
        x, *saved = ctx.saved
        p, o, f = self.params, self.units, activation(self.activation)
        G = dy[:, -1] if self.sequence else dy
        sums = {name: np.zeros_like(value) for name, value in p.items()}
        dxs = []
        for s in range(x.shape[1])[::-1]:
            h, g, m, ak, k, D = saved.pop()
            q = 1 - g
            dk = f.backprop(G * q[:, o:], ak, k)
            dm = dk * g[:, :o]
            dr = dm * m * q[:, :o]
            dz = G * D * q[:, o:]
            da = np.concatenate([dr, dz, dk], axis=1)
            sums["W"] += x[:, s].T @ da
            dxs.append(da @ p["W"].T)
            if self.use_bias:
                sums["b"] += da.sum(axis=0)
                sums["c"] += dm.sum(axis=0)
            if s:  # nothing changes h_0
                du = np.concatenate([dr, dz, dm], axis=1)
                sums["U"] += h.T @ du
                G = G * g[:, o:] + du @ p["U"].T
                if self.sequence:
                    G = G + dy[:, s - 1]
        for name, total in sums.items():
            self.grads[name] = total
        return np.stack(dxs[::-1], axis=1)

    def watched(self, ctx: Context) -> dict[str, Array]:
        """1 - z, how far each step lets the candidate in, and r: (n, t, o) each."""
        _, *saved = ctx.saved
        g = np.stack([g for _, g, *_ in saved], axis=1)
        return {"gate": 1 - g[..., self.units :], "reset": g[..., : self.units]}
