"""constant: the learning rate stays as it is.

::

    factor = 1

Source: by definition; Robbins, Monro, "A Stochastic Approximation Method" (1951) for falling rates.
"""

from __future__ import annotations

from layerkit import Schedule

__all__ = ["Constant"]


class Constant(Schedule):
    """factor = 1."""

    type_name = "constant"

    def factor(self, epoch: float, epochs: int) -> float:
        """1."""
        return 1.0
