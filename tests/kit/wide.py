"""Sound layers that are not of one axis, or not of one product: the door is wide enough for them.

Flatten: y = x reshaped, dx = dy reshaped. Steps: y = x W at every step, dW = sum of x^T dy.
Norm: y = g (x - mean) / sqrt(var + e), dx by the quotient rule. Slide: y = sum_k x[t + k] w[k].
Source: own work.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from layerkit import Array, Context, Layer, Param, Plan, Shape, ShapeError
from layerkit.fields import Positive, Size


class Flatten(Layer):
    type_name = "kit.flatten"

    @classmethod
    def examples(cls) -> list[tuple[dict[str, Any], Shape]]:
        return [({}, (2, 3)), ({}, (4,))]

    def plan(self, in_shape: Shape) -> Plan:
        return Plan((math.prod(in_shape),))

    def feed(self, x: Array, ctx: Context) -> Array:
        ctx.save(x.shape)
        return x.reshape(len(x), math.prod(x.shape[1:]))

    def backprop(self, dy: Array, ctx: Context) -> Array:
        (shape,) = ctx.saved
        return dy.reshape(shape)


class Steps(Layer):
    type_name = "kit.steps"

    def __init__(self, *, units: Size) -> None:
        self.units = units

    @classmethod
    def examples(cls) -> list[tuple[dict[str, Any], Shape]]:
        return [({"units": 2}, (3, 4))]

    def plan(self, in_shape: Shape) -> Plan:
        if len(in_shape) != 2:
            raise ShapeError(f"steps takes rows (steps, features), not {list(in_shape)}")
        t, i = in_shape
        params = {"W": Param((i, self.units), "he_normal")}
        return Plan((t, self.units), params)

    def feed(self, x: Array, ctx: Context) -> Array:
        ctx.save(x)
        y: Array = x @ self.params["W"]
        return y

    def backprop(self, dy: Array, ctx: Context) -> Array:
        (x,) = ctx.saved
        self.grads["W"] = np.einsum("nti,nto->io", x, dy)
        dx: Array = dy @ self.params["W"].T
        return dx


class Norm(Layer):
    type_name = "kit.norm"

    def __init__(self, *, epsilon: Positive = 1e-5) -> None:
        self.epsilon = epsilon

    @classmethod
    def examples(cls) -> list[tuple[dict[str, Any], Shape]]:
        return [({}, (5,))]

    def plan(self, in_shape: Shape) -> Plan:
        if len(in_shape) != 1 or not in_shape[0]:
            raise ShapeError(f"norm takes rows of one axis, not {list(in_shape)}")
        return Plan(in_shape, {"g": Param(in_shape, 1.0)})

    def feed(self, x: Array, ctx: Context) -> Array:
        c = x - x.mean(axis=1, keepdims=True)
        s = np.sqrt(np.square(c).mean(axis=1, keepdims=True) + self.epsilon)
        h = c / s
        ctx.save(h, s)
        y: Array = h * self.params["g"]
        return y

    def backprop(self, dy: Array, ctx: Context) -> Array:
        h, s = ctx.saved
        self.grads["g"] = (dy * h).sum(axis=0)
        dh = dy * self.params["g"]
        inner = (dh * h).mean(axis=1, keepdims=True)
        dx: Array = (dh - dh.mean(axis=1, keepdims=True) - h * inner) / s
        return dx


class Slide(Layer):
    type_name = "kit.slide"

    def __init__(self, *, width: Size = 3) -> None:
        self.width = width

    @classmethod
    def examples(cls) -> list[tuple[dict[str, Any], Shape]]:
        return [({"width": 2}, (6,))]

    def plan(self, in_shape: Shape) -> Plan:
        if len(in_shape) != 1 or in_shape[0] < self.width:
            raise ShapeError(f"slide takes rows of {self.width} or more, not {list(in_shape)}")
        o = in_shape[0] - self.width + 1
        return Plan((o,), {"w": Param((self.width,), "normal")})

    def feed(self, x: Array, ctx: Context) -> Array:
        windows = sliding_window_view(x, self.width, axis=1)
        ctx.save(windows, x.shape)
        y: Array = windows @ self.params["w"]
        return y

    def backprop(self, dy: Array, ctx: Context) -> Array:
        windows, shape = ctx.saved
        self.grads["w"] = np.tensordot(dy, windows, ([0, 1], [0, 1]))
        dx = np.zeros(shape, dy.dtype)
        for k, w in enumerate(self.params["w"]):
            dx[:, k : k + dy.shape[1]] += dy * w
        return dx
