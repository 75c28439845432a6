r"""reshape, flatten: the same numbers in rows of another shape, in the same order (C order).

Feed, with rows x (n, i...)::

    y = x in shape (n, o...)               the product of o... is that of i...

Backprop, given dy = dL/dy (n, o...)::

    dx = dy in shape (n, i...)

Source: definition, as in NumPy's reshape.
"""

from __future__ import annotations

import math
from typing import Annotated, Any

from layerkit import Array, Context, Layer, Plan, Shape, ShapeError
from layerkit.fields import Range

__all__ = ["Flatten", "Reshape"]


class _Reshaped(Layer):
    """A layer whose plan alone says in what shape it gives its input."""

    def feed(self, x: Array, ctx: Context) -> Array:
        """Outputs y (n, *out) for x (n, *in)."""
        ctx.save(x.shape[1:])
        return x.reshape(len(x), *self.plan(x.shape[1:]).out_shape)

    def backprop(self, dy: Array, ctx: Context) -> Array:
        """Gradient dL/dx (n, *in)."""
        (shape,) = ctx.saved
        return dy.reshape(len(dy), *shape)


class Reshape(_Reshaped):
    """Rows in another shape.

    Parameters
    ----------
    shape
        Of a row; one of its sizes may be -1, which stands for what is left.

    Raises
    ------
    ValueError
        If there are several -1, or a 0.
    ShapeError
        From ``plan``, if a row has other than so many numbers.
    """

    type_name = "reshape"

    def __init__(self, *, shape: list[Annotated[int, Range(ge=-1, lt=2**63)]]) -> None:
        if not shape or 0 in shape or list(shape).count(-1) > 1:
            raise ValueError(f"expected sizes >= 1, one of them perhaps -1, got {list(shape)}")
        self.shape = shape

    @classmethod
    def examples(cls) -> list[tuple[dict[str, Any], Shape]]:
        """Sample (settings, input shape) pairs for tests."""
        return [({"shape": [2, -1, 1]}, (6,)), ({"shape": [6]}, (3, 2)), ({"shape": [4]}, (4,))]

    def plan(self, in_shape: Shape) -> Plan:
        """No parameters."""
        size, given = math.prod(in_shape), math.prod(s for s in self.shape if s > 0)
        shape = tuple(size // given if s == -1 else s for s in self.shape)
        if math.prod(shape) != size:
            raise ShapeError(
                f"expected rows of {'a multiple of ' * (-1 in self.shape)}{given} numbers for "
                f"shape {list(self.shape)}, got {size} of shape {list(in_shape)}"
            )
        return Plan(shape, moves=range(size))


class Flatten(_Reshaped):
    """Rows with one axis."""

    type_name = "flatten"

    @classmethod
    def examples(cls) -> list[tuple[dict[str, Any], Shape]]:
        """Sample (settings, input shape) pairs for tests."""
        return [({}, (2, 3)), ({}, (4,)), ({}, (2, 1, 3))]

    def plan(self, in_shape: Shape) -> Plan:
        """No parameters."""
        size = math.prod(in_shape)
        return Plan((size,), moves=range(size))
