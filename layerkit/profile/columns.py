"""What each column of a table is: kind, counts, range, frequent values, equal columns.

Each column is read once: numbers are sorted, text is counted. The kind follows from these counts
(``layerkit.profile.kinds``); nothing is decided here about what a model should do with a column.
"""

from __future__ import annotations

import hashlib
import math
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from layerkit.core.context import Array
from layerkit.core.rows import Rows
from layerkit.datacontract import as_rows
from layerkit.datacontract.cell_hints import looks_like
from layerkit.datacontract.parse_cells import as_numbers, missing_texts, text_cell
from layerkit.profile.kinds import (
    Kind,
    kind_of_numbers,
    kind_of_text,
    missing_spellings,
    stray_texts,
)

_FREQUENT = 10


@dataclass(frozen=True)
class ColumnProfile:
    """What one column of a table is.

    Parameters
    ----------
    name
        Its name; its position from 0 in a table without names.
    kind
        "numeric"; "boolean" (0 and 1, true and false, yes and no); "categorical" (text of few
        values); "datetime"; "identifier" (another value in each row); "text" (of too many
        values, or of numbers with strays among them);
        "constant"; "empty" (no values at all).
    numbers
        Whether all its values are numbers.
    rows, missing, distinct
        How many rows there are, how many of them lack a value, how many different values there are.
    whole
        Whether it has numbers, all of them whole.
    infinite
        How many of its numbers are infinite; the next four leave them out.
    low, high, mean, deviation
        Range, mean and standard deviation of its numbers; None without a number.
    frequent
        Its (at most ten) most frequent values and how many rows have them, the most frequent first.
    values
        All its values if it is text of at most ``max_categories`` values, sorted; else empty.
    same_as
        The name of an earlier column with the same cells, if there is one.
    spellings
        Cells of a column of numbers that stand for a missing value, such as NA; ``missing`` counts
        them.
    strays
        At most three cells that are no numbers, of a column of text that is nearly all numbers.
    looks_like
        For text, what its most frequent cell looks like and what to do about it, if that is known.
    """

    name: str
    kind: Kind
    numbers: bool
    rows: int
    missing: int
    distinct: int
    whole: bool = False
    infinite: int = 0
    low: float | None = None
    high: float | None = None
    mean: float | None = None
    deviation: float | None = None
    frequent: tuple[tuple[str | float, int], ...] = ()
    values: tuple[str, ...] = ()
    same_as: str | None = None
    spellings: tuple[str, ...] = ()
    strays: tuple[str, ...] = ()
    looks_like: str | None = None

    @property
    def present(self) -> int:
        """How many rows have a value."""
        return self.rows - self.missing

    @property
    def missing_share(self) -> float:
        """The share of rows without a value, 0 to 1."""
        return self.missing / self.rows if self.rows else 0.0


@dataclass(frozen=True)
class TableProfile:
    """What the columns of a table of ``rows`` rows are, in the order of the table."""

    rows: int
    columns: tuple[ColumnProfile, ...]

    def __getitem__(self, name: str) -> ColumnProfile:
        """The column ``name``; KeyError if there is none."""
        for column in self.columns:
            if column.name == name:
                return column
        raise KeyError(name)


def profile_rows(
    rows: object, *, missing_values: Collection[str] = (), max_categories: int = 64
) -> TableProfile:
    """What the columns of ``rows`` are.

    Parameters
    ----------
    rows
        ``Rows``, a table of another library, records or an array (n, w); labels that ``Rows`` hold
        apart from its columns are no column.
    missing_values
        Spellings of a missing value besides an empty cell and ``?``.
    max_categories
        Text of more different values is "text", not "categorical".

    Raises
    ------
    DataError
        If ``rows`` are no table.
    """
    table = as_rows(rows)
    found: list[ColumnProfile] = []
    seen: dict[bytes, str] = {}
    for name, cells in _columns(table):
        column, digest = _profile(name, cells, missing_values, max_categories)
        found.append(replace(column, same_as=seen.get(digest)))
        seen.setdefault(digest, name)
    return TableProfile(len(table), tuple(found))


