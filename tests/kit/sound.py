"""A sound layer of each sort that bugs are planted in: a gated carry, a mask, running means.

Carry, with rows x (n, i), weights WH, WT, WA (i, o), biases (o,)::

    H = tanh(x WH + bH)      T = 1 / (1 + exp(-(x WT + bT)))      A = x WA
    y = T * H + (1 - T) * A

    dH = dy * T * (1 - H^2)
    dT = dy * (H - A) * T * (1 - T)
    dA = dy * (1 - T)
    dWk = x^T dk,  dbk = column sums of dk
    dx = dH WH^T + dT WT^T + dA WA^T

Mask multiplies by m / keep, m ~ Bernoulli(keep), in training: dx = dy * m / keep.
Centre subtracts means of the rows in training and running ones else: dx = dy - mean(dy).

Source: own work, after Srivastava, Greff, Schmidhuber, "Highway Networks" (arXiv 1505.00387).
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np

from layerkit import Array, Context, Layer, Param, Plan, Shape, ShapeError, activation
from layerkit.fields import ActivationName, Positive, Size


class Carry(Layer):
    """y = T * H + (1 - T) * A."""

    type_name = "kit.carry"

    def __init__(
        self,
        *,
        units: Size,
        gate_bias: float = -1.0,
        start: Literal["glorot_uniform", "he_normal"] = "glorot_uniform",
    ) -> None:
        self.units = units
        self.gate_bias = gate_bias
        self.start = start

    @classmethod
    def examples(cls) -> list[tuple[dict[str, Any], Shape]]:
        return [({"units": 4}, (4,)), ({"units": 3, "gate_bias": 0.5}, (2,))]

    def plan(self, in_shape: Shape) -> Plan:
        if len(in_shape) != 1:
            raise ShapeError(f"carry takes rows of one axis, not {list(in_shape)}")
        i, o = in_shape[0], self.units
        weights = {name: Param((i, o), self.start) for name in ("WH", "WT", "WA")}
        biases = {"bH": Param((o,)), "bT": Param((o,), self.gate_bias)}
        return Plan((o,), {**weights, **biases})

    def feed(self, x: Array, ctx: Context) -> Array:
        p = self.params
        H = np.tanh(x @ p["WH"] + p["bH"])
        T = activation("sigmoid").feed(x @ p["WT"] + p["bT"])
        A = x @ p["WA"]
        ctx.save(x, H, T, A)
        y: Array = T * H + (1 - T) * A
        return y

    def backprop(self, dy: Array, ctx: Context) -> Array:
        x, H, T, A = ctx.saved
        dH, dT, dA = dy * T * (1 - H**2), self.slope(dy, H, T, A), dy * (1 - T)
        self.write(x, dH, dT, dA)
        return self.back(dH, dT, dA)

    def slope(self, dy: Array, H: Array, T: Array, A: Array) -> Array:
        dT: Array = dy * (H - A) * T * (1 - T)
        return dT

    def write(self, x: Array, dH: Array, dT: Array, dA: Array) -> None:
        for name, d in (("WH", dH), ("WT", dT), ("WA", dA)):
            self.grads[name] = x.T @ d
        for name, d in (("bH", dH), ("bT", dT)):
            self.grads[name] = d.sum(axis=0)

    def back(self, dH: Array, dT: Array, dA: Array) -> Array:
        p = self.params
        dx: Array = dH @ p["WH"].T + dT @ p["WT"].T + dA @ p["WA"].T
        return dx


class Mask(Layer):
    """y = x m / keep in training, y = x else."""

    type_name = "kit.mask"

    def __init__(self, *, keep: Positive = 0.5) -> None:
        self.keep = keep

    def plan(self, in_shape: Shape) -> Plan:
        return Plan(in_shape)

    def feed(self, x: Array, ctx: Context) -> Array:
        if not ctx.training:
            ctx.save(self.keep)
            return x
        m = (ctx.rng.random(x.shape) < self.keep).astype(x.dtype)
        ctx.save(m)
        y: Array = x * m / self.keep
        return y

    def backprop(self, dy: Array, ctx: Context) -> Array:
        (m,) = ctx.saved
        dx: Array = dy * m / self.keep
        return dx


class Centre(Layer):
    """y = x - mean over the batch in training, x - running mean else."""

    type_name = "kit.centre"

    def plan(self, in_shape: Shape) -> Plan:
        return Plan(in_shape, state={"mean": Param(in_shape)})

    def feed(self, x: Array, ctx: Context) -> Array:
        ctx.save(ctx.training)
        mean = self.state["mean"]
        if ctx.training and len(x):
            mean = x.mean(axis=0)
            self.state["mean"] = 0.9 * self.state["mean"] + 0.1 * mean
        y: Array = x - mean
        return y

    def backprop(self, dy: Array, ctx: Context) -> Array:
        (training,) = ctx.saved
        if not training or not len(dy):
            return dy
        dx: Array = dy - dy.mean(axis=0)
        return dx


class Follow(Layer):
    """y = x - mean, where mean follows the batches: mean := 0.9 mean + 0.1 batch mean; dx = dy."""

    type_name = "kit.follow"

    def plan(self, in_shape: Shape) -> Plan:
        return Plan(in_shape, state={"mean": Param(in_shape)})

    def feed(self, x: Array, ctx: Context) -> Array:
        mean = self.state["mean"]
        y: Array = x - mean
        if ctx.training and len(x):
            mean[...] = 0.9 * mean + 0.1 * x.mean(axis=0)
        return y

    def backprop(self, dy: Array, ctx: Context) -> Array:
        return dy


class Active(Layer):
    """y = f(x W), dW = x^T dz, dx = dz W^T, dz = dy f'(z); f is a setting."""

    type_name = "kit.active"

    def __init__(self, *, units: Size, activation: ActivationName = "tanh") -> None:
        self.units = units
        self.activation = activation

    @classmethod
    def examples(cls) -> list[tuple[dict[str, Any], Shape]]:
        return [({"units": 3}, (4,))]

    def plan(self, in_shape: Shape) -> Plan:
        if len(in_shape) != 1:
            raise ShapeError(f"active takes rows of one axis, not {list(in_shape)}")
        shape = (in_shape[0], self.units)
        return Plan((self.units,), {"W": Param(shape, "orthogonal")})

    def feed(self, x: Array, ctx: Context) -> Array:
        f = activation(self.activation)
        z = x @ self.params["W"]
        y = f.feed(z)
        ctx.save(x, z, y)
        return y

    def backprop(self, dy: Array, ctx: Context) -> Array:
        x, z, y = ctx.saved
        dz = activation(self.activation).backprop(dy, z, y)
        self.grads["W"] = x.T @ dz
        dx: Array = dz @ self.params["W"].T
        return dx
