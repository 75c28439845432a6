r"""The residual block: what the layers inside compute is added to the input.

Feed, with F the layers inside, rows x (n, d), and P (d, k) only where their output is wider or
narrower than x::

    y = x + F(x)                         (n, d)
    y = x P + F(x)                       (n, k)

Backprop, given G = dL/dy::

    dx = G + F'(G)                       dP = x^T G,  dx = G P^T + F'(G)

Source: He, Zhang, Ren, Sun, "Deep Residual Learning for Image Recognition", arXiv 1512.03385,
equations 1 and 2.
"""

from __future__ import annotations

from typing import Any

from layerkit import Array, Context, Layer, Param, Plan, Shape, ShapeError, chain, takes_of
from layerkit.fields import InitializerName, Layers

__all__ = ["Residual"]


class Residual(Layer):
    """Residual block, y = x + F(x), with F the layers inside.

    Parameters
    ----------
    layers
        F: one or more layers, the output of the last in the shape of the input.
    project
        Whether the input may be multiplied by a matrix P, where F changes the width.
    initializer
        How P starts.
    freeze
        Whether training leaves the parameters unchanged, those of F too.

    Raises
    ------
    ShapeError
        From ``plan``, if the output of F has another shape, unless P can give it.
    """

    type_name = "residual"

    def __init__(
        self,
        *,
        layers: Layers,
        project: bool = False,
        initializer: InitializerName = "glorot_uniform",
        freeze: bool = False,
    ) -> None:
        self.layers, self.project, self.initializer = layers, project, initializer
        self.freeze = freeze

    @classmethod
    def examples(cls) -> list[tuple[dict[str, Any], Shape]]:
        """Sample (settings, input shape) pairs for tests."""
        dense = {"type": "dense", "units": 4, "activation": "tanh"}
        return [
            ({"layers": [dense, {"type": "dense", "units": 4}]}, (4,)),
            ({"layers": [dense], "project": True, "initializer": "he_normal"}, (3,)),
            ({"layers": [dense], "project": True, "freeze": True}, (4,)),
        ]

    def plan(self, in_shape: Shape) -> Plan:
        """P (d, k) where the width changes."""
        parts = chain(self.layers, in_shape)
        out = parts[-1].out_shape
        if out == in_shape:
            return Plan(out, parts=parts, takes=takes_of(parts))
        if not self.project or len(in_shape) != 1 or len(out) != 1:
            hint = "" if self.project or len(in_shape) != 1 else ', or set "project": true'
            raise ShapeError(
                f"expected layers that keep the shape {list(in_shape)} of the input, got "
                f"{list(out)} from {parts[-1].name!r}{hint}"
            )
        P = Param((*in_shape, *out), self.initializer)
        return Plan(out, {"P": P}, parts=parts, takes=takes_of(parts))

    def feed(self, x: Array, ctx: Context) -> Array:
        """Outputs y (n, *out) for x (n, *in)."""
        ctx.save(x)
        return self.carry(x) + self.parts.feed(x, ctx)

    def backprop(self, dy: Array, ctx: Context) -> Array:
        """Gradient dL/dx (n, *in); sets that of P."""
        (x,) = ctx.saved
        inner = self.parts.backprop(dy, ctx)
        if "P" not in self.params:
            return dy + inner
        self.grads["P"] = x.T @ dy
        return dy @ self.params["P"].T + inner

    def carry(self, x: Array) -> Array:
        """What is left of the block without F: x, or x P."""
        return x @ self.params["P"] if "P" in self.params else x
