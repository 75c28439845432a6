r"""Dropout: in training each number of a row is left out by chance; in inference all are used.

Feed in training, with rows x (n, i...), rate p, and u uniform in [0, 1)::

    m  = [u >= p] / (1 - p)             (n, i...), drawn for each number of each row
    y  = x * m                          (n, i...), whose mean over m is x

Backprop, given dy = dL/dy (n, i...), with the m of the feed::

    dx = dy * m                         (n, i...)

In inference, and where p = 0, y is x itself and dx is dy itself; nothing is drawn. The division by
1 - p is in training (inverted dropout), so that inference needs none.

Source: Srivastava, Hinton, Krizhevsky, Sutskever, Salakhutdinov, "Dropout: A Simple Way to Prevent
Neural Networks from Overfitting", JMLR 15 (2014), section 4; section 10 for the scale in training.
"""

from __future__ import annotations

from typing import Any

from layerkit import Array, Context, Layer, Plan, Shape
from layerkit.fields import Fraction

__all__ = ["Dropout"]


class Dropout(Layer):
    """y = x m in training, m = 0 with probability rate, else 1 / (1 - rate); in inference y = x.

    Parameters
    ----------
    rate
        p, the share that is left out: 0.1 to 0.5 are usual. 0 leaves the layer out.
    """

    type_name = "dropout"

    def __init__(self, *, rate: Fraction = 0.5) -> None:
        self.rate = rate

    @classmethod
    def examples(cls) -> list[tuple[dict[str, Any], Shape]]:
        """Sample (settings, input shape) pairs for tests."""
        return [({}, (4,)), ({"rate": 0.2}, (2, 3)), ({"rate": 0.0}, (3,))]

    def plan(self, in_shape: Shape) -> Plan:
        """Rows of any shape, which stays; no parameters."""
        return Plan(in_shape)

    def feed(self, x: Array, ctx: Context) -> Array:
        """Outputs y (n, i...) for x (n, i...)."""
        if not ctx.training or self.rate == 0:
            return x
        u = ctx.rng.random(x.shape, dtype=ctx.dtype)
        m = (u >= self.rate) * ctx.dtype.type(1 / (1 - self.rate))
        ctx.save(m)
        return x * m

    def backprop(self, dy: Array, ctx: Context) -> Array:
        """Gradient dL/dx (n, i...)."""
        if not ctx.training or self.rate == 0:
            return dy
        (m,) = ctx.saved
        return dy * m
