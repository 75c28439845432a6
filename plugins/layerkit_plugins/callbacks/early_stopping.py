"""early_stopping: ends a training whose validation value no longer improves; keeps the best epoch.

The field ``train.early_stopping`` of a spec is this callback.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from layerkit import Callback
from layerkit.fields import NonNegative, Size

__all__ = ["EarlyStopping"]


class EarlyStopping(Callback):
    """Stop after ``patience`` epochs without improvement; the model gets the best weights.

    Parameters
    ----------
    metric
        ``loss``, or the name of a metric: its value on the validation rows is watched.
    patience
        Epochs without improvement before training stops.
    min_delta
        Smallest change that counts as an improvement.
    """

    type_name = "early_stopping"
    contract_version = 2
    best: float
    best_epoch: int
    """Counted from 1; 0 before the first."""

    def __init__(
        self,
        *,
        metric: str = "loss",
        patience: Size = 5,
        min_delta: NonNegative = 0.0,
    ) -> None:
        self.metric = metric
        self.patience = patience
        self.min_delta = min_delta

    @property
    def watched(self) -> tuple[str, ...]:
        """The metric on the validation rows."""
        return (f"val_{self.metric}",)

    def epoch(self, epoch: int, values: Mapping[str, float]) -> None:
        """Keep the weights if this epoch is the best so far."""
        (name,) = self.watched
        value = values[name]
        gain = value - self.best if self.training.rises(name) else self.best - value
        if math.isnan(self.best) or gain > self.min_delta:
            self.best, self.best_epoch = value, epoch
            self.training.keep()

    def over(self) -> str:
        """Whether patience has run out."""
        done = self.training.done
        if not self.best_epoch or done - self.best_epoch < self.patience:
            return ""
        return (
            f"early stopping ended this training after epoch {done}: {self.metric} has not "
            f"improved since epoch {self.best_epoch} (patience {self.patience})"
        )

    def state(self) -> dict[str, Any]:
        """The best value and its epoch, counted from 0."""
        return {"best": self.best, "epoch": self.best_epoch - 1} if self.best_epoch else {}

    def restore(self, state: dict[str, Any]) -> None:
        """Continue from the best epoch so far; ValueError for what is no such state."""
        self.best, self.best_epoch = math.nan, 0
        if not state:
            return
        best, epoch = state.get("best"), state.get("epoch")
        if not isinstance(best, float) or type(epoch) is not int or epoch < 0:
            raise ValueError(f"expected the best value and its epoch, got {state}")
        self.best, self.best_epoch = best, epoch + 1
        self.training.keep(self.best_epoch)
