r"""The select layer: some of the numbers along the last axis, by position.

Feed, with rows x (n, ..., w) and columns c (k,)::

    y[..., j] = x[..., c[j]]               (n, ..., k)

Backprop, given G = dL/dy (n, ..., k)::

    dx[..., i] = sum of G[..., j] over the j with c[j] = i      (n, ..., w), 0 for none

Source: definition, as in NumPy's take.
"""

from __future__ import annotations

import math
from typing import Annotated, Any

import numpy as np

from layerkit import Array, Context, Layer, Plan, Shape, ShapeError
from layerkit.fields import Range

__all__ = ["Select"]

_MOST = 1 << 20
"""Numbers of a row whose places are listed; whole numbers do not come in longer rows."""


class Select(Layer):
    """Some of the numbers along the last axis, in the order given.

    Parameters
    ----------
    columns
        Their positions from 0; one may be taken more than once.

    Raises
    ------
    ValueError
        If there are none.
    ShapeError
        From ``plan``, if a row has no such column.
    """

    type_name = "select"

    def __init__(self, *, columns: list[Annotated[int, Range(ge=0, lt=2**63)]]) -> None:
        if not columns:
            raise ValueError("expected one or more columns, got none")
        self.columns = columns

    @classmethod
    def examples(cls) -> list[tuple[dict[str, Any], Shape]]:
        """Sample (settings, input shape) pairs for tests."""
        return [
            ({"columns": [2, 0]}, (4,)),
            ({"columns": [1]}, (3, 2)),
            ({"columns": [0, 1, 1, 0]}, (2,)),
        ]

    def plan(self, in_shape: Shape) -> Plan:
        """No parameters."""
        width, most = in_shape[-1] if in_shape else 0, max(self.columns)
        if most >= width:
            raise ShapeError(f"expected columns from 0 to {width - 1}, got {most}")
        rows = range(math.prod(in_shape[:-1]))
        small = len(rows) * len(self.columns) <= _MOST
        moves = [row * width + c for row in rows for c in self.columns] if small else None
        return Plan((*in_shape[:-1], len(self.columns)), moves=moves)

    def feed(self, x: Array, ctx: Context) -> Array:
        """Outputs y (n, ..., k) for x (n, ..., w)."""
        ctx.save(x)
        return x[..., self._places()]

    def backprop(self, dy: Array, ctx: Context) -> Array:
        """Gradient dL/dx (n, ..., w)."""
        dx = np.zeros_like(ctx.saved[0])
        if len(set(self.columns)) == len(self.columns):
            dx[..., self._places()] = dy
        else:
            places: Any = (..., self.columns)
            np.add.at(dx, places, dy)
        return dx

    def _places(self) -> slice | list[int]:
        """The columns, as a slice where they are neighbours: that gives a view."""
        first, stop = self.columns[0], self.columns[-1] + 1
        return slice(first, stop) if self.columns == [*range(first, stop)] else self.columns
