"""Losses, at random points: gradients are central differences, and identities hold."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from layerkit import Array, Context, Loss
from layerkit.discovery.registry import REGISTRIES

SETTINGS: list[str | dict[str, Any]] = [
    *REGISTRIES["losses"].names(),
    {"type": "softmax_cross_entropy", "label_smoothing": 0.25},
    {"type": "huber", "delta": 3},
    {"type": "sigmoid_cross_entropy", "label_smoothing": 0.25},
    {"type": "quantile", "quantile": 0.2},
    {"type": "softmax_focal", "gamma": 0.5},
    {"type": "sigmoid_focal", "gamma": 3, "alpha": 0.75},
]


def make(config: str | dict[str, Any]) -> Loss:
    part: Loss = REGISTRIES["losses"].create(config)
    return part


@st.composite
def cases(draw: st.DrawFn, target: str, limit: float = 8) -> tuple[Array, Array, Array]:
    n, k = draw(st.integers(1, 4)), draw(st.integers(1, 5))
    numbers = st.floats(-limit, limit)
    scores = draw(arrays(np.float64, (n, k), elements=numbers))
    weights = draw(arrays(np.float64, n, elements=st.floats(0, 2)))
    if target == "class":
        return scores, draw(arrays(np.int64, n, elements=st.integers(0, k - 1))), weights
    elements = st.sampled_from([0.0, 1.0]) if target == "binary" else numbers
    return scores, draw(arrays(np.float64, (n, k), elements=elements)), weights


@pytest.mark.parametrize("config", SETTINGS, ids=str)
@given(data=st.data(), feature_major=st.booleans())
def test_gradient_is_the_central_difference(
    config: str | dict[str, Any], data: st.DataObject, feature_major: bool
) -> None:
    loss, h = make(config), 1e-5
    scores, targets, weights = data.draw(cases(loss.target))
    if loss.least == 0:
        targets = np.abs(targets)
    if loss.type_name == "huber":  # its slope has kinks where |r| = delta; move away from them
        near = np.abs(np.abs(scores - targets) - loss.config["delta"]) < 1e-3
        scores = scores + 0.01 * near
    if loss.type_name in ("mae", "quantile"):  # theirs are where r = 0
        scores = scores + 0.01 * (np.abs(scores - targets) < 1e-3)
    scores = np.asarray(scores, order="F" if feature_major else "C")

    def total(at: Array) -> float:
        return float(weights @ loss.feed(at, targets, Context(np.float64)))

    ctx = Context(np.float64)
    loss.feed(scores, targets, ctx)
    got = loss.backprop(weights, ctx)
    want = np.empty_like(got)
    for index in np.ndindex(*scores.shape):
        step = np.zeros_like(scores)
        step[index] = h
        want[index] = (total(scores + step) - total(scores - step)) / (2 * h)
    # relative, but to 0.01 where the gradient is smaller: losses near 10 leave the quotient 1e-10
    assert np.linalg.norm(got - want) < 1e-6 * max(0.01, float(np.linalg.norm(want)))


@given(case=cases("class", 1e3), shift=st.floats(-1e3, 1e3))
def test_softmax_takes_no_notice_of_a_shift(case: tuple[Array, Array, Array], shift: float) -> None:
    scores, targets, weights = case
    loss, ctx = make("softmax_cross_entropy"), Context(np.float64)
    moved = loss.feed(scores + shift, targets, Context(np.float64))
    np.testing.assert_allclose(moved, loss.feed(scores, targets, ctx), rtol=1e-9, atol=1e-9)
    d = loss.backprop(weights, ctx)
    np.testing.assert_allclose(d.sum(axis=1), 0, atol=1e-14)
    assert (moved >= 0).all()


@given(case=cases("binary", 1e3))
def test_flags_mirror(case: tuple[Array, Array, Array]) -> None:
    scores, flags, _ = case
    loss, ctx = make("sigmoid_cross_entropy"), Context(np.float64)
    rows = loss.feed(scores, flags, ctx)
    np.testing.assert_allclose(rows, loss.feed(-scores, 1 - flags, ctx), rtol=1e-12, atol=1e-300)
    assert (rows >= 0).all()


@given(case=cases("real"), delta=st.floats(0.1, 5))
def test_huber_lies_below_half_the_square(case: tuple[Array, Array, Array], delta: float) -> None:
    scores, targets, _ = case
    ctx = Context(np.float64)
    huber = make({"type": "huber", "delta": delta}).feed(scores, targets, ctx)
    square = make("mse").feed(scores, targets, ctx) / 2
    assert (huber <= square * (1 + 1e-12)).all()
    if np.abs(scores - targets).max() <= delta:
        np.testing.assert_allclose(huber, square, rtol=1e-12)
