"""Right layers of the usual sorts, from which the wrong ones of tests/kit/planted_more.py are made.

Norm, over axis 0 of x (n, i...), with running figures for inference::

    h  = (x - mean) / s,  s = sqrt(var + epsilon)       y = g h + b
    dg = sum of dy h,  db = sum of dy,  dh = dy g
    dx = (dh - mean(dh) - h mean(dh h)) / s             in training
    dx = dh / s                                         in inference

Drop: y = x m / keep, m ~ Bernoulli(keep), dx = dy m / keep. Slide, with rows (t, c)::

    y[k] = sum_j x[k stride + j - padding] W[j]         W (width, c, o)
    dW[j] = sum of x^T dy,  dx[k stride + j - padding] += dy[k] W[j]^T

Pool: y = max of neighbours, dx = dy at the first largest one.
Rows: y = g (x - mean) / s over the last axis of a row.

Source: own work, after Ioffe and Szegedy, arXiv 1502.03167; Srivastava et al., JMLR 15 (2014).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from layerkit import Array, Context, Layer, Param, Plan, Shape, ShapeError
from layerkit.fields import Fraction, InitializerName, Positive, Size


class Norm(Layer):
    """Batch normalisation; keeps a tenth of each batch's figures."""

    type_name = "kit.right-norm"

    def __init__(self, *, epsilon: Positive = 1e-5, momentum: Fraction = 0.9) -> None:
        self.epsilon, self.momentum = epsilon, momentum

    @classmethod
    def examples(cls) -> list[tuple[dict[str, Any], Shape]]:
        return [({}, (3,)), ({"momentum": 0.99}, (2, 2))]

    def plan(self, in_shape: Shape) -> Plan:
        params = {"g": Param(in_shape, 1.0, decay=False), "b": Param(in_shape, decay=False)}
        return Plan(in_shape, params, {"mean": Param(in_shape), "var": Param(in_shape, 1.0)})

    def feed(self, x: Array, ctx: Context) -> Array:
        batch = ctx.training and len(x) > 0
        mean, var = self.of_batch(x) if batch else (self.state["mean"], self.state["var"])
        if batch:
            self.follow(mean, var)
        s = self.spread(var)
        h = (x - mean) / s
        ctx.save(h, s, batch)
        y: Array = h * self.params["g"] + self.params["b"]
        return y

    def of_batch(self, x: Array) -> tuple[Array, Array]:
        return x.mean(axis=0), x.var(axis=0)

    def spread(self, var: Array) -> Array:
        return np.sqrt(var + self.epsilon)

    def follow(self, mean: Array, var: Array) -> None:
        for name, now in (("mean", mean), ("var", var)):
            self.state[name] = self.momentum * self.state[name] + (1 - self.momentum) * now

    def backprop(self, dy: Array, ctx: Context) -> Array:
        h, s, batch = ctx.saved
        self.grads["g"], self.grads["b"] = (dy * h).sum(axis=0), dy.sum(axis=0)
        dh = dy * self.params["g"]
        if batch:
            dh = dh - dh.mean(axis=0) - h * (dh * h).mean(axis=0)
        dx: Array = dh / s
        return dx


class Drop(Layer):
    """Dropout, scaled in training."""

    type_name = "kit.right-drop"

    def __init__(self, *, keep: Positive = 0.8) -> None:
        self.keep = keep

    @classmethod
    def examples(cls) -> list[tuple[dict[str, Any], Shape]]:
        return [({}, (4,)), ({"keep": 0.5}, (2, 3))]

    def plan(self, in_shape: Shape) -> Plan:
        return Plan(in_shape)

    def mask(self, x: Array, ctx: Context) -> Array:
        return (ctx.rng.random(x.shape) < self.keep).astype(x.dtype)

    def factor(self) -> float:
        return 1 / self.keep

    def feed(self, x: Array, ctx: Context) -> Array:
        m: Any = self.mask(x, ctx) * self.factor() if ctx.training else 1.0
        ctx.save(m)
        y: Array = x * m
        return y

    def backprop(self, dy: Array, ctx: Context) -> Array:
        (m,) = ctx.saved
        dx: Array = dy * m
        return dx


