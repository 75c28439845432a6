"""Initializers: shapes, hand-computed constants, moments, fans, orthogonality."""

from __future__ import annotations

import inspect
from typing import Any

import numpy as np
import pytest

from layerkit import Array, Initializer, ShapeError
from layerkit.discovery.registry import REGISTRIES

NAMES = REGISTRIES["initializers"].names()
FANS = (300, 200)
SETTINGS: list[str | dict[str, Any]] = [
    *NAMES,
    {"type": "uniform", "low": 1, "high": 3},
    {"type": "normal", "std": 2, "mean": -1},
    {"type": "orthogonal", "gain": 2},
]


def make(config: str | dict[str, Any]) -> Initializer:
    part: Initializer = REGISTRIES["initializers"].create(config)
    return part


def drawn(
    config: str | dict[str, Any],
    shape: tuple[int, ...] = FANS,
    fans: tuple[int, int] = FANS,
    seed: int = 1,
) -> Array:
    return make(config).make(shape, fans, np.random.default_rng(seed))


def test_constants_by_hand() -> None:
    assert drawn("zeros", (2, 2)).tolist() == [[0, 0], [0, 0]]
    assert drawn("ones", (2, 2)).tolist() == [[1, 1], [1, 1]]
    assert drawn("mean", (2, 2), (4, 2)).tolist() == [[0.25, 0.25], [0.25, 0.25]]
    assert drawn("eye", (2, 3)).tolist() == [[1, 0, 0], [0, 1, 0]]
    assert drawn("eye", (3, 2)).tolist() == [[1, 0], [0, 1], [0, 0]]


def test_mean_gives_the_mean_of_the_inputs() -> None:
    x = np.array([[1.0, 2, 6]])
    np.testing.assert_allclose(x @ drawn("mean", (3, 2), (3, 2)), [[3, 3]])


# name: (mean, variance, largest magnitude or None) for FANS
MOMENTS: list[tuple[str | dict[str, Any], float, float, float | None]] = [
    ("uniform", 0, 0.1**2 / 12, 0.05),
    ({"type": "uniform", "low": 1, "high": 3}, 2, 4 / 12, 3),
    ("normal", 0, 0.05**2, None),
    ({"type": "normal", "std": 2, "mean": -1}, -1, 4, None),
    ("glorot_uniform", 0, 2 / 500, (6 / 500) ** 0.5),
    ("glorot_normal", 0, 2 / 500, None),
    ("he_uniform", 0, 2 / 300, (6 / 300) ** 0.5),
    ("he_normal", 0, 2 / 300, None),
    ("lecun_uniform", 0, 1 / 300, (3 / 300) ** 0.5),
    ("lecun_normal", 0, 1 / 300, None),
    ("orthogonal", 0, 1 / 300, None),
]


@pytest.mark.parametrize(("config", "mean", "variance", "limit"), MOMENTS, ids=str)
def test_moments(
    config: str | dict[str, Any], mean: float, variance: float, limit: float | None
) -> None:
    W = drawn(config)
    n = W.size
    # five standard errors: 1/sqrt(n) for a mean, at most sqrt(2/n) for a relative variance
    assert abs(W.mean() - mean) < 5 * (variance / n) ** 0.5
    assert W.var() == pytest.approx(variance, rel=5 * (2 / n) ** 0.5)
    if limit is not None:  # the draws fill the interval and do not leave it
        assert 0.999 * limit < np.abs(W).max() <= limit
    else:  # normal tails: something beyond three standard deviations, nothing beyond six
        spread = np.abs(W - mean).max() / variance**0.5
        assert 3 < spread < 6


def test_fans_count_and_not_the_shape() -> None:
    wide = drawn("he_normal", (100, 100), (10_000, 1))
    assert wide.std() == pytest.approx((2 / 10_000) ** 0.5, rel=0.05)
    assert drawn("lecun_uniform", (100,), (3, 9)).max() <= 1


@pytest.mark.parametrize("shape", [(5, 5), (8, 3), (3, 8), (2, 3, 4), (1, 4), (4, 1)])
def test_orthogonal(shape: tuple[int, ...]) -> None:
    W = drawn({"type": "orthogonal", "gain": 2}, shape)
    assert W.shape == shape
    W = W.reshape(-1, shape[-1])
    gram = W.T @ W if W.shape[0] >= W.shape[1] else W @ W.T
    np.testing.assert_allclose(gram, 4 * np.eye(min(W.shape)), atol=1e-13)


def test_orthogonal_has_no_preferred_sign() -> None:
    """QR alone gives diagonals of one sign; uniform draws have both."""
    corners = [drawn("orthogonal", (3, 3), seed=s)[0, 0] for s in range(200)]
    assert 60 < sum(c > 0 for c in corners) < 140  # 100 expected, standard deviation 7


@pytest.mark.parametrize(
    ("name", "shape"), [("eye", (3,)), ("eye", (2, 2, 2)), ("orthogonal", (3,))]
)
def test_refuses_shapes_it_has_no_meaning_for(name: str, shape: tuple[int, ...]) -> None:
    with pytest.raises(ShapeError, match=name):
        drawn(name, shape)


@pytest.mark.parametrize("config", SETTINGS, ids=str)
class TestContract:
    def test_shape_and_dtype(self, config: str | dict[str, Any]) -> None:
        for shape in [(4, 6), (6, 4), (1, 1)]:
            W = drawn(config, shape, shape)
            assert W.shape == shape
            assert W.dtype == np.float64
            assert W.flags.writeable

    def test_same_stream_same_numbers_and_no_other_randomness(
        self, config: str | dict[str, Any]
    ) -> None:
        legacy = np.random.get_state()[1].copy()  # type: ignore[index]  # noqa: NPY002
        np.testing.assert_array_equal(drawn(config, seed=7), drawn(config, seed=7))
        np.testing.assert_array_equal(np.random.get_state()[1], legacy)  # type: ignore[index]  # noqa: NPY002

    def test_settings_and_documentation(self, config: str | dict[str, Any]) -> None:
        part = make(config)
        cls = type(part)
        assert cls(**part.config).config == part.config
        text = inspect.getdoc(inspect.getmodule(cls)) or ""
        assert " = " in text or " ~ " in text
        assert "Source: " in text
        assert cls.__doc__
        assert "W" in cls.__doc__
