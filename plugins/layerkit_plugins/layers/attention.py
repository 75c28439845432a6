r"""Self-attention: each step of a row takes a weighted mean over all steps, several times over.

Rows are x (n, t, i), weights WQ, WK, WV (i, o), WO (o, o), biases bQ, bV, bO (o,).
Feed, where the o columns of q, k, v are h heads of d = o / h each, which makes them (n, h, t, d)::

    q = x WQ + bQ,  k = x WK,  v = x WV + bV     (a bias of k would change no A)
    S = q k^T / sqrt(d)          (n, h, t, t); with ``causal`` -inf for steps that come later
    A = softmax(S), over the last axis
    c = A v                      (n, h, t, d), side by side (n, t, o)
    y = c WO + bO                (n, t, o)

Backprop, given G = dL/dy (n, t, o)::

    dc = G WO^T,  dWO = c^T G,  dbO = sum of G
    dv = A^T dc,  dA = dc v^T
    dS = A * (dA - sum of dA * A over the last axis) / sqrt(d)
    dq = dS k,    dk = dS^T q
    dWj = x^T dj,  dbj = sum of dj,  dx = sum of dj WJ^T    for j in q, k, v

It is meant for a ``residual`` block. It does not see the order of the steps: add features that tell
it. Source: Vaswani et al., "Attention Is All You Need", arXiv 1706.03762, equation 1 and
section 3.2.2.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from layerkit import Array, Context, Layer, Param, Plan, Shape, ShapeError
from layerkit.fields import InitializerName, Size

__all__ = ["Attention"]


class Attention(Layer):
    """Multi-head self-attention over rows of shape (steps, features).

    Parameters
    ----------
    units
        Width o of the output; by default that of the input.
    heads
        h; o must be a multiple of it.
    causal
        Whether a step sees only itself and the steps before it.
    initializer
        How the weights start; biases start at 0.
    use_bias
        Whether there are biases.
    freeze
        Whether training leaves the parameters unchanged.

    Raises
    ------
    ShapeError
        From ``plan``, if a row is not of shape (steps, features) or heads do not divide its width.
    """

    type_name = "attention"

    def __init__(
        self,
        *,
        units: Size | None = None,
        heads: Size = 1,
        causal: bool = False,
        initializer: InitializerName = "glorot_uniform",
        use_bias: bool = True,
        freeze: bool = False,
    ) -> None:
        self.units, self.heads, self.causal = units, heads, causal
        self.initializer, self.use_bias, self.freeze = initializer, use_bias, freeze

    @classmethod
    def examples(cls) -> list[tuple[dict[str, Any], Shape]]:
        """Sample (settings, input shape) pairs for tests."""
        return [
            ({"units": 4, "heads": 2}, (3, 2)),
            ({"causal": True, "use_bias": False}, (4, 2)),
            ({"freeze": True}, (2, 1)),
        ]

    def plan(self, in_shape: Shape) -> Plan:
        """WQ, WK, WV (i, o), WO (o, o), bQ, bV, bO (o,)."""
        if len(in_shape) != 2:
            raise ShapeError(
                f"expected rows of shape [steps, features], got shape {list(in_shape)}"
            )
        t, i = in_shape
        o = self.units or i
        if o % self.heads:
            raise ShapeError(f"expected units that {self.heads} heads divide, got {o}")
        W = Param((i, o), self.initializer)
        params = {"WQ": W, "WK": W, "WV": W, "WO": Param((o, o), self.initializer)}
        if self.use_bias:
            params |= {name: Param((o,)) for name in ("bQ", "bV", "bO")}
        return Plan((t, o), params)

    def feed(self, x: Array, ctx: Context) -> Array:
        """Outputs y (n, t, o) for x (n, t, i)."""
        p, (n, t, i) = self.params, x.shape
        rows = x.reshape(n * t, i)
        q, k, v = rows @ p["WQ"], rows @ p["WK"], rows @ p["WV"]
        if self.use_bias:
            q, v = q + p["bQ"], v + p["bV"]
        q, k, v = (self._heads(z, t) for z in (q, k, v))
        S = q @ k.transpose(0, 1, 3, 2) / math.sqrt(q.shape[3])
        if self.causal:
            S = np.where(np.tri(t, dtype=bool), S, -np.inf)
        E = np.exp(S - S.max(axis=-1, keepdims=True))
        A = E / E.sum(axis=-1, keepdims=True)
        c = self._side_by_side(A @ v)
        ctx.save(rows, q, k, v, A, c)
        y = c @ p["WO"]
        if self.use_bias:
            y = y + p["bO"]
        return y.reshape(n, t, y.shape[1])

    def backprop(self, dy: Array, ctx: Context) -> Array:
        """Gradient dL/dx (n, t, i); sets the gradients of all parameters."""
        rows, q, k, v, A, c = ctx.saved
        p, (n, t, _) = self.params, dy.shape
        G = dy.reshape(c.shape)
        dc = self._heads(G @ p["WO"].T, t)
        dA = dc @ v.transpose(0, 1, 3, 2)
        dS = A * (dA - (dA * A).sum(axis=-1, keepdims=True)) / math.sqrt(q.shape[3])
        dq = self._side_by_side(dS @ k)
        dk = self._side_by_side(dS.transpose(0, 1, 3, 2) @ q)
        dv = self._side_by_side(A.transpose(0, 1, 3, 2) @ dc)
        self.grads["WO"] = c.T @ G
        for name, d in ("Q", dq), ("K", dk), ("V", dv):
            self.grads[f"W{name}"] = rows.T @ d
        for name, d in (("bQ", dq), ("bV", dv), ("bO", G)) if self.use_bias else ():
            self.grads[name] = d.sum(axis=0)
        dx = dq @ p["WQ"].T + dk @ p["WK"].T + dv @ p["WV"].T
        return dx.reshape(n, t, dx.shape[1])

    def _heads(self, z: Array, t: int) -> Array:
        """(n t, o) as (n, h, t, d)."""
        h, o = self.heads, z.shape[1]
        return z.reshape(len(z) // t, t, h, o // h).transpose(0, 2, 1, 3)

    def _side_by_side(self, z: Array) -> Array:
        """(n, h, t, d) as (n t, o)."""
        n, h, t, d = z.shape
        return z.transpose(0, 2, 1, 3).reshape(n * t, h * d)
