"""exponential: the rate shrinks by the same factor every epoch, smoothly within it.

::

    factor = decay^t              t = epoch, a time: 0.5 is half of the first epoch

Source: Srivastava, Greff, Schmidhuber, "Training Very Deep Networks" (arXiv 1507.06228), section 3
(exponentially decaying rate).
"""

from __future__ import annotations

from typing import Annotated

from layerkit import Schedule
from layerkit.fields import Range

__all__ = ["Exponential"]


class Exponential(Schedule):
    """factor = decay^t."""

    type_name = "exponential"

    def __init__(self, *, decay: Annotated[float, Range(gt=0, le=1)] = 0.95) -> None:
        self.decay = decay

    def factor(self, epoch: float, epochs: int) -> float:
        """decay^t."""
        return float(self.decay**epoch)
