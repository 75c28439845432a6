"""Right layers that cannot be recorded: they run as they are written."""

from __future__ import annotations

import numpy as np
from scipy.special import softmax

from layerkit import Array, Context, Layer, Param, Plan, Shape

COUNT = {"passes": 0}


class Scaled(Layer):
    """y = x * scale, with the parameter of the others below."""

    type_name = "strangers.scaled"
    contract_version = 2

    def plan(self, in_shape: Shape) -> Plan:
        return Plan(in_shape, {"scale": Param(in_shape, 1.0)})

    def factor(self, x: Array) -> Array | float:
        """A number, or one for each element, that is taken as constant in backprop."""
        return 1.0

    def feed(self, x: Array, ctx: Context) -> Array:
        factor = self.factor(x)
        ctx.save(x, factor)
        return (x * factor * self.params["scale"]).astype(x.dtype)

    def backprop(self, dy: Array, ctx: Context) -> Array:
        x, factor = ctx.saved
        self.grads["scale"] = (dy * x * factor).sum(axis=0).astype(dy.dtype)
        return (dy * factor * self.params["scale"]).astype(dy.dtype)


class Clipped(Scaled):
    """Halves the batch's rows if one is large: data decide."""

    type_name = "strangers.clipped"

    def factor(self, x: Array) -> Array | float:
        if np.abs(x).max(initial=0) > 1.5:
            return 0.5
        return 1.0


class Shares(Scaled):
    """Calls SciPy."""

    type_name = "strangers.shares"

    def factor(self, x: Array) -> Array | float:
        weights: Array = softmax(x, axis=1)
        return weights


class RowByRow(Scaled):
    """A loop over the rows."""

    type_name = "strangers.rows"

    def factor(self, x: Array) -> Array | float:
        factors = np.ones_like(x)
        for i, row in enumerate(x):
            factors[i] = 1 / (1 + np.abs(row).max())
        return factors


class Normed(Scaled):
    """Leaves NumPy by float()."""

    type_name = "strangers.normed"

    def factor(self, x: Array) -> Array | float:
        return 1 / (1 + float(np.abs(x).sum()) / max(x.size, 1))


class Counting(Scaled):
    """Fades in by a count of its own, outside of its state."""

    type_name = "strangers.counting"

    def factor(self, x: Array) -> Array | float:
        COUNT["passes"] += 1
        return 1 - 0.5 ** COUNT["passes"]


UNRECORDABLE: tuple[type[Layer], ...] = (Clipped, Shares, RowByRow, Normed, Counting)
