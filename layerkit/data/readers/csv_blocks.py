"""Blocks of a CSV file: pieces of its text that hold whole records, and their cells.

A piece without quotes, comments and blank lines, whose lines all have the same number of
delimiters, is parsed by NumPy, or by polars if it is installed and the table is large; any other
piece by Python's csv module. All give the same cells.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from typing import Any

import numpy as np

from layerkit.core.context import Array
from layerkit.data.readers import csv_polars
from layerkit.data.readers.csv_cells import CellFormat
from layerkit.data.readers.csv_dialect import is_blank_or_comment, records_of
from layerkit.display import counted
from layerkit.errors import DataError

_PIECE = 1 << 17  # characters
_LARGE = 1 << 25  # from here on polars saves more time than its import takes
_LARGE_PIECE = 1 << 23
_INSIDE = "\x1f"  # a delimiter within a cell, in text whose quotes are removed


def is_large(text: str) -> bool:
    """Whether the text is long enough for polars, and polars is installed."""
    return len(text) >= _LARGE and csv_polars.is_installed()


def pieces_of(text: str, start: int = 0, *, large: bool = False) -> Iterator[str]:
    """``text`` from ``start`` on in pieces of whole lines."""
    size = _LARGE_PIECE if large else _PIECE
    while start < len(text):
        end = text.find("\n", min(start + size, len(text))) + 1 or len(text)
        yield text if (start, end) == (0, len(text)) else text[start:end]
        start = end


class Block:
    """Some records of a table; ``size`` is how many."""

    def __init__(
        self,
        text: str,
        fmt: CellFormat,
        width: int,
        columns: list[Any] | None,
        size: int,
        *,
        polars: bool = False,
    ) -> None:
        self._polars = polars and columns is None and not text.startswith("\ufeff")
        self._text, self._fmt, self._width, self._columns = text, fmt, width, columns
        self._simple = text.isascii() and "_" not in text
        self.size = size

    def cells(self, positions: Sequence[int]) -> list[list[str]]:
        """The cells of the columns at ``positions``, as written."""
        if self._columns is not None:
            return [self._columns[j] for j in positions]
        columns: list[list[str]]
        if self._polars:
            read = csv_polars.Cells(self._text, self._fmt, positions)
            columns = [read.texts(j) for j in positions]
        else:
            found = self._load(self._text, positions, object)
            columns = [found[:, i].tolist() for i in range(len(positions))]
        if _INSIDE in self._text:
            mark = self._fmt.delimiter
            columns = [[cell.replace(_INSIDE, mark) for cell in cells] for cells in columns]
        return columns

    def first(self) -> list[str]:
        """The cells of the first record."""
        if self._columns is not None:
            return [column[0] for column in self._columns]
        return self._text.partition("\n")[0].split(self._fmt.delimiter)

    def numbers(self, positions: Sequence[int], mixed: set[int]) -> list[Array | None]:
        """The numbers (n,) float64 of the columns at ``positions``, None for a column with text.

        ``mixed`` holds columns with cells that NumPy cannot parse; those found are added.
        """
        fmt = self._fmt
        if self._polars and fmt.plain:
            read = csv_polars.Cells(self._text, fmt, positions)
            return [read.numbers(j) for j in positions]
        clean = [] if self._columns is not None else [j for j in positions if j not in mixed]
        found: dict[int, Array | None] = {}
        if clean:
            values = self._floats(clean, mixed)
            if values is not None:
                known = zip(clean, values.T, strict=True)
                found = {j: v for j, v in known if not _has_any(v, fmt.missing_numbers)}
        rest = [j for j in positions if j not in found]
        for j, cells in zip(rest, self.cells(rest) if rest else (), strict=True):
            found[j] = fmt.numbers(cells, simple=self._simple)
            if self._columns is None and j not in mixed and _needs_care(cells):
                mixed.add(j)
        return [found[j] for j in positions]

    def _floats(self, positions: Sequence[int], mixed: set[int]) -> Array | None:
        fmt = self._fmt
        if fmt.decimal == fmt.delimiter:  # its numbers are in quotes
            return None
        text = self._text if fmt.plain else self._text.translate(fmt.translation)
        for fill in (False, True):
            if not fill and _HOLES in mixed:  # no earlier block had missing values
                continue
            try:
                found = self._load(_filled(text, fmt) if fill else text, positions, np.float64)
            except ValueError:
                continue
            if fill:
                mixed.add(_HOLES)
            return found
        return None

    def _load(self, text: str, positions: Sequence[int], dtype: Any) -> Array:
        fmt = self._fmt
        found: Array = np.loadtxt(
            text.removesuffix("\n").split("\n"),
            dtype,
            delimiter=fmt.delimiter,
            comments=None,
            quotechar=None,
            usecols=None if len(positions) == self._width else positions,
            ndmin=2,
        )
        return found


_HOLES = -1  # in ``mixed`` beside the positions: there are missing values


def _filled(text: str, fmt: CellFormat) -> str:
    """``text`` with the missing values written as ``nan``, which ``float`` reads."""
    mark = fmt.delimiter
    lines = f"\n{text}" if text.endswith("\n") else f"\n{text}\n"
    for cell in fmt.missing:
        if not (cell.isdigit() or cell == "nan"):
            for left, right in ((mark, mark), (mark, mark), ("\n", mark), (mark, "\n")):
                lines = lines.replace(f"{left}{cell}{right}", f"{left}nan{right}")
    return lines[1:]


def _has_any(values: Array, numbers: Iterable[float]) -> bool:
    return any(bool((values == number).any()) for number in numbers)


def _needs_care(cells: Sequence[str]) -> bool:
    """Whether ``float`` refuses a cell, and so NumPy's parser the whole column."""
    try:
        for cell in cells:
            float(cell)
    except ValueError:
        return True
    return False


