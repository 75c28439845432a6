"""warmup: the rate rises linearly for the first epochs, then another schedule follows.

::

    t < W    factor = (start + (1 - start) t / W) f(0)        t = epoch, W = epochs of warm-up
    t >= W   factor = f(t - W)                                f = then, for a training of
                                                              max(T - W, 1) epochs; T = all epochs

The first step runs at ``start`` and not at 0, where it would do nothing.

Source: Goyal and others, "Accurate, Large Minibatch SGD: Training ImageNet in 1 Hour" (arXiv
1706.02677), section 2.2 (gradual warmup, from a rate above 0).
"""

from __future__ import annotations

from typing import Annotated

from layerkit import Schedule
from layerkit.fields import Range, ScheduleName, Size

__all__ = ["Warmup"]


class Warmup(Schedule):
    """A line from ``start`` to 1 over ``epochs``, then the schedule ``then``."""

    type_name = "warmup"

    def __init__(
        self,
        *,
        epochs: Size = 1,
        start: Annotated[float, Range(gt=0, le=1)] = 0.1,
        then: ScheduleName = "constant",
    ) -> None:
        self.epochs = epochs
        self.start = start
        self.then = then

    def factor(self, epoch: float, epochs: int) -> float:
        """The line, or what ``then`` says for the time that remains."""
        from layerkit import schedule  # looks a part up by name, so only when it is needed

        then = schedule(self.then)
        rest = max(epochs - self.epochs, 1)
        if epoch >= self.epochs:
            return then.factor(epoch - self.epochs, rest)
        return (self.start + (1 - self.start) * epoch / self.epochs) * then.factor(0.0, rest)
