r"""Gaussian noise: in training a random number is added to each number of a row.

Feed in training, with rows x (n, i...), standard deviation s, and z standard normal::

    y  = x + s z                        (n, i...), drawn for each number of each row

Backprop, given dy = dL/dy (n, i...)::

    dx = dy                             (n, i...)

In inference, and where s = 0, y is x itself and nothing is drawn. As first layer it widens the data
by neighbours of each row, which for small s acts as a penalty on the slope of the network.

Source: Bishop, "Training with Noise is Equivalent to Tikhonov Regularization", Neural Computation 7
(1995), section 2.
"""

from __future__ import annotations

from typing import Any

from layerkit import Array, Context, Layer, Plan, Shape
from layerkit.fields import NonNegative

__all__ = ["GaussianNoise"]


class GaussianNoise(Layer):
    """y = x + noise of standard deviation ``stddev`` in training; y = x in inference.

    Parameters
    ----------
    stddev
        s, in the units of x: 0.01 to 0.3 for scaled inputs. 0 leaves the layer out.
    """

    type_name = "gaussian_noise"

    def __init__(self, *, stddev: NonNegative = 0.1) -> None:
        self.stddev = stddev

    @classmethod
    def examples(cls) -> list[tuple[dict[str, Any], Shape]]:
        """Sample (settings, input shape) pairs for tests."""
        return [({}, (4,)), ({"stddev": 0.5}, (2, 3)), ({"stddev": 0.0}, (3,))]

    def plan(self, in_shape: Shape) -> Plan:
        """Rows of any shape, which stays; no parameters."""
        return Plan(in_shape)

    def feed(self, x: Array, ctx: Context) -> Array:
        """Outputs y (n, i...) for x (n, i...)."""
        if not ctx.training or self.stddev == 0:
            return x
        z = ctx.rng.standard_normal(x.shape, dtype=ctx.dtype)
        return x + self.stddev * z

    def backprop(self, dy: Array, ctx: Context) -> Array:
        """Gradient dL/dx (n, i...), dy itself."""
        return dy
