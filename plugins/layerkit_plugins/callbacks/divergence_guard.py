"""divergence_guard: goes back to the last good epoch, once, with a smaller learning rate.

An epoch is bad if its loss is NaN or infinite, or has risen to more than ``spike`` times the lowest
so far and more than half of that of the first epoch. It is undone and trained again, on the same
batches. The second time a loss that is not finite ends the training, as it does without this
callback, and a spike is left alone.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Annotated, Any

from layerkit import Callback
from layerkit.fields import Range

__all__ = ["DivergenceGuard"]


class DivergenceGuard(Callback):
    """Train the first bad epoch again with ``factor`` times the learning rate, from then on.

    Parameters
    ----------
    factor
        What the learning rate is multiplied by.
    spike
        How many times the lowest training loss of an epoch so far is too much.
    """

    type_name = "divergence_guard"
    contract_version = 2
    first: float
    lowest: float
    used: bool

    def __init__(
        self,
        *,
        factor: Annotated[float, Range(gt=0, lt=1)] = 0.1,
        spike: Annotated[float, Range(gt=1)] = 3.0,
    ) -> None:
        self.factor = factor
        self.spike = spike

    def retry(self, epoch: int, values: Mapping[str, float]) -> float | None:
        """The factor, for the first bad epoch."""
        loss = values["loss"]
        spike = loss > self.spike * self.lowest > 0 and loss > self.first / 2
        if self.used or (math.isfinite(loss) and not spike):
            return None
        self.used = True
        fault = f"the loss rose from {self.lowest:.4g} to {loss:.4g}"
        if not math.isfinite(loss):
            fault = "the loss or a weight is no longer finite"
        self.training.notice(
            f"{fault} in epoch {epoch}: back to where it began, with {self.factor:g} times the "
            "learning rate from here on"
        )
        return self.factor

    def epoch(self, epoch: int, values: Mapping[str, float]) -> None:
        """Remember the first loss and the lowest."""
        if math.isinf(self.first):
            self.first = values["loss"]
        self.lowest = min(self.lowest, values["loss"])

    def state(self) -> dict[str, Any]:
        """The losses, and whether the guard has been used."""
        if math.isinf(self.first):
            return {}
        return {"first": self.first, "lowest": self.lowest, "used": self.used}

    def restore(self, state: dict[str, Any]) -> None:
        """Begin, or continue from such a state."""
        self.first, self.lowest = (float(state.get(k, math.inf)) for k in ("first", "lowest"))
        self.used = bool(state.get("used", False))
