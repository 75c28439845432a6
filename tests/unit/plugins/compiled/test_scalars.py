"""Every operation on single numbers against NumPy's, over the whole range of float32."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

from layerkit_plugins.compiled.llvm import machine, scalars
from layerkit_plugins.compiled.llvm.emit import Function, Value

Array = np.ndarray[Any, Any]

_SPECIAL = [0, -0.0, np.inf, -np.inf, np.nan, 1e-45, -1e-45, 1e-40, -1e-40, 1.17e-38, 3.4e38]
_SPECIAL += [-3.4e38, 1, -1, 0.5, 88.72, 88.73, -103.9, -104.1, -87.4, 9.02, -9.02, 1e-8, -1e-8]
_BITS = np.arange(0, 2**32, 65521, dtype=np.uint64).astype(np.uint32)
NUMBERS: Array = np.concatenate([np.array(_SPECIAL, np.float32), _BITS.view(np.float32)])

# Units in the last place of the exact result. 0.5 is exact rounding; a contracted or scaled
# formula loses a little, logaddexp where its two terms cancel.
_LARGEST = {"exp": 1, "expm1": 1.5, "tanh": 2.5, "log": 1, "log1p": 2.5, "hypot": 2}


def run(write: Callable[..., Value], arrays: Sequence[Array], result: str = "float") -> Array:
    """``write`` compiled as a loop over ``arrays``."""
    names = [f"%a{k}" for k in range(len(arrays))]
    given = "".join(f", ptr noalias {name}" for name in names)
    f = Function(f"define void @k(i64 %n, ptr noalias %out{given})")
    with f.loop("%n") as i:
        values = [f.load("float", name, i) for name in names]
        f.store(write(*values).to(result), "%out", i)
    ir = "\n".join([*sorted(f.intrinsics), f.text()])
    kinds = [ctypes.c_int64, *[ctypes.c_void_p] * (len(arrays) + 1)]
    k = machine.callable_at(machine.addresses(ir, ("k",))["k"], None, *kinds)
    out: Array = np.empty(len(arrays[0]), np.float32 if result == "float" else np.int8)
    k(len(out), out.ctypes.data, *(array.ctypes.data for array in arrays))
    return out


def operands(count: int) -> list[Array]:
    """All pairs of special numbers, and each number of the range with some other."""
    special = np.array(_SPECIAL, np.float32)
    rng = np.random.default_rng(0)
    grids = np.meshgrid(*[special] * count)
    mixed = [NUMBERS, *(rng.permutation(NUMBERS) for _ in range(count - 1))]
    near = NUMBERS * np.float32(1.01)
    close = [NUMBERS, near, NUMBERS][:count]
    return [np.concatenate([g.ravel(), m, c]) for g, m, c in zip(grids, mixed, close, strict=True)]


def ulps(got: Array, exact: Array) -> Array:
    """How far off, in units of the last place of float32; 0 where both are infinite or NaN."""
    unit = np.spacing(np.abs(exact).astype(np.float32)).astype(np.float64)
    off = np.abs(got.astype(np.float64) - exact) / np.maximum(unit, 1e-45)
    return np.where(np.isfinite(got) & np.isfinite(exact.astype(np.float32)), off, 0)


@pytest.mark.parametrize("name", sorted(scalars.FLOATS))
def test_floats(name: str) -> None:
    ufunc: Any = np.clip if name == "clip" else getattr(np, name)
    count = 3 if name == "clip" else ufunc.nargs - ufunc.nout
    arrays = operands(count)
    if name == "clip":
        arrays[1], arrays[2] = np.minimum(*arrays[1:]), np.maximum(*arrays[1:])
    if name == "logaddexp":  # no cancellation: the larger of both is at least 1
        arrays = [np.abs(a) + np.float32(1) for a in arrays]
    got = run(scalars.FLOATS[name], arrays)
    expected = ufunc(*arrays)
    exact = ufunc(*(a.astype(np.float64) for a in arrays))
    np.testing.assert_array_equal(np.isnan(got), np.isnan(expected))
    np.testing.assert_array_equal(np.isinf(got), np.isinf(expected))
    if name == "exp":
        tiny = exact < 2.0**-126
        assert (got[tiny] <= 2.0**-126).all()
        exact[tiny] = got[tiny]
    assert ulps(got, exact).max() <= _LARGEST.get(name, 0.5 if name != "logaddexp" else 2)


@pytest.mark.parametrize("name", sorted(scalars.TESTS))
def test_tests(name: str) -> None:
    got = run(scalars.TESTS[name], [NUMBERS], "i8")
    np.testing.assert_array_equal(got != 0, getattr(np, name)(NUMBERS))


@pytest.mark.parametrize("name", sorted(scalars.COMPARISONS))
def test_comparisons(name: str) -> None:
    arrays = operands(2)
    word, _ = scalars.COMPARISONS[name]
    got = run(lambda a, b: a.compare(word, b), arrays, "i8")
    np.testing.assert_array_equal(got != 0, getattr(np, name)(*arrays))


@pytest.mark.parametrize("exponent", scalars.POWERS)
def test_powers(exponent: float) -> None:
    got = run(scalars.POWERS[exponent], [NUMBERS])
    expected = np.power(NUMBERS, np.float32(exponent))
    exact = NUMBERS.astype(np.float64) ** exponent
    plain = np.isfinite(exact) & (np.abs(exact) > 2**-100) & (np.abs(exact) < 2**127)
    assert ulps(got, exact)[plain].max() <= 2.5
    whole = np.isfinite(NUMBERS) | np.isnan(NUMBERS)  # x**0.5 of -inf: numpy's is inf
    np.testing.assert_array_equal(np.isnan(got[whole]), np.isnan(expected[whole]))


def test_a_constant_keeps_its_float32() -> None:
    got = run(lambda x: x * 0 + 0.1, [np.ones(3, np.float32)])
    np.testing.assert_array_equal(got, np.float32(0.1))
