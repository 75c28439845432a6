"""Tensors that are given by name, held against those that a network has."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from layerkit.core.context import Array
from layerkit.errors import TensorMismatchError


def matching(given: Mapping[str, Any], own: Mapping[str, Array]) -> dict[str, Array]:
    """``given`` in the dtypes of ``own``, if it has the same names and shapes.

    Raises one TensorMismatchError for all that is missing, left over or of another shape or kind.
    """
    arrays = {name: np.asarray(array) for name, array in given.items()}
    missing = [name for name in own if name not in arrays]
    unexpected = [name for name in arrays if name not in own]
    wrong = []
    for name in (name for name in own if name in arrays):
        found, wanted = arrays[name], own[name]
        if found.shape != wanted.shape or found.dtype.kind != "f":
            wrong.append((name, _described(wanted), _described(found)))
            continue
        with np.errstate(over="ignore"):
            arrays[name] = found.astype(wanted.dtype)
        if not np.array_equal(np.isfinite(arrays[name]), np.isfinite(found)):
            wrong.append((name, _described(wanted), f"numbers up to {np.nanmax(np.abs(found)):g}"))
    if missing or unexpected or wrong:
        raise mismatch(missing, unexpected, wrong)
    return arrays


def mismatch(
    missing: list[str],
    unexpected: list[str],
    wrong: list[tuple[str, str, str]],
    hint: str | None = None,
) -> TensorMismatchError:
    """The error that lists names, and (name, expected, found)."""
    parts = [f"missing: {', '.join(missing)}"] if missing else []
    parts += [f"left over: {', '.join(unexpected)}"] if unexpected else []
    parts += [f"{name}: expected {want}, got {have}" for name, want, have in wrong]
    return TensorMismatchError(
        "the tensors are not those of the spec:\n  " + "\n  ".join(parts),
        missing=missing,
        unexpected=unexpected,
        mismatched=wrong,
        hint=hint,
    )


def _described(array: Array) -> str:
    return f"{array.dtype} {list(array.shape)}"
