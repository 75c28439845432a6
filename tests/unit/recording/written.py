"""Layers written once, in plain allocating NumPy, as authors write them."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np

from layerkit import Layer, Param, Plan, Whole

Array = Any
Shape = tuple[int, ...]


class Written(Layer):
    """A layer of contract version 2 with arguments by keyword."""

    contract_version = 2

    def __init__(self, **settings: Any) -> None:
        for name, value in settings.items():
            setattr(self, name, value)


class Dense(Written):
    units = 5
    slope = "relu"

    def plan(self, in_shape: Shape) -> Plan:
        return Plan((self.units,), {"W": Param((*in_shape, self.units)), "b": Param((self.units,))})

    def feed(self, x: Array, ctx: Any) -> Array:
        z = x @ self.params["W"] + self.params["b"]
        y = np.tanh(z) if self.slope == "tanh" else np.maximum(z, 0)
        ctx.save(x, y)
        return y

    def backprop(self, dy: Array, ctx: Any) -> Array:
        x, y = ctx.saved
        dz = dy * (1 - y * y) if self.slope == "tanh" else np.where(y > 0, dy, 0)
        self.grads["W"] = x.T @ dz
        self.grads["b"] = dz.sum(axis=0)
        return dz @ self.params["W"].T


class Highway(Written):
    def plan(self, in_shape: Shape) -> Plan:
        (d,) = in_shape
        matrices = {name: Param((d, d)) for name in ("WH", "WT")}
        return Plan(in_shape, matrices | {name: Param((d,)) for name in ("bH", "bT")})

    def feed(self, x: Array, ctx: Any) -> Array:
        p = self.params
        H = np.maximum(x @ p["WH"] + p["bH"], 0)
        C = 1 / (1 + np.exp(x @ p["WT"] + p["bT"]))
        P = C * (H - x)
        ctx.save(x, H, C)
        ctx.save(P)
        return H - P

    def backprop(self, dy: Array, ctx: Any) -> Array:
        x, H, C, P = ctx.saved
        gC = dy * C
        gH = dy - gC
        dT = gH * P
        dH = gH * (H > 0)
        for name, d in ("H", dH), ("T", dT):
            self.grads["W" + name] = x.T @ d
            self.grads["b" + name] = d.sum(axis=0)
        return dH @ self.params["WH"].T + dT @ self.params["WT"].T + gC


class Projection(Written):
    units = 5

    def plan(self, in_shape: Shape) -> Plan:
        shapes = {f"W{k}": (*in_shape, self.units) for k in "HTA"}
        shapes |= {f"b{k}": (self.units,) for k in "HTA"}
        return Plan((self.units,), {name: Param(shape) for name, shape in shapes.items()})

    def feed(self, x: Array, ctx: Any) -> Array:
        p = self.params
        aH, aT, aA = (x @ p["W" + k] + p["b" + k] for k in "HTA")
        H, A = np.maximum(aH, 0), np.tanh(aA)
        C = 1 / (1 + np.exp(aT))
        P = C * (H - A)
        ctx.save(x, H, A, C, P)
        return H - P

    def backprop(self, dy: Array, ctx: Any) -> Array:
        x, H, A, C, P = ctx.saved
        gA = dy * C
        gH = dy - gA
        ds = {"H": gH * (H > 0), "T": gH * P, "A": gA * (1 - A**2)}
        for k, d in ds.items():
            self.grads["W" + k], self.grads["b" + k] = x.T @ d, d.sum(axis=0)
        return sum(d @ self.params["W" + k].T for k, d in ds.items())


class LayerNorm(Written):
    def plan(self, in_shape: Shape) -> Plan:
        return Plan(in_shape, {"scale": Param(in_shape), "shift": Param(in_shape)})

    def feed(self, x: Array, ctx: Any) -> Array:
        away = x - x.mean(axis=-1, keepdims=True)
        r = 1 / np.sqrt(np.mean(away**2, axis=-1, keepdims=True) + 1e-5)
        h = away * r
        ctx.save(h, r)
        return self.params["scale"] * h + self.params["shift"]

    def backprop(self, dy: Array, ctx: Any) -> Array:
        h, r = ctx.saved
        self.grads["scale"] = np.sum(dy * h, axis=0)
        self.grads["shift"] = np.sum(dy, axis=0)
        g = dy * self.params["scale"]
        along = h * np.mean(g * h, axis=-1, keepdims=True)
        return r * (g - g.mean(axis=-1, keepdims=True) - along)


class Maxout(Written):
    units, pieces = 3, 2

    def plan(self, in_shape: Shape) -> Plan:
        columns = self.units * self.pieces
        return Plan((self.units,), {"W": Param((*in_shape, columns)), "b": Param((columns,))})

    def feed(self, x: Array, ctx: Any) -> Array:
        z = (x @ self.params["W"] + self.params["b"]).reshape(len(x), self.units, self.pieces)
        y = z.max(axis=2)
        ctx.save(x, z.argmax(axis=2)[:, :, None] == np.arange(self.pieces))
        return y

    def backprop(self, dy: Array, ctx: Any) -> Array:
        x, chosen = ctx.saved
        dz = (chosen * dy[:, :, np.newaxis]).reshape(len(x), self.units * self.pieces)
        self.grads["W"] = x.T @ dz
        self.grads["b"] = dz.sum(0)
        return dz @ self.params["W"].T


class Dropout(Written):
    rate = 0.5

    def plan(self, in_shape: Shape) -> Plan:
        return Plan(in_shape)

    def feed(self, x: Array, ctx: Any) -> Array:
        if not ctx.training:
            return x
        keep = (ctx.rng.random(x.shape, dtype=np.float32) >= self.rate).astype(x.dtype)
        keep /= 1 - self.rate
        ctx.save(keep)
        return x * keep

    def backprop(self, dy: Array, ctx: Any) -> Array:
        return dy * ctx.saved[0] if ctx.training else dy


class BatchNorm(Written):
    pace = 0.1

    def plan(self, in_shape: Shape) -> Plan:
        arrays = {"scale": Param(in_shape), "shift": Param(in_shape)}
        return Plan(in_shape, arrays, {"mean": Param(in_shape), "var": Param(in_shape, 1.0)})

    def feed(self, x: Array, ctx: Any) -> Array:
        mean, var = self.state["mean"], self.state["var"]
        if ctx.training:
            old_mean, old_var = mean, var
            mean, var = x.mean(axis=0), x.var(axis=0)
            self.state["mean"] = (1 - self.pace) * old_mean + self.pace * mean
            self.state["var"] = (1 - self.pace) * old_var + self.pace * var
        r = (var + 1e-5) ** -0.5
        h = (x - mean) * r
        ctx.save(h, r)
        return h * self.params["scale"] + self.params["shift"]

    def backprop(self, dy: Array, ctx: Any) -> Array:
        h, r = ctx.saved
        self.grads["scale"] = (dy * h).sum(axis=0)
        self.grads["shift"] = dy.sum(axis=0)
        g = dy * self.params["scale"]
        if ctx.training:
            g = g - g.mean(axis=0) - h * (g * h).mean(axis=0)
        return g * r


class Counting(Written):
    """Counts its passes in a state of one number, written in place."""

    def plan(self, in_shape: Shape) -> Plan:
        return Plan(in_shape, {"scale": Param(())}, {"passes": Param(())})

    def feed(self, x: Array, ctx: Any) -> Array:
        if ctx.training:
            self.state["passes"] += 1
        ctx.save(x)
        return x * self.params["scale"] + self.state["passes"] * ctx.training

    def backprop(self, dy: Array, ctx: Any) -> Array:
        self.grads["scale"] = (dy * ctx.saved[0]).sum()
        return dy * self.params["scale"]


class Conv(Written):
    """Two axes, square windows, no padding, channels last."""

    filters, size = 3, 3

    def plan(self, in_shape: Shape) -> Plan:
        height, width, channels = in_shape
        k = self.size
        params = {"W": Param((k * k * channels, self.filters)), "b": Param((self.filters,))}
        return Plan((height - k + 1, width - k + 1, self.filters), params)

    def feed(self, x: Array, ctx: Any) -> Array:
        k, (n, height, width, channels) = self.size, x.shape
        windows = np.lib.stride_tricks.sliding_window_view(x, (k, k), axis=(1, 2))
        columns = windows.transpose(0, 1, 2, 4, 5, 3).reshape(
            n * (height - k + 1) * (width - k + 1), k * k * channels
        )
        ctx.save(columns)
        ctx.save(x.shape)
        y = columns @ self.params["W"] + self.params["b"]
        return y.reshape(n, height - k + 1, width - k + 1, self.filters)

    def backprop(self, dy: Array, ctx: Any) -> Array:
        columns, (n, height, width, channels) = ctx.saved
        k = self.size
        down, across = height - k + 1, width - k + 1
        dz = dy.reshape(n * down * across, self.filters)
        self.grads["W"], self.grads["b"] = columns.T @ dz, dz.sum(axis=0)
        d = (dz @ self.params["W"].T).reshape(n, down, across, k, k, channels)
        dx = np.zeros_like(d, shape=(n, height, width, channels))
        for i in range(k):
            for j in range(k):
                dx[:, i : i + down, j : j + across] += d[:, :, :, i, j]
        return dx


class Recurrent(Written):
    """Elman's, over the first axis of a row; gives the last state."""

    units = 3

    def plan(self, in_shape: Shape) -> Plan:
        shapes = {"W": (in_shape[1], self.units), "U": (self.units, self.units)}
        params = {name: Param(shape) for name, shape in shapes.items()}
        return Plan((self.units,), {**params, "b": Param((self.units,))})

    def feed(self, x: Array, ctx: Any) -> Array:
        W, U, b = self.params.values()
        h = np.zeros_like(x, shape=(len(x), self.units))
        for t in range(x.shape[1]):
            before, h = h, np.tanh(x[:, t] @ W + h @ U + b)
            ctx.save((x[:, t], before, h))
        return h

    def backprop(self, dy: Array, ctx: Any) -> Array:
        W, U, _ = self.params.values()
        dW: Any = 0
        dU: Any = np.zeros_like(U)
        self.grads["b"][...] = 0
        dxs, g = [], dy
        for x, before, h in reversed(ctx.saved):
            dz = g * (1 - h * h)
            dW = dW + x.T @ dz
            dU += before.T @ dz
            self.grads["b"][:] += dz.sum(axis=0)
            dxs.append(dz @ W.T)
            g = dz @ U.T
        self.grads["W"], self.grads["U"] = dW, dU
        return np.stack(dxs[::-1], axis=1)


