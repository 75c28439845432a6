"""JSON files: one object (named columns) or array (values) per line, or one array of them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from itertools import chain
from typing import Any

import numpy as np

from layerkit.core.context import Array, Shape
from layerkit.core.rows import Rows
from layerkit.data.decode_text import whole_lines
from layerkit.datacontract.parse_cells import text_cell
from layerkit.display import quoted
from layerkit.errors import DataError

_KIND: dict[type, str] = {dict: "an object", list: "an array"}
_DEEP = "nested too deeply"


def read_json(
    text: str,
    source: str,
    *,
    document: bool | None = None,
    missing: Sequence[str] = (),
) -> Rows:
    """The rows of JSON: objects give ``columns``, arrays give ``values`` (n, *shape).

    ``text`` has line feeds only. ``document`` says whether it is one array that holds the rows; by
    default it is if the first line is not a row. Texts in ``missing`` stand for a missing value, as
    null and an absent key do. Raises DataError if the text is not JSON, rows differ in kind or
    shape, or a value is neither number nor text.
    """
    records = _document(text, source, document)
    is_document = records is not None
    if records is None:
        records = list(_lines(text, source))
    if not records:
        raise DataError("no rows", source=source)
    if is_document:
        for row, record in enumerate(records):
            _refuse_kind(record, type(records[0]), f"item {row}", row, source)
    return _rows(records, partial(_spelled, text, document=is_document), source, missing)


def json_blocks(
    texts: Iterable[str],
    source: str,
    *,
    document: bool | None = None,
    missing: Sequence[str] = (),
) -> Iterator[Rows]:
    """``read_json`` in blocks, for JSON lines in pieces of any length.

    One array that holds all rows is read whole. Raises DataError with the piece that holds the
    fault.
    """
    pieces = whole_lines(texts)
    first = next(pieces, "")
    if document or (document is None and first.lstrip()[:1] == "["):
        parsed = None if document else _first_line(first)
        if document or parsed is None or any(isinstance(item, dict) for item in parsed):
            text = "".join(chain([first], pieces))
            yield read_json(text, source, document=document, missing=missing)
            return
    line = row = 0
    kind: type | None = None
    names: tuple[str, ...] = ()
    for text in chain([first], pieces):
        records = list(_lines(text, source, line=line, row=row, kind=kind))
        if records:
            kind = type(records[0])
            rows = _rows(records, partial(_spelled, text), source, missing, names, row)
            if rows.columns is not None:
                names = tuple(rows.columns)
            yield rows
        line += text.count("\n")
        row += len(records)
    if row == 0:
        raise DataError("no rows", source=source)


def _first_line(text: str) -> list[Any] | None:
    try:
        found = json.loads(text.lstrip().partition("\n")[0])
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, list) else None


def _document(text: str, source: str, document: bool | None) -> list[Any] | None:
    """The rows if the text is one array of them, or None if it is lines."""
    start = text.lstrip()
    if document is False or start[:1] != "[":
        return None
    if not document:
        first = _first_line(start)
        if first is not None and not (first and all(isinstance(item, dict) for item in first)):
            return None
    try:
        found = json.loads(text, object_pairs_hook=_distinct_keys)
    except json.JSONDecodeError as cause:
        if cause.msg == "Extra data" and _first_line(start) is not None:
            return None
        # The fault of a single line is reported as that of a line.
        if not document and "\n" not in text.strip():
            return None
        raise _not_json(f"{cause.msg} at character {cause.colno}", cause.lineno, source) from None
    except (RecursionError, ValueError) as cause:
        if "\n" not in text.strip():
            return None
        reason = _DEEP if isinstance(cause, RecursionError) else str(cause)
        raise _not_json(reason, 1, source) from None
    return found if isinstance(found, list) else None


def _not_json(reason: str, line: int, source: str) -> DataError:
    return DataError(
        f"line {line} is not JSON: {reason}",
        source=source,
        hint="expected one JSON object or array per line, or one array of them",
    )


def _refuse_kind(record: Any, first: type, where: str, row: int, source: str) -> None:
    if type(record) is not first or first not in (dict, list):
        kind = _KIND.get(first, "an object or an array")
        raise DataError(f"{where}: expected {kind}, got {quoted(record)}", row=row, source=source)


def _lines(
    text: str, source: str, *, line: int = 0, row: int = 0, kind: type | None = None
) -> Iterator[Any]:
    """The records in ``text``, which follows ``line`` lines and ``row`` rows of ``kind``."""
    for number, part in enumerate(text.split("\n"), line + 1):
        if not part.strip():
            continue
        record = _parsed(part, number, row, source)
        kind = kind or type(record)
        _refuse_kind(record, kind, f"line {number}", row, source)
        yield record
        row += 1


def _parsed(text: str, line: int, row: int, source: str) -> Any:
    try:
        return json.loads(text, object_pairs_hook=_distinct_keys)
    except RecursionError:
        reason = _DEEP
    except json.JSONDecodeError as cause:
        reason = f"{cause.msg} at character {cause.pos + 1}"
    except ValueError as cause:  # a repeated key, a number of thousands of digits
        reason = str(cause)
    raise DataError(
        f"line {line} is not JSON: {reason}: {quoted(text.strip(), 60)}",
        row=row,
        source=source,
        hint="expected one JSON object or array per line",
    )


def _distinct_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("an object has the same key twice")
    return found


def _rows(
    records: list[Any],
    respell: Callable[[], Sequence[Any]],
    source: str,
    missing: Sequence[str],
    names: Sequence[str] = (),
    row: int = 0,
) -> Rows:
    if not isinstance(records[0], dict):
        return Rows(_values(records, source, row), source=source)
    there = dict.fromkeys(chain(names, chain.from_iterable(records)))
    columns = {}
    for name in there:
        cells = [record.get(name) for record in records]
        columns[name] = _column(cells, name, source, row, missing)
    return Rows(columns=columns, source=source, spelling=_Spelling(respell))


class _Spelling:
    """The cells of a column as JSON spells them: 1.50 and true, not 1.5 and True."""

    def __init__(self, respell: Callable[[], Sequence[Any]]) -> None:
        self._respell = respell
        self._records: Sequence[Any] | None = None

    def __call__(self, name: str) -> Array:
        if self._records is None:
            self._records = self._respell()
        return np.array([_text(record.get(name)) for record in self._records], np.str_)


def _spelled(text: str, *, document: bool = False) -> list[Any]:
    """The records with their numbers as text."""
    spell = partial(json.loads, parse_int=str, parse_float=str, parse_constant=str)
    if document:
        return list(spell(text))
    return [spell(line) for line in text.split("\n") if line.strip()]


def _text(cell: Any) -> str:
    if isinstance(cell, bool):
        return "true" if cell else "false"
    return "" if cell is None else str(cell).strip()


def _column(cells: list[Any], name: str, source: str, before: int, missing: Sequence[str]) -> Array:
    """Numbers as float64; as text if there is text, true or false among them."""
    kinds = set(map(type, cells))
    for kind in kinds - {str, int, float, bool, type(None)}:
        row = next(i for i, cell in enumerate(cells) if type(cell) is kind)
        reason = f"expected a number or text, got {quoted(cells[row])}"
        raise DataError(reason, row=before + row, column=name, source=source)
    if kinds & {str, bool}:
        return np.array([text_cell(_text(cell), missing) for cell in cells], np.str_)
    return np.array([_number(cell) for cell in cells], np.float64)


def _number(cell: float | None) -> float:
    if cell is None:
        return np.nan
    try:
        return float(cell)
    except OverflowError:
        return np.inf if cell > 0 else -np.inf


def _values(records: list[Any], source: str, before: int) -> Array:
    try:
        fast = np.asarray(records)
    except ValueError:
        fast = None
    if fast is not None and fast.dtype.kind in "iuf" and not _has_booleans(records):
        return fast.astype(np.float64)
    shape = _shape(records[0])
    out = np.empty((len(records), *shape), np.float64)
    for row, record in enumerate(records):
        if _shape(record) != shape:
            raise DataError(
                f"expected an array of shape {list(shape)} as in row 0, got {list(_shape(record))}",
                row=before + row,
                source=source,
            )
        flat: list[float] = []
        _flatten(record, shape, flat, before + row, source)
        out[row] = np.array(flat, np.float64).reshape(shape)
    return out


def _has_booleans(record: Any) -> bool:
    """Whether true or false, which NumPy reads as 1 and 0, is among the numbers."""
    if isinstance(record, list):
        kinds = set(map(type, record))
        return bool in kinds or (list in kinds and any(map(_has_booleans, record)))
    return isinstance(record, bool)


def _shape(record: Any) -> Shape:
    return (len(record), *_shape(record[0] if record else 0)) if isinstance(record, list) else ()


def _flatten(record: Any, shape: Shape, flat: list[float], row: int, source: str) -> None:
    """Append the numbers of nested lists of ``shape`` to ``flat``."""
    if shape:
        if not isinstance(record, list) or len(record) != shape[0]:
            raise DataError("an uneven nested array", row=row, column=len(flat), source=source)
        for part in record:
            _flatten(part, shape[1:], flat, row, source)
    elif record is None or type(record) in (int, float):
        flat.append(_number(record))
    else:
        shown = _text(record) if isinstance(record, bool) else quoted(record)
        reason = f"expected a number, got {shown}"
        raise DataError(reason, row=row, column=len(flat), source=source)
