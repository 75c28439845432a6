"""The data contract in a file, ``spec.data``: the one judge of rule 3.5.

Reading, writing and ``DataContract.from_spec`` all ask it. Its maps are closed: a field that is not
known is refused, because ignoring a rule for the rows would silently give other numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NoReturn

from layerkit.codec.names import DTYPES, describe_value, is_finite_float, is_int
from layerkit.display import counted
from layerkit.errors import SpecError

_AT = "spec.data"


def check_data_contract(spec: Mapping[str, Any]) -> None:
    """Check ``spec["data"]``, if there is one.

    Raises SpecError with a ``location`` such as ``spec.data.input.scaler.scale[1]``.
    """
    if "data" not in spec:
        return
    data = closed_map(spec["data"], _AT, ("input",), ("output", "table"))
    if not isinstance(data.get("table", {}), dict):
        _refuse(f"{_AT}.table", f"expected a map, got {describe_value(data['table'])}")
    _check_input(data["input"], f"{_AT}.input")
    if "output" in data:
        _check_output(data["output"], f"{_AT}.output")


def _check_input(value: object, where: str) -> None:
    source = closed_map(value, where, ("dtype", "shape"), ("columns", "scaler", "range"))
    width = _check_array(source, where)
    _check_names(source, where, "columns", width)
    _check_pair(source, where, "scaler", width)
    _check_pair(source, where, "range", width)


def _check_output(value: object, where: str) -> None:
    output = closed_map(value, where, ("dtype", "shape"), ("classes", "targets", "scaler"))
    width = _check_array(output, where)
    if "classes" in output:
        for key in ("targets", "scaler"):
            if key in output:
                _refuse(f"{where}.{key}", f"an output with classes cannot have {key}")
        _check_classes(output["classes"], f"{where}.classes", width)
    _check_names(output, where, "targets", width)
    _check_pair(output, where, "scaler", width)


def _refuse(where: str, reason: str, rule: str = "3.5") -> NoReturn:
    raise SpecError(f"rule {rule}: {reason}", location=where)


def closed_map(
    value: object,
    where: str,
    required: tuple[str, ...],
    optional: tuple[str, ...] = (),
    rule: str = "3.5",
) -> dict[str, Any]:
    """``value``, or a SpecError unless it is a map of all required and some optional fields."""
    if not isinstance(value, dict):
        _refuse(where, f"expected a map, got {describe_value(value)}", rule)
    for key in required:
        if key not in value:
            _refuse(where, f"required field missing: {key}", rule)
    for key in value:
        if key not in required and key not in optional:
            known = ", ".join(required + optional)
            _refuse(where, f"unknown field {describe_value(key)}; known fields: {known}", rule)
    return value


def _check_array(record: dict[str, Any], where: str) -> int | None:
    """Check dtype and shape; the size of the last axis, None if it may be any."""
    dtype, shape = record["dtype"], record["shape"]
    if not (isinstance(dtype, str) and dtype in DTYPES):
        _refuse(
            f"{where}.dtype", f"expected one of {' '.join(DTYPES)}, got {describe_value(dtype)}"
        )
    if not isinstance(shape, list) or not all(size is None or is_int(size) for size in shape):
        _refuse(f"{where}.shape", f"expected a list of ints >= 0 or nil (any), got {shape!r:.80}")
    width: int | None = shape[-1] if shape else 1
    return width


def _check_list(
    value: object, where: str, width: int | None, good: Callable[[object], bool], noun: str
) -> list[Any]:
    """``value``, if it is a list of good items, one per element of the last axis."""
    if not isinstance(value, list):
        _refuse(where, f"expected a list of {noun}s, got {describe_value(value)}")
    for i, item in enumerate(value):
        if not good(item):
            _refuse(f"{where}[{i}]", f"expected a {noun}, got {describe_value(item)}")
    if width is None:
        _refuse(where, "expected a shape whose last axis has a size, got nil (any)")
    if len(value) != width:
        count = counted(width, noun)
        _refuse(where, f"expected {count}, one per element of the last axis, got {len(value)}")
    return value


def _is_text(item: object) -> bool:
    return type(item) is str


def _check_distinct(items: list[Any], where: str) -> None:
    seen = set()
    for item in items:
        if item in seen:
            _refuse(where, f"expected distinct items, got {describe_value(item)} twice")
        seen.add(item)


def _check_names(record: dict[str, Any], where: str, key: str, width: int | None) -> None:
    if key in record:
        at = f"{where}.{key}"
        _check_distinct(_check_list(record[key], at, width, _is_text, "string"), at)


def _check_classes(value: object, where: str, width: int | None) -> None:
    if not isinstance(value, list) or len(value) < 2 or type(value[0]) not in (str, int):
        _refuse(
            where, f"expected two or more strings, or two or more ints, got {describe_value(value)}"
        )
    kind = type(value[0])
    count = 2 if width == 1 else width
    noun = "string" if kind is str else "whole number"
    _check_distinct(_check_list(value, where, count, lambda item: type(item) is kind, noun), where)


def _check_pair(record: dict[str, Any], where: str, key: str, width: int | None) -> None:
    """A scaler (center, scale) or a range (min, max)."""
    if key not in record:
        return
    where = f"{where}.{key}"
    parts = ("center", "scale") if key == "scaler" else ("min", "max")
    pair = closed_map(record[key], where, parts)
    named = "columns" in record or "targets" in record
    if not named and all(isinstance(v, list) and len(v) == 1 for v in pair.values()):
        width = 1  # one number for every element
    low, high = (
        _check_list(pair[part], f"{where}.{part}", width, is_finite_float, "finite float")
        for part in parts
    )
    if key == "scaler" and 0.0 in high:
        _refuse(f"{where}.scale[{high.index(0.0)}]", "a scale must not be 0")
    for i, (a, b) in enumerate(zip(low, high, strict=True)):
        if key == "range" and a > b:
            _refuse(where, f"min[{i}] is {a!r}, above max[{i}], which is {b!r}")
