"""constant: the learning rate stays as it is.

::

    factor = 1

Source: Robbins, Monro, "A Stochastic Approximation Method" (1951), take a falling rate; this is the
case without one.
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
