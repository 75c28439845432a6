"""Detection of a CSV file's header: whether the first record names the columns."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from layerkit.core.context import Array
from layerkit.data.readers.csv_cells import CellFormat

_PLAIN = re.compile(r"(?:0|[1-9][0-9]{0,8})\Z")
_FAR = 3  # a number further from a column than this many times its range is a header


def has_header(
    first: Sequence[str],
    below: Sequence[Sequence[str]],
    fmt: CellFormat,
    given: bool | None,
    used: Sequence[str],
) -> tuple[bool, str | None]:
    """(whether the first record names the columns, what to report about that).

    ``below`` are the cells of some other records, ``given`` is the user's choice, and ``used`` are
    the names of columns that the spec uses.
    """
    if given is not None:
        return given, None
    cells = [cell.strip() for cell in first]
    positions = [str(i) for i in range(len(cells))]
    names = set(used)
    if names and names <= set(cells) and (cells == positions or not names <= set(positions)):
        return True, None
    columns = [fmt.numbers(column) for column in zip(*below, strict=True)]
    if any(fmt.number(cell) is None for cell in cells):
        return _names_columns(cells, columns, fmt), None
    if _is_numbered(cells, positions, below, columns):
        return True, "the first line, of numbers, is the header"
    return False, None


def _names_columns(cells: Sequence[str], columns: Sequence[Array | None], fmt: CellFormat) -> bool:
    """Whether a first record with text names the columns.

    It does, unless there are columns of numbers and all begin with a number: then its text stands
    in columns of text, and the record is a row.
    """
    if not columns:
        return True
    begins = [fmt.number(cell) for cell in cells]
    over_numbers = [v for v, column in zip(begins, columns, strict=True) if column is not None]
    is_row = None not in over_numbers and any(
        v is not None and not math.isnan(v) for v in over_numbers
    )
    return not is_row


def _is_numbered(
    cells: Sequence[str],
    positions: Sequence[str],
    below: Sequence[Sequence[str]],
    columns: Sequence[Array | None],
) -> bool:
    """Whether a first record of numbers is surely a header: years, or positions.

    Its numbers rise in equal steps and differ from those below: they lie far outside the range of
    their columns, or are integers (positions) where every column below has decimals.
    """
    if len(cells) < 2 or len(below) < 3 or not all(map(_PLAIN.match, cells)):
        return False
    numbers = [int(cell) for cell in cells]
    steps = {b - a for a, b in pairwise(numbers)}
    if len(steps) != 1 or min(steps) <= 0:
        return False
    if list(cells) == list(positions) or numbers[0] == 1:
        decimals = all(
            any("." in cell or "," in cell for cell in c) for c in zip(*below, strict=True)
        )
        if decimals and len(cells) > 2:
            return True
    return all(
        column is not None and _is_far(number, column)
        for number, column in zip(numbers, columns, strict=True)
    )


def _is_far(number: int, column: Array) -> bool:
    values = column[~np.isnan(column)]
    if len(values) < 3:
        return False
    low, high = float(values.min()), float(values.max())
    return max(low - number, number - high) > _FAR * max(high - low, 1.0)
