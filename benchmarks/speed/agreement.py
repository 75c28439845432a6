"""Whether a peer computes what it should: losses and outputs against float64 NumPy.

A time is believed only of a peer that agrees.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np

from benchmarks.speed.peers.naive import Naive
from benchmarks.speed.worker import loss_of
from benchmarks.speed.workloads import Array, Work, initial, rows

STEPS = 20
BEFORE = 1e-4
"""Relative difference of the loss that float32 may make before training."""

AFTER = {"momentum": 1e-3, "adam": 5e-3}
"""And after the steps. Some libraries add Adam's epsilon to the uncorrected root, which changes
the loss by up to 0.2 %."""

OUTPUTS = 1e-4
"""Absolute difference of a probability."""


@dataclass(frozen=True)
class Reference:
    """What the equations give in float64: losses around training, or outputs (n, 10)."""

    mode: str
    optimizer: str
    steps: int
    losses: tuple[float, float]
    outputs: Array

    @staticmethod
    @cache
    def of(work: Work, mode: str, count: int) -> Reference:
        """For a workload; ``count`` rows are predicted."""
        peer = Naive(work, initial(work), *rows())
        outputs = peer.predict(peer.x[:count])
        if mode == "infer":
            return Reference(mode, work.optimizer, 0, (np.nan, np.nan), outputs)
        before = loss_of(peer)
        peer.train(0, STEPS)
        return Reference(mode, work.optimizer, STEPS, (before, loss_of(peer)), outputs)

    def unlike_losses(self, losses: Sequence[float]) -> str:
        """In what losses before and after training differ from these, or an empty text."""
        allowed = BEFORE, AFTER[self.optimizer]
        times = "before training", f"after {self.steps} steps"
        for when, most, came, wanted in zip(times, allowed, losses, self.losses, strict=True):
            if not abs(came - wanted) <= most * wanted:  # NaN is unlike everything
                return f"loss {when} {came:.6f}, by the equations {wanted:.6f} (within {most:.2%})"
        return ""

    def unlike_outputs(self, outputs: Sequence[Sequence[float]]) -> str:
        """By how much outputs differ from these, or an empty text."""
        came = np.asarray(outputs, np.float64)
        if came.shape != self.outputs.shape:
            return f"outputs are of shape {came.shape}, {self.outputs.shape} is wanted"
        most = float(np.abs(came - self.outputs).max())
        return "" if most <= OUTPUTS else f"outputs differ by {most:.1e}, {OUTPUTS:.0e} is allowed"
