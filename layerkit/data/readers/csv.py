"""CSV and other delimited text: one row per line, a character between the cells, maybe a header.

What the user does not say about the dialect is detected from the first lines. Columns are read when
they are asked for: one that nobody uses costs nothing but its bytes. The steps, each in its module:

``csv_dialect``
    How is the table written? ``csv_header``: does its first line name the columns?
``csv_blocks``
    The text in blocks of whole records, each parsed by NumPy, ``csv_polars`` or Python.
``csv_columns``
    Columns of numbers or text, read from the blocks.
``csv_cells``
    What one cell means: a number, a missing value, a label.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain

from layerkit.core.rows import Rows
from layerkit.data.decode_text import whole_lines
from layerkit.data.dialect import Dialect
from layerkit.data.readers.csv_blocks import Block, blocks_of, is_large, pieces_of
from layerkit.data.readers.csv_columns import Columns, Table
from layerkit.data.readers.csv_dialect import TableFormat, detect_table
from layerkit.errors import DataError

_HEAD = 1 << 16  # characters that the dialect is detected from
_LINES = 20


def read_csv(
    text: str,
    source: str,
    dialect: Dialect,
    columns: Sequence[str] | None = None,
    labels: Sequence[str] = (),
) -> Rows:
    """Delimited text as ``columns`` if it has a header or text, else ``values`` (n, w) float64.

    ``text`` has line feeds only. What ``dialect`` leaves out is detected; a first line that holds
    all of ``columns`` and ``labels`` is a header. Raises DataError if a row is not as wide as the
    first, a quote is not closed, two columns have one name, or there are no rows.
    """
    head, whole = _head(text)
    used = [*(columns or ()), *labels]
    table = detect_table(head, dialect, source, whole=whole, used=used)
    polars = is_large(text)
    pieces = pieces_of(text, table.body, large=polars)
    line = text.count("\n", 0, table.body)
    blocks = list(blocks_of(pieces, table.fmt, table.width, source, line=line, polars=polars))
    if not blocks:
        raise DataError("expected rows after the header, got none", source=source)
    return _rows(blocks, table, source, columns)


def csv_blocks(
    texts: Iterable[str],
    source: str,
    dialect: Dialect,
    columns: Sequence[str] | None = None,
    labels: Sequence[str] = (),
) -> Iterator[Rows]:
    """``read_csv`` in blocks, for a text in pieces of any length.

    Raises DataError with the piece that holds the fault.
    """
    table, start, rest = _begun(texts, source, dialect, [*(columns or ()), *labels])
    line = start.count("\n", 0, table.body)
    rest = chain([start[table.body :]], rest)
    block = None
    for block in blocks_of(rest, table.fmt, table.width, source, line=line):
        yield _rows([block], table, source, columns)
    if block is None:
        raise DataError("expected rows after the header, got none", source=source)


def csv_dialect(texts: Iterable[str], source: str, dialect: Dialect) -> Dialect:
    """How a text in pieces of any length is written: ``dialect``, and what it leaves out detected.

    Raises DataError if there are no rows, or the header is wrong.
    """
    table = _begun(texts, source, dialect, ())[0]
    fmt = table.fmt
    found = Dialect(
        fmt.delimiter, fmt.decimal, fmt.thousands, None, table.names is not None, fmt.comment
    )
    return dialect.over(found)


def _begun(
    texts: Iterable[str], source: str, dialect: Dialect, used: Sequence[str]
) -> tuple[TableFormat, str, Iterator[str]]:
    """(how the table is written, the text that says so, the text after it)."""
    pieces = whole_lines(texts)
    start = ""
    while start.count("\n") <= _LINES or len(start) <= _HEAD:
        piece = next(pieces, None)
        if piece is None:
            break
        start += piece
    following = next(pieces, None)
    head, whole = _head(start)
    whole = whole and following is None
    table = detect_table(head, dialect, source, whole=whole, used=used)
    return table, start, chain(() if following is None else (following,), pieces)


def _head(text: str) -> tuple[str, bool]:
    """(the first lines, whether they are all); the lines do not depend on what follows them."""
    if len(text) <= _HEAD:
        return text, True
    end = 0
    for _ in range(_LINES):
        end = text.find("\n", end) + 1
        if end == 0:
            return text, True
    end = max(end, text.find("\n", min(_HEAD, len(text))) + 1)
    return (text, True) if end >= len(text) else (text[:end], False)


def _rows(
    blocks: Sequence[Block], table: TableFormat, source: str, columns: Sequence[str] | None
) -> Rows:
    names = table.names or [str(j) for j in range(table.width)]
    positions = {name: j for j, name in enumerate(names)}
    together = None
    if columns is not None and table.names is not None:
        together = [positions[name] for name in columns if name in positions] or None
    cells = Table(blocks, table.fmt, names, source, together)
    found = Columns(cells, positions)
    by_position = bool(columns) and set(columns or ()) <= set(names)
    values = None if table.names is not None or by_position else cells.all_numbers()
    return Rows(
        values,
        columns=found if values is None else None,
        source=source,
        spelling=found.spelling,
        notes=table.notes,
    )