class Slide(Layer):
    """Convolution along the first axis of a row."""

    type_name = "kit.right-slide"

    def __init__(
        self, *, units: Size = 2, width: Size = 3, stride: Size = 1, padding: int = 0
    ) -> None:
        self.units, self.width, self.stride, self.padding = units, width, stride, padding

    @classmethod
    def examples(cls) -> list[tuple[dict[str, Any], Shape]]:
        return [({}, (7, 2))]

    def plan(self, in_shape: Shape) -> Plan:
        if len(in_shape) != 2:
            raise ShapeError(f"expected rows (steps, channels), got {list(in_shape)}")
        if self.padding < 0:
            raise ShapeError("padding is 0 or more")
        t, c = in_shape
        left = t + 2 * self.padding - self.width
        if left < 0:
            raise ShapeError(f"{t} steps are too few for a width of {self.width}")
        fans = (self.width * c, self.width * self.units)
        W = Param((self.width, c, self.units), "he_normal", fan_in=fans[0], fan_out=fans[1])
        return Plan((left // self.stride + 1, self.units), {"W": W})

    def places(self, j: int, count: int) -> slice:
        return slice(j, j + self.stride * (count - 1) + 1, self.stride)

    def feed(self, x: Array, ctx: Context) -> Array:
        p = self.padding
        wide = np.concatenate([x[:, :0], *[x[:, :1] * 0] * p, x, *[x[:, :1] * 0] * p], axis=1)
        count = (wide.shape[1] - self.width) // self.stride + 1
        ctx.save(wide, count)
        y: Array = sum(
            wide[:, self.places(j, count)] @ self.params["W"][j] for j in range(self.width)
        )
        return y

    def backprop(self, dy: Array, ctx: Context) -> Array:
        wide, count = ctx.saved
        W = self.params["W"]
        parts = [wide[:, self.places(j, count)] for j in range(self.width)]
        self.grads["W"] = np.stack([np.einsum("ntc,nto->co", part, dy) for part in parts])
        dwide = np.zeros_like(wide)
        for j in range(self.width):
            dwide[:, self.back(j, count)] += dy @ W[j].T
        return self.cropped(dwide)

    def back(self, j: int, count: int) -> slice:
        return self.places(j, count)

    def cropped(self, dwide: Array) -> Array:
        return dwide[:, self.padding : dwide.shape[1] - self.padding]


class Pool(Layer):
    """The larger of two neighbours."""

    type_name = "kit.right-pool"

    @classmethod
    def examples(cls) -> list[tuple[dict[str, Any], Shape]]:
        return [({}, (6,))]

    def plan(self, in_shape: Shape) -> Plan:
        if len(in_shape) != 1 or in_shape[0] % 2:
            raise ShapeError(f"expected rows of one axis, an even number, got {list(in_shape)}")
        return Plan((in_shape[0] // 2,))

    def feed(self, x: Array, ctx: Context) -> Array:
        left, right = x[:, ::2], x[:, 1::2]
        ctx.save(*self.shares(left, right))
        return np.maximum(left, right)

    def shares(self, left: Array, right: Array) -> tuple[Array, Array]:
        return left >= right, right > left

    def backprop(self, dy: Array, ctx: Context) -> Array:
        left, right = ctx.saved
        return np.stack([dy * left, dy * right], axis=2).reshape(len(dy), 2 * dy.shape[1])


class Level(Layer):
    """Each channel of an image less its mean: y = x - mean(x); dx = dy - sum(dy) / (h w)."""

    type_name = "kit.right-level"

    @classmethod
    def examples(cls) -> list[tuple[dict[str, Any], Shape]]:
        return [({}, (3, 2, 2))]

    def plan(self, in_shape: Shape) -> Plan:
        if len(in_shape) != 3:
            raise ShapeError(f"expected rows (channels, height, width), got {list(in_shape)}")
        return Plan(in_shape)

    def feed(self, x: Array, ctx: Context) -> Array:
        y: Array = x - x.mean(axis=(2, 3), keepdims=True)
        return y

    def backprop(self, dy: Array, ctx: Context) -> Array:
        dx: Array = dy - dy.sum(axis=(2, 3), keepdims=True) / self.pixels(dy)
        return dx

    def pixels(self, image: Array) -> int:
        return int(image.shape[2] * image.shape[3])


class Rows(Layer):
    """Layer normalisation over the last axis."""

    type_name = "kit.right-rows"

    def __init__(self, *, epsilon: Positive = 1e-5, initializer: InitializerName = "zeros") -> None:
        self.epsilon, self.initializer = epsilon, initializer

    @classmethod
    def examples(cls) -> list[tuple[dict[str, Any], Shape]]:
        return [({}, (5,))]

    def plan(self, in_shape: Shape) -> Plan:
        if not in_shape:
            raise ShapeError("expected rows with an axis, got rows of one number")
        b = Param(in_shape[-1:], self.initializer)
        return Plan(in_shape, {"g": Param(in_shape[-1:], 1.0), "b": b})

    def feed(self, x: Array, ctx: Context) -> Array:
        c = x - x.mean(axis=-1, keepdims=True)
        s = np.sqrt(self.variance(x, c) + self.epsilon)
        h = c / s
        ctx.save(h, s)
        y: Array = h * self.params["g"] + self.params["b"]
        return y

    def variance(self, x: Array, c: Array) -> Array:
        var: Array = np.square(c).mean(axis=-1, keepdims=True)
        return var

    def backprop(self, dy: Array, ctx: Context) -> Array:
        h, s = ctx.saved
        rows = tuple(range(dy.ndim - 1))
        self.grads["g"], self.grads["b"] = (dy * h).sum(axis=rows), dy.sum(axis=rows)
        dh = dy * self.params["g"]
        inner = (dh * h).mean(axis=-1, keepdims=True)
        dx: Array = (dh - dh.mean(axis=-1, keepdims=True) - h * inner) / s
        return dx
