"""time_budget: ends a training when its time is up.

The model is that of the last complete epoch, and can be resumed with a new budget. The option
``--max-seconds`` of ``layerkit train`` and ``layerkit resume`` is this callback.
"""

from __future__ import annotations

import time

from layerkit import Callback
from layerkit.fields import Positive

__all__ = ["TimeBudget"]


class TimeBudget(Callback):
    """Stop before the epoch that would end too late, at the latest after the batch that does.

    Parameters
    ----------
    seconds
        From the beginning of the run, or of its resumption, to its last batch.
    """

    type_name = "time_budget"
    contract_version = 2

    def __init__(self, *, seconds: Positive) -> None:
        self.seconds = seconds

    def begin(self, name: str, *, seed: int, epochs: int, rows: int) -> None:
        """Start the clock."""
        self.began = self.mark = time.monotonic()

    def epoch(self, epoch: int, values: object) -> None:
        """Remember how long it took, with what validation and other callbacks add to it."""
        now = time.monotonic()
        self.last, self.mark = now - self.mark, now

    def stop(self) -> bool:
        """Whether the time is up."""
        return time.monotonic() - self.began >= self.seconds

    def over(self) -> str:
        """Whether the next epoch would not be complete in time."""
        if self.began == 0 or time.monotonic() - self.began + self.last < self.seconds:
            return ""
        return f"the time budget of {self.seconds:g} s is used up; layerkit resume continues"

    def restore(self, state: object) -> None:
        """The clock starts in ``begin``, also in a resumed training."""
        self.began = self.mark = self.last = 0.0

    @classmethod
    def examples(cls) -> list[tuple[dict[str, float], tuple[int, ...]]]:
        """A budget that no test uses up."""
        return [({"seconds": 1000.0}, (4,))]
