r"""The branch: layers side by side, each fed the same rows, their outputs joined.

Feed, with the ways f1 ... fk, each a layer inside::

    y = [f1(x) ... fk(x)]                side by side along one axis, or their sum

Backprop, given G = dL/dy, with Gi the piece of G that fi gave (all of G for a sum)::

    dx = f1'(G1) + ... + fk'(Gk)

Source: Cheng et al., "Wide & Deep Learning for Recommender Systems", arXiv 1606.07792, for a wide
and a deep way side by side.
"""

from __future__ import annotations

import itertools
from typing import Any, Literal

import numpy as np

from layerkit import (
    Array,
    Context,
    Layer,
    Plan,
    Shape,
    ShapeError,
    merged_takes,
    side_by_side,
    takes_of,
)
from layerkit.fields import Layers

__all__ = ["Branch"]


class Branch(Layer):
    """Layers side by side; a way of several layers is a ``sequence``.

    Parameters
    ----------
    layers
        The ways: layers that are each fed the same rows.
    join
        "concatenate" puts the outputs side by side, "sum" adds them.
    axis
        Along which axis of a row they are put side by side: -1 is the last, 0 the first, which are
        the channels of images.
    freeze
        Whether training leaves the parameters unchanged.

    Raises
    ------
    ShapeError
        From ``plan``, if the outputs cannot be joined.
    """

    type_name = "branch"

    def __init__(
        self,
        *,
        layers: Layers,
        join: Literal["concatenate", "sum"] = "concatenate",
        axis: int = -1,
        freeze: bool = False,
    ) -> None:
        self.layers, self.join, self.axis, self.freeze = layers, join, axis, freeze

    @classmethod
    def examples(cls) -> list[tuple[dict[str, Any], Shape]]:
        """Sample (settings, input shape) pairs for tests."""
        wide = {"type": "dense", "units": 2, "name": "wide"}
        deep = {"type": "sequence", "name": "deep", "layers": [wide, {"type": "highway"}]}
        return [
            ({"layers": [wide, deep]}, (4,)),
            ({"layers": [wide, deep], "join": "sum"}, (3,)),
            ({"layers": [deep, wide], "axis": 0, "freeze": True}, (2,)),
        ]

    def plan(self, in_shape: Shape) -> Plan:
        """Nothing of its own."""
        parts = side_by_side(self.layers, in_shape)
        shapes = [part.out_shape for part in parts]
        rank = len(shapes[0])
        if self.join == "concatenate" and not -rank <= self.axis < rank:
            outputs = f"outputs of shape {list(shapes[0])}"
            raise ShapeError(f"expected an axis of {outputs}, got {self.axis}")
        at = self.axis % rank if self.join == "concatenate" else -1
        for part, shape in zip(parts, shapes, strict=True):
            sizes = [size for i, size in enumerate(shape) if i != at]
            if len(shape) != rank or sizes != [s for i, s in enumerate(shapes[0]) if i != at]:
                except_for = "" if at < 0 else f", except along axis {self.axis}"
                raise ShapeError(
                    f"expected outputs of one shape{except_for}, got {list(shapes[0])} from "
                    f"{parts[0].name!r} and {list(shape)} from {part.name!r}"
                )
        takes = merged_takes(*(takes_of([part]) for part in parts))
        if at < 0:
            return Plan(shapes[0], parts=parts, takes=takes)
        width = sum(shape[at] for shape in shapes)
        return Plan((*shapes[0][:at], width, *shapes[0][at + 1 :]), parts=parts, takes=takes)

    def feed(self, x: Array, ctx: Context) -> Array:
        """The joined outputs (n, *out) for x (n, *in)."""
        outputs = [part.feed(x, ctx) for part in self.parts]
        if self.join == "sum":
            return sum(outputs[1:], start=outputs[0])
        return np.concatenate(outputs, axis=self._axis)

    def backprop(self, dy: Array, ctx: Context) -> Array:
        """Gradient dL/dx (n, *in)."""
        pieces = [dy] * len(self.parts)
        if self.join == "concatenate":
            edges = list(itertools.accumulate(p.out_shape[self._axis - 1] for p in self.parts))
            pieces = np.split(dy, edges[:-1], axis=self._axis)
        found = [part.backprop(d, ctx) for part, d in zip(self.parts, pieces, strict=True)]
        return sum(found[1:], start=found[0])

    @property
    def _axis(self) -> int:
        """Of the arrays, whose first axis is that of the rows."""
        return 1 + self.axis % len(self.parts[0].out_shape)
