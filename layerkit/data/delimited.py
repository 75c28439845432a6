"""Text with a row a line: a character between the cells, perhaps a header.

How it is written is told by the first lines, where the user does not say. The cells are read when
they are asked for: a column that nobody uses costs nothing but its bytes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from itertools import chain

import numpy as np

from layerkit.core.rows import Rows
from layerkit.data.blocks import Block, blocks_of, is_large, pieces_of
from layerkit.data.detect import Settled, settle
from layerkit.data.dialect import Dialect
from layerkit.data.table import Columns, Table
from layerkit.data.textual import whole_lines
from layerkit.errors import DataError

__all__ = ["csv_blocks", "read_csv"]

_HEAD = 1 << 16  # characters that the dialect is told by
_LINES = 20


def read_csv(
    text: str,
    source: str,
    dialect: Dialect | None = None,
    wanted: Sequence[str] | None = None,
    labels: Sequence[str] = (),
) -> Rows:
    """Delimited text: ``columns`` if it has a header or text, else ``values`` (n, w) float64.

    Parameters
    ----------
    text
        With line feeds only.
    dialect
        How it is written; the rest is detected.
    wanted, labels
        Names of columns that are used, and of those of labels: a first line with all of them is a
        header.

    Raises
    ------
    DataError
        If a row has another width than the first, a quote is not closed, a name comes twice, or
        there are no rows.
    """
    head, whole = _head(text)
    settled = settle(
        head, dialect or Dialect(), source, whole=whole, wanted=[*(wanted or ()), *labels]
    )
    line = text.count("\n", 0, settled.body)
    polars = is_large(text)
    pieces = pieces_of(text, settled.body, large=polars)
    form, width = settled.form, settled.width
    blocks = list(blocks_of(pieces, form, width, source, line=line, polars=polars))
    rows = _rows(blocks, settled, source, wanted)
    if len(rows) == 0:
        raise DataError("a header and no rows", source=source)
    return rows


def csv_blocks(
    texts: Iterable[str],
    source: str,
    dialect: Dialect | None = None,
    wanted: Sequence[str] | None = None,
    labels: Sequence[str] = (),
) -> Iterator[Rows]:
    """The rows of a text that comes in pieces of any length, some at a time.

    Raises
    ------
    DataError
        As ``read_csv``, at the piece that holds the fault.
    """
    pieces = whole_lines(texts)
    head = ""
    for piece in pieces:
        head += piece
        if head.count("\n") > _LINES and len(head) > _HEAD:
            break
    else:
        pieces = iter(())
    following = next(pieces, None)
    used = [*(wanted or ()), *labels]
    shown, whole = _head(head)
    whole = whole and following is None
    settled = settle(shown, dialect or Dialect(), source, whole=whole, wanted=used)
    line = head.count("\n", 0, settled.body)
    rest = chain([head[settled.body :]], () if following is None else (following,), pieces)
    block = None
    for block in blocks_of(rest, settled.form, settled.width, source, line=line):
        yield _rows([block], settled, source, wanted)
    if block is None:
        raise DataError("a header and no rows", source=source)


def _head(text: str) -> tuple[str, bool]:
    """The first lines of a text, and whether they are all: the same however much follows."""
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
    blocks: Sequence[Block], settled: Settled, source: str, wanted: Sequence[str] | None
) -> Rows:
    names = settled.names
    given = names or [str(j) for j in range(settled.width)]
    positions = dict(zip(given, range(settled.width), strict=True))
    used = None
    if wanted is not None and names is not None:
        used = [positions[name] for name in wanted if name in positions] or None
    table = Table(blocks, settled.form, given, source, used)
    columns = Columns(table, positions)
    by_position = bool(wanted) and set(wanted or ()) <= set(given)
    if names is None and not by_position:
        values = table.all_numbers()
        if values is not None:
            spelled = partial(_spelled, columns)
            return Rows(values, source=source, spelling=spelled, notes=settled.notes)
    return Rows(columns=columns, source=source, spelling=columns.spelling, notes=settled.notes)


def _spelled(columns: Columns, name: str) -> np.ndarray | None:
    return columns.spelling(name)
