"""The columns of a table of text, read when they are asked for."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from layerkit.core.layer import Array
from layerkit.data.blocks import Block
from layerkit.data.form import Form
from layerkit.datacontract.parse_cells import number
from layerkit.display import quoted
from layerkit.errors import DataError

__all__ = ["Columns", "Table"]


class Table:
    """The records of a table as blocks of text, and the cells of its columns by position.

    Parameters
    ----------
    blocks
        In order.
    form
        How cells are written.
    names, source
        Of the columns, and of the file.
    wanted
        Positions of columns that are used together: numbers among them are read at once. By
        default those that begin with a number or a missing value.
    """

    def __init__(
        self,
        blocks: Sequence[Block],
        form: Form,
        names: Sequence[str],
        source: str,
        wanted: Sequence[int] | None = None,
    ) -> None:
        self._names, self._source, width = names, source, len(names)
        self.blocks, self.form, self.width = list(blocks), form, width
        self.size = sum(block.size for block in self.blocks)
        self._wanted = wanted
        self._numbers: dict[int, Array | None] = {}

    def written(self, position: int) -> Array:
        """The cells (n,) of a column as written, stripped."""
        cells = (c for b in self.blocks for c in b.cells([position])[0])
        return np.array(list(map(str.strip, cells)), np.str_)

    def column(self, position: int) -> Array:
        """A column (n,): float64, NaN where a value is missing, or str, "" where one is."""
        found = self.numbers(position)
        if found is not None:
            return found
        texts = self.form.texts(c for b in self.blocks for c in b.cells([position])[0])
        return texts if self.form.plain else self._as_python_writes(texts, position)

    def _as_python_writes(self, texts: Array, position: int) -> Array:
        """A column with text, its numbers as ``float`` reads them: so a reader blames the text.

        A number that ``float`` reads alike stays as it is written.

        Raises
        ------
        DataError
            If all cells would be numbers then, and one is none in this dialect.
        """
        form, written = self.form, texts.tolist()
        values = [form.number_of(cell) if cell else None for cell in written]
        known = zip(written, values, strict=True)
        found = [
            cell if value is None or number(cell) == value else repr(value) for cell, value in known
        ]
        odd = [row for row, cell in enumerate(written) if cell and values[row] is None]
        if odd and all(number(written[row]) is not None for row in odd):
            raise DataError(
                f"{quoted(written[odd[0]])} is no number where {quoted(form.decimal)} begins the "
                "decimals",
                row=odd[0],
                column=self._names[position],
                source=self._source,
                hint=_other_spelling(written[odd[0]], form.decimal),
            )
        return np.array(found, np.str_)

    def numbers(self, position: int) -> Array | None:
        """A column as numbers (n,) float64, or None if it has text."""
        if position not in self._numbers:
            together = self._together()
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

    def _together(self) -> list[int]:
        if self._wanted is None:
            first = self.blocks[0].first() if self.blocks else []
            self._wanted = [j for j, c in enumerate(first) if self.form.number(c) is not None]
        return [j for j in self._wanted if j not in self._numbers]

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
    """Some columns of a table by name, perhaps of some of its rows only.

    Attributes
    ----------
    size
        How many rows there are.
    """

    def __init__(
        self, table: Table, positions: Mapping[str, int], index: Array | None = None
    ) -> None:
        self._table, self._positions, self._index = table, dict(positions), index
        self._read: dict[str, Array] = {}
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
        cells = self._table.written(self._positions[name])
        return cells if self._index is None else cells[self._index]


def _other_spelling(cell: str, decimal: str) -> str:
    """What to do about a cell that is a number, but not in this dialect."""
    grouped = re.fullmatch(r"[+-]?\d{1,3}(?:(\D)\d{3})+", cell)
    if grouped is None:
        return f"write it as the other cells, with {quoted(decimal)} before the decimals"
    sign = quoted(grouped[1])
    return f"if {sign} groups its digits, say so: --thousands {sign}, input.thousands"
