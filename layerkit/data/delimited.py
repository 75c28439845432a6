"""Text with a row a line: commas, semicolons or tabs between the cells, perhaps a header.

A file of numbers only goes through NumPy's own parser. Whatever that refuses is read again cell by
cell, which finds missing values, text, and the place of a mistake.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterator, Sequence
from itertools import islice

import numpy as np

from layerkit.contract.cells import number, text_cell
from layerkit.errors import DataError, quoted
from layerkit.layer import Array
from layerkit.parts import Rows

__all__ = ["decoded", "read_csv"]

_DELIMITERS = (",", ";", "\t")


def decoded(raw: bytes, source: str) -> str:
    """``raw`` as text: UTF-8, a byte order mark dropped, lines ending in a line feed.

    Raises
    ------
    DataError
        If it is not UTF-8; the message gives the line.
    """
    try:
        return raw.decode("utf-8-sig").replace("\r\n", "\n").replace("\r", "\n")
    except UnicodeDecodeError as cause:
        line = raw.count(b"\n", 0, cause.start) + 1
        shown = raw[cause.start : cause.start + 4].hex(" ")
        raise DataError(
            f"line {line} is not UTF-8 text (byte {cause.start}: {shown})",
            source=source,
            hint="save the file as UTF-8, or name its format",
        ) from None


def read_csv(
    raw: bytes, source: str, *, delimiter: str | None = None, has_header: bool | None = None
) -> Rows:
    """Delimited text: ``columns`` if it has a header or text, else ``values`` (n, w) float64.

    Parameters
    ----------
    delimiter
        By default the one of comma, semicolon and tab that the first lines agree on.
    has_header
        By default, the first line is a header if it has text, unless every column of numbers
        begins with a number.

    Raises
    ------
    DataError
        If a row has another width than the first, a quote is not closed, a name comes twice, or
        there are no rows.
    """
    text = decoded(raw, source)
    if "\0" in text:  # NumPy would drop it at the end of a cell
        line = text.count("\n", 0, text.index("\0")) + 1
        raise DataError(
            f"line {line} holds a NUL character, so this is no text file", source=source
        )
    delimiter = delimiter or _delimiter_of(text)
    fast = _fast(text, delimiter, has_header, source)
    return fast or _careful(text, delimiter, has_header, source)


def _records(text: str, delimiter: str, source: str) -> Iterator[tuple[int, list[str]]]:
    """(line number, cells) of each line that is not blank."""
    lines = io.StringIO(text, newline="")
    reader = csv.reader(lines, delimiter=delimiter, skipinitialspace=True, strict=True)
    try:
        for cells in reader:
            if len(cells) > 1 or (cells and cells[0].strip()):
                yield reader.line_num, cells
    except csv.Error as cause:
        hint = 'a cell that holds a quote is written "like ""this"""'
        raise DataError(f"line {reader.line_num}: {cause}", source=source, hint=hint) from None


def _delimiter_of(text: str) -> str:
    """The delimiter that all of the first rows have equally often, the most frequent one."""
    best, most = "", 1
    for delimiter in _DELIMITERS:
        reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
        try:
            counts = {len(row) for row in islice(reader, 20) if "".join(row).strip()}
        except csv.Error:  # quotes make no sense with this one, or a fault that is found again
            continue
        if len(counts) == 1 and (count := counts.pop()) > most:
            best, most = delimiter, count
    first = text.lstrip("\n").partition("\n")[0]
    return best or max(_DELIMITERS, key=first.count)


def _fast(text: str, delimiter: str, has_header: bool | None, source: str) -> Rows | None:
    """The rows if all cells below the header are numbers, else None."""
    first = next(_records(text, delimiter, source), None)
    if first is None:
        raise DataError("no rows: all lines are blank", source=source)
    line, cells = first
    has_text = any(number(cell) is None for cell in cells)
    if has_header is False and has_text:
        return None
    header = has_text if has_header is None else has_header
    lines = io.StringIO(text)
    if header:
        for _ in range(line):
            next(lines)
    rest = lines.tell()
    if not text[rest:].strip():
        return None
    try:
        values = np.loadtxt(
            lines, np.float64, delimiter=delimiter, comments=None, quotechar='"', ndmin=2
        )
    except ValueError:
        return None
    if values.shape[1] != len(cells) or not len(values):
        return None
    if not header:
        return Rows(values, source=source)
    columns = np.ascontiguousarray(values.T)
    return Rows(columns=dict(zip(_names(cells, source), columns, strict=True)), source=source)


