"""Thinc with its NumPy operations: its own dense layers and Adam; a highway layer in its style.

Momentum, which it does not have, is a callable as its optimizers are.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import numpy as np
from thinc.api import Adam, Linear, Model, Relu, chain

from benchmarks.speed.peers.base import Peer
from benchmarks.speed.workloads import CLASSES, Array, Params


def feed(model: Any, x: Array, is_train: bool) -> tuple[Array, Callable[[Array], Array]]:
    ops = model.ops
    wh, bh, wt, bt = (model.get_param(name) for name in ("WH", "bH", "WT", "bT"))
    h = ops.gemm(x, wh, trans2=True)
    h += bh
    h = ops.relu(h, inplace=True)
    t = ops.gemm(x, wt, trans2=True)
    t += bt
    t = ops.sigmoid(t, inplace=True)

    def backprop(dy: Array) -> Array:
        dh = dy * t
        dh *= h > 0
        dt = dy * (h - x) * t * (1 - t)
        model.inc_grad("WH", ops.gemm(dh, x, trans1=True))
        model.inc_grad("bH", dh.sum(axis=0))
        model.inc_grad("WT", ops.gemm(dt, x, trans1=True))
        model.inc_grad("bT", dt.sum(axis=0))
        dx: Array = dy * (1 - t) + ops.gemm(dh, wh) + ops.gemm(dt, wt)
        return dx

    return x + t * (h - x), backprop


class Momentum:
    def __init__(self, rate: float) -> None:
        self.rate, self.moments = rate, {}  # type: float, dict[Any, Array]

    def __call__(self, key: Any, w: Array, g: Array, **_: Any) -> tuple[Array, Array]:
        m = self.moments.setdefault(key, np.zeros_like(w))
        m *= 0.9
        m += g
        w -= self.rate * m
        g[...] = 0
        return w, g

    def step_schedules(self) -> None: ...


class Thinc(Peer):
    packages: ClassVar[Sequence[str]] = ("thinc", "blis", "numpy")

    def build(self, params: list[Params]) -> None:
        nodes: list[Any] = []
        for layer, given in zip(self.work.layers, params, strict=True):
            if layer.kind == "highway":
                node: Any = Model("highway", feed, params=dict.fromkeys(given))
            elif layer.relu:
                node = Relu(layer.units, layer.inputs, dropout=None, normalize=False)
            else:
                node = Linear(layer.units, layer.inputs)
            node.initialize()
            for name, array in given.items():
                node.set_param(name, np.ascontiguousarray(array.T))
            nodes.append(node)
        self.model = chain(*nodes)
        rate = self.work.learning_rate
        self.rule: Any = Momentum(rate)
        if self.work.optimizer == "adam":
            self.rule = Adam(rate, L2=0.0, grad_clip=0.0, use_averages=False)
        self.flags = np.eye(CLASSES, dtype=np.float32)

    def train(self, start: int, steps: int) -> None:
        softmax = self.model.ops.softmax
        for batch in self.batches(start, steps):
            scores, backprop = self.model.begin_update(self.x[batch])
            dy = softmax(scores) - self.flags[self.y[batch]]
            backprop(dy / np.float32(self.work.batch))
            self.model.finish_update(self.rule)
            self.rule.step_schedules()

    def predict(self, x: Array) -> Array:
        found: Array = self.model.ops.softmax(self.model.predict(x))
        return found


PEER = Thinc
