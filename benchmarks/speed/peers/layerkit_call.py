"""layerkit as it is called: ``layerkit.train`` with its shuffling, its checks and its judging.

The rows are laid so that its shuffling brings them back into the order of the other peers.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import numpy as np

from benchmarks.speed.peers.base import Peer
from benchmarks.speed.peers.layerkit import model_of
from benchmarks.speed.workloads import Array, Params
from layerkit import train
from layerkit.core.rng import random_stream


class LayerkitCall(Peer):
    packages: ClassVar[Sequence[str]] = ("layerkit", "numpy")

    def build(self, params: list[Params]) -> None:
        self.model = model_of(self.work, params)
        self.labels = self.y.astype(str)

    def train(self, start: int, steps: int) -> None:
        size = self.work.batch
        while steps > 0:  # an epoch each; the optimizer starts anew
            count = min(steps, len(self.x) // size)
            rows = count * size
            back = np.empty(rows, np.intp)
            back[random_stream(0, "shuffle", "0").permutation(rows)] = np.arange(rows)
            self.model.spec = self.model.spec.with_train(epochs=1)
            train(self.model, data=(self.x[back], self.labels[back]))
            steps -= count

    def predict(self, x: Array) -> Array:
        return self.model.predict(x)


PEER = LayerkitCall
