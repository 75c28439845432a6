"""Checks for the data contract as it stands in a model file, whose writer is not trusted.

The contract's maps are closed (FORMAT.md 3.5): what is not known is refused, because leaving out a
rule for the rows would give other numbers without a word.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np

from layerkit.core.layer import Array, Shape
from layerkit.display import quoted
from layerkit.errors import ShapeError, SpecError

__all__ = [
    "SHORT",
    "WIDEST",
    "bounds",
    "closed",
    "distinct",
    "dtype",
    "fills",
    "freeze",
    "head",
    "names",
    "scaler",
    "shape",
    "two",
    "widths",
]

SHORT = {"float32": "f32", "float64": "f64"}
"""NumPy's name to the file's."""

WIDEST = 65_536
"""The most elements that are described one by one: what an array of a file holds by default."""


def head(dtype: str, shape: Shape, center: Array | None, scale: Array | None) -> dict[str, Any]:
    """What both halves of the contract begin with: dtype, shape, and the scaler if there is one."""
    spec: dict[str, Any] = {"dtype": SHORT[dtype], "shape": list(shape)}
    if center is not None and scale is not None:
        spec["scaler"] = {"center": center.tolist(), "scale": scale.tolist()}
    return spec


def closed(
    value: object, at: str, required: Sequence[str], optional: Sequence[str] = ()
) -> Mapping[str, Any]:
    """``value`` as a map with the required keys and none but the optional ones.

    Raises
    ------
    SpecError
        If it is not one.
    """
    if not isinstance(value, Mapping):
        raise SpecError(f"wanted a map, found {quoted(value)}", location=at)
    absent = [key for key in required if key not in value]
    if absent:
        raise SpecError(f"missing: {', '.join(absent)}", location=at)
    unknown = [key for key in value if key not in required and key not in optional]
    if unknown:
        raise SpecError(f"unknown: {', '.join(quoted(k) for k in unknown)}", location=at)
    return value


def shape(value: object, at: str) -> Shape:
    """``value`` as a shape whose sizes are all known.

    Raises
    ------
    SpecError
        If it is not of that form.
    """
    if not isinstance(value, Sequence) or isinstance(value, str):
        raise SpecError(f"wanted a list of sizes, found {quoted(value)}", location=at)
    sizes = [int(v) for v in value if isinstance(v, (int, np.integer)) and not isinstance(v, bool)]
    if len(sizes) != len(value) or any(size < 0 for size in sizes):
        raise SpecError(f"wanted whole sizes, found {quoted(list(value))}", location=at)
    return tuple(sizes)


def dtype(value: object, at: str) -> Literal["float32", "float64"]:
    """NumPy's name for the file's ``value``.

    Raises
    ------
    SpecError
        If it is not of that form.
    """
    if value == "f32":
        return "float32"
    if value == "f64":
        return "float64"
    raise SpecError(f'wanted "f32" or "f64", found {quoted(value)}', location=at)


def names(value: object, at: str) -> tuple[str, ...]:
    """``value`` as distinct strings.

    Raises
    ------
    SpecError
        If it is not of that form.
    """
    if not isinstance(value, Sequence) or isinstance(value, str):
        raise SpecError(f"wanted a list of names, found {quoted(value)}", location=at)
    for i, name in enumerate(value):
        if not isinstance(name, str):
            raise SpecError(f"wanted a name, found {quoted(name)}", location=f"{at}.{i}")
    found = tuple(value)
    distinct(found, at)
    return found


def distinct(found: Sequence[object], at: str) -> None:
    """Refuse a name that comes twice.

    Raises
    ------
    SpecError
        If it is not of that form.
    """
    seen: set[object] = set()
    for name in found:
        if name in seen:
            raise SpecError(f"{quoted(name)} comes twice", location=at)
        seen.add(name)


def two(value: object, at: str, first: str, second: str) -> tuple[Array | None, Array | None]:
    """The vectors under the keys ``first`` and ``second``, or two None if ``value`` is None."""
    if value is None:
        return None, None
    found = closed(value, at, (first, second))
    return _floats(found[first], f"{at}.{first}"), _floats(found[second], f"{at}.{second}")


def _floats(value: object, at: str) -> Array:
    if not isinstance(value, Sequence) or isinstance(value, str):
        raise SpecError(f"wanted a list of numbers, found {quoted(value)}", location=at)
    for i, one in enumerate(value):
        if not is_number(one):
            raise SpecError(f"wanted a finite number, found {quoted(one)}", location=f"{at}.{i}")
    return np.array(value, np.float64)


def is_number(value: object) -> bool:
    """Whether ``value`` is a finite int or float."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return False
    try:
        return math.isfinite(value)
    except OverflowError:
        return False


