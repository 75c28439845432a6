"""Plain layers of many patterns, and networks of them for tests of machine code."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from layerkit.core.context import Array, Context, Shape
from layerkit.core.layer import Layer, Param, Plan
from layerkit.core.network import Network
from layerkit.core.planning import PlannedLayer, plan_layers
from layerkit.recording.record import Recording, record

Pairs = list[tuple[PlannedLayer, Recording]]


class Plain(Layer):
    contract_version = 2

    def plan(self, in_shape: Shape) -> Plan:
        return Plan(in_shape)


class LayerNorm(Plain):
    """Sums over features, with and without their axis."""

    type_name = "layer_norm"

    def plan(self, in_shape: Shape) -> Plan:
        return Plan(in_shape, {"scale": Param(in_shape), "shift": Param(in_shape)})

    def feed(self, x: Array, ctx: Context) -> Array:
        c = x - x.mean(axis=1, keepdims=True)
        r = 1 / np.sqrt(np.mean(c * c, axis=1) + 1e-5)[:, None]
        ctx.save(c * r, r)
        y: Array = c * r * self.params["scale"] + self.params["shift"]
        return y

    def backprop(self, dy: Array, ctx: Context) -> Array:
        h, r = ctx.saved
        self.grads["scale"], self.grads["shift"] = (dy * h).sum(axis=0), dy.sum(axis=0)
        g = dy * self.params["scale"]
        mean = g.mean(axis=1, keepdims=True)
        dx: Array = r * (g - mean - h * (g * h).mean(axis=1, keepdims=True))
        return dx


class Maxout(Plain):
    """A reshape to three axes, max, and a stored comparison."""

    type_name = "maxout"

    def __init__(self, *, units: int = 3) -> None:
        self.units = units

    def plan(self, in_shape: Shape) -> Plan:
        return Plan((self.units,), {"W": Param((*in_shape, 2 * self.units))})

    def feed(self, x: Array, ctx: Context) -> Array:
        z = (x @ self.params["W"]).reshape(len(x), self.units, 2)
        y: Array = z.max(axis=2)
        ctx.save(x, z == y[:, :, None])
        return y

    def backprop(self, dy: Array, ctx: Context) -> Array:
        x, hit = ctx.saved
        d = (hit * dy[:, :, None]).reshape(len(x), 2 * self.units)
        self.grads["W"] = x.T @ d
        dx: Array = d @ self.params["W"].T
        return dx


class Gated(Plain):
    """Slices of features, and their gradients put together again."""

    type_name = "gated"

    def plan(self, in_shape: Shape) -> Plan:
        (d,) = in_shape
        return Plan(in_shape, {"W": Param((d, 2 * d)), "b": Param((2 * d,))})

    def feed(self, x: Array, ctx: Context) -> Array:
        d = x.shape[1]
        z = x @ self.params["W"] + self.params["b"]
        g = 1 / (1 + np.exp(-z[:, d:]))
        ctx.save(x, z, g)
        y: Array = z[:, :d] * g
        return y

    def backprop(self, dy: Array, ctx: Context) -> Array:
        x, z, g = ctx.saved
        a = z[:, : x.shape[1]]
        d = np.concatenate([dy * g, dy * a * g * (1 - g)], axis=1)
        self.grads["W"], self.grads["b"] = x.T @ d, d.sum(axis=0)
        dx: Array = d @ self.params["W"].T
        return dx


class Residual(Plain):
    """A product that is added to its input."""

    type_name = "residual"

    def plan(self, in_shape: Shape) -> Plan:
        (d,) = in_shape
        return Plan(in_shape, {"U": Param((d, d)), "V": Param((d, d))})

    def feed(self, x: Array, ctx: Context) -> Array:
        h = np.tanh(x @ self.params["U"])
        ctx.save(x, h)
        y: Array = x + h @ self.params["V"]
        return y

    def backprop(self, dy: Array, ctx: Context) -> Array:
        x, h = ctx.saved
        self.grads["V"] = h.T @ dy
        d = dy @ self.params["V"].T * (1 - h * h)
        self.grads["U"] = x.T @ d
        dx: Array = dy + d @ self.params["U"].T
        return dx


class BatchNorm(Plain):
    """Sums over rows, numbers that depend on n, and state."""

    type_name = "batch_norm"

    def plan(self, in_shape: Shape) -> Plan:
        return Plan(in_shape, state={"mean": Param(in_shape), "var": Param(in_shape)})

    def feed(self, x: Array, ctx: Context) -> Array:
        if not ctx.training:
            y: Array = (x - self.state["mean"]) / np.sqrt(self.state["var"] + 1e-3)
            return y
        m = x.mean(axis=0)
        v = ((x - m) * (x - m)).mean(axis=0)
        self.state["mean"] = 0.9 * self.state["mean"] + 0.1 * m
        self.state["var"] = 0.9 * self.state["var"] + 0.1 * v
        r = 1 / np.sqrt(v + 1e-3)
        h: Array = (x - m) * r
        ctx.save(h, r)
        return h

    def backprop(self, dy: Array, ctx: Context) -> Array:
        h, r = ctx.saved
        dx: Array = r * (dy - dy.mean(axis=0) - h * (dy * h).mean(axis=0))
        return dx


class Same(Plain):
    """Results that are what it was given."""

    type_name = "same"

    def feed(self, x: Array, ctx: Context) -> Array:
        ctx.save(x)
        return x

    def backprop(self, dy: Array, ctx: Context) -> Array:
        (x,) = ctx.saved
        dx: Array = x[:, ::-1] + dy
        return dx


class Mirrored(Plain):
    """Other elements of values that the same loop could compute."""

    type_name = "mirrored"

    def feed(self, x: Array, ctx: Context) -> Array:
        h = np.tanh(x)
        ctx.save(h)
        y: Array = h + h[:, ::-1] * h[:, :1]
        return y

    def backprop(self, dy: Array, ctx: Context) -> Array:
        (h,) = ctx.saved
        d = dy + dy[:, ::-1] * h[:, :1]
        first = (dy * h[:, ::-1]).sum(axis=1, keepdims=True)
        d = np.concatenate([d[:, :1] + first, d[:, 1:]], axis=1)
        dx: Array = d * (1 - h * h)
        return dx


class Cube(Plain):
    """Rows of two axes, powers, where, flat constants."""

    type_name = "cube"

    def plan(self, in_shape: Shape) -> Plan:
        a, b = in_shape
        return Plan((a * b,))

    def feed(self, x: Array, ctx: Context) -> Array:
        y = np.where(x > 0, x**3, x**2 * np.array([0.5, -1.0], np.float32))
        ctx.save(x)
        flat: Array = y.reshape(len(x), x.shape[1] * x.shape[2])
        return flat

    def backprop(self, dy: Array, ctx: Context) -> Array:
        (x,) = ctx.saved
        d = dy.reshape(x.shape)
        dx: Array = d * np.where(x > 0, 3 * x**2, 2 * x * np.array([0.5, -1.0], np.float32))
        return dx


class Tied(Plain):
    """Two products of one parameter; its gradient is a sum."""

    type_name = "tied"

    def plan(self, in_shape: Shape) -> Plan:
        return Plan(in_shape, {"W": Param((*in_shape, 4))})

    def feed(self, x: Array, ctx: Context) -> Array:
        h = np.maximum(x @ self.params["W"], 0)
        ctx.save(x, h)
        y: Array = h @ self.params["W"].T
        return y

    def backprop(self, dy: Array, ctx: Context) -> Array:
        x, h = ctx.saved
        d = dy @ self.params["W"] * (h > 0)
        self.grads["W"] = x.T @ d + dy.T @ h
        dx: Array = d @ self.params["W"].T
        return dx


def network(layers: Sequence[Layer], in_shape: Shape) -> Network:
    """A network with parameters and state drawn."""
    named = [(f"l{i}", layer) for i, layer in enumerate(layers)]
    found = Network(plan_layers(named, in_shape), np.dtype("f4"))
    rng = np.random.default_rng(0)
    found.params[...] = rng.standard_normal(found.size) / 2
    for p in found.planned:
        for name in p.layer.state:
            p.layer.state[name] = rng.random(p.layer.state[name].shape).astype("f4") + 1
    found.allocate_grads()
    return found


_known: dict[Any, Recording] = {}


def pairs(net: Network, *, training: bool = True, keeps: bool = True) -> Pairs:
    """The layers with their recordings, shared by layers of equal structure."""
    found = []
    for p in net.planned:
        settings = {k: v for k, v in vars(p.layer).items() if type(v) in (int, str, bool, float)}
        key = type(p.layer), str(settings), p.in_shape, training, keeps
        if key not in _known:
            _known[key] = record(
                p.layer, p.in_shape, np.float32, training=training, keeps=keeps, plan=p.plan
            )
        found.append((p, _known[key]))
    return found


def near(expected: Array, got: Array, digits: float = 3e-6) -> None:
    """Fail unless both agree to rounding, relative to the largest number."""
    assert got.shape == expected.shape
    assert got.dtype == expected.dtype
    scale = np.abs(expected).max(initial=1e-2)
    np.testing.assert_allclose(got, expected, rtol=0, atol=digits * scale)
