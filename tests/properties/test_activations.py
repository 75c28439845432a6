"""Activations, at random points: slopes are central differences, and identities hold."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from layerkit import Activation, Array
from layerkit.discovery.registry import REGISTRIES

NAMES = REGISTRIES["activations"].names()
SETTINGS: list[str | dict[str, Any]] = [
    *NAMES,
    {"type": "elu", "alpha": 0.3},
    {"type": "leaky_relu", "slope": 0.5},
]
KINKS = {  # where there is no slope, or no second one
    **dict.fromkeys(("relu", "leaky_relu", "elu", "selu", "softsign"), (0,)),
    "relu6": (0, 6),
    "hard_sigmoid": (-3, 3),
}

points = arrays(np.float64, array_shapes(max_dims=3, max_side=5), elements=st.floats(-6, 6))


def make(config: str | dict[str, Any]) -> Activation:
    part: Activation = REGISTRIES["activations"].create(config)
    return part


@pytest.mark.parametrize("config", SETTINGS, ids=str)
@given(z=points, seed=st.integers(0, 99))
def test_slope_is_the_central_difference(config: str | dict[str, Any], z: Array, seed: int) -> None:
    f, h = make(config), 1e-5
    for kink in KINKS.get(f.type_name, ()):  # move away: no difference quotient is right there
        z = np.where(np.abs(z - kink) < 1e-3, 2e-3 + z, z)
    dy = np.random.default_rng(seed).normal(size=z.shape)
    y = f.feed(z)
    got = f.backprop(dy, z, y)
    above, below = (f.feed(z + d) for d in (h, -h))
    want = dy * (above - below) / (2 * h)
    # relative, but to 0.01 where the slope is smaller: the quotient itself is good to 1e-10
    assert np.max(np.abs(got - want) / np.maximum(0.01, np.abs(want)), initial=0) < 1e-6


@pytest.mark.parametrize("name", ["gelu", "silu", "softplus"])
@given(z=points)
def test_odd_part_is_half_of_z(name: str, z: Array) -> None:
    f = make(name)
    odd = f.feed(z) - f.feed(-z)
    np.testing.assert_allclose(odd, z, atol=1e-14)


@given(z=arrays(np.float32, 33, elements=st.floats(-200, 200, width=32)))
def test_sigmoid_mirrors(z: Array) -> None:
    f = make("sigmoid")
    total = f.feed(z) + f.feed(-z)
    np.testing.assert_allclose(total, 1, atol=3e-7)


@pytest.mark.parametrize(
    "name", ["linear", "relu", "leaky_relu", "elu", "selu", "tanh", "sigmoid", "softplus"]
)
@given(z=arrays(np.float64, 17, elements=st.floats(-1e6, 1e6)))
def test_grows_with_z(name: str, z: Array) -> None:
    z.sort()
    y = make(name).feed(z)
    assert (np.diff(y) >= -1e-15).all()