def blocks_of(
    pieces: Iterable[str],
    fmt: CellFormat,
    width: int,
    source: str,
    *,
    line: int = 0,
    polars: bool = False,
) -> Iterator[Block]:
    """The records in ``pieces`` of text, each of whole lines.

    ``line`` is the number of lines before the first piece, for messages. With ``polars``, polars
    parses what NumPy would. Raises DataError if a record does not have ``width`` cells, or a quote
    is not closed.
    """
    row, stream = 0, iter(pieces)
    text = next(stream, None)
    while text is not None:
        following = next(stream, None)
        at = _Place(source, line, row, polars=polars)
        block = _block(text, fmt, width, at, last=following is None)
        if block is None:  # it ends within quotes: double it, so that a long cell takes linear time
            parts, size = [text], len(text)
            while following is not None and size < 2 * len(text):
                parts.append(following)
                size += len(following)
                following = next(stream, None)
            text = "".join(parts)
            stream = stream if following is None else chain([following], stream)
            continue
        line += text.count("\n")
        row += block.size
        if block.size:
            yield block
        text = following


class _Place:
    """Where a block begins, for messages, and whether polars parses it."""

    def __init__(self, source: str, line: int, row: int, *, polars: bool) -> None:
        self.source, self.line, self.row, self.polars = source, line, row, polars


def _block(text: str, fmt: CellFormat, width: int, at: _Place, *, last: bool) -> Block | None:
    """The records in ``text``, or None if it ends within quotes and is not the last piece."""
    plain = _unquoted(text, fmt, width)
    if plain is not None:
        held, text = text, plain
        size = _lines_alike(text, fmt, width)
        if size is None:
            lines = [x for x in text.split("\n") if not is_blank_or_comment(x, fmt)]
            kept = "\n".join(lines)
            size = _lines_alike(kept, fmt, width) if lines else 0
            text = kept if size is not None else held
        if size is not None:
            return Block(text, fmt, width, None, size, polars=at.polars)
    records: list[list[str]] = []
    ended = 0
    for end, cells in records_of(text, fmt, at.source, lenient=not last, line=at.line):
        if len(cells) != width:
            number = at.line + text.count("\n", 0, end - 1) + 1
            raise ragged(cells, width, number, at.row + len(records), fmt, at.source)
        records.append(cells)
        ended = end
    if not last and any(not is_blank_or_comment(x, fmt) for x in text[ended:].split("\n")):
        return None
    columns = list(zip(*records, strict=True)) if records else []
    return Block(text, fmt, width, columns, len(records))


