"""JSON lines: one object (named columns) or one array (values) a line."""

from __future__ import annotations

import json
from typing import Any

import numpy as np

from layerkit.contract.rowforms import columns_of
from layerkit.data.delimited import decoded
from layerkit.errors import DataError, quoted
from layerkit.layer import Array, Shape
from layerkit.parts import Rows

__all__ = ["read_jsonl"]


def read_jsonl(raw: bytes, source: str) -> Rows:
    """Objects as ``columns`` (null or an absent key is missing), arrays as ``values`` (n, *shape).

    Raises
    ------
    DataError
        If a line is no JSON, lines differ in kind or shape, or a value is neither number nor text.
    """
    records: list[Any] = []
    first: type | None = None
    for line, text in enumerate(decoded(raw, source).split("\n"), 1):
        if not text.strip():
            continue
        record = _parsed(text, line, len(records), source)
        first = first or type(record)
        if type(record) is not first or first not in (dict, list):
            wanted = "an object or an array" if first not in (dict, list) else _KIND[first]
            raise DataError(
                f"line {line} holds {quoted(record)} where {wanted} is wanted",
                row=len(records),
                source=source,
            )
        records.append(record)
    if not records:
        raise DataError("no rows", source=source)
    if first is dict:
        return Rows(columns=columns_of(records, source, truth_as_text=True), source=source)
    return Rows(_values(records, source), source=source)


_KIND = {dict: "an object", list: "an array"}


def _parsed(text: str, line: int, row: int, source: str) -> Any:
    try:
        return json.loads(text, object_pairs_hook=_distinct_keys)
    except RecursionError:
        reason = "nested too deeply"
    except json.JSONDecodeError as cause:
        reason = f"{cause.msg} at character {cause.pos + 1}"
    except ValueError as cause:  # a key that comes twice, a number of thousands of digits
        reason = str(cause)
    raise DataError(
        f"line {line} is not JSON: {reason}: {quoted(text.strip(), 60)}",
        row=row,
        source=source,
        hint="wanted one JSON object or array a line",
    )


def _distinct_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key comes twice")
    return found


def _values(records: list[Any], source: str) -> Array:
    try:
        fast = np.asarray(records)
    except ValueError:
        fast = None
    if fast is not None and fast.dtype.kind in "biuf":
        return fast.astype(np.float64)
    shape = _shape(records[0])
    out = np.empty((len(records), *shape), np.float64)
    for row, record in enumerate(records):
        if _shape(record) != shape:
            raise DataError(
                f"an array of shape {list(_shape(record))} where row 0 has {list(shape)}",
                row=row,
                source=source,
            )
        flat: list[float] = []
        _flatten(record, shape, flat, row, source)
        out[row] = np.array(flat, np.float64).reshape(shape)
    return out


def _shape(record: Any) -> Shape:
    return (len(record), *_shape(record[0] if record else 0)) if isinstance(record, list) else ()


def _flatten(record: Any, shape: Shape, flat: list[float], row: int, source: str) -> None:
    """Append the numbers of nested lists of ``shape`` to ``flat``."""
    if shape:
        if not isinstance(record, list) or len(record) != shape[0]:
            raise DataError("an uneven nested array", row=row, column=len(flat), source=source)
        for part in record:
            _flatten(part, shape[1:], flat, row, source)
    elif record is None:
        flat.append(np.nan)
    elif isinstance(record, (bool, int, float)):
        try:
            flat.append(float(record))
        except OverflowError:
            flat.append(np.inf)
    else:
        reason = f"{quoted(record)} where a number is wanted"
        raise DataError(reason, row=row, column=len(flat), source=source)
