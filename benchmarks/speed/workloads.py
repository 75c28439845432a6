"""What is computed: nets, rows, initial weights and minibatches, the same for every peer.

NumPy only: a peer may run under an interpreter of its own.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Literal

import numpy as np

Array = np.ndarray[Any, Any]
Params = dict[str, Array]

INPUTS, CLASSES = 784, 10
ROWS = 16_384


@dataclass(frozen=True)
class Layer:
    """A dense layer, or a highway layer y = T * H + (1 - T) * x; or one of images.

    ``conv`` and ``conv_highway`` have square kernels and keep the ``size`` of an image. ``pool``
    takes the largest of kernel x kernel pixels, every second one, up to the border and beyond.
    """

    kind: Literal["dense", "highway", "conv", "conv_highway", "pool"]
    inputs: int
    units: int
    relu: bool = True
    kernel: int = 1
    size: int = 1

    @property
    def products(self) -> tuple[int, int, int]:
        """Rows of a sample, inputs and outputs of its matrix product; H and T are one."""
        if self.kind == "pool":
            return 0, 0, 0
        columns = self.units * (2 if "highway" in self.kind else 1)
        return self.size**2, self.kernel**2 * self.inputs, columns


@dataclass(frozen=True)
class Work:
    """One net and how it is trained. ``hidden`` are dense layers, then come ``highway`` ones."""

    name: str
    batch: int
    hidden: tuple[int, ...]
    highway: int
    optimizer: Literal["adam", "momentum"]
    learning_rate: float
    gate_bias: float = -2.0
    width: int = 0
    """Channels of the convolutional highway net of arXiv 1507.06228, Table 1; else 0."""

    @property
    def layers(self) -> list[Layer]:
        if self.width:
            return self._images(self.width)
        sizes = (INPUTS, *self.hidden)
        dense = [Layer("dense", a, b) for a, b in pairwise(sizes)]
        gated = [Layer("highway", sizes[-1], sizes[-1])] * self.highway
        return [*dense, *gated, Layer("dense", sizes[-1], CLASSES, relu=False)]

    @property
    def shape(self) -> tuple[int, ...]:
        """Of a row."""
        return (1, 28, 28) if self.width else (INPUTS,)

    @staticmethod
    def _images(c: int) -> list[Layer]:
        found = [Layer("conv", 1, c, kernel=5, size=28)]
        for size, count, kernel in ((28, 2, 3), (14, 3, 3), (7, 3, 2)):
            found += [Layer("conv_highway", c, c, kernel=3, size=size)] * count
            found.append(Layer("pool", c, c, kernel=kernel, size=size))
        return [*found, Layer("dense", 9 * c, CLASSES, relu=False)]


def mlp(batch: int) -> Work:
    return Work(f"W1-b{batch}", batch, (256, 256), 0, "adam", 1e-3)


def narrow(batch: int) -> Work:
    return Work(f"W2-b{batch}", batch, (64,), 10, "momentum", 0.05)


def deep(layers: int) -> Work:
    # A bias of -4: with -2 so deep a net starves its signal.
    return Work(f"W3-d{layers}", 100, (50,), layers, "momentum", 0.05, gate_bias=-4.0)


def wide() -> Work:
    return Work("W4", 256, (512,), 4, "momentum", 0.05)


def images(width: int) -> Work:
    return Work(f"C1-w{width}", 128, (), 0, "momentum", 0.01, gate_bias=-1.0, width=width)


WORKS = {
    work.name: work
    for work in (
        *(mlp(32), mlp(128), narrow(32), narrow(128), deep(50), deep(100), wide()),
        *(images(16), images(32)),
    )
}


def initial(work: Work, seed: int = 1) -> list[Params]:
    """Weights by layer, float32, He normal: W, b; or WH, bH, WT, bT; none of a pooling.

    Matrices are (inputs, units), or (kernel, kernel, inputs, units).
    """
    rng = np.random.default_rng(seed)

    def matrix(layer: Layer, gain: float) -> Array:
        square = (layer.kernel,) * 2 if "conv" in layer.kind else ()
        drawn = rng.standard_normal((*square, layer.inputs, layer.units))
        found: Array = drawn * (gain / (layer.kernel**2 * layer.inputs)) ** 0.5
        return found.astype(np.float32)

    params: list[Params] = []
    for layer in work.layers:
        zero = np.zeros(layer.units, np.float32)
        if layer.kind == "pool":
            params.append({})
        elif layer.kind in ("dense", "conv"):
            params.append({"W": matrix(layer, 2.0 if layer.relu else 1.0), "b": zero})
        else:
            gate = np.full(layer.units, work.gate_bias, np.float32)
            mats = {"WH": matrix(layer, 2.0), "WT": matrix(layer, 1.0)}
            params.append({**mats, "bH": zero, "bT": gate})
    return params


def rows(count: int = ROWS, seed: int = 0) -> tuple[Array, Array]:
    """Learnable rows like MNIST's: x (count, 784) float32 in [0, 1], four fifths of it zeros,
    y (count,) int64."""
    rng = np.random.default_rng(seed)
    strokes = rng.random((CLASSES, INPUTS)) * (rng.random((CLASSES, INPUTS)) < 0.3)
    y = rng.integers(0, CLASSES, count)
    noise = rng.random((count, INPUTS), np.float32) * (rng.random((count, INPUTS)) < 0.15)
    x = (strokes[y] * 0.5 + noise) * (rng.random((count, INPUTS)) < 0.6)
    x = np.clip(x, 0, 1, dtype=np.float64)
    return x.astype(np.float32), y.astype(np.int64)


def products(work: Work, batch: int, *, training: bool) -> Iterator[tuple[str, int, int, int]]:
    """The matrix products of a step, as (which, m, k, n) for (m, k) @ (k, n), layer by layer.

    The first layer needs no gradient of its input; H and T are one product.
    """
    for i, layer in enumerate(work.layers):
        places, inputs, n = layer.products
        m = batch * places
        if m:
            yield "forward", m, inputs, n
        if m and training:
            yield "weights", inputs, m, n
            if i:
                yield "inputs", m, n, inputs


def flops(work: Work, batch: int, *, training: bool) -> int:
    """Floating-point operations of those products."""
    return sum(2 * m * k * n for _, m, k, n in products(work, batch, training=training))
