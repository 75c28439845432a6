"""Activations: hand-computed values, the contract, and the ends of the number range."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from layerkit import Activation, Array
from layerkit.discovery.registry import REGISTRIES

NAMES = REGISTRIES["activations"].names()
DTYPES = [np.float32, np.float64]
SETTINGS: list[str | dict[str, Any]] = [
    *NAMES,
    {"type": "elu", "alpha": 0.5},
    {"type": "leaky_relu", "slope": 0},
    {"type": "leaky_relu", "slope": 0.3},
]


def make(config: str | dict[str, Any]) -> Activation:
    part: Activation = REGISTRIES["activations"].create(config)
    return part


def normal_cdf(z: float) -> float:
    return math.erfc(-z / math.sqrt(2)) / 2


def normal_pdf(z: float) -> float:
    return math.exp(-z * z / 2) / math.sqrt(2 * math.pi)


def sigma(z: float) -> float:
    return 1 / (1 + math.exp(-z)) if z > -700 else 0.0


def softplus(z: float) -> float:
    return max(z, 0) + math.log1p(math.exp(-abs(z)))


L, A = 1.0507009873554805, 1.6732632423543773

# name: (f, f'), as written in the sources, one number at a time
REFERENCE: dict[str, tuple[Callable[[float], float], Callable[[float], float]]] = {
    "linear": (lambda z: z, lambda z: 1),
    "relu": (lambda z: max(z, 0), lambda z: float(z > 0)),
    "leaky_relu": (lambda z: z if z > 0 else 0.01 * z, lambda z: 1 if z > 0 else 0.01),
    "elu": (lambda z: z if z > 0 else math.expm1(z), lambda z: 1 if z > 0 else math.exp(z)),
    "selu": (
        lambda z: L * (z if z > 0 else A * math.expm1(z)),
        lambda z: L * (1 if z > 0 else A * math.exp(z)),
    ),
    "gelu": (lambda z: z * normal_cdf(z), lambda z: normal_cdf(z) + z * normal_pdf(z)),
    "silu": (lambda z: z * sigma(z), lambda z: sigma(z) * (1 + z * (1 - sigma(z)))),
    "tanh": (math.tanh, lambda z: 1 - math.tanh(z) ** 2),
    "sigmoid": (sigma, lambda z: sigma(z) * (1 - sigma(z))),
    "softplus": (softplus, sigma),
    "mish": (
        lambda z: z * math.tanh(softplus(z)),
        lambda z: math.tanh(softplus(z)) + z * sigma(z) / math.cosh(softplus(z)) ** 2,
    ),
    "softsign": (lambda z: z / (1 + abs(z)), lambda z: (1 + abs(z)) ** -2),
    "hard_sigmoid": (lambda z: min(max(z + 3, 0), 6) / 6, lambda z: (-3 < z < 3) / 6),
    "relu6": (lambda z: min(max(z, 0), 6), lambda z: float(0 < z < 6)),
}


def run(f: Activation, z: Array, dy: Array) -> tuple[Array, Array]:
    y = f.feed(z)
    return y, f.backprop(dy, z, y)


def test_every_installed_activation_of_layerkit_has_a_reference() -> None:
    assert set(REFERENCE) <= set(NAMES)
    own = {n for n in NAMES if REGISTRIES["activations"].candidates(n)[0].dist == "layerkit"}
    assert own == set(REFERENCE)


HAND: dict[str, tuple[Any, Any]] = {  # f([[-1, 0], [1, 2]]) and f' there, from tables, five digits
    "linear": ([[-1, 0], [1, 2]], [[1, 1], [1, 1]]),
    "relu": ([[0, 0], [1, 2]], [[0, 0], [1, 1]]),
    "leaky_relu": ([[-0.01, 0], [1, 2]], [[0.01, 0.01], [1, 1]]),
    "elu": ([[-0.63212, 0], [1, 2]], [[0.36788, 1], [1, 1]]),
    "selu": ([[-1.11133, 0], [1.05070, 2.10140]], [[0.64677, 1.75810], [1.05070, 1.05070]]),
    "gelu": ([[-0.15866, 0], [0.84134, 1.95450]], [[-0.08332, 0.5], [1.08332, 1.08523]]),
    "silu": ([[-0.26894, 0], [0.73106, 1.76159]], [[0.07233, 0.5], [0.92767, 1.09078]]),
    "tanh": ([[-0.76159, 0], [0.76159, 0.96403]], [[0.41997, 1], [0.41997, 0.07065]]),
    "sigmoid": ([[0.26894, 0.5], [0.73106, 0.88080]], [[0.19661, 0.25], [0.19661, 0.10499]]),
    "softplus": ([[0.31326, 0.69315], [1.31326, 2.12693]], [[0.26894, 0.5], [0.73106, 0.88080]]),
    "mish": ([[-0.30340, 0], [0.86510, 1.94396]], [[0.05922, 0.6], [1.04904, 1.06932]]),
    "softsign": ([[-0.5, 0], [0.5, 0.66667]], [[0.25, 1], [0.25, 0.11111]]),
    "hard_sigmoid": ([[0.33333, 0.5], [0.66667, 0.83333]], [[0.16667, 0.16667]] * 2),
    "relu6": ([[0, 0], [1, 2]], [[0, 0], [1, 1]]),
}


@pytest.mark.parametrize("name", HAND)
def test_hand_computed(name: str) -> None:
    z = np.array([[-1.0, 0], [1, 2]])
    y, dz = run(make(name), z, np.full((2, 2), 2.0))
    np.testing.assert_allclose(y, HAND[name][0], atol=6e-6)
    np.testing.assert_allclose(dz, 2 * np.array(HAND[name][1]), atol=1.2e-5)


@pytest.mark.parametrize("name", REFERENCE)
@pytest.mark.parametrize("dtype", DTYPES)
def test_follows_its_equation_at_all_sizes(name: str, dtype: Any) -> None:
    small = np.geomspace(1e-6, 25, 400)
    z = np.concatenate([-small[::-1], [0.0], small]).astype(dtype)
    y, dz = run(make(name), z, np.ones_like(z))
    f, slope = REFERENCE[name]
    # exp amplifies the rounding of its argument: |z| eps, |z|^2 eps for gelu
    eps = float(np.finfo(dtype).eps)
    rtol = (1e-12 if dtype is np.float64 else 4e-5) if name == "gelu" else 20 * eps
    np.testing.assert_allclose(y, np.array([f(float(v)) for v in z]), rtol=rtol, atol=1e-30)
    atol = 4 * eps if name in {"tanh", "sigmoid", "elu", "selu", "gelu"} else 1e-30
    rtol_slope = max(rtol, 50 * eps)
    np.testing.assert_allclose(
        dz, np.array([slope(float(v)) for v in z]), rtol=rtol_slope, atol=atol
    )


LIMITS = {  # y / max(|z|, 1) and f' far below and far above 0
    **dict.fromkeys(["relu", "softplus", "gelu", "silu", "mish"], ((0, 0), (1, 1))),
    "linear": ((-1, 1), (1, 1)),
    "leaky_relu": ((-0.01, 0.01), (1, 1)),
    "elu": ((None, 0), (1, 1)),
    "selu": ((None, 0), (L, L)),
    "tanh": ((None, 0), (None, 0)),
    **dict.fromkeys(["sigmoid", "hard_sigmoid"], ((0, 0), (None, 0))),
    "softsign": ((None, None), (None, None)),  # its slope falls slowly
    "relu6": ((0, 0), (None, 0)),
}


@pytest.mark.parametrize("name", LIMITS)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("size", [100, 1e4, 1e30])
def test_no_overflow_and_right_limits_far_from_zero(name: str, dtype: Any, size: float) -> None:
    z = np.array([-size, size] * 20, dtype)  # long enough for the vectorised loops
    with np.errstate(all="raise", under="ignore"):
        y, dz = run(make(name), z, np.ones_like(z))
    assert np.isfinite(y).all()
    assert np.isfinite(dz).all()
    for side, (share, slope) in enumerate(LIMITS[name]):
        if share is not None:
            np.testing.assert_allclose(y[side::2] / dtype(size), share, rtol=1e-6, atol=1e-40)
        if slope is not None:
            np.testing.assert_allclose(dz[side::2], slope, rtol=1e-6, atol=3e-7)


def test_saturated_outputs() -> None:
    z = np.array([-1e4, 1e4], np.float32)
    assert run(make("tanh"), z, z)[0].tolist() == [-1, 1]
    assert run(make("sigmoid"), z, z)[0].tolist() == [0, 1]
    assert run(make("hard_sigmoid"), z, z)[0].tolist() == [0, 1]
    assert run(make("relu6"), z, z)[0].tolist() == [0, 6]
    assert run(make("softsign"), z, z)[0] == pytest.approx([-0.9999, 0.9999], rel=1e-7)
    assert run(make("elu"), z, z)[0].tolist() == [-1, 1e4]
    assert run(make("selu"), z, z)[0][0] == pytest.approx(-L * A)
    assert make("sigmoid").feed(z[:1] * 0 - 80)[0] == pytest.approx(math.exp(-80), rel=1e-5, abs=0)


def test_selu_keeps_mean_0_and_variance_1() -> None:
    z = np.linspace(-12, 12, 200_001)
    density = np.exp(-z * z / 2) / math.sqrt(2 * math.pi) * (z[1] - z[0])
    y = make("selu").feed(z)
    assert (y * density).sum() == pytest.approx(0, abs=1e-6)
    assert (y * y * density).sum() == pytest.approx(1, abs=1e-6)


def test_relu_of_many_numbers() -> None:
    z = np.tile(np.array([-1, 2], np.float32), 200_000).reshape(2, -1)
    y = make("relu").feed(z)
    assert y[:, ::2].max() == 0
    assert y[:, 1::2].min() == 2


def arrays(dtype: Any) -> list[Array]:
    """Shapes and memory orders that layers pass: C, feature-major, 3-D permuted, strided, empty."""
    base = np.random.default_rng(0).normal(size=(4, 6, 8)).astype(dtype)
    cube = base.transpose(2, 0, 1)
    return [base[0], base[0].T, cube, base[:, ::2, 1::3], base[0, 0], base[0, 0, :1], base[:0, 0]]


@pytest.mark.parametrize("config", SETTINGS, ids=str)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("kind", range(7))
class TestContract:
    def test_writes_to_nothing_and_keeps_shape_dtype_and_memory_order(
        self, config: str | dict[str, Any], dtype: Any, kind: int
    ) -> None:
        f, z = make(config), arrays(dtype)[kind]
        dy = z[::-1] * dtype(2)
        z0, dy0 = z.copy(), dy.copy()
        y = f.feed(z)
        np.testing.assert_array_equal(z, z0)
        y0 = y.copy()
        dz = f.backprop(dy, z, y)
        for now, before in ((z, z0), (dy, dy0), (y, y0)):
            np.testing.assert_array_equal(now, before)
        for result in (y, dz):
            assert type(result) is np.ndarray
            assert result.shape == z.shape
            assert result.dtype == dtype
            assert result.flags.f_contiguous or not z.flags.f_contiguous
            assert np.isfinite(result).all()

    def test_writes_to_out_where_a_layer_of_version_1_gives_it(
        self, config: str | dict[str, Any], dtype: Any, kind: int
    ) -> None:
        f: Any = make(config)
        z = arrays(dtype)[kind]
        dy = z[::-1] * dtype(2)
        y, dz = run(f, z, dy)
        over = dy.copy(order="K")
        assert f.backprop(over, z, y, over) is over
        np.testing.assert_array_equal(over, dz)
        zy = z.copy(order="K")
        assert f.feed(zy, zy) is zy
        np.testing.assert_array_equal(zy, y)

    def test_memory_order_does_not_change_values(
        self, config: str | dict[str, Any], dtype: Any, kind: int
    ) -> None:
        f, z = make(config), arrays(dtype)[kind]
        plain = run(f, np.ascontiguousarray(z), np.ones(z.shape, dtype))
        # vectorised and scalar loops of NumPy may differ in the last bits
        for got, want in zip(run(f, z, np.ones_like(z)), plain, strict=True):
            np.testing.assert_allclose(got, want, rtol=8 * float(np.finfo(dtype).eps), atol=1e-7)


@pytest.mark.parametrize("config", SETTINGS, ids=str)
def test_settings_and_documentation(config: str | dict[str, Any]) -> None:
    part = make(config)
    cls = type(part)
    again = cls(**part.config)
    assert again.config == part.config
    text = inspect.getdoc(inspect.getmodule(cls)) or ""
    assert "y     = " in text or "y = " in text
    assert "dL/dz = " in text
    assert "Source: " in text


@pytest.mark.parametrize("name", REFERENCE)
def test_same_as_torch(name: str) -> None:
    torch = pytest.importorskip("torch", reason="torch, the other implementation, is optional")
    F = torch.nn.functional
    peer = {
        "linear": lambda z: z * 1, "tanh": torch.tanh, "sigmoid": torch.sigmoid,
        "hard_sigmoid": F.hardsigmoid,
    }.get(name)  # fmt: skip
    z = np.linspace(-12, 12, 4001)[np.newaxis] + 1e-9
    x = torch.tensor(z, requires_grad=True)
    y = (peer or getattr(F, name))(x)
    y.sum().backward()
    ours = run(make(name), z, np.ones_like(z))
    np.testing.assert_allclose(ours[0], y.detach().numpy(), rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(ours[1], x.grad.numpy(), rtol=1e-7, atol=1e-12)