def _columns(rows: Rows) -> Iterator[tuple[str, Array]]:
    if rows.columns is not None:
        for name in rows.columns:
            yield name, np.asarray(rows.columns[name])
    elif rows.values is not None:
        flat = rows.values.reshape(len(rows.values), -1)
        for j in range(flat.shape[1]):
            yield str(j), flat[:, j]


def _profile(
    name: str, cells: Array, missing_values: Collection[str], most: int
) -> tuple[ColumnProfile, bytes]:
    """The profile of one column, and a digest that equal columns share."""
    if cells.dtype.kind in "mM":
        texts = np.datetime_as_string(cells) if cells.dtype.kind == "M" else cells.astype(str)
        return _of_text(name, texts, {*missing_values, "NaT"}, most, dates=True)
    numbers, odd = as_numbers(cells, missing_values)
    if odd is None:
        return _of_numbers(name, numbers.astype(np.float64))
    spellings = missing_spellings(cells.ravel().tolist(), missing_values)
    if spellings:
        numbers, _ = as_numbers(cells, {*missing_values, *spellings})
        column, digest = _of_numbers(name, numbers.astype(np.float64))
        return replace(column, spellings=spellings), digest
    return _of_text(name, cells, missing_values, most)


def _of_numbers(name: str, numbers: Array) -> tuple[ColumnProfile, bytes]:
    absent = np.isnan(numbers)
    finite = numbers[np.isfinite(numbers)]
    values, counts = np.unique(numbers[~absent], return_counts=True)
    most = np.argsort(-counts, kind="stable")[:_FREQUENT]
    whole = bool(len(finite)) and bool((finite == np.floor(finite)).all())
    facts: dict[str, Any] = {}
    if len(finite):
        with np.errstate(over="ignore", invalid="ignore"):  # a sum near the largest float64
            facts = {
                "low": float(finite.min()),
                "high": float(finite.max()),
                "mean": float(finite.mean()),
                "deviation": float(finite.std()),
            }
    column = ColumnProfile(
        name,
        kind_of_numbers(name, values, len(numbers) - int(absent.sum()), whole=whole),
        numbers=True,
        rows=len(numbers),
        missing=int(absent.sum()),
        distinct=len(values),
        whole=whole,
        infinite=int(np.isinf(numbers).sum()),
        frequent=tuple((float(values[i]), int(counts[i])) for i in most),
        **facts,
    )
    cells = np.where(absent, math.nan, numbers + 0.0)  # one NaN, and no -0.0
    return column, hashlib.blake2b(cells.tobytes()).digest()


def _of_text(
    name: str, cells: Array, missing_values: Collection[str], most: int, *, dates: bool = False
) -> tuple[ColumnProfile, bytes]:
    absent = missing_texts(missing_values)
    texts = [text_cell(cell, missing_values) for cell in cells.ravel().tolist()]
    counts = Counter(texts)
    missing = sum(counts.pop(text) for text in absent.intersection(counts))
    frequent = _most_frequent(counts)
    strays = () if dates else stray_texts(counts)
    kind = "text" if strays else kind_of_text(counts, most, dates=dates)
    column = ColumnProfile(
        name,
        kind,
        numbers=False,
        rows=len(texts),
        missing=missing,
        distinct=len(counts),
        frequent=tuple(frequent),
        values=tuple(sorted(counts)) if len(counts) <= most else (),
        strays=strays,
        looks_like=looks_like(frequent[0][0]) if frequent else None,
    )
    return column, hashlib.blake2b("\0".join(texts).encode("utf-8", "replace")).digest()


def _most_frequent(counts: Counter[str]) -> Sequence[tuple[str, int]]:
    return sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:_FREQUENT]
