"""Raw columns in a model file: ``spec.data.table.fields``, one map per column.

The kind of a field is "numeric", perhaps with a fill value, or "categorical".
"""

from __future__ import annotations

import sys
from typing import Any

import numpy as np

from layerkit.core.context import Array
from layerkit.datacontract.categories import Categorical
from layerkit.datacontract.encoder import Encoder
from layerkit.datacontract.shared_fields import lengths
from layerkit.display import quoted
from layerkit.errors import SpecError

_AT = "spec.data.table.fields"
_RULES = {
    "unknown": ("error", "other"),
    "missing": ("error", "category"),
    "encode": ("one_hot", "code"),
}


def write_fields(
    missing: Array | None, columns: tuple[str, ...] | None, encoder: Encoder | None
) -> list[dict[str, Any]] | None:
    """One map for each raw column; None if there are neither categories nor fill values.

    ``missing`` (w,) are the fill values of the numeric ``columns``.
    """
    if encoder is None:
        return None if missing is None else _fills(missing, columns)
    places = iter(encoder.numeric.tolist())
    return [
        _numeric(field, missing, next(places)) if isinstance(field, str) else _categorical(field)
        for field in encoder.fields
    ]


def _fills(missing: Array, columns: tuple[str, ...] | None) -> list[dict[str, Any]]:
    fields: list[dict[str, Any]] = [{"kind": "numeric", "fill": v} for v in missing.tolist()]
    for name, field in zip(columns or (), fields, strict=False):
        field["name"] = name
    return fields


def _numeric(name: str, missing: Array | None, place: int) -> dict[str, Any]:
    field: dict[str, Any] = {"kind": "numeric", "name": name}
    return field if missing is None else {**field, "fill": float(missing[place])}


def _categorical(field: Categorical) -> dict[str, Any]:
    return {
        "kind": "categorical",
        "name": field.name,
        "categories": list(field.categories),
        "unknown": field.unknown,
        "missing": field.missing,
        "others": field.others,
        **({"encode": "code"} if field.encode == "code" else {}),
    }


def read_fields(
    fields: object, columns: tuple[str, ...] | None, width: int
) -> tuple[Array | None, Encoder | None]:
    """The fill values (w,) and the encoder that ``write_fields`` wrote, for ``width`` elements.

    Raises SpecError if ``fields`` are malformed, or do not give the numeric ``columns``.
    """
    if not isinstance(fields, list):
        raise SpecError(f"expected a list of maps, got {quoted(fields)}", location=_AT)
    kinds = [field.get("kind") if isinstance(field, dict) else None for field in fields]
    if "categorical" not in kinds:
        return _read_fills(fields, columns, width), None
    found: list[str | Categorical] = []
    fills = []
    for i, field in enumerate(fields):
        if kinds[i] == "categorical":
            found.append(_read_categorical(field, f"{_AT}[{i}]"))
        else:
            name, fill = _read_numeric(field, f"{_AT}[{i}]")
            found.append(_name(name, f"{_AT}[{i}]"))
            fills.append(fill)
    given = [fill for fill in fills if fill is not None]
    if given and len(given) < len(fills):
        raise SpecError("expected a fill for all numeric columns, or for none", location=_AT)
    try:
        encoder = Encoder(tuple(found))
    except SpecError as error:
        raise SpecError(error.reason, location=_AT) from None
    if columns is None or encoder.columns != columns:
        reason = "expected the fields that spec.data.input.columns are made of, one column each "
        reason += "for numbers and one for each category"
        raise SpecError(reason, location=_AT)
    filled = given or not fills
    return (encoder.spread(np.array(given, np.float64), 0.0) if filled else None), encoder


def _read_fills(fields: list[Any], columns: tuple[str, ...] | None, width: int) -> Array:
    if len(fields) not in lengths(width, columns):
        raise SpecError(f"expected a list of {width} maps, got {quoted(fields)}", location=_AT)
    found = []
    for i, field in enumerate(fields):
        where = f"{_AT}[{i}]"
        name, fill = _read_numeric(field, where)
        expected = columns[i] if columns else None
        if name != expected:
            reason = f"expected the name of this column, {quoted(expected)}, got {quoted(name)}"
            raise SpecError(reason, location=f"{where}.name")
        if fill is None:
            raise SpecError("required field missing: fill", location=where)
        found.append(fill)
    return np.array(found, np.float64)


def _read_numeric(field: object, where: str) -> tuple[Any, float | None]:
    """(name, fill), either of them None if it is not there."""
    from layerkit.codec.contract import closed_map  # 5 ms, and only for files

    if isinstance(field, dict) and field.get("kind", "numeric") != "numeric":
        reason = f"unknown kind {quoted(field['kind'])}: it needs a newer layerkit"
        raise SpecError(reason, location=f"{where}.kind")
    held = closed_map(field, where, ("kind",), ("name", "fill"))
    fill: Any = held.get("fill")
    if "fill" in held and (type(fill) not in (int, float) or not abs(fill) <= sys.float_info.max):
        reason = f"expected a finite number, got {quoted(fill)}"
        raise SpecError(reason, location=f"{where}.fill")
    return held.get("name"), fill


def _name(name: object, where: str) -> str:
    if not isinstance(name, str):
        raise SpecError(f"expected a name, got {quoted(name)}", location=f"{where}.name")
    return name


def _read_categorical(field: object, where: str) -> Categorical:
    from layerkit.codec.contract import closed_map

    required = ("kind", "name", "categories", "unknown", "missing", "others")
    held = {"encode": "one_hot", **closed_map(field, where, required, ("encode",))}
    name, listed, others = _name(held["name"], where), held["categories"], held["others"]
    for key, allowed in _RULES.items():
        if held[key] not in allowed:
            reason = f"expected {' or '.join(map(repr, allowed))}, got {quoted(held[key])}"
            raise SpecError(reason, location=f"{where}.{key}")
    if type(others) is not int or not 0 <= others < 2**63:
        raise SpecError(f"expected a count, got {quoted(others)}", location=f"{where}.others")
    if not isinstance(listed, list) or not all(type(text) is str for text in listed):
        reason = f"expected a list of strings, got {quoted(listed)}"
        raise SpecError(reason, location=f"{where}.categories")
    try:
        rules = held["unknown"], held["missing"]
        return Categorical(name, tuple(listed), *rules, others, held["encode"])
    except SpecError as error:
        raise SpecError(error.reason, location=f"{where}.categories") from None
