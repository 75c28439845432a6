"""Pieces of a table's text, each of whole records, and their cells.

A piece without quotes, comments and blank lines whose lines all have as many delimiters is cut by
NumPy, or by polars where it is installed and the table is large; any other by Python's csv module.
All give the same cells.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from typing import Any

import numpy as np

from layerkit.core.layer import Array
from layerkit.data import polarsway
from layerkit.data.detect import is_no_record, records_of
from layerkit.data.form import Form
from layerkit.errors import DataError

__all__ = ["Block", "blocks_of", "is_large", "pieces_of"]

_PIECE = 1 << 17  # characters
_LARGE = 1 << 25  # from here the threads of polars save more than its import takes
_LARGE_PIECE = 1 << 23
_INSIDE = "\x1f"  # a delimiter within a cell, in text whose quotes are taken off


def is_large(text: str) -> bool:
    """Whether the text is so long that polars pays, and polars is there."""
    return len(text) >= _LARGE and polarsway.is_there()


def pieces_of(text: str, start: int = 0, *, large: bool = False) -> Iterator[str]:
    """``text`` from ``start`` in pieces of whole lines."""
    size = _LARGE_PIECE if large else _PIECE
    while start < len(text):
        end = text.find("\n", min(start + size, len(text))) + 1 or len(text)
        yield text if (start, end) == (0, len(text)) else text[start:end]
        start = end


class Block:
    """Some records of a table.

    Attributes
    ----------
    size
        How many they are.
    """

    def __init__(
        self,
        text: str,
        form: Form,
        width: int,
        columns: list[Any] | None,
        size: int,
        *,
        polars: bool = False,
    ) -> None:
        self._polars = polars and columns is None and not text.startswith("\ufeff")
        self._text, self._form, self._width, self._columns = text, form, width, columns
        self._simple = text.isascii() and "_" not in text
        self.size = size

    def cells(self, wanted: Sequence[int]) -> list[list[str]]:
        """The cells of the columns at the positions ``wanted``, as written."""
        if self._columns is not None:
            return [self._columns[j] for j in wanted]
        columns: list[list[str]]
        if self._polars:
            read = polarsway.Cells(self._text, self._form, wanted)
            columns = [read.texts(j) for j in wanted]
        else:
            found = self._load(self._text, wanted, object)
            columns = [found[:, i].tolist() for i in range(len(wanted))]
        if _INSIDE in self._text:
            mark = self._form.delimiter
            columns = [[cell.replace(_INSIDE, mark) for cell in cells] for cells in columns]
        return columns

    def first(self) -> list[str]:
        """The cells of the first record."""
        if self._columns is not None:
            return [column[0] for column in self._columns]
        return self._text.partition("\n")[0].split(self._form.delimiter)

    def numbers(self, wanted: Sequence[int], mixed: set[int]) -> list[Array | None]:
        """The numbers (n,) float64 of the columns at ``wanted``, None for a column with text.

        ``mixed`` are columns known to have cells that NumPy takes for no numbers; those found
        are added.
        """
        form = self._form
        if self._polars and form.plain:
            read = polarsway.Cells(self._text, form, wanted)
            return [read.numbers(j) for j in wanted]
        clean = [] if self._columns is not None else [j for j in wanted if j not in mixed]
        found: dict[int, Array | None] = {}
        if clean:
            values = self._floats(clean, mixed)
            if values is not None:
                known = zip(clean, values.T, strict=True)
                found = {j: v for j, v in known if not _has_any(v, form.missing_numbers)}
        rest = [j for j in wanted if j not in found]
        for j, cells in zip(rest, self.cells(rest) if rest else (), strict=True):
            found[j] = form.numbers(cells, simple=self._simple)
            if self._columns is None and j not in mixed and _needs_care(cells):
                mixed.add(j)
        return [found[j] for j in wanted]

    def _floats(self, wanted: Sequence[int], mixed: set[int]) -> Array | None:
        form = self._form
        if form.decimal == form.delimiter:  # its numbers stand in quotes
            return None
        text = self._text if form.plain else self._text.translate(form.translation)
        for fill in (False, True):
            if not fill and _HOLES in mixed:  # as in a block before
                continue
            try:
                found = self._load(_filled(text, form) if fill else text, wanted, np.float64)
            except ValueError:
                continue
            if fill:
                mixed.add(_HOLES)
            return found
        return None

    def _load(self, text: str, wanted: Sequence[int], dtype: Any) -> Array:
        form = self._form
        found: Array = np.loadtxt(
            text.removesuffix("\n").split("\n"),
            dtype,
            delimiter=form.delimiter,
            comments=None,
            quotechar=None,
            usecols=None if len(wanted) == self._width else wanted,
            ndmin=2,
        )
        return found


_HOLES = -1  # among the positions of columns with odd cells: there are missing values


def _filled(text: str, form: Form) -> str:
    """``text`` with missing values, plainly written, spelled as ``float`` reads them."""
    mark = form.delimiter
    lines = f"\n{text}" if text.endswith("\n") else f"\n{text}\n"
    for cell in form.missing:
        if not (cell.isdigit() or cell == "nan"):
            for left, right in ((mark, mark), (mark, mark), ("\n", mark), (mark, "\n")):
                lines = lines.replace(f"{left}{cell}{right}", f"{left}nan{right}")
    return lines[1:]


def _has_any(values: Array, numbers: Iterable[float]) -> bool:
    return any(bool((values == number).any()) for number in numbers)


def _needs_care(cells: Sequence[str]) -> bool:
    """Whether ``float`` refuses a cell, so that the fast parser would refuse them all."""
    try:
        for cell in cells:
            float(cell)
    except ValueError:
        return True
    return False


def blocks_of(
    pieces: Iterable[str],
    form: Form,
    width: int,
    source: str,
    *,
    line: int = 0,
    polars: bool = False,
) -> Iterator[Block]:
    """The records in ``pieces`` of text, each of whole lines.

    Parameters
    ----------
    line
        Lines before the first piece, for messages.
    polars
        Whether polars reads what is plain.

    Raises
    ------
    DataError
        If a record has another width than ``width``, or a quote is not closed.
    """
    row, stream = 0, iter(pieces)
    text = next(stream, None)
    while text is not None:
        following = next(stream, None)
        at = _Place(source, line, row, polars=polars)
        block = _block(text, form, width, at, last=following is None)
        if block is None:  # it ends within quotes: twice as long, lest a long cell cost its square
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
    """Where a block begins, for messages, and whether polars reads it."""

    def __init__(self, source: str, line: int, row: int, *, polars: bool) -> None:
        self.source, self.line, self.row, self.polars = source, line, row, polars


def _block(text: str, form: Form, width: int, at: _Place, *, last: bool) -> Block | None:
    """The records in ``text``, or None if it ends within quotes and is not the last."""
    plain = _unquoted(text, form, width)
    if plain is not None:
        held, text = text, plain
        size = _lines_alike(text, form, width)
        if size is None:
            lines = [x for x in text.split("\n") if not is_no_record(x, form)]
            kept = "\n".join(lines)
            size = _lines_alike(kept, form, width) if lines else 0
            text = kept if size is not None else held
        if size is not None:
            return Block(text, form, width, None, size, polars=at.polars)
    records: list[list[str]] = []
    ended = 0
    for end, cells in records_of(text, form, at.source, lenient=not last, line=at.line):
        if len(cells) != width:
            number = at.line + text.count("\n", 0, end - 1) + 1
            raise ragged(cells, width, number, at.row + len(records), form, at.source)
        records.append(cells)
        ended = end
    if not last and any(not is_no_record(x, form) for x in text[ended:].split("\n")):
        return None
    columns = list(zip(*records, strict=True)) if records else []
    return Block(text, form, width, columns, len(records))


def _unquoted(text: str, form: Form, width: int) -> str | None:
    """``text`` without its quotes where that leaves all cells as they are, else None.

    It does where each pair of quotes is around a whole cell of one line. A doubled quote within a
    cell is no such pair: there is no delimiter between its two.
    """
    quote = form.quote
    if quote is None or quote not in text:
        return text
    if width == 1 or form.comment is not None or _INSIDE in text:
        return None
    mark, parts = form.delimiter, text.split(quote)
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
        if alone:  # a row of one cell, which is a fault
            return None
        if mark in cell:
            parts[i] = cell.replace(mark, _INSIDE)
    return "".join(parts)


def _lines_alike(text: str, form: Form, width: int) -> int | None:
    """How many lines there are, if each is a record of ``width`` cells plainly; else None."""
    delimiter, comment = form.delimiter, form.comment
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
        # A line of blanks is none; a blank at its begin is looked at with care.
        return len(ends) if bool((raw[np.minimum(starts + 1, len(raw) - 1)] > 32).all()) else None
    grid = marks.reshape(len(ends), width - 1)
    alike = bool((grid[:, 0] > starts).all() and (grid[:, -1] < ends).all())
    return len(ends) if alike else None


def ragged(
    cells: Sequence[str], width: int, line: int, row: int, form: Form, source: str
) -> DataError:
    """The error for a record of another width than the first."""
    begin = cells[0].lstrip()[:2] if cells else ""
    mark = next((m for m in ("#", "//", "%", "--") if begin.startswith(m)), None)
    if mark is not None:
        hint = f"if it is a comment: --comment '{mark}', comment={mark!r}"
    elif width == 1:
        hint = (
            "if another character stands between the cells, name it: --delimiter, delimiter=; if "
            "the first line is none of the table, delete it"
        )
    elif len(cells) == width + 1 and not cells[-1].strip():
        hint = "it ends in a delimiter and the first line does not: take it off, or put one there"
    elif len(cells) > width and any(form.number(c) is None for c in cells):
        hint = (
            'a cell that holds the delimiter must stand in quotes, "like this"'
            if form.quote
            else "the delimiter stands in a cell, and there is no quote to tell it: --quote"
        )
    else:
        hint = (
            "complete the line; if the first line is none of the table, delete it or give "
            "--comment; if another character stands between the cells, give --delimiter"
        )
    count = "1 cell" if len(cells) == 1 else f"{len(cells)} cells"
    reason = f"line {line} has {count}, the first line has {width}"
    return DataError(reason, row=row, source=source, hint=hint)
