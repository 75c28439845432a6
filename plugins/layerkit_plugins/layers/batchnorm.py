r"""Batch normalisation: each feature has mean 0 and variance 1 in a batch.

In inference running figures of the batches take the place of the mean and variance.

Feed in training, with rows x, features along one axis, which has c entries; m is the number of
values that a feature has in the batch (rows, times positions of an image), sums are over these::

    a    = x - sum(x) / m               as x
    e    = a - sum(a) / m               as x, the second term 0 but for rounding
    S    = sum(e^2)                     (c,)
    r    = 1 / sqrt(S / m + epsilon)    (c,)
    h    = e r                          as x
    y    = gamma * h + beta             as x, gamma and beta (c,)
    mean += w (sum(x) / m - mean)       (c,), w = 1 - momentum
    var  += w (S / (m - 1) - var)       (c,)

Backprop, given dy = dL/dy::

    dgamma = sum(dy * h),  dbeta = sum(dy)              (c,)
    dx   = gamma r (dy - dbeta / m - h dgamma / m)      as x

In inference mean and var take the place of the batch's, and dx = gamma r dy. So they do in training
with ``freeze``, which leaves mean and var alone too.

A batch is normalised by the variance divided by m; var keeps the unbiased one, divided by m - 1, as
in the paper and in PyTorch (Keras: by m in both). A batch of one value per feature has no variance:
its h is 0, and mean and var stay, as they do after a batch of no rows.

Source: Ioffe, Szegedy, "Batch Normalization: Accelerating Deep Network Training by Reducing
Internal Covariate Shift", arXiv 1502.03167, algorithms 1 and 2, section 3.2 for images.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from layerkit import Array, Context, Layer, Param, Plan, Shape, ShapeError
from layerkit.fields import Fraction, Positive

__all__ = ["BatchNorm"]


class BatchNorm(Layer):
    """Batch normalisation, y = gamma * (x - mean) / sqrt(var + epsilon) + beta for each feature.

    Parameters
    ----------
    axis
        The axis of the features in a row, not counting the batch; from the end if negative. By
        default the first of rows with three axes (images: channels, height, width), else the last.
    momentum
        The share of the running figures that each batch keeps, as in Keras (whose default is
        0.99). PyTorch's momentum is 1 minus this one: its 0.1 is 0.9 here.
    epsilon
        Added to the variance; PyTorch has 1e-5 too, Keras 1e-3.
    scale, center
        Whether there are a gamma, which starts at 1, and a beta, which starts at 0.
    freeze
        Whether training leaves gamma, beta and the running figures unchanged, and uses these.

    Raises
    ------
    ShapeError
        From ``plan``, if a row has no such axis.
    """

    type_name = "batchnorm"

    def __init__(
        self,
        *,
        axis: int | None = None,
        momentum: Fraction = 0.9,
        epsilon: Positive = 1e-5,
        scale: bool = True,
        center: bool = True,
        freeze: bool = False,
    ) -> None:
        self.axis, self.momentum, self.epsilon = axis, momentum, epsilon
        self.scale, self.center, self.freeze = scale, center, freeze

    @classmethod
    def examples(cls) -> list[tuple[dict[str, Any], Shape]]:
        """Sample (settings, input shape) pairs for tests."""
        return [
            ({}, (3,)),
            ({"momentum": 0.5, "epsilon": 0.1}, (2, 3, 2)),
            ({"axis": 0, "center": False}, (3, 2)),
            ({"axis": -1, "scale": False}, (1, 2, 2)),
            ({"freeze": True}, (4,)),
        ]

    def plan(self, in_shape: Shape) -> Plan:
        """Gamma and beta (c,), state mean and var (c,)."""
        axes, axis = len(in_shape), self.axis
        if not axes:
            raise ShapeError("expected rows with at least one axis, got shape []")
        if axis is not None and not -axes <= axis < axes:
            raise ShapeError(f"expected an axis from {-axes} to {axes - 1}, got {axis}")
        c = in_shape[self._feature(axes)]
        params = {"gamma": Param((c,), 1.0)} if self.scale else {}
        params |= {"beta": Param((c,))} if self.center else {}
        return Plan(in_shape, params, {"mean": Param((c,)), "var": Param((c,), 1.0)})

    def feed(self, x: Array, ctx: Context) -> Array:
        """Outputs y for x (n, i...), of the same shape."""
        over, along = self._axes(x)
        if ctx.training and not self.freeze:
            m = _count(x, over)
            mean = x.sum(axis=over) / np.maximum(m, 1)
            a = x - mean.reshape(along)
            off = a.sum(axis=over) / np.maximum(m, 1)
            e = a - off.reshape(along)
            S = (e * e).sum(axis=over)
            var = S / np.maximum(m, 1)
            w = (1 - self.momentum) * np.clip(m - 1, 0, 1)
            self.state["mean"] = self.state["mean"] + w * (mean + off - self.state["mean"])
            unbiased = S / np.maximum(m - 1, 1)
            self.state["var"] = self.state["var"] + w * (unbiased - self.state["var"])
        else:
            e, var = x - self.state["mean"].reshape(along), self.state["var"]
        r = (1 / np.sqrt(var + self.epsilon)).reshape(along)
        h = e * r
        ctx.save(h, r)
        y = h * self.params["gamma"].reshape(along) if self.scale else h
        return y + self.params["beta"].reshape(along) if self.center else y

    def backprop(self, dy: Array, ctx: Context) -> Array:
        """Gradient dL/dx (n, i...); sets the gradients of gamma and beta."""
        h, r = ctx.saved
        over, along = self._axes(dy)
        dgamma, dbeta = (dy * h).sum(axis=over), dy.sum(axis=over)
        if self.scale:
            self.grads["gamma"] = dgamma
            r = r * self.params["gamma"].reshape(along)
        if self.center:
            self.grads["beta"] = dbeta
        if not ctx.training or self.freeze:
            return r * dy
        m = np.maximum(_count(dy, over), 1)
        return r * (dy - (dbeta / m).reshape(along) - h * (dgamma / m).reshape(along))

    def _feature(self, axes: int) -> int:
        """The axis of the features in a row of so many axes, not negative."""
        first = 0 if axes == 3 else axes - 1
        return first if self.axis is None else self.axis % axes

    def _axes(self, x: Array) -> tuple[tuple[int, ...], Shape]:
        """The axes of x that a feature's values lie along, and the shape of (c,) beside x."""
        feature = 1 + self._feature(x.ndim - 1)
        over = tuple(i for i in range(x.ndim) if i != feature)
        return over, tuple(-1 if i == feature else 1 for i in range(x.ndim))


def _count(x: Array, over: tuple[int, ...]) -> Array:
    """m; exact in float32 to 2^24."""
    rows = np.ones_like(x, shape=(len(x),)).sum()
    return rows * math.prod(x.shape[axis] for axis in over[1:])
