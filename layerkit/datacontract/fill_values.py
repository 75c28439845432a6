"""Fill values in a model file: ``spec.data.table.fields``, one map per raw field.

The kind of a field is "numeric"; "categorical" is reserved.
"""

from __future__ import annotations

import sys
from typing import Any

import numpy as np

from layerkit.core.context import Array
from layerkit.datacontract.shared_fields import lengths
from layerkit.display import quoted
from layerkit.errors import SpecError


def write_fills(missing: Array, columns: tuple[str, ...] | None) -> list[dict[str, Any]]:
    """One map for each of the fill values ``missing`` (w,)."""
    fields: list[dict[str, Any]] = [{"kind": "numeric", "fill": v} for v in missing.tolist()]
    for name, field in zip(columns or (), fields, strict=False):
        field["name"] = name
    return fields


def read_fills(fields: object, columns: tuple[str, ...] | None, width: int) -> Array:
    """The fill values that ``write_fills`` wrote, for ``width`` elements.

    Raises SpecError if ``fields`` are malformed.
    """
    from layerkit.codec.contract import closed_map  # 5 ms, and only for files

    at = "spec.data.table.fields"
    if not isinstance(fields, list) or len(fields) not in lengths(width, columns):
        raise SpecError(f"expected a list of {width} maps, got {quoted(fields)}", location=at)
    found = []
    for i, field in enumerate(fields):
        where = f"{at}[{i}]"
        if isinstance(field, dict) and field.get("kind", "numeric") != "numeric":
            reason = f"unknown kind {quoted(field['kind'])}: it needs a newer layerkit"
            raise SpecError(reason, location=f"{where}.kind")
        field = closed_map(field, where, ("kind", "fill"), ("name",))
        name, fill = columns[i] if columns else None, field["fill"]
        if field.get("name") != name:
            reason = f"expected the name of this column, {quoted(name)}, got "
            raise SpecError(reason + quoted(field.get("name")), location=f"{where}.name")
        if type(fill) not in (int, float) or not abs(fill) <= sys.float_info.max:
            reason = f"expected a finite number, got {quoted(fill)}"
            raise SpecError(reason, location=f"{where}.fill")
        found.append(fill)
    return np.array(found, np.float64)