def _unquoted(text: str, fmt: CellFormat, width: int) -> str | None:
    """``text`` without its quotes if that changes no cell, else None.

    It changes none if each pair of quotes encloses a whole cell within one line. A doubled quote
    inside a cell is not such a pair: there is no delimiter between the two.
    """
    quote = fmt.quote
    if quote is None or quote not in text:
        return text
    if width == 1 or fmt.comment is not None or _INSIDE in text:
        return None
    mark, parts = fmt.delimiter, text.split(quote)
    if len(parts) % 2 == 0:
        return None
    ends = ("\n", mark)
    for i in range(1, len(parts), 2):
        before, cell, after = parts[i - 1 : i + 2]
        first, last = i == 1 and not before, i + 2 == len(parts) and not after
        if not (first or before.endswith(ends)) or not (last or after.startswith(ends)):
            return None
        if "\n" in cell:
            return None
        alone = (first or before[-1] == "\n") and (last or after[0] == "\n")
        if alone:  # a row of one cell, which is an error
            return None
        if mark in cell:
            parts[i] = cell.replace(mark, _INSIDE)
    return "".join(parts)


def _lines_alike(text: str, fmt: CellFormat, width: int) -> int | None:
    """The number of lines if each is a record of ``width`` cells without quotes, else None."""
    delimiter, comment = fmt.delimiter, fmt.comment
    if comment is not None and (text.startswith(comment) or "\n" + comment in text):
        return None
    raw = np.frombuffer(text.encode(), np.uint8)
    ends = np.flatnonzero(raw == 10)
    if not text.endswith("\n"):
        ends = np.append(ends, len(raw))
    if not len(ends) or not delimiter.isascii():
        return None
    marks = np.flatnonzero(raw == ord(delimiter))
    if len(marks) != len(ends) * (width - 1):
        return None
    starts = np.concatenate([[-1], ends[:-1]])
    if width == 1:
        # A blank line is not a record; one that begins with a blank goes to the csv module.
        return len(ends) if bool((raw[np.minimum(starts + 1, len(raw) - 1)] > 32).all()) else None
    grid = marks.reshape(len(ends), width - 1)
    alike = bool((grid[:, 0] > starts).all() and (grid[:, -1] < ends).all())
    return len(ends) if alike else None


def ragged(
    cells: Sequence[str], width: int, line: int, row: int, fmt: CellFormat, source: str
) -> DataError:
    """The error for a record that is not as wide as the first."""
    begin = cells[0].lstrip()[:2] if cells else ""
    mark = next((m for m in ("#", "//", "%", "--") if begin.startswith(m)), None)
    if mark is not None:
        hint = f"if it is a comment: --comment '{mark}', comment={mark!r}"
    elif width == 1:
        hint = (
            "if another character separates the cells, give it: --delimiter, delimiter=; if the "
            "first line is not part of the table, delete it"
        )
    elif len(cells) == width + 1 and not cells[-1].strip():
        hint = "it ends in a delimiter, the first line does not: remove it here or add it there"
    elif len(cells) > width and any(fmt.number(c) is None for c in cells):
        hint = (
            'a cell that contains the delimiter must be in quotes, "like this"'
            if fmt.quote
            else "a cell contains the delimiter, and no quote marks it: --quote"
        )
    else:
        hint = (
            "complete the line; if the first line is not part of the table, delete it or give "
            "--comment; if another character separates the cells, give --delimiter"
        )
    expected = counted(width, "cell")
    reason = f"expected {expected} in line {line}, as in the first line, got {len(cells)}"
    return DataError(reason, row=row, source=source, hint=hint)
