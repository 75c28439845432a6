"""NumPy as the article implies it: float64, a product for each matrix, an array for each
expression, an update for each parameter.

Also the reference that every peer's losses are held against: it is the equations as they stand.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import Any

import numpy as np

from benchmarks.speed.peers.base import Peer, softmax
from benchmarks.speed.workloads import Array, Layer, Params


class Dense:
    def __init__(self, params: Params, relu: bool) -> None:
        self.params, self.relu = params, relu

    def feed(self, x: Array) -> Array:
        self.x = x
        z = x @ self.params["W"] + self.params["b"]
        self.y: Array = np.maximum(z, 0) if self.relu else z
        return self.y

    def backprop(self, dy: Array) -> Array:
        dz: Array = dy * (self.y > 0) if self.relu else dy
        self.grads = {"W": self.x.T @ dz, "b": dz.sum(axis=0)}
        dx: Array = dz @ self.params["W"].T
        return dx


class Highway:
    def __init__(self, params: Params) -> None:
        self.params = params

    def feed(self, x: Array) -> Array:
        p = self.params
        self.x = x
        self.h: Array = np.maximum(x @ p["WH"] + p["bH"], 0)
        self.t: Array = 1 / (1 + np.exp(-(x @ p["WT"] + p["bT"])))
        y: Array = self.t * self.h + (1 - self.t) * x
        return y

    def backprop(self, dy: Array) -> Array:
        p, x, h, t = self.params, self.x, self.h, self.t
        dh = dy * t * (h > 0)
        dt = dy * (h - x) * t * (1 - t)
        self.grads = {"WH": x.T @ dh, "bH": dh.sum(axis=0), "WT": x.T @ dt, "bT": dt.sum(axis=0)}
        dx: Array = dh @ p["WH"].T + dt @ p["WT"].T + dy * (1 - t)
        return dx


def taps(kernel: int, size: int) -> Iterator[tuple[int, int, slice, slice]]:
    """The elements of a kernel, and where they lie in an image with its border."""
    for i, j in product(range(kernel), repeat=2):
        yield i, j, slice(i, i + size), slice(j, j + size)


def bordered(x: Array, kernel: int) -> Array:
    """Images (n, h, w, c) with zeros around them."""
    edge = (kernel - 1) // 2, kernel // 2
    return np.pad(x, ((0, 0), edge, edge, (0, 0)))


def convolved(x: Array, W: Array) -> Array:
    """The product of all windows of images (n, h, w, c) with W (k, k, c, f)."""
    whole = bordered(x, len(W))
    return sum((whole[:, p, q] @ W[i, j] for i, j, p, q in taps(len(W), x.shape[1])), 0.0)


def kernel_grad(x: Array, dz: Array, k: int) -> Array:
    """The gradient of W."""
    whole, flat = bordered(x, k), dz.reshape(-1, dz.shape[-1])
    grad = np.empty((k, k, x.shape[-1], dz.shape[-1]))
    for i, j, p, q in taps(k, x.shape[1]):
        grad[i, j] = whole[:, p, q].reshape(-1, x.shape[-1]).T @ flat
    return grad


def turned(W: Array) -> Array:
    """The kernel that takes a gradient back."""
    return W[::-1, ::-1].transpose(0, 1, 3, 2)


class Conv:
    def __init__(self, params: Params) -> None:
        self.params = params

    def feed(self, x: Array) -> Array:
        self.x = x.reshape(len(x), 28, 28, 1)
        self.y: Array = np.maximum(convolved(self.x, self.params["W"]) + self.params["b"], 0)
        return self.y

    def backprop(self, dy: Array) -> Array:
        """The first layer: nobody needs its dx."""
        dz = dy * (self.y > 0)
        W = kernel_grad(self.x, dz, len(self.params["W"]))
        self.grads = {"W": W, "b": dz.sum(axis=(0, 1, 2))}
        return dy


class ConvHighway:
    def __init__(self, params: Params) -> None:
        self.params = params

    def feed(self, x: Array) -> Array:
        p = self.params
        self.x = x
        self.h: Array = np.maximum(convolved(x, p["WH"]) + p["bH"], 0)
        self.t: Array = 1 / (1 + np.exp(-(convolved(x, p["WT"]) + p["bT"])))
        y: Array = self.t * self.h + (1 - self.t) * x
        return y

    def backprop(self, dy: Array) -> Array:
        p, x, h, t = self.params, self.x, self.h, self.t
        d = {"H": dy * t * (h > 0), "T": dy * (h - x) * t * (1 - t)}
        self.grads = {f"W{k}": kernel_grad(x, dk, len(p["WH"])) for k, dk in d.items()}
        self.grads |= {f"b{k}": dk.sum(axis=(0, 1, 2)) for k, dk in d.items()}
        dx: Array = sum((convolved(dk, turned(p[f"W{k}"])) for k, dk in d.items()), dy * (1 - t))
        return dx


class Pool:
    params: Params = {}  # noqa: RUF012  # it has none
    grads: Params = {}  # noqa: RUF012

    def __init__(self, kernel: int) -> None:
        self.kernel = kernel

    def feed(self, x: Array) -> Array:
        self.size = x.shape[1]
        out = self.size // 2
        edge = (0, max(2 * (out - 1) + self.kernel - self.size, 0))
        self.x = np.pad(x, ((0, 0), edge, edge, (0, 0)), constant_values=-np.inf)
        self.y: Array = np.max([self.x[:, p, q] for p, q in self._places(out)], axis=0)
        return self.y

    def _places(self, out: int) -> Iterator[tuple[slice, slice]]:
        for i, j in product(range(self.kernel), repeat=2):
            yield slice(i, i + 2 * out - 1, 2), slice(j, j + 2 * out - 1, 2)

    def backprop(self, dy: Array) -> Array:
        dx, left = np.zeros_like(self.x), np.ones(self.y.shape, bool)
        for p, q in self._places(dy.shape[1]):
            hit = left & (self.x[:, p, q] == self.y)
            dx[:, p, q] += dy * hit
            left &= ~hit
        return dx[:, : self.size, : self.size]


class Flat:
    """A dense layer on images, whose rows are (channels, height, width)."""

    def __init__(self, params: Params) -> None:
        self.dense, self.params = Dense(params, relu=False), params

    def feed(self, x: Array) -> Array:
        self.shape = x.transpose(0, 3, 1, 2).shape
        self.dense.params = self.params
        return self.dense.feed(x.transpose(0, 3, 1, 2).reshape(len(x), -1))

    def backprop(self, dy: Array) -> Array:
        dx = self.dense.backprop(dy).reshape(self.shape)
        self.grads = self.dense.grads
        return dx.transpose(0, 2, 3, 1)


def made(layer: Layer, params: Params, images: bool) -> Any:
    """The layer with its float64 parameters."""
    if layer.kind == "dense":
        return Flat(params) if images else Dense(params, layer.relu)
    if layer.kind == "pool":
        return Pool(layer.kernel)
    return {"conv": Conv, "conv_highway": ConvHighway, "highway": Highway}[layer.kind](params)


class Naive(Peer):
    def build(self, params: list[Params]) -> None:
        self.x = self.x.astype(np.float64)
        held = [{k: v.astype(np.float64) for k, v in p.items()} for p in params]
        self.layers = [
            made(layer, p, bool(self.work.width))
            for layer, p in zip(self.work.layers, held, strict=True)
        ]
        self.moments: dict[tuple[int, str], tuple[Array, Array]] = {}
        self.steps = 0

    def scores(self, x: Array) -> Array:
        for layer in self.layers:
            x = layer.feed(x)
        return x

    def predict(self, x: Array) -> Array:
        return softmax(self.scores(x.astype(np.float64)))

    def train(self, start: int, steps: int) -> None:
        for batch in self.batches(start, steps):
            y = self.y[batch]
            dy = softmax(self.scores(self.x[batch]))
            dy[np.arange(len(y)), y] -= 1
            dy = dy / len(y)
            for layer in reversed(self.layers):
                dy = layer.backprop(dy)
            self.steps += 1
            for i, layer in enumerate(self.layers):
                for name, grad in layer.grads.items():
                    layer.params[name] = self.stepped(i, name, layer.params[name], grad)

    def stepped(self, layer: int, name: str, w: Array, g: Array) -> Array:
        """The parameter after this step."""
        rate, t = self.work.learning_rate, self.steps
        m, v = self.moments.get((layer, name), (np.zeros_like(w), np.zeros_like(w)))
        new: Array
        if self.work.optimizer == "momentum":
            m = 0.9 * m + g
            new = w - rate * m
        else:
            m = 0.9 * m + 0.1 * g
            v = 0.999 * v + 0.001 * g * g
            new = w - rate * (m / (1 - 0.9**t)) / (np.sqrt(v / (1 - 0.999**t)) + 1e-8)
        self.moments[layer, name] = m, v
        return new


PEER = Naive
