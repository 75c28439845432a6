"""Right layers of twenty sorts, each written as a stranger would, from the contract page alone.

Equations stand beside their lines; sources: Wu and He (GroupNorm), arXiv 1803.08494; Salimans and
Kingma (WeightNorm), arXiv 1602.07868; Cho et al. (Gru), arXiv 1406.1078; Hochreiter and Schmidhuber
(Lstm), Neural Computation 9 (1997); Bengio et al. (Tokens), JMLR 3 (2003); the others own work.
"""

# mypy: disable-error-code="no-any-return"
# NumPy types many operations as Any; strangers name no such result.

from __future__ import annotations

import math
from typing import Any, Literal

import numpy as np

from layerkit import (
    Array,
    Context,
    Layer,
    Param,
    Plan,
    Shape,
    ShapeError,
    Whole,
    activation,
    chain,
)
from layerkit.fields import ActivationName, Fraction, InitializerName, Layers, Positive, Size

Examples = list[tuple[dict[str, Any], Shape]]


def one_axis(in_shape: Shape) -> int:
    if len(in_shape) != 1:
        raise ShapeError(f"expected rows with one axis, got {list(in_shape)}")
    return in_shape[0]


def two_axes(in_shape: Shape) -> Shape:
    if len(in_shape) != 2:
        raise ShapeError(f"expected rows (steps, channels), got {list(in_shape)}")
    return in_shape


def sigmoid(z: Array) -> Array:
    return activation("sigmoid").feed(z)


