"""uniform, normal: random starts of a given spread.

::

    uniform   W ~ U[low, high)           mean (low + high) / 2, variance (high - low)^2 / 12
    normal    W ~ N(mean, std^2)         std = standard deviation

Source: LeCun, Bottou, Orr, Müller, "Efficient BackProp" (1998), section 4.6, for why random and
small; the spread is the user's. For a spread that follows from the shape see ``glorot_uniform``
and its family.
"""

from __future__ import annotations

import numpy as np

from layerkit import Array, Initializer, Shape
from layerkit.fields import Positive

__all__ = ["Normal", "Uniform"]


class Uniform(Initializer):
    """W ~ U[low, high)."""

    type_name = "uniform"

    def __init__(self, *, low: float = -0.05, high: float = 0.05) -> None:
        if low > high:
            raise ValueError(f"expected low <= high, got low {low:g} and high {high:g}")
        self.low = low
        self.high = high

    def make(self, shape: Shape, fans: tuple[int, int], rng: np.random.Generator) -> Array:
        """Independent draws between ``low`` and ``high``."""
        return rng.uniform(self.low, self.high, shape)


class Normal(Initializer):
    """W ~ N(mean, std^2)."""

    type_name = "normal"

    def __init__(self, *, std: Positive = 0.05, mean: float = 0.0) -> None:
        self.std = std
        self.mean = mean

    def make(self, shape: Shape, fans: tuple[int, int], rng: np.random.Generator) -> Array:
        """Independent draws around ``mean``."""
        return rng.normal(self.mean, self.std, shape)
