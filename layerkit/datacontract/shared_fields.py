"""Fields that inputs and outputs of the data contract share: dtype, shape, scaler, names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from layerkit.core.context import Array, Shape
from layerkit.display import counted, quoted
from layerkit.errors import ShapeError, SpecError

_IN_FILE = {"float32": "f32", "float64": "f64"}
_FROM_FILE = {short: name for name, short in _IN_FILE.items()}

MOST_NUMBERS = 65_536
"""The most elements that are described one by one: what a list in a file holds by default."""


def to_fields(
    dtype: str, shape: Shape, center: Array | None, scale: Array | None
) -> dict[str, Any]:
    """The file's ``dtype``, ``shape`` and, if there is one, ``scaler`` (FORMAT.md 3.5)."""
    fields: dict[str, Any] = {"dtype": _IN_FILE[dtype], "shape": list(shape)}
    if center is not None and scale is not None:
        fields["scaler"] = {"center": center.tolist(), "scale": scale.tolist()}
    return fields


def from_fields(fields: Mapping[str, Any], at: str) -> dict[str, Any]:
    """``dtype``, ``shape``, ``center`` and ``scale`` from a map that keeps rule 3.5.

    Raises SpecError if the shape is empty or open, or models do not compute in the dtype.
    """
    dtype, shape = fields["dtype"], fields["shape"]
    if dtype not in _FROM_FILE:
        raise SpecError(f"expected f32 or f64, got {quoted(dtype)}", location=f"{at}.dtype")
    if not shape or None in shape:
        reason = f"expected one or more sizes, none of them open, got {quoted(shape)}"
        raise SpecError(reason, location=f"{at}.shape")
    scaler = {name: np.array(numbers) for name, numbers in fields.get("scaler", {}).items()}
    return {"dtype": _FROM_FILE[dtype], "shape": tuple(shape), **scaler}


def check_distinct(names: Sequence[object], at: str) -> None:
    """Raise SpecError for a name that appears twice."""
    seen: set[object] = set()
    for name in names:
        if name in seen:
            raise SpecError(f"{quoted(name)} appears twice", location=at)
        seen.add(name)


def lengths(width: int, names: object) -> tuple[int, ...]:
    """How many numbers may describe ``width`` elements: one each, or one for all without names."""
    return (width,) if names is not None else (width, 1)


def freeze_scaler(contract: object, allowed: tuple[int, ...], at: str) -> None:
    """Freeze ``center`` and ``scale`` (see ``freeze_numbers``); SpecError also for a scale of 0."""
    arrays = freeze_numbers(contract, ("center", "scale"), allowed, at)
    if arrays and not arrays[1].all():
        raise SpecError("a scale must not be 0", location=f"{at}.scale")


def freeze_numbers(
    contract: object, fields: tuple[str, ...], allowed: tuple[int, ...], at: str
) -> list[Array]:
    """Turn fields of a frozen dataclass into read-only float64 arrays of one ``allowed`` length.

    Returns them; an empty list if all ``fields`` are None. Raises ShapeError for a length that is
    not allowed, SpecError if one is missing or not finite, or they differ in length.
    """
    given = [getattr(contract, field) for field in fields]
    if all(value is None for value in given):
        return []
    arrays: list[Array] = []
    for field, value in zip(fields, given, strict=True):
        where = f"{at}.{field}"
        if value is None:
            raise SpecError(f"expected both {' and '.join(fields)}", location=where)
        array = np.array(value, np.float64)
        if array.ndim != 1 or len(array) not in allowed:
            reason = f"expected {counted(allowed[0], 'number')}, got shape {list(array.shape)}"
            raise ShapeError(reason, location=where)
        if not np.isfinite(array).all():
            raise SpecError("expected finite numbers", location=where)
        array.flags.writeable = False
        object.__setattr__(contract, field, array)
        arrays.append(array)
    if len({*map(len, arrays)}) > 1:
        raise SpecError(f"expected equal lengths of {' and '.join(fields)}", location=at)
    return arrays