class Embedding(Written):
    count, units = 6, 3

    def plan(self, in_shape: Shape) -> Plan:
        params = {"E": Param((self.count, self.units))}
        return Plan((*in_shape, self.units), params, takes=Whole(self.count))

    def feed(self, x: Array, ctx: Any) -> Array:
        i = x.astype(np.intp)
        ctx.save(x, i)
        return self.params["E"][i]

    def backprop(self, dy: Array, ctx: Any) -> Array:
        x, i = ctx.saved
        dE = np.zeros_like(self.params["E"])
        np.add.at(dE, i, dy)
        self.grads["E"] = dE
        return np.zeros_like(x)


class Weighted(Written):
    """A row of a whole number and a real one: the vector of the first times the second."""

    count, units = 6, 3

    def plan(self, in_shape: Shape) -> Plan:
        params = {"E": Param((self.count, self.units))}
        return Plan((self.units,), params, takes=[Whole(self.count), None])

    def feed(self, x: Array, ctx: Any) -> Array:
        i, w = x[:, 0].astype(np.intp), x[:, 1:]
        v = self.params["E"][i]
        ctx.save(i, w, v)
        return v * w

    def backprop(self, dy: Array, ctx: Any) -> Array:
        i, w, v = ctx.saved
        dE = np.zeros_like(self.params["E"])
        np.add.at(dE, i, dy * w)
        self.grads["E"] = dE
        dw = (dy * v).sum(axis=1, keepdims=True)
        return np.concatenate([np.zeros_like(dw), dw], axis=1)


