"""warmup: the rate rises linearly for the first epochs, then another schedule follows.

::

    t < W    factor = (start + (1 - start) t / W) f(0)        t = epoch, W = epochs of warm-up
    t >= W   factor = f(t - W)                                f = then, for a training of
                                                              max(T - W, 1) epochs; T = all epochs

If ``then`` sees results, it sees those of the epochs after the warm-up.
The first step runs at ``start`` and not at 0, where it would do nothing.

Source: Goyal and others, "Accurate, Large Minibatch SGD: Training ImageNet in 1 Hour" (arXiv
1706.02677), section 2.2 (gradual warmup, from a rate above 0).
"""

from __future__ import annotations

from typing import Annotated

from layerkit import History, Schedule
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

    @property
    def watched(self) -> tuple[str, ...]:
        """What ``then`` needs."""
        return self._then().watched

    def factor(self, epoch: float, epochs: int) -> float:
        """The line, times what ``then`` says for the time that remains."""
        rest = max(epochs - self.epochs, 1)
        return self._line(epoch) * self._then().factor(max(epoch - self.epochs, 0.0), rest)

    def factor_after(self, epoch: float, epochs: int, history: History) -> float:
        """The same; ``then`` sees the epochs after the warm-up."""
        time, rest = max(epoch - self.epochs, 0.0), max(epochs - self.epochs, 1)
        found = self._then().factor_after(time, rest, history.between(self.epochs))
        return self._line(epoch) * found

    def _line(self, epoch: float) -> float:
        share = min(epoch / self.epochs, 1.0)
        return self.start + (1 - self.start) * share if share < 1 else 1.0

    def _then(self) -> Schedule:
        from layerkit import schedule  # looks a part up by name, so only when it is needed

        return schedule(self.then)
