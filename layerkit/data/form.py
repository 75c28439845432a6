"""The dialect of one file, settled: how its cells become numbers and text."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from layerkit.core.layer import Array
from layerkit.datacontract.parse_cells import missing_texts, number

__all__ = ["Form"]

_PLAIN_INT = re.compile(r"-?(?:0|[1-9][0-9]{0,18})\Z")
_INT64 = np.iinfo(np.int64)


@dataclass(frozen=True)
class Form:
    """How the cells of a table are written; nothing is left open.

    Parameters
    ----------
    delimiter, decimal
        One character each.
    thousands, quote, comment
        None for none.
    missing_values
        Further spellings of a missing value.
    """

    delimiter: str = ","
    decimal: str = "."
    thousands: str | None = None
    quote: str | None = '"'
    comment: str | None = None
    missing_values: tuple[str, ...] = ()

    @cached_property
    def missing(self) -> frozenset[str]:
        """The spellings of a missing value, stripped."""
        return frozenset(("", "?", *self.missing_values))

    @cached_property
    def missing_numbers(self) -> tuple[float, ...]:
        """Numbers that spell a missing value, such as -999: what a parser of numbers would take."""
        found = (self.number_of(cell) for cell in self.missing_values)
        return tuple(value for value in found if value is not None and not math.isnan(value))

    @cached_property
    def plain(self) -> bool:
        """Whether numbers are written as ``float`` reads them."""
        return self.decimal == "." and self.thousands is None

    @cached_property
    def _grouped(self) -> re.Pattern[str]:
        mark = re.escape(self.thousands or "")
        point = re.escape(self.decimal)
        return re.compile(rf"[+-]?[0-9]{{1,3}}(?:{mark}[0-9]{{3}})+(?:{point}[0-9]*)?\Z")

    @cached_property
    def translation(self) -> dict[int, str]:
        """To numbers as ``float`` reads them; a decimal point that is none becomes no number."""
        return {ord("."): "\x01", ord(self.decimal): "."}

    def number(self, cell: str) -> float | None:
        """The number in a cell, NaN for a missing value, None for what is no number."""
        text = cell.strip()
        return math.nan if text in self.missing else self.number_of(text)

    def number_of(self, text: str) -> float | None:
        """The number that ``text`` spells, None for what is no number."""
        if self.plain:
            return number(text)
        if self.thousands is not None and self._grouped.match(text):
            text = text.replace(self.thousands, "")
        if self.decimal != ".":
            text = text.translate(self.translation)
        return number(text)

    def numbers(self, cells: Sequence[str], *, simple: bool = False) -> Array | None:
        """The cells as (n,) float64, NaN where one is missing, or None if one is text.

        ``simple``: none has an underscore or a foreign digit, which ``float`` takes.
        """
        if self.plain:
            missing, nan = self.missing, math.nan
            if self.missing_numbers:  # float takes one with blanks around it, too
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
        """Labels and how they are spelled, of cells (n,) str as written.

        Integers where all are plain integers, numbers where all are numbers, else text. The
        spelling is None where the labels are what was written.
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
        """Whether all are plain whole numbers within int64, of one spelling each."""
        return not self.missing.intersection(cells) and all(
            _PLAIN_INT.match(cell) and cell != "-0" and _INT64.min <= int(cell) <= _INT64.max
            for cell in cells
        )


def _as_float_reads(cells: Sequence[str]) -> bool:
    """Whether none has what ``float`` allows and a cell does not: underscores, foreign digits."""
    return not any("_" in cell or not cell.isascii() for cell in cells)
