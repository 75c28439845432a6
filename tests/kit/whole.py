"""Layers that take or move whole numbers: a sound one, and others with a planted fault."""

from __future__ import annotations

from typing import Any

import numpy as np

from layerkit import Array, Context, Layer, Param, Plan, Shape, ShapeError, Whole
from layerkit.fields import Size


class Lookup(Layer):
    """Vectors for whole numbers, times a real number at the end of each row.

    ::

        y = E[i] * w        dE[k] = sum of dy * w where i = k,  dw = sum of dy * E[i]

    Source: own work.
    """

    type_name = "test.lookup"

    def __init__(self, *, size: Size, units: Size = 2) -> None:
        self.size, self.units = size, units

    @classmethod
    def examples(cls) -> list[tuple[dict[str, Any], Shape]]:
        return [({"size": 5}, (2,)), ({"size": 3, "units": 4}, (2,))]

    def plan(self, in_shape: Shape) -> Plan:
        if in_shape != (2,):
            raise ShapeError(f"expected rows of 2 numbers, got shape {list(in_shape)}")
        E = Param((self.size, self.units), "normal")
        return Plan((self.units,), {"E": E}, takes=self.domains())

    def domains(self) -> list[Whole | None]:
        return [Whole(self.size), None]

    def feed(self, x: Array, ctx: Context) -> Array:
        i, w = x[:, 0].astype(np.intp), x[:, 1:]
        v = self.params["E"][i]
        ctx.save(i, w, v)
        return v * w

    def backprop(self, dy: Array, ctx: Context) -> Array:
        i, w, v = ctx.saved
        dE = np.zeros_like(self.params["E"])
        np.add.at(dE, i, dy * w)
        self.grads["E"] = dE
        return self.joined_dx((dy * v).sum(axis=1, keepdims=True))

    def joined_dx(self, dw: Array) -> Array:
        return np.concatenate([np.zeros_like(dw), dw], axis=1)


class OneTooMany(Lookup):
    """Takes a number that it has no vector for; otherwise the layer above.

    ::

        y = E[i] * w

    Source: own work.
    """

    type_name = "test.one_too_many"

    def domains(self) -> list[Whole | None]:
        return [Whole(self.size + 1), None]


class LosesReal(Lookup):
    """Forgets the gradient of the real number; otherwise the layer above.

    ::

        y = E[i] * w

    Source: own work.
    """

    type_name = "test.loses_real"

    def joined_dx(self, dw: Array) -> Array:
        return np.concatenate([dw, np.zeros_like(dw)], axis=1)


class Turned(Layer):
    """Rows backwards, but says that they are as they were.

    ::

        y = x[::-1]        dx = dy[::-1]

    Source: own work.
    """

    type_name = "test.turned"

    @classmethod
    def examples(cls) -> list[tuple[dict[str, Any], Shape]]:
        return [({}, (3,))]

    def plan(self, in_shape: Shape) -> Plan:
        return Plan(in_shape, moves=range(int(np.prod(in_shape))))

    def feed(self, x: Array, ctx: Context) -> Array:
        return x.reshape(len(x), -1)[:, ::-1].reshape(x.shape)

    def backprop(self, dy: Array, ctx: Context) -> Array:
        return dy.reshape(len(dy), -1)[:, ::-1].reshape(dy.shape)
