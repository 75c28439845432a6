r"""The sequence: layers one after the other as one layer, to repeat or to put beside others.

Feed, with the layers f1 ... fk inside::

    y  = fk(... f2(f1(x)))

Backprop, given dy = dL/dy::

    dx = f1'(f2'(... fk'(dy)))

Source: own work.
"""

from __future__ import annotations

from typing import Any

from layerkit import Array, Context, Layer, Plan, Shape, chain, moves_of, takes_of
from layerkit.fields import Layers

__all__ = ["Sequence"]


class Sequence(Layer):
    """Layers one after the other; ``"repeat": 3`` beside it repeats all of them.

    Parameters
    ----------
    layers
        One or more layers.
    freeze
        Whether training leaves their parameters unchanged.
    """

    type_name = "sequence"

    def __init__(self, *, layers: Layers, freeze: bool = False) -> None:
        self.layers, self.freeze = layers, freeze

    @classmethod
    def examples(cls) -> list[tuple[dict[str, Any], Shape]]:
        """Sample (settings, input shape) pairs for tests."""
        dense = {"type": "dense", "units": 3, "activation": "tanh"}
        return [
            ({"layers": [dense, {"type": "highway", "activation": "tanh"}]}, (4,)),
            ({"layers": [dense], "freeze": True}, (2,)),
        ]

    def plan(self, in_shape: Shape) -> Plan:
        """Nothing of its own."""
        parts = chain(self.layers, in_shape)
        out = parts[-1].out_shape
        return Plan(out, parts=parts, takes=takes_of(parts), moves=moves_of(parts))

    def feed(self, x: Array, ctx: Context) -> Array:
        """Outputs of the last layer for x (n, *in)."""
        return self.parts.feed(x, ctx)

    def backprop(self, dy: Array, ctx: Context) -> Array:
        """Gradient dL/dx (n, *in)."""
        return self.parts.backprop(dy, ctx)