def _careful(text: str, delimiter: str, has_header: bool | None, source: str) -> Rows:
    records: list[list[str]] = []
    for line, cells in _records(text, delimiter, source):
        if records and len(cells) != len(records[0]):
            raise _ragged(records, cells, line, has_header, source)
        records.append(cells)
    _refuse_blanks(records[0], source)
    columns: list[tuple[str, ...]] = list(zip(*records, strict=True))
    plain = text.isascii() and "_" not in text
    below = [_numbers(cells[1:], plain=plain) for cells in columns]
    header = _is_header(records[0], below) if has_header is None else has_header
    if header and len(records) == 1:
        raise DataError(
            f"a header and no rows: {quoted(delimiter.join(records[0]))}",
            source=source,
            hint="if the first line is a row: has_header=False, --no-header",
        )
    names = _names(records[0], source) if header else list(map(str, range(len(columns))))
    found: dict[str, Array] = {}
    for name, column, rest in zip(names, columns, below, strict=True):
        whole = rest if header else _numbers(column, plain=plain)
        found[name] = _texts(column[1:] if header else column) if whole is None else whole
    if not header and all(column.dtype.kind == "f" for column in found.values()):
        return Rows(np.stack(list(found.values()), axis=1), source=source)
    return Rows(columns=found, source=source)


def _numbers(cells: Sequence[str], *, plain: bool) -> Array | None:
    """The cells as (n,) float64, NaN where one is missing, or None if one is text."""
    if plain:
        try:
            return np.array(list(map(float, cells)), np.float64)
        except ValueError:
            pass
    found: list[float] = []
    for cell in cells:
        value = number(cell)
        if value is None:
            return None
        found.append(value)
    return np.array(found, np.float64)


def _texts(cells: Sequence[str]) -> Array:
    return np.array([text_cell(cell) for cell in cells], np.str_)


def _is_header(first: Sequence[str], below: Sequence[Array | None]) -> bool:
    """Whether the first line names the columns, given the numbers of the lines below it.

    It does if it has text, unless each column of numbers begins with a number (and there is one):
    then the text stands in columns of text, and the line is a row like the others.
    """
    begins = [number(cell) for cell in first]
    if all(value is not None for value in begins):
        return False
    over_numbers = [v for v, column in zip(begins, below, strict=True) if column is not None]
    if len(below[0] if below[0] is not None else over_numbers) == 0:
        return True
    is_row = None not in over_numbers and any(
        v is not None and not math.isnan(v) for v in over_numbers
    )
    return not is_row


def _names(cells: Sequence[str], source: str) -> list[str]:
    """Column names: a blank one is called by its position."""
    names = [cell.strip() or str(i) for i, cell in enumerate(cells)]
    for i, name in enumerate(names):
        if names.index(name) != i:
            raise DataError(
                f"two columns have this name, number {names.index(name)} and number {i}",
                column=name,
                source=source,
                hint="rename one; if the first line is a row: has_header=False, --no-header",
            )
    return names


def _ragged(
    records: list[list[str]], cells: list[str], line: int, has_header: bool | None, source: str
) -> DataError:
    below = [_numbers(column[1:], plain=False) for column in zip(*records, strict=True)]
    header = _is_header(records[0], below) if has_header is None else has_header
    return DataError(
        f"line {line} has {len(cells)} cells, the first line has {len(records[0])}",
        row=len(records) - (1 if header else 0),
        source=source,
        hint='a cell that holds the delimiter must stand in quotes, "like this"',
    )


def _refuse_blanks(first: Sequence[str], source: str) -> None:
    """Numbers with only blanks between them look like one column of text: say so."""
    parts = first[0].split() if len(first) == 1 else []
    if len(parts) > 1 and all(number(part) is not None for part in parts):
        raise DataError(
            f"blanks between the numbers of the first line: {quoted(first[0].strip(), 40)}",
            source=source,
            hint="put commas, semicolons or tabs between the cells",
        )
