"""Cells to numbers: which cells are numbers and which are missing, in every format.

A number is what ``float`` reads, without its underscores and non-ASCII digits. ``is_missing`` alone
decides which cells hold no value; among numbers such a cell becomes NaN, among text "".
"""

from __future__ import annotations

import math
from collections.abc import Collection
from itertools import product
from numbers import Number

import numpy as np

from layerkit.core.context import Array

_MISSING = ("", "?")
_NAN = frozenset(
    sign + "".join(letters) for sign in ("", "+", "-") for letters in product("nN", "aA", "nN")
)
_NOTHING = ("NAType", "NaTType", "MaskedConstant")
"""Types of pandas.NA, pandas.NaT and numpy.ma.masked, known by name without an import."""


def is_missing(cell: object, spellings: Collection[str] = ()) -> bool:
    """Whether a cell holds no value: the same for inputs, labels, targets and weights.

    None, NaN, pandas' NA and NaT, NumPy's NaT and masked are missing; so is text that is empty,
    ``?`` or a spelling of NaN (``nan``, ``NaN``) once blanks around it are cut; and text that
    equals one of ``spellings`` (``input.missing_values``), or a number of its value.

    >>> is_missing(" ? "), is_missing(float("nan")), is_missing("NA"), is_missing("NA", ["NA"])
    (True, True, False, True)
    """
    if cell is None:
        return True
    if isinstance(cell, (str, bytes)):
        text = _text(cell)
        return text in _MISSING or text in spellings or text in _NAN
    if isinstance(cell, (np.datetime64, np.timedelta64)):  # NumPy counts spans of time as numbers
        return bool(np.isnat(cell))
    if isinstance(cell, Number):
        value = number(cell)
        return value is not None and (math.isnan(value) or value in _values(spellings))
    return type(cell).__name__ in _NOTHING


def missing_texts(spellings: Collection[str] = ()) -> frozenset[str]:
    """All texts, without blanks around them, that ``is_missing`` takes as missing."""
    return _NAN.union(_MISSING, spellings)


def missing_in(cells: Array, spellings: Collection[str] = ()) -> Array:
    """``is_missing`` for each cell of an array: booleans of its shape."""
    kind = cells.dtype.kind
    if kind in "mM":
        return np.isnat(cells)
    if kind in "biuf":
        values = _values(spellings)
        missing: Array = np.isnan(cells) if kind == "f" else np.zeros(cells.shape, np.bool_)
        return missing | np.isin(cells, list(values)) if values and kind != "b" else missing
    found = [is_missing(cell, spellings) for cell in cells.ravel().tolist()]
    return np.array(found, np.bool_).reshape(cells.shape)


def _values(spellings: Collection[str]) -> set[float]:
    return {value for text in spellings if (value := number(text)) is not None}


def number(cell: object, spellings: Collection[str] = ()) -> float | None:
    """The number in a cell, NaN for a missing value, None for a cell that is not a number.

    ``spellings``: see ``is_missing``.
    """
    if spellings and is_missing(cell, spellings):
        return math.nan
    if isinstance(cell, (str, bytes)):
        text = _text(cell)
        if text in _MISSING:
            return math.nan
        return None if "_" in text or not text.isascii() else _float(text)
    if isinstance(cell, (Number, np.bool_)):
        return None if isinstance(cell, (complex, np.complexfloating)) else _float(cell)
    return math.nan if is_missing(cell) else None


def _float(value: object) -> float | None:
    try:
        return float(value)  # type: ignore[arg-type]  # the callers pass what float takes
    except ValueError:  # not a number, or a signalling NaN of decimal
        return None if isinstance(value, str) else math.nan
    except OverflowError:  # a whole number beyond float64
        return math.copysign(math.inf, -1 if value < 0 else 1)  # type: ignore[operator]


def _text(cell: str | bytes) -> str:
    return (cell.decode("utf-8", "replace") if isinstance(cell, bytes) else cell).strip()


def text_cell(cell: object, spellings: Collection[str] = ()) -> str:
    """A cell as text: blanks around it cut, the empty string for a missing value."""
    if is_missing(cell, spellings):
        return ""
    return _text(cell) if isinstance(cell, (str, bytes)) else str(cell).strip()


def as_numbers(cells: Array, spellings: Collection[str] = ()) -> tuple[Array, int | None]:
    """``cells`` of any shape as numbers, and the flat index of the first that is not a number.

    The index is None if all are numbers. Booleans, integers and floats are returned as they are;
    text and objects are read cell by cell into float64, with NaN for a missing value (see
    ``is_missing``).
    """
    if cells.dtype.kind in "biuf":
        missing = missing_in(cells, spellings) if spellings else np.False_
        return (np.where(missing, np.nan, cells) if missing.any() else cells), None
    if cells.dtype.kind not in "USOT":  # complex, dates, structured
        return cells, 0
    found: list[float] = []
    for cell in cells.ravel().tolist():
        value = number(cell, spellings)
        if value is None:
            return cells, len(found)
        found.append(value)
    return np.array(found, np.float64).reshape(cells.shape), None