class GroupNorm(Layer):
    """h = (x - mean) / s over each group of channels, y = g h + b."""

    type_name = "strange.groupnorm"

    def __init__(self, *, groups: Size = 2, epsilon: Positive = 1e-5) -> None:
        self.groups, self.epsilon = groups, epsilon

    @classmethod
    def examples(cls) -> Examples:
        return [({}, (4,)), ({"groups": 3}, (6,))]

    def plan(self, in_shape: Shape) -> Plan:
        d = one_axis(in_shape)
        if d % self.groups:
            raise ShapeError(f"{d} channels do not part into {self.groups} groups")
        return Plan(in_shape, {"g": Param(in_shape, 1.0), "b": Param(in_shape)})

    def feed(self, x: Array, ctx: Context) -> Array:
        parts = x.reshape(len(x), self.groups, x.shape[1] // self.groups)
        c = parts - parts.mean(axis=2, keepdims=True)
        s = np.sqrt((c * c).mean(axis=2, keepdims=True) + self.epsilon)
        h = c / s
        ctx.save(h, s)
        y: Array = h.reshape(x.shape) * self.params["g"] + self.params["b"]
        return y

    def backprop(self, dy: Array, ctx: Context) -> Array:
        h, s = ctx.saved
        self.grads["g"] = (dy * h.reshape(dy.shape)).sum(axis=0)
        self.grads["b"] = dy.sum(axis=0)
        dh = (dy * self.params["g"]).reshape(h.shape)
        inner = (dh * h).mean(axis=2, keepdims=True)
        dx: Array = (dh - dh.mean(axis=2, keepdims=True) - h * inner) / s
        return dx.reshape(dy.shape)


class Noise(Layer):
    """y = x + spread e, e ~ N(0, 1) in training; dx = dy."""

    type_name = "strange.noise"

    def __init__(self, *, spread: Positive = 0.3) -> None:
        self.spread = spread

    def plan(self, in_shape: Shape) -> Plan:
        return Plan(in_shape)

    def feed(self, x: Array, ctx: Context) -> Array:
        if not ctx.training:
            return x
        return x + self.spread * ctx.rng.standard_normal(x.shape).astype(x.dtype)

    def backprop(self, dy: Array, ctx: Context) -> Array:
        return dy


class NoisyRelu(Layer):
    """y = max(0, x W + e) in training: its mean is another function, as it should be."""

    type_name = "strange.noisy-relu"

    def __init__(self, *, units: Size = 3) -> None:
        self.units = units

    def plan(self, in_shape: Shape) -> Plan:
        return Plan((self.units,), {"W": Param((one_axis(in_shape), self.units), "he_normal")})

    def feed(self, x: Array, ctx: Context) -> Array:
        z = x @ self.params["W"]
        if ctx.training:
            z = z + ctx.rng.standard_normal(z.shape).astype(z.dtype)
        ctx.save(x, z)
        return np.maximum(z, 0)

    def backprop(self, dy: Array, ctx: Context) -> Array:
        x, z = ctx.saved
        dz = dy * (z > 0)
        self.grads["W"] = x.T @ dz
        dx: Array = dz @ self.params["W"].T
        return dx


class Shift(Layer):
    """Rows turned by a place or none, at random, in training; dx is turned back."""

    type_name = "strange.shift"

    @classmethod
    def examples(cls) -> Examples:
        return [({}, (5,))]

    def plan(self, in_shape: Shape) -> Plan:
        one_axis(in_shape)
        return Plan(in_shape)

    def feed(self, x: Array, ctx: Context) -> Array:
        if not ctx.training:
            ctx.save(None)
            return x
        turned = ctx.rng.random((len(x), 1)) < 0.5
        ctx.save(turned)
        return np.where(turned, np.roll(x, 1, axis=1), x)

    def backprop(self, dy: Array, ctx: Context) -> Array:
        (turned,) = ctx.saved
        return dy if turned is None else np.where(turned, np.roll(dy, -1, axis=1), dy)


class Depth(Layer):
    """y = x + m tanh(x W) / keep, m ~ Bernoulli(keep) a row; y = x + tanh(x W) in inference."""

    type_name = "strange.depth"

    def __init__(self, *, keep: Fraction = 0.7) -> None:
        self.keep = keep

    @classmethod
    def examples(cls) -> Examples:
        return [({}, (3,))]

    def plan(self, in_shape: Shape) -> Plan:
        if self.keep <= 0:
            raise ShapeError("keep must be above 0")
        d = one_axis(in_shape)
        return Plan(in_shape, {"W": Param((d, d), "glorot_uniform")})

    def feed(self, x: Array, ctx: Context) -> Array:
        h = np.tanh(x @ self.params["W"])
        m: Any = 1.0
        if ctx.training:
            m = (ctx.rng.random((len(x), 1)) < self.keep).astype(x.dtype) / self.keep
        ctx.save(x, h, m)
        y: Array = x + m * h
        return y

    def backprop(self, dy: Array, ctx: Context) -> Array:
        x, h, m = ctx.saved
        dz = dy * m * (1 - h * h)
        self.grads["W"] = x.T @ dz
        dx: Array = dy + dz @ self.params["W"].T
        return dx


class Average(Layer):
    """The mean of windows; dx spreads dy over them."""

    type_name = "strange.average"

    def __init__(self, *, width: Size = 2) -> None:
        self.width = width

    @classmethod
    def examples(cls) -> Examples:
        return [({}, (6, 2))]

    def plan(self, in_shape: Shape) -> Plan:
        t, c = two_axes(in_shape)
        if t % self.width:
            raise ShapeError(f"{t} steps do not part into windows of {self.width}")
        return Plan((t // self.width, c))

    def feed(self, x: Array, ctx: Context) -> Array:
        n, t, c = x.shape
        return x.reshape(n, t // self.width, self.width, c).mean(axis=2)

    def backprop(self, dy: Array, ctx: Context) -> Array:
        return np.repeat(dy / self.width, self.width, axis=1)


class MaxPool(Layer):
    """The maximum of windows; dx gives dy to the first largest number."""

    type_name = "strange.maxpool"

    def __init__(self, *, width: Size = 3) -> None:
        self.width = width

    @classmethod
    def examples(cls) -> Examples:
        return [({}, (6, 2)), ({"width": 2}, (4, 1))]

    def plan(self, in_shape: Shape) -> Plan:
        t, c = two_axes(in_shape)
        if t < self.width:
            raise ShapeError(f"{t} steps are fewer than {self.width}")
        return Plan((t // self.width, c))

    def feed(self, x: Array, ctx: Context) -> Array:
        k, w = x.shape[1] // self.width, self.width
        parts = x[:, : k * w].reshape(len(x), k, w, x.shape[2])
        best = parts.argmax(axis=2)[:, :, None]
        first = np.arange(w)[:, None] == best
        ctx.save(first, x.shape[1] - k * w)
        y: Array = parts.max(axis=2)
        return y

    def backprop(self, dy: Array, ctx: Context) -> Array:
        first, left = ctx.saved
        parts = dy[:, :, None] * first
        dx = parts.reshape(len(dy), dy.shape[1] * self.width, dy.shape[2])
        rest = np.zeros_like(dx, shape=(len(dy), left, dy.shape[2]))
        return np.concatenate([dx, rest], axis=1)


class Gru(Layer):
    """The last state of a gated recurrence over (steps, channels).

    r, u = sigmoid(x W + h U + b)    c = tanh(x Wc + (r h) Uc + bc)    h := u h + (1 - u) c
    """

    type_name = "strange.gru"

    def __init__(
        self,
        *,
        units: Size = 2,
        gate_bias: float = 1.0,
        initializer: InitializerName = "glorot_uniform",
    ) -> None:
        self.units, self.gate_bias, self.initializer = units, gate_bias, initializer

    @classmethod
    def examples(cls) -> Examples:
        return [({}, (3, 2))]

    def plan(self, in_shape: Shape) -> Plan:
        c, k = two_axes(in_shape)[1], self.units
        params = {f"W{g}": Param((c, k), self.initializer) for g in "ruc"}
        params |= {f"U{g}": Param((k, k), "orthogonal") for g in "ruc"}
        params |= {"br": Param((k,)), "bu": Param((k,), self.gate_bias), "bc": Param((k,))}
        return Plan((k,), params)

    def feed(self, x: Array, ctx: Context) -> Array:
        p = self.params
        h = np.zeros_like(x, shape=(len(x), self.units))
        for t in range(x.shape[1]):
            now = x[:, t]
            r = sigmoid(now @ p["Wr"] + h @ p["Ur"] + p["br"])
            u = sigmoid(now @ p["Wu"] + h @ p["Uu"] + p["bu"])
            c = np.tanh(now @ p["Wc"] + (r * h) @ p["Uc"] + p["bc"])
            ctx.save((now, h, r, u, c))
            h = u * h + (1 - u) * c
        return h

    def backprop(self, dy: Array, ctx: Context) -> Array:
        p, dh, dxs = self.params, dy, []
        sums = {name: np.zeros_like(param) for name, param in p.items()}
        for now, h, r, u, c in reversed(ctx.saved):
            dc = dh * (1 - u) * (1 - c * c)
            du = dh * (h - c) * u * (1 - u)
            drh = dc @ p["Uc"].T
            dr = drh * h * r * (1 - r)
            for g, d, state in (("r", dr, h), ("u", du, h), ("c", dc, r * h)):
                sums[f"W{g}"] = sums[f"W{g}"] + now.T @ d
                sums[f"U{g}"] = sums[f"U{g}"] + state.T @ d
                sums[f"b{g}"] = sums[f"b{g}"] + d.sum(axis=0)
            dxs.append(dr @ p["Wr"].T + du @ p["Wu"].T + dc @ p["Wc"].T)
            dh = dh * u + drh * r + dr @ p["Ur"].T + du @ p["Uu"].T
        for name, total in sums.items():
            self.grads[name] = total
        return np.stack(dxs[::-1], axis=1)


class Lstm(Layer):
    """All states of a memory over (steps, channels).

    i, f, o = sigmoid(.), g = tanh(.) of x W + h U + b    c := f c + i g    h := o tanh(c)
    """

    type_name = "strange.lstm"

    def __init__(self, *, units: Size = 2) -> None:
        self.units = units

    @classmethod
    def examples(cls) -> Examples:
        return [({}, (3, 2))]

    def plan(self, in_shape: Shape) -> Plan:
        (t, c), k = two_axes(in_shape), self.units
        W = Param((c, 4 * k), "glorot_uniform", fan_out=k)
        return Plan((t, k), {"W": W, "U": Param((k, 4 * k), "normal"), "b": Param((4 * k,))})

    def feed(self, x: Array, ctx: Context) -> Array:
        p, k = self.params, self.units
        h = c = np.zeros_like(x, shape=(len(x), k))
        outputs = []
        for t in range(x.shape[1]):
            z = x[:, t] @ p["W"] + h @ p["U"] + p["b"]
            i, f, o = (sigmoid(z[:, j * k : (j + 1) * k]) for j in range(3))
            g = np.tanh(z[:, 3 * k :])
            before, c = c, f * c + i * g
            ctx.save((x[:, t], h, before, c, i, f, o, g))
            h = o * np.tanh(c)
            outputs.append(h)
        return np.stack(outputs, axis=1)

    def backprop(self, dy: Array, ctx: Context) -> Array:
        p, dxs = self.params, []
        dW, dU, db = (np.zeros_like(p[name]) for name in "WUb")
        dh = dc = np.zeros_like(dy[:, 0])
        for t, (x, h, before, c, i, f, o, g) in reversed(list(enumerate(ctx.saved))):
            dh = dh + dy[:, t]
            e = np.tanh(c)
            dc = dc + dh * o * (1 - e * e)
            gates = [dc * g * i * (1 - i), dc * before * f * (1 - f), dh * e * o * (1 - o)]
            dz = np.concatenate([*gates, dc * i * (1 - g * g)], axis=1)
            dW, dU, db = dW + x.T @ dz, dU + h.T @ dz, db + dz.sum(axis=0)
            dxs.append(dz @ p["W"].T)
            dh, dc = dz @ p["U"].T, dc * f
        self.grads["W"], self.grads["U"], self.grads["b"] = dW, dU, db
        return np.stack(dxs[::-1], axis=1)


class Tokens(Layer):
    """y = E[token], tokens taken modulo their number; dE sums dy, dx = 0."""

    type_name = "strange.tokens"

    def __init__(self, *, count: Size = 7, units: Size = 2) -> None:
        self.count, self.units = count, units

    def plan(self, in_shape: Shape) -> Plan:
        return Plan((*in_shape, self.units), {"E": Param((self.count, self.units), "normal")})

    def feed(self, x: Array, ctx: Context) -> Array:
        token = np.clip(np.rint(x), -1e6, 1e6).astype(int) % self.count
        ctx.save(token)
        return self.params["E"][token]

    def backprop(self, dy: Array, ctx: Context) -> Array:
        (token,) = ctx.saved
        dE = np.zeros_like(self.params["E"])
        np.add.at(dE, token, dy)
        self.grads["E"] = dE
        return np.zeros_like(dy[..., 0])


class Codes(Tokens):
    """The same for whole numbers that the plan asks for: nothing is clipped."""

    type_name = "strange.codes"

    def plan(self, in_shape: Shape) -> Plan:
        plan = super().plan(in_shape)
        return Plan(plan.out_shape, plan.params, takes=Whole(self.count))

    def feed(self, x: Array, ctx: Context) -> Array:
        token = x.astype(np.intp)
        ctx.save(token)
        return self.params["E"][token]


class Tied(Layer):
    """y = tanh(x W) W^T + b: one matrix, used twice."""

    type_name = "strange.tied"

    def __init__(self, *, units: Size = 2) -> None:
        self.units = units

    def plan(self, in_shape: Shape) -> Plan:
        d = one_axis(in_shape)
        return Plan((d,), {"W": Param((d, self.units), "glorot_uniform"), "b": Param((d,))})

    def feed(self, x: Array, ctx: Context) -> Array:
        W = self.params["W"]
        h = np.tanh(x @ W)
        ctx.save(x, h)
        y: Array = h @ W.T + self.params["b"]
        return y

    def backprop(self, dy: Array, ctx: Context) -> Array:
        x, h = ctx.saved
        W = self.params["W"]
        dz = (dy @ W) * (1 - h * h)
        self.grads["W"] = x.T @ dz + dy.T @ h
        self.grads["b"] = dy.sum(axis=0)
        dx: Array = dz @ W.T
        return dx


class Bilinear(Layer):
    """y_k = x A_k x^T."""

    type_name = "strange.bilinear"

    def __init__(self, *, units: Size = 2) -> None:
        self.units = units

    @classmethod
    def examples(cls) -> Examples:
        return [({}, (3,))]

    def plan(self, in_shape: Shape) -> Plan:
        d = one_axis(in_shape)
        A = Param((self.units, d, d), "glorot_uniform", fan_in=d, fan_out=d)
        return Plan((self.units,), {"A": A})

    def feed(self, x: Array, ctx: Context) -> Array:
        ctx.save(x)
        y: Array = np.einsum("ni,kij,nj->nk", x, self.params["A"], x)
        return y

    def backprop(self, dy: Array, ctx: Context) -> Array:
        (x,) = ctx.saved
        A = self.params["A"]
        self.grads["A"] = np.einsum("nk,ni,nj->kij", dy, x, x)
        left: Array = np.einsum("nk,kij,nj->ni", dy, A, x)
        return left + np.einsum("nk,kij,ni->nj", dy, A, x)


class Powers(Layer):
    """y = sum over k of a_k x^k, per column."""

    type_name = "strange.powers"

    def __init__(self, *, degree: Size = 3) -> None:
        self.degree = degree

    def plan(self, in_shape: Shape) -> Plan:
        d = one_axis(in_shape)
        return Plan((d,), {"a": Param((self.degree + 1, d), "normal")})

    def feed(self, x: Array, ctx: Context) -> Array:
        ctx.save(x)
        y = self.params["a"][self.degree] + 0 * x
        for k in range(self.degree - 1, -1, -1):
            y = y * x + self.params["a"][k]
        return y

    def backprop(self, dy: Array, ctx: Context) -> Array:
        (x,) = ctx.saved
        a = self.params["a"]
        self.grads["a"] = np.stack([(dy * x**k).sum(axis=0) for k in range(self.degree + 1)])
        dx: Array = dy * sum(k * a[k] * x ** (k - 1) for k in range(1, self.degree + 1))
        return dx


class WeightNorm(Layer):
    """y = f(x W + b), W = g V / |V| by columns."""

    type_name = "strange.weightnorm"

    def __init__(self, *, units: Size = 3, activation: ActivationName = "tanh") -> None:
        self.units, self.activation = units, activation

    def plan(self, in_shape: Shape) -> Plan:
        d = one_axis(in_shape)
        if not d:
            raise ShapeError("expected rows with a number or more, got none")
        V = Param((d, self.units), "normal")
        return Plan(
            (self.units,), {"V": V, "g": Param((self.units,), 1.0), "b": Param((self.units,))}
        )

    def feed(self, x: Array, ctx: Context) -> Array:
        V, g = self.params["V"], self.params["g"]
        size = np.sqrt((V * V).sum(axis=0))
        z = x @ (V * (g / size)) + self.params["b"]
        y = activation(self.activation).feed(z)
        ctx.save(x, z, y, size)
        return y

    def backprop(self, dy: Array, ctx: Context) -> Array:
        x, z, y, size = ctx.saved
        V, g = self.params["V"], self.params["g"]
        dz = activation(self.activation).backprop(dy, z, y)
        dW, unit = x.T @ dz, V / size
        self.grads["g"] = (dW * unit).sum(axis=0)
        self.grads["V"] = (dW - unit * self.grads["g"]) * (g / size)
        self.grads["b"] = dz.sum(axis=0)
        dx: Array = dz @ (unit * g).T
        return dx


class Scale(Layer):
    """y = x s with one factor a channel, the last axis; clipped to `most` in training and after."""

    type_name = "strange.scale"

    def __init__(self, *, most: Positive = 50.0) -> None:
        self.most = most

    @classmethod
    def examples(cls) -> Examples:
        return [({}, (2, 3)), ({}, (4,))]

    def plan(self, in_shape: Shape) -> Plan:
        if not in_shape:
            raise ShapeError("expected rows with an axis")
        return Plan(in_shape, {"s": Param(in_shape[-1:], 1.0)})

    def feed(self, x: Array, ctx: Context) -> Array:
        z = x * self.params["s"]
        ctx.save(x, np.abs(z) < self.most)
        return np.clip(z, -self.most, self.most)

    def backprop(self, dy: Array, ctx: Context) -> Array:
        x, inside = ctx.saved
        dz = dy * inside
        self.grads["s"] = (dz * x).sum(axis=tuple(range(x.ndim - 1)))
        dx: Array = dz * self.params["s"]
        return dx


class AffineNorm(Layer):
    """h = batch norm of x W + b: in exact arithmetic db = 0, and float32 rounds."""

    type_name = "strange.affine-norm"

    def __init__(self, *, units: Size = 3, unbiased: bool = True) -> None:
        self.units, self.unbiased = units, unbiased

    def plan(self, in_shape: Shape) -> Plan:
        d, k = one_axis(in_shape), self.units
        params = {"W": Param((d, k), "glorot_uniform"), "b": Param((k,))}
        return Plan((k,), params, {"mean": Param((k,)), "var": Param((k,), 1.0)})

    def feed(self, x: Array, ctx: Context) -> Array:
        z = x @ self.params["W"] + self.params["b"]
        batch = ctx.training and len(x) > 0
        mean, var = self.state["mean"], self.state["var"]
        if batch:
            mean, var = z.mean(axis=0), z.var(axis=0)
            now = var * (len(x) / (len(x) - 1)) if self.unbiased and len(x) > 1 else var
            self.state["mean"] = 0.9 * self.state["mean"] + 0.1 * mean
            self.state["var"] = 0.9 * self.state["var"] + 0.1 * now
        s = np.sqrt(var + 1e-3)
        h = (z - mean) / s
        ctx.save(x, h, s, batch)
        return h

    def backprop(self, dy: Array, ctx: Context) -> Array:
        x, h, s, batch = ctx.saved
        dz = dy - dy.mean(axis=0) - h * (dy * h).mean(axis=0) if batch else dy
        dz = dz / s
        self.grads["W"], self.grads["b"] = x.T @ dz, dz.sum(axis=0)
        dx: Array = dz @ self.params["W"].T
        return dx


class Mixed(Layer):
    """y = f(x) for one of two f; `slope` counts for one of them only."""

    type_name = "strange.mixed"

    def __init__(self, *, form: Literal["tanh", "leaky"] = "tanh", slope: Positive = 0.1) -> None:
        self.form, self.slope = form, slope

    def plan(self, in_shape: Shape) -> Plan:
        activation("tanh")
        return Plan(in_shape)

    def feed(self, x: Array, ctx: Context) -> Array:
        y = np.tanh(x) if self.form == "tanh" else np.where(x > 0, x, self.slope * x)
        ctx.save(x, y)
        return y

    def backprop(self, dy: Array, ctx: Context) -> Array:
        x, y = ctx.saved
        if self.form == "tanh":
            dx: Array = dy * (1 - y * y)
            return dx
        return dy * np.where(x > 0, 1, self.slope).astype(dy.dtype)


class Conv2d(Layer):
    """3 x 3 convolution of (h, w, c) with a zero border, y = sum over places of x W."""

    type_name = "strange.conv2d"

    def __init__(self, *, units: Size = 2, stride: Size = 1) -> None:
        self.units, self.stride = units, stride

    @classmethod
    def examples(cls) -> Examples:
        return [({}, (3, 4, 2))]

    def plan(self, in_shape: Shape) -> Plan:
        if len(in_shape) != 3:
            raise ShapeError(f"expected rows (h, w, c), got {list(in_shape)}")
        h, w, c = in_shape
        W = Param((3, 3, c, self.units), "he_normal", fan_in=9 * c, fan_out=9 * self.units)
        out = [math.ceil(d / self.stride) for d in (h, w)]
        return Plan((*out, self.units), {"W": W, "b": Param((self.units,))})

    def cut(self, wide: Array, i: int, j: int, shape: Shape) -> Array:
        (h, w), s = shape, self.stride
        return wide[:, i : i + h : s, j : j + w : s]

    def feed(self, x: Array, ctx: Context) -> Array:
        wide = np.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))
        W, shape = self.params["W"], x.shape[1:3]
        y: Array = self.params["b"] + sum(
            self.cut(wide, i, j, shape) @ W[i, j] for i in range(3) for j in range(3)
        )
        ctx.save(wide)
        return y

    def backprop(self, dy: Array, ctx: Context) -> Array:
        (wide,) = ctx.saved
        W, s = self.params["W"], self.stride
        shape = (wide.shape[1] - 2, wide.shape[2] - 2)
        self.grads["b"] = dy.sum(axis=(0, 1, 2))
        self.grads["W"] = np.stack(
            [
                np.stack(
                    [np.einsum("nhwc,nhwo->co", self.cut(wide, i, j, shape), dy) for j in range(3)]
                )
                for i in range(3)
            ]
        )
        dwide = np.zeros_like(wide)
        for i in range(3):
            for j in range(3):
                dwide[:, i : i + shape[0] : s, j : j + shape[1] : s] += dy @ W[i, j].T
        return dwide[:, 1:-1, 1:-1]


class ReZero(Layer):
    """y = x + a F(x), F the layers inside; da = sum of dy F(x), dx = dy + F'(a dy)."""

    type_name = "strange.rezero"

    def __init__(self, *, layers: Layers, start: float = 0.0) -> None:
        self.layers, self.start = layers, start

    @classmethod
    def examples(cls) -> Examples:
        dense = {"type": "dense", "units": 4, "activation": "tanh"}
        return [({"layers": [dense, {"type": "highway"}]}, (4,))]

    def plan(self, in_shape: Shape) -> Plan:
        parts = chain(self.layers, in_shape)
        if parts[-1].out_shape != in_shape:
            raise ShapeError(f"expected layers that keep the shape {list(in_shape)}")
        return Plan(in_shape, {"a": Param((1,), self.start)}, parts=parts)

    def feed(self, x: Array, ctx: Context) -> Array:
        inner = self.parts.feed(x, ctx)
        ctx.save(inner)
        return x + self.params["a"] * inner

    def backprop(self, dy: Array, ctx: Context) -> Array:
        (inner,) = ctx.saved
        self.grads["a"] = (dy * inner).sum().reshape(1)
        dx: Array = dy + self.parts.backprop(self.params["a"] * dy, ctx)
        return dx


class ReZeroNorm(ReZero):
    """The same over layers with state and with chance."""

    type_name = "strange.rezero-norm"

    @classmethod
    def examples(cls) -> Examples:
        dense = {"type": "dense", "units": 4, "activation": "tanh"}
        return [
            ({"layers": [dense, {"type": "kit.right-norm"}]}, (4,)),
            ({"layers": [{"type": "kit.right-drop"}, {"type": "kit.right-rows"}]}, (3,)),
        ]


STRANGE: tuple[type[Layer], ...] = (
    *(GroupNorm, Noise, NoisyRelu, Shift, Depth, Average, MaxPool, Gru, Lstm, Tokens, Tied),
    *(Bilinear, Powers, WeightNorm, Scale, AffineNorm, Mixed, Conv2d),
    *(ReZero, ReZeroNorm, Codes),
)
