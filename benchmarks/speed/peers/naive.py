"""NumPy as the article implies it: float64, a product for each matrix, an array for each
expression, an update for each parameter.

Also the reference that every peer's losses are held against: it is the equations as they stand.
"""

from __future__ import annotations

import numpy as np

from benchmarks.speed.peers.base import Peer, softmax
from benchmarks.speed.workloads import Array, Params


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


class Naive(Peer):
    def build(self, params: list[Params]) -> None:
        self.x = self.x.astype(np.float64)
        held = [{k: v.astype(np.float64) for k, v in p.items()} for p in params]
        self.layers = [
            Dense(p, layer.relu) if layer.kind == "dense" else Highway(p)
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
