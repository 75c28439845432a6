"""zeros, ones, mean: parameters that start all equal.

::

    zeros   W = 0
    ones    W = 1                 x W = sum_j x_j in every column
    mean    W = 1 / fan_in        x W = mean of x in every column

A matrix of equal entries has rank 1: every unit starts the same. ``ones`` is the start of the added
projection in the article; its outputs grow with the number of inputs. ``mean`` is the same start
with outputs of the size of the inputs.

Source: Seo, "Only Numpy: Implementing Highway Network, OOP approach with mini-batch" (2018), for
ones; zeros and mean by definition.
"""

from __future__ import annotations

import numpy as np

from layerkit import Array, Initializer, Shape

__all__ = ["Mean", "Ones", "Zeros"]


class Zeros(Initializer):
    """W = 0."""

    type_name = "zeros"

    def make(self, shape: Shape, fans: tuple[int, int], rng: np.random.Generator) -> Array:
        """All zeros."""
        return np.zeros(shape)


class Ones(Initializer):
    """W = 1."""

    type_name = "ones"

    def make(self, shape: Shape, fans: tuple[int, int], rng: np.random.Generator) -> Array:
        """All ones."""
        return np.ones(shape)


class Mean(Initializer):
    """W = 1 / fan_in."""

    type_name = "mean"

    def make(self, shape: Shape, fans: tuple[int, int], rng: np.random.Generator) -> Array:
        """All 1 / fan_in."""
        return np.full(shape, 1 / fans[0])
