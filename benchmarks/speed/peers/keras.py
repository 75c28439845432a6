"""Keras on its JAX backend: ``fit`` over minibatches in order, ``predict_on_batch``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import keras
import numpy as np

from benchmarks.speed.peers.base import Peer, softmax
from benchmarks.speed.workloads import INPUTS, Array, Params


class Highway(keras.layers.Layer):  # type: ignore[misc,unused-ignore]
    def __init__(self, units: int) -> None:
        super().__init__()
        self.h = keras.layers.Dense(units, activation="relu")
        self.t = keras.layers.Dense(units, activation="sigmoid")

    def build(self, shape: Any) -> None:
        self.h.build(shape)
        self.t.build(shape)
        self.built = True

    def call(self, x: Any) -> Any:
        h, t = self.h(x), self.t(x)
        return t * h + (1 - t) * x


class Keras(Peer):
    packages: ClassVar[Sequence[str]] = ("keras", "jax", "numpy")

    def build(self, params: list[Params]) -> None:
        layers: list[Any] = []
        for layer in self.work.layers:
            if layer.kind == "dense":
                activation = "relu" if layer.relu else None
                layers.append(keras.layers.Dense(layer.units, activation=activation))
            else:
                layers.append(Highway(layer.units))
        self.model = keras.Sequential([keras.Input((INPUTS,)), *layers])
        for made, given in zip(layers, params, strict=True):
            names = ("W", "b") if "W" in given else ("WH", "bH", "WT", "bT")
            made.set_weights([given[name] for name in names])
        rate = self.work.learning_rate
        rule: Any = keras.optimizers.SGD(rate, momentum=0.9)
        if self.work.optimizer == "adam":
            rule = keras.optimizers.Adam(rate, epsilon=1e-8)
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        self.model.compile(rule, loss)

    def train(self, start: int, steps: int) -> None:
        for rows in self.stretches(start, steps):
            self.model.fit(
                self.x[rows],
                self.y[rows],
                batch_size=self.work.batch,
                epochs=1,
                shuffle=False,
                verbose=0,
            )

    def predict(self, x: Array) -> Array:
        return softmax(np.asarray(self.model.predict_on_batch(x)))


PEER = Keras
