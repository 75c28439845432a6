"""The links of ``layerkit.core.output_functions`` as layers to be recorded."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from layerkit.core.context import Array, Context, Shape
from layerkit.core.layer import Layer, Plan
from layerkit.core.parts import Link
from layerkit.recording.record import Recording, record


class _Link(Layer):
    contract_version = 2

    def plan(self, in_shape: Shape) -> Plan:
        return Plan(in_shape)

    def backprop(self, dy: Array, ctx: Context) -> Array:
        raise NotImplementedError


class _Softmax(_Link):
    def feed(self, x: Array, ctx: Context) -> Array:
        e = np.exp(x - x.max(axis=1, keepdims=True))
        y: Array = e / e.sum(axis=1, keepdims=True)
        return y


class _Sigmoid(_Link):
    def feed(self, x: Array, ctx: Context) -> Array:
        y: Array = 0.5 * (1 + np.tanh(0.5 * x))
        return y


_LINKS: dict[Link, type[_Link]] = {"softmax": _Softmax, "sigmoid": _Sigmoid}


@lru_cache(maxsize=64)
def link_recording(link: Link, out_shape: Shape) -> Recording | None:
    """What turns scores into predictions; None for the identity."""
    if link not in _LINKS:
        return None
    return record(_LINKS[link](), out_shape, np.float32, training=False, keeps=False)
