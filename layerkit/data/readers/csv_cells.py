"""Cells of a CSV file as numbers, text and labels."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from layerkit.core.context import Array
from layerkit.datacontract.parse_cells import missing_texts, number

_PLAIN_INT = re.compile(r"-?(?:0|[1-9][0-9]{0,18})\Z")
_INT64 = np.iinfo(np.int64)


@dataclass(frozen=True)
class CellFormat:
    """How the cells of one table are written."""

    delimiter: str = ","
    decimal: str = "."
    thousands: str | None = None
    quote: str | None = '"'
    comment: str | None = None
    missing_values: Sequence[str] = ()

    @cached_property
    def missing(self) -> frozenset[str]:
        """The spellings of a missing value, stripped."""
        return frozenset(("", "?", *self.missing_values))

    @cached_property
    def missing_numbers(self) -> tuple[float, ...]:
        """The missing values that are numbers, such as -999, and that a parser takes for data."""
        found = (self.number_of(cell) for cell in self.missing_values)
        return tuple(value for value in found if value is not None and not math.isnan(value))

    @cached_property
    def plain(self) -> bool:
        """Whether ``float`` reads the numbers as they are written."""
        return self.decimal == "." and self.thousands is None

    @cached_property
    def _grouped(self) -> re.Pattern[str]:
        mark = re.escape(self.thousands or "")
        point = re.escape(self.decimal)
        return re.compile(rf"[+-]?[0-9]{{1,3}}(?:{mark}[0-9]{{3}})+(?:{point}[0-9]*)?\Z")

    @cached_property
    def translation(self) -> dict[int, str]:
        """Turns numbers into what ``float`` reads; a "." that is no decimal point spoils them."""
        return {ord("."): "\x01", ord(self.decimal): "."}

    def number(self, cell: str) -> float | None:
        """The number in a cell: NaN for a missing value, None for anything else."""
        text = cell.strip()
        return math.nan if text in self.missing else self.number_of(text)

    def number_of(self, text: str) -> float | None:
        """The number that ``text`` spells, or None."""
        if self.plain:
            return number(text)
        if self.thousands is not None and self._grouped.match(text):
            text = text.replace(self.thousands, "")
        if self.decimal != ".":
            text = text.translate(self.translation)
        return number(text)

    def numbers(self, cells: Sequence[str], *, simple: bool = False) -> Array | None:
        """The cells as (n,) float64, NaN where one is missing, or None if one is text.

        ``simple`` says that no cell has an underscore or a non-ASCII digit, which ``float`` reads.
        """
        if self.plain:
            missing, nan = self.missing, math.nan
            if self.missing_numbers:  # float accepts blanks around a number
                cells = list(map(str.strip, cells))
            try:
                quick = [nan if cell in missing else float(cell) for cell in cells]
            except ValueError:
                pass
            else:
                if simple or _as_float_reads(cells):
                    return np.array(quick, np.float64)
        found: list[float] = []
        for cell in cells:
            value = self.number(cell)
            if value is None:
                return None
            found.append(value)
        return np.array(found, np.float64)

    def texts(self, cells: Iterable[str]) -> Array:
        """The cells as (n,) str, stripped, "" where one is missing."""
        missing = missing_texts(self.missing_values)
        found = ["" if cell in missing else cell for cell in map(str.strip, cells)]
        return np.array(found, np.str_)

    def labels(self, cells: Array) -> tuple[Array, Array | None]:
        """(labels, their spelling) for cells (n,) str as written.

        Labels are integers if all cells are plain integers, numbers if all are numbers, else text.
        The spelling is None if the labels already are what was written.
        """
        written: list[str] = cells.tolist()
        different = dict.fromkeys(written)
        if self._whole(different):
            return np.array(list(map(int, written)), np.int64), None
        numbers = {cell: self.number(cell) for cell in different}
        if None not in numbers.values():
            found = np.array([numbers[cell] for cell in written], np.float64)
            return found, np.array(written, np.str_)
        return self.texts(written), None

    def _whole(self, cells: Iterable[str]) -> bool:
        """Whether all are integers within int64 that are spelled as Python spells them."""
        return not self.missing.intersection(cells) and all(
            _PLAIN_INT.match(cell) and cell != "-0" and _INT64.min <= int(cell) <= _INT64.max
            for cell in cells
        )


def _as_float_reads(cells: Sequence[str]) -> bool:
    """Whether no cell has what only ``float`` allows: underscores and non-ASCII digits."""
    return not any("_" in cell or not cell.isascii() for cell in cells)
