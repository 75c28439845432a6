r"""An elementwise function as a layer of its own, for instance after a normalisation.

Feed, with rows x (n, i...)::

    y  = f(x)                           (n, i...)

Backprop, given dy = dL/dy (n, i...)::

    dx = dy * f'(x)                     (n, i...)

Source: the functions name theirs; behind a normalisation: Ioffe, Szegedy, "Batch Normalization",
arXiv 1502.03167, section 3.2.
"""

from __future__ import annotations

from typing import Any

from layerkit import Array, Context, Layer, Plan, Shape, activation
from layerkit.fields import ActivationName

__all__ = ["ActivationLayer"]


class ActivationLayer(Layer):
    """An activation by itself, y = f(x); where a layer has a setting for it, use that instead.

    Parameters
    ----------
    activation
        f.
    """

    type_name = "activation"

    def __init__(self, *, activation: ActivationName = "relu") -> None:
        self.activation = activation

    @classmethod
    def examples(cls) -> list[tuple[dict[str, Any], Shape]]:
        """Sample (settings, input shape) pairs for tests."""
        return [({"activation": "tanh"}, (4,)), ({"activation": "gelu"}, (2, 3))]

    def plan(self, in_shape: Shape) -> Plan:
        """Rows of any shape, which stays; no parameters."""
        return Plan(in_shape)

    def feed(self, x: Array, ctx: Context) -> Array:
        """Outputs y (n, i...) for x (n, i...)."""
        y = activation(self.activation).feed(x)
        ctx.save(x, y)
        return y

    def backprop(self, dy: Array, ctx: Context) -> Array:
        """Gradient dL/dx (n, i...)."""
        x, y = ctx.saved
        return activation(self.activation).backprop(dy, x, y)
