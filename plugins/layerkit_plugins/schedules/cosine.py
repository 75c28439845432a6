"""cosine: the rate falls along half a cosine from 1 to ``final`` over the whole training.

::

    factor = final + (1 - final) (1 + cos(pi t / T)) / 2      t = min(epoch, T), T = epochs

Source: Loshchilov, Hutter, "SGDR: Stochastic Gradient Descent with Warm Restarts" (arXiv
1608.03983), equation 5, without restarts.
"""

from __future__ import annotations

import math
from typing import Annotated

from layerkit import Schedule
from layerkit.fields import Range

__all__ = ["Cosine"]


class Cosine(Schedule):
    """factor = final + (1 - final) (1 + cos(pi t / T)) / 2."""

    type_name = "cosine"

    def __init__(self, *, final: Annotated[float, Range(ge=0, le=1)] = 0.0) -> None:
        self.final = final

    def factor(self, epoch: float, epochs: int) -> float:
        """The height of the cosine at time ``epoch``."""
        share = min(epoch / epochs, 1.0)
        return self.final + (1 - self.final) * (1 + math.cos(math.pi * share)) / 2
