"""The result of a training."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from layerkit.core.callback import Outcome
from layerkit.core.context import Array
from layerkit.model import Model


@dataclass(frozen=True)
class Run:
    """The result of one training.

    Attributes
    ----------
    model
        Trained; its ``history`` and ``metrics`` are those of this run.
    seconds
        Of training alone, without reading data, loading kernels and evaluating. Not in the model
        file, which holds nothing that differs between equal runs.
    epochs, steps
        Completed.
    ended
        "finished"; "early", because a callback says that the training is over; or "interrupted" by
        a listener.
    best_epoch
        Counted from 1: the epoch whose weights the model has, if a callback such as early stopping
        has kept them; otherwise None.
    preparing
        Seconds that loading compiled kernels took, including compiling them the first time on a
        machine; 0.0 where NumPy alone was used.
    reason
        Why it ended early; empty otherwise.
    """

    model: Model
    seed: int
    seconds: float
    epochs: int
    steps: int
    ended: Outcome
    best_epoch: int | None
    preparing: float = 0.0
    reason: str = ""

    @property
    def metrics(self) -> dict[str, float]:
        """Final values by name, such as "test_accuracy"."""
        return self.model.metrics

    @property
    def history(self) -> dict[str, Array]:
        """Series name to one float64 per epoch."""
        return self.model.history


def joined_series(
    earlier: Mapping[str, Array], series: Mapping[str, list[float]]
) -> dict[str, Array]:
    """The earlier history followed by this run's; NaN where nothing was measured."""
    before = max((len(values) for values in earlier.values()), default=0)
    now = max((len(values) for values in series.values()), default=0)
    return {
        name: np.concatenate(
            [
                earlier.get(name, np.full(before, np.nan)),
                np.array(series.get(name, [np.nan] * now), np.float64),
            ]
        )
        for name in [*earlier, *(name for name in series if name not in earlier)]
    }
