"""The data contract, ``spec.data``: what the rows and the answers look like (rule 3.5)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NoReturn

from layerkit.codec.names import DTYPES, is_finite_float, is_int, shown
from layerkit.errors import SpecError

__all__ = ["check_data_contract"]

_AT = "spec.data"


def check_data_contract(spec: dict[str, Any]) -> None:
    """Check ``spec["data"]``, if there is one.

    Raises
    ------
    SpecError
        With ``location`` such as ``spec.data.input.scaler.scale``.
    """
    if "data" not in spec:
        return
    data = _closed(spec["data"], _AT, ("input",), ("output", "table"))
    if not isinstance(data.get("table", {}), dict):
        _refuse(f"{_AT}.table", f"a map is wanted, not {shown(data['table'])}")
    source = _closed(
        data["input"], f"{_AT}.input", ("dtype", "shape"), ("columns", "scaler", "range")
    )
    width = _check_array(source, f"{_AT}.input")
    _check_names(source, f"{_AT}.input", "columns", width)
    _check_pair(source, f"{_AT}.input", "scaler", width)
    _check_pair(source, f"{_AT}.input", "range", width)
    if "output" in data:
        _check_output(data["output"], f"{_AT}.output")


def _check_output(value: object, where: str) -> None:
    output = _closed(value, where, ("dtype", "shape"), ("classes", "targets", "scaler"))
    width = _check_array(output, where)
    if "classes" in output:
        for key in ("targets", "scaler"):
            if key in output:
                _refuse(f"{where}.{key}", "an output with classes has none")
        _check_classes(output["classes"], f"{where}.classes", width)
    _check_names(output, where, "targets", width)
    _check_pair(output, where, "scaler", width)


def _refuse(where: str, reason: str) -> NoReturn:
    raise SpecError(f"rule 3.5: {reason}", location=where)


def _closed(
    value: object, where: str, required: tuple[str, ...], optional: tuple[str, ...]
) -> dict[str, Any]:
    if not isinstance(value, dict):
        _refuse(where, f"a map is wanted, not {shown(value)}")
    for key in required:
        if key not in value:
            _refuse(where, f"required field missing: {key}")
    for key in value:
        if key not in required and key not in optional:
            _refuse(
                where, f"unknown field {shown(key)}; there are {', '.join(required + optional)}"
            )
    return value


def _check_array(record: dict[str, Any], where: str) -> int | None:
    """Check dtype and shape; the size of the last axis, None if it may be any."""
    dtype, shape = record["dtype"], record["shape"]
    if not (isinstance(dtype, str) and dtype in DTYPES):
        _refuse(f"{where}.dtype", f"one of {' '.join(DTYPES)} is wanted, not {shown(dtype)}")
    if not isinstance(shape, list) or not all(size is None or is_int(size) for size in shape):
        _refuse(f"{where}.shape", "an array of ints >= 0, or nil for any, is wanted")
    width: int | None = shape[-1] if shape else 1
    return width


def _check_list(
    value: object, where: str, width: int | None, good: Callable[[object], bool], wanted: str
) -> list[Any]:
    """``value``, if it is an array of good items, one per element of the last axis."""
    if not isinstance(value, list) or not all(map(good, value)):
        _refuse(where, f"an array of {wanted} is wanted")
    if width is None:
        _refuse(where, "the last axis of shape must have a size, to be described one by one")
    if len(value) != width:
        _refuse(where, f"{width} are wanted, one per element of the last axis, not {len(value)}")
    return value


def _check_distinct(items: list[Any], where: str) -> None:
    if len(set(items)) != len(items):
        _refuse(where, "the items must be distinct")


def _check_names(record: dict[str, Any], where: str, key: str, width: int | None) -> None:
    if key in record:
        at = f"{where}.{key}"
        names = _check_list(record[key], at, width, lambda item: type(item) is str, "strings")
        _check_distinct(names, at)


def _check_classes(value: object, where: str, width: int | None) -> None:
    kind = type(value[0]) if isinstance(value, list) and len(value) > 1 else None
    if kind not in (str, int):
        _refuse(where, "at least 2 strings, or at least 2 ints, are wanted")
    wanted = "strings" if kind is str else "ints"
    count = 2 if width == 1 else width
    classes = _check_list(value, where, count, lambda item: type(item) is kind, wanted)
    _check_distinct(classes, where)


def _check_pair(record: dict[str, Any], where: str, key: str, width: int | None) -> None:
    """A scaler (center, scale) or a range (min, max)."""
    if key not in record:
        return
    where = f"{where}.{key}"
    parts = ("center", "scale") if key == "scaler" else ("min", "max")
    pair = _closed(record[key], where, parts, ())
    named = "columns" in record or "targets" in record
    if not named and all(isinstance(v, list) and len(v) == 1 for v in pair.values()):
        width = 1  # one number for every element
    low, high = (
        _check_list(pair[part], f"{where}.{part}", width, is_finite_float, "finite floats")
        for part in parts
    )
    if key == "scaler" and 0.0 in high:
        _refuse(f"{where}.scale", "a scale is never 0")
    if key == "range" and any(a > b for a, b in zip(low, high, strict=True)):
        _refuse(where, "min is above max")
