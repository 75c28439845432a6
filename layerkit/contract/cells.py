"""Cells to numbers: what counts as a number, what as missing, in every format and in the contract.

A number is what ``float`` reads, without its underscores and non-ASCII digits. An empty cell and
``?`` are missing values: NaN among numbers, the empty string among text.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np

from layerkit.layer import Array

__all__ = ["as_numbers", "is_text", "label_of", "number", "text_cell"]

_MISSING = ("", "?")


def number(cell: object) -> float | None:
    """The number in a cell, NaN for a missing value, None for what is no number."""
    if cell is None:
        return math.nan
    if isinstance(cell, (bool, int, float, np.bool_, np.integer, np.floating)):
        return _float(cell)
    if isinstance(cell, bytes):
        cell = cell.decode("utf-8", "replace")
    if not isinstance(cell, str):
        return None
    text = cell.strip()
    if text in _MISSING:
        return math.nan
    if "_" in text or not text.isascii():
        return None
    return _float(text)


def _float(value: object) -> float | None:
    try:
        return float(value)  # type: ignore[arg-type]  # the callers pass what float takes
    except ValueError:
        return None
    except OverflowError:  # a whole number beyond float64
        return math.inf


def text_cell(cell: object) -> str:
    """A cell as text: blanks around it cut, the empty string for a missing value."""
    if cell is None:
        return ""
    text = (cell.decode("utf-8", "replace") if isinstance(cell, bytes) else str(cell)).strip()
    return "" if text == "?" else text


def is_text(cells: Array) -> bool:
    """Whether the array holds text or objects, so that its cells must be read one by one."""
    return cells.dtype.kind in "USO"


def as_numbers(cells: Array) -> tuple[Array, int | None]:
    """``cells`` as an array of numbers, and the flat index of the first that is no number.

    Parameters
    ----------
    cells
        Any shape. Booleans, integers and floats come back as they are; text and objects are read
        cell by cell into float64, with NaN for a missing value.

    Returns
    -------
    tuple
        The numbers in the shape of ``cells``; the index is None if all cells are numbers.
    """
    if cells.dtype.kind in "biuf":
        return cells, None
    if not is_text(cells):  # complex, dates, structured
        return cells, 0
    found: list[float] = []
    for cell in _flat(cells):
        value = number(cell)
        if value is None:
            return cells, len(found)
        found.append(value)
    return np.array(found, np.float64).reshape(cells.shape), None


def _flat(cells: Array) -> Iterable[object]:
    flat: list[object] = cells.ravel().tolist()
    return flat


def label_of(value: object) -> str | int | float:
    """A label as text, or as a number: whole numbers as int, whatever their type was."""
    if isinstance(value, (bytes, str)) or value is None:
        return text_cell(value)
    found = number(value)
    if found is None:
        return str(value)
    return int(found) if math.isfinite(found) and found == int(found) else found
