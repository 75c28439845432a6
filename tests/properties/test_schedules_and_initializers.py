"""Schedules and initializers, at random settings."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from layerkit import Initializer, Schedule
from layerkit.discovery.registry import REGISTRIES


def schedule(name: str, **settings: object) -> Schedule:
    part: Schedule = REGISTRIES["schedules"].create({"type": name, **settings})
    return part


@pytest.mark.parametrize("name", ["constant", "exponential", "step", "cosine"])
@given(epochs=st.integers(1, 500), shares=st.tuples(st.floats(0, 1), st.floats(0, 1)))
def test_rates_never_rise(name: str, epochs: int, shares: tuple[float, float]) -> None:
    early, late = sorted(shares)
    now = schedule(name)
    assert now.factor(0, epochs) == 1
    assert now.factor(early * epochs, epochs) >= now.factor(late * epochs, epochs) >= 0


@given(
    epochs=st.integers(1, 50), first=st.integers(1, 60), share=st.floats(0, 1), then=st.booleans()
)
def test_warmup_rises_then_follows(epochs: int, first: int, share: float, then: bool) -> None:
    inner = "cosine" if then else "constant"
    warm, t = schedule("warmup", epochs=first, start=0.2, then=inner), share * epochs
    got = warm.factor(t, epochs)
    if t < first:
        assert got == pytest.approx(0.2 + 0.8 * t / first)
    else:
        assert got == schedule(inner).factor(t - first, max(epochs - first, 1))


@given(
    i=st.integers(1, 12),
    o=st.integers(1, 12),
    gain=st.floats(0.1, 10),
    seed=st.integers(0, 2**32 - 1),
)
def test_orthogonal_keeps_lengths(i: int, o: int, gain: float, seed: int) -> None:
    part: Initializer = REGISTRIES["initializers"].create({"type": "orthogonal", "gain": gain})
    rng = np.random.default_rng(seed)
    W = part.make((i, o), (i, o), rng)
    x = rng.normal(size=(3, min(i, o)))
    y = x @ (W if i <= o else W.T)
    np.testing.assert_allclose(
        np.linalg.norm(y, axis=1), gain * np.linalg.norm(x, axis=1), rtol=1e-10
    )


@given(i=st.integers(1, 9), o=st.integers(1, 9))
def test_eye_cuts_or_fills_with_zeros(i: int, o: int) -> None:
    part: Initializer = REGISTRIES["initializers"].create("eye")
    W = part.make((i, o), (i, o), np.random.default_rng(0))
    x = np.arange(1.0, i + 1)
    want = np.zeros(o)
    want[: min(i, o)] = x[:o]
    np.testing.assert_array_equal(x @ W, want)
