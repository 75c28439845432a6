"""glorot, he, lecun: random starts whose spread follows from the number of inputs and outputs.

::

    glorot   Var W = 2 / (fan_in + fan_out)      for tanh and linear layers
    he       Var W = 2 / fan_in                  for relu layers
    lecun    Var W = 1 / fan_in                  for selu layers

    *_uniform   W ~ U[-r, r),  r = sqrt(3 Var W)
    *_normal    W ~ N(0, Var W), not truncated

Source: Glorot, Bengio, "Understanding the difficulty of training deep feedforward neural networks"
(AISTATS 2010), equations 12 and 16; He, Zhang, Ren, Sun, "Delving Deep into Rectifiers" (arXiv
1502.01852), equation 10; LeCun, Bottou, Orr, Müller, "Efficient BackProp" (1998), equation 16.
"""

from __future__ import annotations

import numpy as np

from layerkit import Array, Initializer, Shape

__all__ = ["GlorotNormal", "GlorotUniform", "HeNormal", "HeUniform", "LecunNormal", "LecunUniform"]


def _uniform(shape: Shape, variance: float, rng: np.random.Generator) -> Array:
    r = np.sqrt(3 * variance)
    return rng.uniform(-r, r, shape)


def _normal(shape: Shape, variance: float, rng: np.random.Generator) -> Array:
    return rng.normal(0.0, np.sqrt(variance), shape)


class GlorotUniform(Initializer):
    """W ~ U[-r, r), r = sqrt(6 / (fan_in + fan_out))."""

    type_name = "glorot_uniform"

    def make(self, shape: Shape, fans: tuple[int, int], rng: np.random.Generator) -> Array:
        """Uniform draws of variance 2 / (fan_in + fan_out)."""
        return _uniform(shape, 2 / sum(fans), rng)


class GlorotNormal(Initializer):
    """W ~ N(0, 2 / (fan_in + fan_out))."""

    type_name = "glorot_normal"

    def make(self, shape: Shape, fans: tuple[int, int], rng: np.random.Generator) -> Array:
        """Normal draws of variance 2 / (fan_in + fan_out)."""
        return _normal(shape, 2 / sum(fans), rng)


class HeUniform(Initializer):
    """W ~ U[-r, r), r = sqrt(6 / fan_in)."""

    type_name = "he_uniform"

    def make(self, shape: Shape, fans: tuple[int, int], rng: np.random.Generator) -> Array:
        """Uniform draws of variance 2 / fan_in."""
        return _uniform(shape, 2 / fans[0], rng)


class HeNormal(Initializer):
    """W ~ N(0, 2 / fan_in)."""

    type_name = "he_normal"

    def make(self, shape: Shape, fans: tuple[int, int], rng: np.random.Generator) -> Array:
        """Normal draws of variance 2 / fan_in."""
        return _normal(shape, 2 / fans[0], rng)


class LecunUniform(Initializer):
    """W ~ U[-r, r), r = sqrt(3 / fan_in)."""

    type_name = "lecun_uniform"

    def make(self, shape: Shape, fans: tuple[int, int], rng: np.random.Generator) -> Array:
        """Uniform draws of variance 1 / fan_in."""
        return _uniform(shape, 1 / fans[0], rng)


class LecunNormal(Initializer):
    """W ~ N(0, 1 / fan_in)."""

    type_name = "lecun_normal"

    def make(self, shape: Shape, fans: tuple[int, int], rng: np.random.Generator) -> Array:
        """Normal draws of variance 1 / fan_in."""
        return _normal(shape, 1 / fans[0], rng)
