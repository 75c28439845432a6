r"""Layer normalisation: each row has mean 0 and variance 1 along its last axis.

Feed, with rows x (n, ..., d), scale gamma and shift beta (d,), means over the last axis::

    a  = x - mean(x)                    (n, ..., d)
    c  = a - mean(a)                    (n, ..., d), 0 but for the rounding of mean(x)
    r  = 1 / sqrt(mean(c^2) + epsilon)  (n, ..., 1)
    h  = c r                            (n, ..., d)
    y  = gamma * h + beta               (n, ..., d)

Backprop, given dy = dL/dy (n, ..., d)::

    dgamma = sum of dy * h,  dbeta = sum of dy          over all but the last axis
    g  = dy * gamma                     (n, ..., d)
    dx = r (g - mean(g) - h mean(g * h))                (n, ..., d)

The variance is that of the numbers themselves (divided by d). Since c is centred twice, rows with
an offset that is large against their spread keep the digits that they have.

Source: Ba, Kiros, Hinton, "Layer Normalization", arXiv 1607.06450, equations 3 and 4; d = H. The
second centring: Chan, Golub, LeVeque, "Algorithms for Computing the Sample Variance", The American
Statistician 37 (1983), equation 1.7.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from layerkit import Array, Context, Layer, Param, Plan, Shape, ShapeError
from layerkit.fields import Positive

__all__ = ["LayerNorm"]


class LayerNorm(Layer):
    """Layer normalisation over the last axis, y = gamma * (x - mean) / sqrt(var + epsilon) + beta.

    Parameters
    ----------
    epsilon
        Added to the variance; PyTorch has 1e-5 too, Keras 1e-3.
    scale, center
        Whether there are a gamma, which starts at 1, and a beta, which starts at 0.
    freeze
        Whether training leaves gamma and beta unchanged.

    Raises
    ------
    ShapeError
        From ``plan``, if a row has no axis.
    """

    type_name = "layernorm"

    def __init__(
        self,
        *,
        epsilon: Positive = 1e-5,
        scale: bool = True,
        center: bool = True,
        freeze: bool = False,
    ) -> None:
        self.epsilon, self.scale, self.center, self.freeze = epsilon, scale, center, freeze

    @classmethod
    def examples(cls) -> list[tuple[dict[str, Any], Shape]]:
        """Sample (settings, input shape) pairs for tests."""
        return [
            ({}, (5,)),
            ({"epsilon": 0.1, "center": False}, (2, 4)),
            ({"scale": False, "freeze": True}, (3,)),
        ]

    def plan(self, in_shape: Shape) -> Plan:
        """Gamma and beta (d,)."""
        if not in_shape:
            raise ShapeError("expected rows with at least one axis, got shape []")
        d = in_shape[-1]
        params = {"gamma": Param((d,), 1.0)} if self.scale else {}
        return Plan(in_shape, params | ({"beta": Param((d,))} if self.center else {}))

    def feed(self, x: Array, ctx: Context) -> Array:
        """Outputs y (n, ..., d) for x (n, ..., d)."""
        a = x - x.mean(axis=-1, keepdims=True)
        c = a - a.mean(axis=-1, keepdims=True)
        r = 1 / np.sqrt((c * c).mean(axis=-1, keepdims=True) + self.epsilon)
        h = c * r
        ctx.save(h, r)
        y = h * self.params["gamma"] if self.scale else h
        return y + self.params["beta"] if self.center else y

    def backprop(self, dy: Array, ctx: Context) -> Array:
        """Gradient dL/dx (n, ..., d); sets the gradients of gamma and beta."""
        h, r = ctx.saved
        all_but_last = tuple(range(dy.ndim - 1))
        if self.scale:
            self.grads["gamma"] = (dy * h).sum(axis=all_but_last)
        if self.center:
            self.grads["beta"] = dy.sum(axis=all_but_last)
        g = dy * self.params["gamma"] if self.scale else dy
        along = h * (g * h).mean(axis=-1, keepdims=True)
        return r * (g - g.mean(axis=-1, keepdims=True) - along)