class Named:
    """The arrays of a nested part, under the names that the container gives them."""

    def __init__(self, arrays: Any, part: str) -> None:
        self.arrays, self.part = arrays, part

    def __getitem__(self, name: str) -> Array:
        return self.arrays[f"{self.part}:{name}"]

    def __setitem__(self, name: str, value: Array) -> None:
        self.arrays[f"{self.part}:{name}"] = value


class Residual(Written):
    """x + g(f(x)) for nested layers f and g, with contexts and arrays of their own."""

    def __init__(self, **parts: Written) -> None:
        self.inner = parts

    def plan(self, in_shape: Shape) -> Plan:
        params: dict[str, Param] = {}
        state: dict[str, Param] = {}
        shape = in_shape
        for name, part in self.inner.items():
            plan = part.plan(shape)
            params |= {f"{name}:{k}": p for k, p in plan.params.items()}
            state |= {f"{name}:{k}": p for k, p in plan.state.items()}
            shape = plan.out_shape
        return Plan(in_shape, params, state)

    def _part(self, name: str) -> Any:
        part: Any = copy.copy(self.inner[name])
        for group in ("params", "grads", "state"):
            setattr(part, group, Named(getattr(self, group), name))
        return part

    def feed(self, x: Array, ctx: Any) -> Array:
        y = x
        for name in self.inner:
            y = self._part(name).feed(y, ctx.part(name))
        return x + y

    def backprop(self, dy: Array, ctx: Any) -> Array:
        d = dy
        for name in reversed(self.inner):
            d = self._part(name).backprop(d, ctx.part(name))
        return dy + d
