"""Columns of a CSV file, read when they are asked for."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from layerkit.core.context import Array
from layerkit.data.readers.csv_blocks import Block
from layerkit.data.readers.csv_cells import CellFormat
from layerkit.datacontract.parse_cells import number
from layerkit.display import quoted
from layerkit.errors import DataError


class Table:
    """The columns of a table by position, read from blocks of text, which are in order.

    ``together`` are positions of columns that are used together: their numbers are read at once. By
    default those that begin with a number or a missing value.
    """

    def __init__(
        self,
        blocks: Sequence[Block],
        fmt: CellFormat,
        names: Sequence[str],
        source: str,
        together: Sequence[int] | None = None,
    ) -> None:
        self._names, self._source = names, source
        self.blocks, self.fmt, self.width = list(blocks), fmt, len(names)
        self.size = sum(block.size for block in self.blocks)
        self._together = together
        self._numbers: dict[int, Array | None] = {}

    def spelling(self, position: int) -> Array:
        """The cells (n,) of a column as written, stripped."""
        return np.array(list(map(str.strip, self._cells(position))), np.str_)

    def _cells(self, position: int) -> Iterator[str]:
        return (cell for block in self.blocks for cell in block.cells([position])[0])

    def column(self, position: int) -> Array:
        """A column (n,): float64, NaN where a value is missing, or str, "" where one is."""
        found = self.numbers(position)
        if found is not None:
            return found
        texts = self.fmt.texts(self._cells(position))
        return texts if self.fmt.plain else self._with_plain_numbers(texts, position)

    def _with_plain_numbers(self, texts: Array, position: int) -> Array:
        """A column with text whose numbers are written so that ``float`` reads them.

        A later error then names the cell that is text. Numbers that ``float`` reads correctly stay
        as they are written. Raises DataError if ``float`` reads every cell, though one is not a
        number in this dialect.
        """
        fmt, written = self.fmt, texts.tolist()
        values = [fmt.number_of(cell) if cell else None for cell in written]
        known = zip(written, values, strict=True)
        found = [
            cell if value is None or number(cell) == value else repr(value) for cell, value in known
        ]
        odd = [row for row, cell in enumerate(written) if cell and values[row] is None]
        if odd and all(number(written[row]) is not None for row in odd):
            cell = written[odd[0]]
            raise DataError(
                f"{quoted(cell)} is not a number, as the decimal mark is {quoted(fmt.decimal)}",
                row=odd[0],
                column=self._names[position],
                source=self._source,
                hint=_spelling_hint(cell, fmt.decimal),
            )
        return np.array(found, np.str_)

    def numbers(self, position: int) -> Array | None:
        """A column as numbers (n,) float64, or None if it has text."""
        if position not in self._numbers:
            together = self._read_together()
            self._read(together if position in together else [position])
        return self._numbers[position]

    def all_numbers(self) -> Array | None:
        """All columns as one array (n, width) float64, or None if there is text."""
        columns: list[Array] = []
        for j in range(self.width):
            found = self.numbers(j)
            if found is None:
                return None
            columns.append(found)
        return np.stack(columns, axis=1)

    def _read_together(self) -> list[int]:
        if self._together is None:
            first = self.blocks[0].first() if self.blocks else []
            self._together = [j for j, c in enumerate(first) if self.fmt.number(c) is not None]
        return [j for j in self._together if j not in self._numbers]

    def _read(self, positions: Sequence[int]) -> None:
        whole = np.empty((len(positions), self.size), np.float64)
        row = {j: i for i, j in enumerate(positions)}
        mixed: set[int] = set()
        left, start = list(positions), 0
        for block in self.blocks:
            values = block.numbers(left, mixed) if left else []
            for j, value in zip(list(left), values, strict=True):
                if value is None:
                    left.remove(j)
                    self._numbers[j] = None
                else:
                    whole[row[j], start : start + block.size] = value
            start += block.size
        for j in left:
            self._numbers[j] = whole[row[j]]


class Columns(Mapping[str, Array]):
    """Columns of a table by name, in all rows or some of them; ``size`` is how many."""

    def __init__(
        self, table: Table, positions: Mapping[str, int], index: Array | None = None
    ) -> None:
        self._table, self._positions, self._index = table, dict(positions), index
        self._read: dict[str, Array] = {}
        self._spelled: dict[str, Array] = {}
        self.size = table.size if index is None else len(index)

    def __getitem__(self, name: str) -> Array:
        if name not in self._read:
            column = self._table.column(self._positions[name])
            self._read[name] = column if self._index is None else column[self._index]
        return self._read[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._positions)

    def __len__(self) -> int:
        return len(self._positions)

    def __contains__(self, name: object) -> bool:
        return name in self._positions

    def take(self, index: Array | slice) -> Columns:
        """The rows at ``index``, in that order."""
        rows = np.arange(self.size) if self._index is None else self._index
        return Columns(self._table, self._positions, rows[index])

    def without(self, names: Sequence[str]) -> Columns:
        """The other columns."""
        left = {name: j for name, j in self._positions.items() if name not in names}
        return Columns(self._table, left, self._index)

    def spelling(self, name: str) -> Array | None:
        """The cells (n,) of a column as written."""
        if name not in self._positions:
            return None
        if name not in self._spelled:
            cells = self._table.spelling(self._positions[name])
            self._spelled[name] = cells if self._index is None else cells[self._index]
        return self._spelled[name]


def _spelling_hint(cell: str, decimal: str) -> str:
    """What to do about a number that is not written in the file's dialect."""
    grouped = re.fullmatch(r"[+-]?\d{1,3}(?:(\D)\d{3})+", cell)
    if grouped is None:
        return f"write it like the other cells, with {quoted(decimal)} as the decimal mark"
    sign = quoted(grouped[1])
    return f"if {sign} groups its digits: --thousands {sign}, input.thousands"
