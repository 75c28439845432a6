"""JAX: the whole step (forward, gradient, optimizer) compiled by XLA into one function."""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import partial
from typing import Any, ClassVar

os.environ["JAX_PLATFORMS"] = "cpu"

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.speed.peers.base import Peer, fused
from benchmarks.speed.workloads import Array, Params

State = tuple[Any, Any, Any, Any]


class Jax(Peer):
    packages: ClassVar[Sequence[str]] = ("jax", "jaxlib", "numpy")

    def build(self, params: list[Params]) -> None:
        layers, work = self.work.layers, self.work

        def scores(weights: Any, x: Any) -> Any:
            for layer, (w, b) in zip(layers, weights, strict=True):
                z = x @ w + b
                if layer.kind == "dense":
                    x = jax.nn.relu(z) if layer.relu else z
                else:
                    h, t = jax.nn.relu(z[:, : layer.units]), jax.nn.sigmoid(z[:, layer.units :])
                    x = x + t * (h - x)
            return x

        def loss(weights: Any, x: Any, y: Any) -> Any:
            logs = jax.nn.log_softmax(scores(weights, x))
            return -jnp.take_along_axis(logs, y[:, None], 1).mean()

        @partial(jax.jit, donate_argnums=0)
        def step(state: State, x: Any, y: Any) -> State:
            w, m, v, count = state
            g = jax.grad(loss)(w, x, y)
            each, rate = jax.tree.map, work.learning_rate
            count = count + 1
            if work.optimizer == "momentum":
                m = each(lambda m, g: 0.9 * m + g, m, g)
                return each(lambda w, m: w - rate * m, w, m), m, v, count
            m = each(lambda m, g: 0.9 * m + 0.1 * g, m, g)
            v = each(lambda v, g: 0.999 * v + 0.001 * g * g, v, g)
            a, b = 1 / (1 - 0.9**count), 1 / (1 - 0.999**count)
            w = each(lambda w, m, v: w - rate * m * a / (jnp.sqrt(v * b) + 1e-8), w, m, v)
            return w, m, v, count

        weights = [tuple(jnp.array(a) for a in fused(p)) for p in params]
        zeros = partial(jax.tree.map, jnp.zeros_like)
        self.state: State = weights, zeros(weights), zeros(weights), jnp.zeros((), jnp.float32)
        self.step = step
        self.outputs = jax.jit(lambda weights, x: jax.nn.softmax(scores(weights, x)))
        self.labels = self.y.astype(np.int32)

    def train(self, start: int, steps: int) -> None:
        state = self.state
        for batch in self.batches(start, steps):
            state = self.step(state, self.x[batch], self.labels[batch])
        self.state = jax.block_until_ready(state)

    def predict(self, x: Array) -> Array:
        return np.asarray(self.outputs(self.state[0], x))


PEER = Jax
