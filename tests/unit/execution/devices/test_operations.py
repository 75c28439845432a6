"""Operations of graphs over the array API standard give NumPy's numbers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from layerkit.execution.devices.elementwise import NotOnDeviceError
from layerkit.execution.devices.routine import Routine, leaves_of
from layerkit.recording.record import record_function
from layerkit.recording.replay import replay
from tests.unit.strict import Strict

ROWS = 1, 2, 7


def put_at(x: Any) -> Any:
    y = x * 2
    y[:, 1] = 5
    y[:, ::-2] += x[:, ::2]
    y[np.arange(len(x)), 2] -= 3
    return y


def put_rows(x: Any) -> Any:
    y, where = x * 1, np.argmax(x, axis=1)
    y[np.arange(len(x)), where] = -np.ones_like(x)[:, 0]
    return y


def add_at(x: Any) -> Any:
    y = x * 1
    where: Any = slice(None), np.array([0, 3, 3, -1])
    np.add.at(y, where, x[:, :4])
    return y


def turned(x: Any) -> Any:
    return x.reshape(-1, 3, 2).swapaxes(1, 2).reshape(x.shape)


def halves(x: Any) -> Any:
    return x.reshape(-1, 2, 3)


ONES = np.ones((2, 1), np.float32)
windows = np.lib.stride_tricks.sliding_window_view

FUNCTIONS: dict[str, Any] = {
    "arithmetic": lambda x: (x + 1 - x / 3) * -x // 0.5 % 0.7 + abs(x) ** 1.5,
    "numbers": lambda x: 1 / (2 - x) + (3 - x) ** 2 + x**3 + x**-1 + len(x) * x / len(x),
    "exponentials": lambda x: np.exp(x) + np.expm1(x) + np.log1p(abs(x)) + np.log(abs(x) + 1),
    "roots": lambda x: np.sqrt(abs(x)) + np.square(x) + np.reciprocal(x) + np.cbrt(x),
    "bases": lambda x: np.exp2(x) + np.log2(abs(x)) + np.log10(abs(x)) + np.logaddexp(x, 1),
    "angles": lambda x: np.sin(x) + np.cos(x) + np.arctan(x) + np.arctan2(x, 2) + np.hypot(x, 1),
    "hyperbolic": lambda x: np.tanh(x) + np.sinh(x) + np.cosh(x) + np.arcsinh(x),
    "rounding": lambda x: np.floor(x) + np.ceil(x) + np.rint(x) + np.trunc(x) + np.sign(x),
    "extremes": lambda x: np.maximum(x, 0) + np.minimum(x, x[:, :1]) + np.clip(x, -0.5, x[:, 1:2]),
    "nan": lambda x: np.fmax(x, np.log(x)) + np.where(np.isnan(np.fmin(x, np.log(x))), 1, 2),
    "masks": lambda x: (x > 0) * x + (x > 0) - (x <= 1) * 2.5 + ~(x < 0) + (np.isfinite(x) & True),
    "logic": lambda x: np.where((x > 0) & ~(x > 1) | (x < -1), x, 0) + np.logical_xor(x > 0, x < 1),
    "heaviside": lambda x: np.heaviside(x, 0.5) + np.heaviside(x * 0, 0.5) + np.copysign(2, x),
    "where": lambda x: np.where(x > 0, 1, 0) + np.where(x > 0, x, -1) + np.where(x > 0, 3.0, x),
    "casts": lambda x: x.astype(np.int64) + x.astype(np.float32).astype(x.dtype) + (x > 0).sum(),
    "sums": lambda x: x + x.sum() + x.sum(axis=0) + x.mean(axis=1, keepdims=True) + x.var(axis=0),
    "others": lambda x: x * x.prod(axis=1)[:, None] + x.max(axis=0) - x.min(axis=1, keepdims=True),
    "float sums": lambda x: x + x.sum(axis=0, dtype=np.float64).astype(x.dtype),
    "products": lambda x: x @ (x.T @ x) + np.dot(x, x[0])[:, None] + (x[0] @ x[0]),
    "stacked": lambda x: (x.reshape(-1, 2, 3) @ np.ones((3, 3), x.dtype)).reshape(-1, 6),
    "views": lambda x: x[:, ::-1] + x[:, None, 1] * x[:, 1:4].sum() + x.T[2][:, None] + x[-1],
    "beyond": lambda x: x + x[:, 2:99].sum(axis=1)[:, None] + x[:, 9:].sum() + x[:, -2:].sum(),
    "shapes": lambda x: np.broadcast_to(x[:, :1], x.shape) + turned(x),
    "joined": lambda x: np.concatenate([x[:, 3:], x[:, :3]], axis=1) + np.stack([x, x > 0]).sum(0),
    "constants": lambda x: x * np.arange(6) + np.zeros_like(x) + np.full_like(x, 3) + np.ones(6),
    "gathered": lambda x: x[:, [2, 0, 1, -1, 5, 5]] + x[np.arange(len(x)), 2][:, None],
    "gathered twice": lambda x: x.reshape(-1, 2, 3)[:, [[0, 1]], [[2, -1]]].sum(axis=1) @ ONES + x,
    "gathered apart": lambda x: x.reshape(-1, 3, 2)[[0], :, [1]][:, 1:2] + x,
    "gathered beside a number": lambda x: x.reshape(-1, 2, 3)[:, 1, [0, 2]][:, :1] + x,
    "embedded": lambda x: (x * 0 + np.arange(6))[np.argmax(x, axis=1) * 0] + x,
    "set": put_at,
    "set rows": put_rows,
    "added": add_at,
    "calls": lambda x: np.cumsum(x, axis=1) + np.flip(x, axis=1) + np.roll(x, 1, axis=1),
    "places": lambda x: np.argmax(x, axis=1)[:, None] + np.argmin(x, axis=1, keepdims=True) + x,
    "repeated": lambda x: np.repeat(x[:, :3], 2, axis=1) + np.tile(x[:, :2], (1, 3)),
    "sorted": lambda x: np.take_along_axis(x, np.argsort(x, axis=1), axis=1) + np.sort(x, axis=1),
    "any": lambda x: x * (x > 1).any() + (x > 0).all(axis=1)[:, None],
    "any of": lambda x: x + np.logical_or.reduce(x > 0, axis=1)[:, None],
    "einsum": lambda x: np.einsum("ij,kj->ik", x, np.ones((6, 6), x.dtype)),
    "einsum of many": lambda x: np.einsum("ab,cb,ad->ad", x, np.ones((3, 6), x.dtype), x),
    "einsum by blocks": lambda x: (
        np.einsum("nab,ncb->nac", halves(x), halves(x)).sum((1, 2))[:, None] + x
    ),
    "einsum of one": lambda x: np.einsum("ab->b", x) + np.einsum("ab,->ba", x, x[0, 0]).T,
    "einsum, outer": lambda x: np.einsum("ab,c->abc", x, x[0], optimize=True).sum(axis=2),
    "einsum of two": lambda x: np.einsum("ij,ij->i", x, x)[:, None] + x,
    "windows": lambda x: windows(x, 3, axis=1).sum(axis=(1, 2))[:, None] + x,
    "two windows": lambda x: windows(halves(x), (2, 3), (1, 2)).sum((1, 2, 3, 4))[:, None] + x,
    "rolled windows": lambda x: windows(x, 2, axis=1)[:, :1, 1] * x,
    "padded": lambda x: np.pad(x, ((0, 0), (2, 1)))[:, 1:7] + x,
    "padded with": lambda x: np.pad(x, [(0, 0), (1, 1)], constant_values=3)[:, 2:] + x,
    "norm": lambda x: x / np.linalg.norm(x, axis=1, keepdims=True) + x.std(axis=0),
}


def routine(function: Any, n: int, dtype: Any) -> tuple[Any, Any, Routine]:
    def same_dtype(x: Any) -> Any:
        return function(x).astype(x.dtype)

    recording, device = record_function(same_dtype, (6,), dtype), Strict()
    leaves = leaves_of(recording.graph)
    return recording, device, Routine(leaves, [recording.graph.y], n, device)


@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_operations(name: str, dtype: Any) -> None:
    for n in ROWS:
        recording, device, run = routine(FUNCTIONS[name], n, dtype)
        x = 2 * np.random.default_rng(n).standard_normal((n, 6)).astype(dtype)
        with np.errstate(all="ignore"):
            found = device.get(run([device.put(x)])[0])
        wanted = replay(recording, {"x": x}, n).y
        assert (found.dtype, found.shape) == (wanted.dtype, wanted.shape)
        tolerance = 1e-12 if dtype is np.float64 else 1e-5
        np.testing.assert_allclose(found, wanted, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize(
    ("function", "words"),
    [
        (lambda x: x + np.sinc(x), "'sinc' has no form there"),
        (lambda x: np.cumsum(x.astype(np.float16), axis=1).astype(x.dtype), "no float16"),
        (lambda x: np.maximum.accumulate(x, axis=1), "has no form"),
    ],
)
def test_what_the_standard_lacks_is_refused(function: Any, words: str) -> None:
    with pytest.raises(NotOnDeviceError, match=words):
        routine(function, 3, np.float32)


def test_of_equal_places_the_last_wins_and_all_are_added() -> None:
    def twice(x: Any) -> Any:
        y = x * 0
        y[:, [1, 1, 4]] = x[:, :3]
        where: Any = slice(None), np.array([2, 2, 2])
        np.add.at(y, where, x[:, :3])
        return y

    _, device, run = routine(twice, 2, np.float64)
    x = np.arange(12.0).reshape(2, 6)
    found = device.get(run([device.put(x)])[0])
    assert found.tolist() == [[0, 1, 3, 0, 2, 0], [0, 7, 21, 0, 8, 0]]
