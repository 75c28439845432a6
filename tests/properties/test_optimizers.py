"""Optimizers, at random points: the rule is elementwise and knows no preferred direction."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from layerkit import Array, Optimizer
from layerkit.discovery.registry import REGISTRIES

NAMES = REGISTRIES["optimizers"].names()
STEPS, SIZE = 4, 9
histories = arrays(np.float64, (STEPS, SIZE), elements=st.floats(-1e3, 1e3))


def walk(name: str, history: Array, spans: list[slice], order: Array) -> Array:
    """Parameters after ``history`` of gradients, elements in ``order``, applied span by span."""
    p, g = np.linspace(-2, 2, SIZE)[order], np.empty(SIZE)
    rule: Optimizer = REGISTRIES["optimizers"].create(name)
    rule.bind(p, g)
    for t, gradient in enumerate(history):
        g[:] = gradient[order]
        rule.begin(0.1 / (1 + t))
        for span in spans:
            rule.apply(span)
    return p


@pytest.mark.parametrize("name", NAMES)
@given(history=histories, cut=st.integers(0, SIZE), order=st.permutations(range(SIZE)))
def test_neither_spans_nor_neighbours_matter(
    name: str, history: Array, cut: int, order: list[int]
) -> None:
    plain = np.arange(SIZE)
    whole = walk(name, history, [slice(0, SIZE)], plain)
    cut_in_two = walk(name, history, [slice(cut, SIZE), slice(0, cut)], plain)
    np.testing.assert_allclose(cut_in_two, whole, rtol=1e-14)
    mixed = walk(name, history, [slice(0, SIZE)], np.array(order))
    np.testing.assert_allclose(mixed, whole[order], rtol=1e-14)


@pytest.mark.parametrize("name", ["sgd", "momentum", "nesterov", "adam", "rmsprop"])
@given(history=histories)
def test_turning_the_gradients_round_turns_the_steps_round(name: str, history: Array) -> None:
    start, spans = np.linspace(-2, 2, SIZE), [slice(0, SIZE)]
    there = walk(name, history, spans, np.arange(SIZE)) - start
    back = walk(name, -history, spans, np.arange(SIZE)) - start
    np.testing.assert_allclose(there, -back, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("name", ["adam", "adamw", "rmsprop"])
@given(history=histories, scale=st.floats(0.01, 100))
def test_scaled_gradients_make_the_same_steps(name: str, history: Array, scale: float) -> None:
    """The point of dividing by the root mean square, as far as epsilon lets it."""
    history = np.where(np.abs(history) < 1, 1.0, history)
    spans, order = [slice(0, SIZE)], np.arange(SIZE)
    once, scaled = (walk(name, h, spans, order) for h in (history, scale * history))
    np.testing.assert_allclose(scaled, once, atol=1e-5)
