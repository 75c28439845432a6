"""The floor: the matrix products of the step and nothing else, on buffers of their own.

No library that calls this BLAS can be faster. Rows first or features first, whichever is faster
here.
"""

from __future__ import annotations

from collections.abc import Callable
from time import perf_counter
from typing import ClassVar

import numpy as np

from benchmarks.speed.peers.base import Peer
from benchmarks.speed.workloads import Array, Params, products

Product = tuple[Array, Array, Array]


class Floor(Peer):
    probabilities: ClassVar[bool] = False

    def build(self, params: list[Params]) -> None:
        self.plans: dict[tuple[int, bool], list[Product]] = {}

    def train(self, start: int, steps: int) -> None:
        plan = self.fastest(self.work.batch, training=True)
        for _ in range(steps):
            run(plan)

    def predict(self, x: Array) -> Array:
        run(self.fastest(len(x), training=False))
        return x

    def fastest(self, batch: int, *, training: bool) -> list[Product]:
        """The products in the layout that took least time when first asked for."""
        key = batch, training
        if key not in self.plans:
            both = [self.plan(batch, training, rows_first) for rows_first in (True, False)]
            self.plans[key] = min(both, key=lambda plan: best_of(15, lambda: run(plan)))
        return self.plans[key]

    def plan(self, batch: int, training: bool, rows_first: bool) -> list[Product]:
        """(a, b, out) of each product; the transposed ones are views, as they are in a step."""
        rng = np.random.default_rng(0)

        def stored(m: int, k: int) -> Array:
            """(m, k), its memory the other way round where features come first."""
            shape = (m, k) if rows_first else (k, m)
            held = rng.standard_normal(shape, np.float32) * np.float32(0.1)
            return held if rows_first else held.T

        forward: list[Product] = []
        backward: list[Product] = []
        a = w = dz = stored(1, 1)
        for which, m, k, n in products(self.work, batch, training=training):
            if which == "forward":
                a, w, dz = stored(m, k), stored(k, n), stored(m, n)
                forward.append((a, w, stored(m, n)))
            elif which == "weights":
                backward.append((a.T, dz, stored(m, n)))
            else:
                backward.append((dz, w.T, stored(m, n)))
        return forward + backward[::-1]


def run(plan: list[Product]) -> None:
    for a, b, out in plan:
        np.matmul(a, b, out=out)


def best_of(times: int, call: Callable[[], None]) -> float:
    """The shortest of some calls, in seconds."""
    taken = []
    for _ in range(times):
        start = perf_counter()
        call()
        taken.append(perf_counter() - start)
    return min(taken)


PEER = Floor
