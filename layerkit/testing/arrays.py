"""Comparing arrays, guarding them against writes, and laying them out differently in memory."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from layerkit.core.context import Array
from layerkit.testing.verdicts import Failed


def equal(a: Array, b: Array) -> bool:
    """Whether two arrays have the same values, NaN equal to NaN."""
    return a.shape == b.shape and bool(np.array_equal(a, b, equal_nan=True))


def close(a: Array, b: Array, tolerance: float = 1e-11) -> bool:
    """Whether two arrays agree up to rounding: ``tolerance`` of the largest value of b, or of 1."""
    scale = max(float(np.abs(b).max(initial=0.0)), 1.0)
    return a.shape == b.shape and bool(np.all(np.abs(a - b) <= tolerance * scale))


@contextmanager
def unchanged(method: str, arrays: Mapping[str, Array]) -> Iterator[None]:
    """Raise ``Failed`` if ``method``, called inside, writes into one of the named arrays."""
    before = {name: array.copy() for name, array in arrays.items()}
    yield
    for name, array in arrays.items():
        if not equal(array, before[name]):
            raise Failed(f"{method} writes into {name}")


@contextmanager
def layouts(a: Array) -> Iterator[dict[str, Array]]:
    """The numbers of ``a`` in other memory: name of the layout to array."""
    wide = np.full((a.shape[0] * 2, *a.shape[1:]), np.nan, a.dtype)
    wide[::2] = a
    locked = a.copy()
    locked.flags.writeable = False
    with tempfile.TemporaryDirectory(prefix="layerkit-", ignore_cleanup_errors=True) as folder:
        file = Path(folder) / "rows"
        file.write_bytes(a.tobytes())
        mapped = np.memmap(file, a.dtype, "r", shape=a.shape)
        yield {
            "Fortran-ordered": np.asfortranarray(a),
            "strided": wide[::2],
            "reversed in memory": a[::-1].copy()[::-1],
            "read-only": locked,
            "memory-mapped": mapped,
        }
        del mapped


@contextmanager
def empty_holds_nan(module: ModuleType | None) -> Iterator[None]:
    """Inside, np.empty and np.empty_like, also as names of ``module``, give arrays of NaN."""
    spoilt: dict[Any, Any] = {maker: _spoiling(maker) for maker in (np.empty, np.empty_like)}
    kept: list[tuple[ModuleType, str, Any]] = []
    for owner in (np, module) if module is not None else (np,):
        for name, value in list(vars(owner).items()):
            for maker, other in spoilt.items():
                if value is maker:
                    kept.append((owner, name, value))
                    setattr(owner, name, other)
    try:
        yield
    finally:
        for owner, name, value in kept:
            setattr(owner, name, value)


def _spoiling(maker: Callable[..., Array]) -> Callable[..., Array]:
    """``maker`` of arrays, which then hold NaN, or the largest integer."""

    def made(*args: Any, **kwargs: Any) -> Array:
        array = maker(*args, **kwargs)
        if array.dtype.kind in "fc":
            array.fill(np.nan)
        elif array.dtype.kind in "iu":
            array.fill(np.iinfo(array.dtype).max)
        return array

    return made
