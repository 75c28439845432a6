"""step: the rate drops by a factor every so many epochs.

::

    factor = decay^floor(t / every)       t = epoch, a time: 0.5 is half of the first epoch

The setting is called ``decay`` because ``factor`` is the method that every schedule has.

Source: He, Zhang, Ren, Sun, "Deep Residual Learning for Image Recognition" (arXiv 1512.03385),
section 3.4 (rate divided by 10 in steps).
"""

from __future__ import annotations

import math
from typing import Annotated

from layerkit import Schedule
from layerkit.fields import Range, Size

__all__ = ["Step"]


class Step(Schedule):
    """factor = decay^floor(t / every)."""

    type_name = "step"

    def __init__(
        self, *, every: Size = 10, decay: Annotated[float, Range(gt=0, le=1)] = 0.1
    ) -> None:
        self.every = every
        self.decay = decay

    def factor(self, epoch: float, epochs: int) -> float:
        """decay^floor(t / every)."""
        return float(self.decay ** math.floor(epoch / self.every))
