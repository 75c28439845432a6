"""Early stopping: ends a training whose validation value no longer improves."""

from __future__ import annotations

import math
from dataclasses import dataclass

from layerkit.training.resume_state import Snapshot


@dataclass
class Stopper:
    """Watches one validation value and keeps a snapshot of its best epoch.

    ``best_epoch`` counts from 0; it is -1, and ``kept`` None, until the first value.
    """

    metric: str
    patience: int
    min_delta: float
    higher_is_better: bool
    best: float = math.nan
    best_epoch: int = -1
    kept: Snapshot | None = None

    def record(self, epoch: int, value: float, now: Snapshot) -> None:
        """Record the value of ``epoch``, counted from 0."""
        gain = value - self.best if self.higher_is_better else self.best - value
        if self.kept is None or math.isnan(self.best) or gain > self.min_delta:
            self.best, self.best_epoch, self.kept = value, epoch, now

    def over(self, epochs: int) -> bool:
        """Whether patience has run out after ``epochs`` completed epochs."""
        return self.kept is not None and epochs - 1 - self.best_epoch >= self.patience
