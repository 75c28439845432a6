"""What every peer does: train a step on given rows, and predict."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from typing import ClassVar

import numpy as np

from benchmarks.speed.workloads import Array, Params, Work


class Peer(ABC):
    """One library's way to compute a workload; built in a process of its own.

    A peer imports its library at the top of its file, so that a missing one is seen at once.
    ``packages`` are the distributions whose versions make its numbers.
    """

    packages: ClassVar[Sequence[str]] = ("numpy",)
    probabilities: ClassVar[bool] = True
    """False where it computes products only and has no prediction to check."""

    def __init__(self, work: Work, params: list[Params], x: Array, y: Array) -> None:
        self.work, self.x, self.y = work, x, y
        self.build(params)

    @abstractmethod
    def build(self, params: list[Params]) -> None:
        """Make the net with these initial weights, and its optimizer."""

    @abstractmethod
    def train(self, start: int, steps: int) -> None:
        """Take ``steps`` steps, from minibatch ``start`` on; return when they are done."""

    @abstractmethod
    def predict(self, x: Array) -> Array:
        """Probabilities (n, 10) as a NumPy array for x (n, 784) float32."""

    def batches(self, start: int, steps: int) -> Iterator[slice]:
        """The rows of each of these minibatches; they go round the data in order."""
        size = self.work.batch
        whole = len(self.x) // size
        for i in range(start, start + steps):
            k = (i % whole) * size
            yield slice(k, k + size)

    def stretches(self, start: int, steps: int) -> Iterator[slice]:
        """The same rows in runs of whole minibatches, for libraries that loop by themselves."""
        size = self.work.batch
        whole = len(self.x) // size
        while steps > 0:
            first = start % whole
            count = min(steps, whole - first)
            yield slice(first * size, (first + count) * size)
            start, steps = start + count, steps - count


def softmax(scores: Array) -> Array:
    """Probabilities of scores (n, k)."""
    e = np.exp(scores - scores.max(axis=1, keepdims=True))
    p: Array = e / e.sum(axis=1, keepdims=True)
    return p


def fused(params: Params) -> tuple[Array, Array]:
    """(W, b) of a layer, H beside T in a highway layer: its products are then one."""
    if "W" in params:
        return params["W"], params["b"]
    return (
        np.concatenate([params["WH"], params["WT"]], axis=1),
        np.concatenate([params["bH"], params["bT"]]),
    )
