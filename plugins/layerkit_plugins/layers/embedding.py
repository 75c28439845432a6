r"""The embedding layer: a trained vector for each of some whole numbers, such as tokens.

Feed, with rows x (n, ...) of whole numbers below s, vectors E (s, d)::

    i = x as integers                      (n, ...)
    y = E[i]                               (n, ..., d), row by row of E

Backprop, given G = dL/dy (n, ..., d)::

    dE[k] = sum of G over the places where i = k      (s, d)
    dx    = 0                              (n, ...): whole numbers have no gradient

Source: Bengio, Ducharme, Vincent, Jauvin, "A Neural Probabilistic Language Model", JMLR 3 (2003),
section 2, the mapping C; for categories Guo and Berkhahn, "Entity Embeddings of Categorical
Variables", arXiv 1604.06737.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from layerkit import Array, Context, Layer, Param, Plan, Shape, Whole
from layerkit.fields import InitializerName, Size

__all__ = ["Embedding"]


class Embedding(Layer):
    """A trained vector of ``units`` numbers for each of the whole numbers 0 to ``size`` - 1.

    Parameters
    ----------
    size
        How many vectors there are. Rows that hold anything but whole numbers below it are refused.
    units
        Numbers of a vector.
    initializer
        How the vectors start.
    freeze
        Whether training leaves the parameters unchanged.
    """

    type_name = "embedding"

    def __init__(
        self,
        *,
        size: Size,
        units: Size,
        initializer: InitializerName = "normal",
        freeze: bool = False,
    ) -> None:
        self.size, self.units, self.initializer, self.freeze = size, units, initializer, freeze

    @classmethod
    def examples(cls) -> list[tuple[dict[str, Any], Shape]]:
        """Sample (settings, input shape) pairs for tests."""
        return [
            ({"size": 7, "units": 3}, (4,)),
            ({"size": 2, "units": 1, "initializer": "glorot_uniform"}, (1,)),
            ({"size": 40, "units": 4, "freeze": True}, (2, 3)),
        ]

    def plan(self, in_shape: Shape) -> Plan:
        """E (size, units)."""
        E = Param((self.size, self.units), self.initializer)
        return Plan((*in_shape, self.units), {"E": E}, takes=Whole(self.size))

    def feed(self, x: Array, ctx: Context) -> Array:
        """Outputs y (n, ..., units) for x (n, ...)."""
        i = x.astype(np.intp)
        ctx.save(x, i)
        return self.params["E"][i]

    def backprop(self, dy: Array, ctx: Context) -> Array:
        """Gradient dL/dx (n, ...), which is 0; sets the gradient of E."""
        x, i = ctx.saved
        E = self.params["E"]
        # np.add.at is four times as fast on a vector as on rows of a matrix.
        places = i[..., None] * self.units + np.arange(self.units)
        dE = np.zeros_like(E, shape=E.size)
        np.add.at(dE, places.reshape(-1), dy.reshape(-1))
        self.grads["E"] = dE.reshape(E.shape)
        return np.zeros_like(x)
