"""The arrays of one layer's values: views of the pool, of the parameters and of the gradients."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Literal, NamedTuple

import numpy as np

from layerkit.core.context import Array, Shape
from layerkit.execution.planned.joins import address
from layerkit.execution.planned.memory import (
    GIVEN,
    Home,
    Places,
    Sizes,
    features_first,
    is_image,
    is_view,
)
from layerkit.execution.planned.memory import root as root_of
from layerkit.recording.graph import Node, at

Form = Literal["", "T", "row"]
"""A value as it is, transposed (vectors as columns), or its only row."""

Buffers = Mapping[str, tuple[Array, int]]
"""By kind, memory and the byte at which the part of a layer begins: the kinds of slots lie in the
pool of the stage, "param" and "grad" in the network's flat vectors (which a model in a file lacks).
"""


class Spec(NamedTuple):
    """An array of any layer: its place in one of the layer's buffers."""

    kind: str
    offset: int
    shape: Shape
    strides: Shape
    dtype: np.dtype[Any]


class Arrays:
    """The arrays of one layer for ``n`` rows.

    ``layer`` has those of parameters, states and gradients (``leaf``, ``grad``), ``given`` those of
    inputs that do not differ from call to call. ``numbers`` are the Python numbers that steps
    compute.
    """

    def __init__(
        self,
        places: Places,
        sizes: Sizes,
        n: int,
        buffers: Buffers,
        layer: Any,
        given: dict[str, Array | None],
    ) -> None:
        self.places, self.sizes, self.n, self.buffers = places, sizes, n, buffers
        self.layer, self.given = layer, given
        self.numbers: dict[int, Any] = {}
        self._known: dict[int, Any] = {}

    def of(self, node: Node) -> Any:
        """The array of ``node``, None if it differs from call to call."""
        key = id(node)
        if key not in self._known:
            self._known[key] = self._find(node)
        return self._known[key]

    def form(self, node: Node, form: Form) -> Any:
        """The array of ``node`` in a form."""
        array = self.of(node)
        if form == "T":
            return array.T if array.ndim > 1 else array[:, None] if array.ndim else array
        return array[0] if form == "row" and array.ndim > 1 else array

    def _find(self, node: Node) -> Any:
        if node.op == "input":
            return self.given.get(node.args[0])
        if node.op in ("const", "arange"):
            return constant(node, self.n)
        if node.op in GIVEN:
            return self.layer.leaf(node)
        home = self.places.home(node)
        if home is not None:
            return self._at(home, node)
        if is_view(node):
            base = self.of(node.args[0])
            return None if base is None else view(base, node, self.n)
        return self.layer.grad(self.places.grads[id(node)])

    def _at(self, home: Home, node: Node) -> Array:
        slot, start, width = home
        memory, offset = self.buffers[self.places.slots[slot].kind]
        offset += self.sizes.offsets[slot]
        shape, dtype = at(node.shape, self.n), np.dtype(node.dtype)
        if is_image(node) and self.places.pixels:
            rows, channels, *sizes = shape
            return np.ndarray((*sizes, channels, rows), dtype, memory, offset).transpose(3, 2, 0, 1)
        if not features_first(node):
            return np.ndarray(shape, dtype, memory, offset)
        rows, size = shape[0], dtype.itemsize
        offset += start * rows * size
        return np.ndarray((rows, width), dtype, memory, offset, (size, rows * size))

    def spec(self, node: Node, array: Array | None) -> Spec | None:
        """Where ``array``, a form of ``node``, lies, if that is alike in all layers."""
        root = root_of(node)
        if id(root) in self.places.homes:
            kind: str = self.places.slots[self.places.homes[id(root)].slot].kind
        else:
            kind = "grad" if id(root) in self.places.grads else root.op
        if kind not in self.buffers or array is None or not array.size:
            return None
        memory, begin = self.buffers[kind]
        offset = address(array) - address(memory) - begin
        return Spec(kind, offset, array.shape, array.strides, array.dtype)

    def made(self, spec: Spec) -> Array:
        """The array that ``spec`` describes, for this layer: faster than ``of``."""
        kind, offset, shape, strides, dtype = spec
        memory, begin = self.buffers[kind]
        return np.ndarray(shape, dtype, memory, begin + offset, strides)


def view(base: Array, node: Node, n: int) -> Array:
    """The view ``node`` of ``base``."""
    args = at(node.args[1:], n)
    if node.op == "index":
        return base[(*args[0], ...)]  # a single element, too, as a view
    fn: Any = node.fn
    array: Array = fn(base, *args)
    return array


def constant(node: Node, n: int) -> Array:
    """The array of a ``const`` or an ``arange``."""
    shape, dtype = at(node.shape, n), np.dtype(node.dtype)
    if node.op == "arange":
        return np.arange(n, dtype=dtype).reshape(shape)
    return np.broadcast_to(np.asarray(node.value, dtype), shape)


@lru_cache(maxsize=64)
def filled(value: float, size: int, dtype: np.dtype[Any]) -> Array:
    """``size`` times ``value``, read-only, shared."""
    array = np.full(size, value, dtype)
    array.flags.writeable = False
    return array
