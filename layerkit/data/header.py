"""Whether the first record of a table names its columns."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from layerkit.core.layer import Array
from layerkit.data.form import Form

__all__ = ["has_header"]

_PLAIN = re.compile(r"(?:0|[1-9][0-9]{0,8})\Z")
_FAR = 3  # how many spreads of a column its header of a number lies outside


def has_header(
    first: Sequence[str],
    below: Sequence[Sequence[str]],
    form: Form,
    given: bool | None,
    wanted: Sequence[str] | None,
) -> tuple[bool, str | None]:
    """Whether it does, and what is to be told of that, if anything.

    Parameters
    ----------
    first, below
        Cells of the first record, and of some of the others.
    given
        What the user said.
    wanted
        Names that the spec uses.
    """
    if given is not None:
        return given, None
    cells = [cell.strip() for cell in first]
    positions = [str(i) for i in range(len(cells))]
    if (
        wanted
        and set(wanted) <= set(cells)
        and (cells == positions or not set(wanted) <= set(positions))
    ):
        return True, None
    columns = [form.numbers(column) for column in zip(*below, strict=True)]
    if not all(form.number(cell) is not None for cell in cells):
        return _names_columns(cells, columns, form), None
    if _is_numbered(cells, positions, below, columns):
        return True, "the first line, of numbers, names the columns"
    return False, None


def _names_columns(cells: Sequence[str], columns: Sequence[Array | None], form: Form) -> bool:
    """Whether a first record with text names the columns.

    It does, unless each column of numbers begins with a number (and there is one): then the text
    stands in columns of text, and the record is a row like the others.
    """
    if not columns:
        return True
    begins = [form.number(cell) for cell in cells]
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
    """Whether a first record of numbers is a header beyond doubt: years, or positions.

    Its numbers rise in equal steps, and are no values of their columns: they lie far outside of
    what is below, or (positions) are whole where each column below has decimals.
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