def fills(value: object, columns: tuple[str, ...] | None, width: int) -> Array | None:
    """The fill values in the ``fields`` of the table, or None if there are none.

    Raises
    ------
    SpecError
        If it is not of that form.
    """
    if value is None:
        return None
    at = "spec.data.table.fields"
    if (
        not isinstance(value, Sequence)
        or isinstance(value, str)
        or (len(value) not in widths(width, columns))
    ):
        raise SpecError(f"wanted a list of {width} fields, found {quoted(value)}", location=at)
    found = []
    for i, field in enumerate(value):
        if isinstance(field, Mapping) and field.get("kind", "numeric") != "numeric":
            raise SpecError(
                f"kind {quoted(field['kind'])} is not known here: it needs a newer layerkit",
                location=f"{at}.{i}.kind",
            )
        field = closed(field, f"{at}.{i}", ("kind", "fill"), ("name",))
        if field.get("name") != (columns[i] if columns else None):
            reason = f"{quoted(field.get('name'))} is not the name of this column"
            raise SpecError(reason, location=f"{at}.{i}.name")
        found.append(field["fill"])
    return _floats(found, at)


def freeze(owner: object, name: str, widths: tuple[int, ...], at: str) -> None:
    """Turn the field ``name`` of a frozen dataclass into a read-only float64 array.

    ``widths`` are the lengths it may have.

    Raises
    ------
    ShapeError
        If it has another length.
    SpecError
        If it is not finite.
    """
    value = getattr(owner, name)
    if value is None:
        return
    array = np.array(value, np.float64)
    if array.ndim != 1 or len(array) not in widths:
        found = list(array.shape)
        raise ShapeError(
            f"wanted {widths[0]} numbers, found shape {found}", location=f"{at}.{name}"
        )
    if not np.isfinite(array).all():
        raise SpecError("wanted finite numbers", location=f"{at}.{name}")
    array.flags.writeable = False
    object.__setattr__(owner, name, array)


def widths(width: int, names: object) -> tuple[int, ...]:
    """How many numbers may describe ``width`` elements: one each, or one for all without names."""
    return (width,) if names is not None else (width, 1)


def scaler(center: Array | None, scale: Array | None, at: str) -> None:
    """Refuse one without the other, unequal lengths, and a scale that is 0.

    Raises
    ------
    SpecError
        If it is not of that form.
    """
    if (center is None) != (scale is None):
        raise SpecError("wanted both center and scale", location=f"{at}.scaler")
    if center is not None and scale is not None and len(center) != len(scale):
        raise SpecError("wanted as many centers as scales", location=f"{at}.scaler")
    if scale is not None and not scale.all():
        raise SpecError("a scale is 0", location=f"{at}.scaler")


def bounds(low: Array | None, high: Array | None, at: str) -> None:
    """Refuse one without the other, and a smallest above the largest.

    Raises
    ------
    SpecError
        If it is not of that form.
    """
    if (low is None) != (high is None):
        raise SpecError("wanted both min and max", location=at)
    if low is not None and high is not None and len(low) != len(high):
        raise SpecError("wanted as many smallest as largest numbers", location=at)
    if low is not None and high is not None and (low > high).any():
        raise SpecError("min lies above max", location=at)
