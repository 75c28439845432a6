"""scikit-learn's ``MLPClassifier``: plain nets only; ``partial_fit`` over minibatches in order."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import numpy as np
from sklearn.neural_network import MLPClassifier

from benchmarks.speed.peers.base import Peer
from benchmarks.speed.workloads import CLASSES, Array, Params


class Sklearn(Peer):
    packages: ClassVar[Sequence[str]] = ("scikit-learn", "numpy")

    def build(self, params: list[Params]) -> None:
        size = self.work.batch
        self.net = MLPClassifier(
            self.work.hidden,
            alpha=0.0,
            batch_size=size,
            learning_rate_init=self.work.learning_rate,
            shuffle=False,
        )
        # It makes its weights in a first step; they and the moments are then put back.
        self.net.partial_fit(self.x[:size], self.y[:size], classes=np.arange(CLASSES))
        for w, b, given in zip(self.net.coefs_, self.net.intercepts_, params, strict=True):
            w[...], b[...] = given["W"], given["b"]
        rule = self.net._optimizer
        rule.t = 0
        for moment in (*rule.ms, *rule.vs):
            moment[...] = 0

    def train(self, start: int, steps: int) -> None:
        for rows in self.stretches(start, steps):
            self.net.partial_fit(self.x[rows], self.y[rows])

    def predict(self, x: Array) -> Array:
        found: Array = self.net.predict_proba(x)
        return found


PEER = Sklearn
