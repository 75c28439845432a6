"""The encoder: raw named columns, some of them categories, as the numeric columns of a model."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Self

import numpy as np

from layerkit.core.context import Array
from layerkit.core.rows import Rows
from layerkit.datacontract.categories import Categorical, learn
from layerkit.datacontract.choose_columns import missing_column
from layerkit.datacontract.shared_fields import check_distinct
from layerkit.display import byte_size, counted, quoted
from layerkit.errors import ShapeError, SpecError

LEARN = "learn"
_LONGEST = 1 << 24  # characters of all names: what the header of a file may hold

Column = str | Mapping[str, Any]
"""One of ``input.columns`` of a resolved spec: the name of a numeric column, or an object with
``name``, ``categories``, ``unknown``, ``missing`` and, for codes, ``encode``."""


@dataclass(frozen=True)
class Encoder:
    """The columns of raw rows in order: names of numeric ones, and categorical ones."""

    fields: tuple[str | Categorical, ...]

    def __post_init__(self) -> None:
        check_distinct(self.names, "input.columns")
        size = sum(field.name_size for field in self.fields if not isinstance(field, str))
        if size > _LONGEST:  # before any of them is made: a file can ask for terabytes
            reason = f"the names of the inputs (COLUMN=CATEGORY) take {byte_size(size)}: expected "
            reason += f"at most {byte_size(_LONGEST)}"
            raise SpecError(reason, location="input.columns")

    @classmethod
    def of(cls, columns: Sequence[str | Mapping[str, Any]] | None) -> Self | None:
        """The encoder of ``input.columns``, resolved; None if all of them are numeric.

        Raises SpecError if categories are still to be ``learned``.
        """
        if columns is None or all(isinstance(column, str) for column in columns):
            return None
        return cls(tuple(c if isinstance(c, str) else _categorical(c) for c in columns))

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The raw columns."""
        return tuple(field if isinstance(field, str) else field.name for field in self.fields)

    @cached_property
    def columns(self) -> tuple[str, ...]:
        """The numeric columns, in the order of the raw ones."""
        return tuple(name for field in self.fields for name in _columns_of(field))

    @cached_property
    def owners(self) -> tuple[int, ...]:
        """For each numeric column, which of ``fields`` it comes from."""
        return tuple(i for i, field in enumerate(self.fields) for _ in _columns_of(field))

    @cached_property
    def raw_first(self) -> bool:
        """Whether an array of numbers could be raw cells or codes, and is taken as raw cells."""
        coded = any(not isinstance(f, str) and f.encode == "code" for f in self.fields)
        return coded and len(self.names) == len(self.columns)

    @cached_property
    def numeric(self) -> Array:
        """The places of the columns that are numbers in raw rows, too: (m,) int64."""
        found = [j for j, i in enumerate(self.owners) if isinstance(self.fields[i], str)]
        return np.array(found, np.int64)

    @cached_property
    def groups(self) -> dict[int, slice]:
        """For each categorical one of ``fields``, by its place, the places of its columns."""
        starts = np.searchsorted(self.owners, np.arange(len(self.fields) + 1)).tolist()
        return {
            i: slice(starts[i], starts[i + 1])
            for i, field in enumerate(self.fields)
            if not isinstance(field, str)
        }

    def spread(self, numbers: Array, rest: float) -> Array:
        """One number for each numeric column, (m,), as one for each column; ``rest`` elsewhere.

        Raises ShapeError if there are more or fewer of them.
        """
        if numbers.shape != self.numeric.shape:
            wanted = counted(len(self.numeric), "number")
            raise ShapeError(f"expected {wanted}, one for each numeric column, got {numbers.size}")
        out = np.full(len(self.columns), rest)
        out[self.numeric] = numbers
        return out

    def encode(self, rows: Rows, spellings: Collection[str] = (), *, alone: bool = False) -> Rows:
        """``rows`` with the numeric columns instead of the raw ones.

        An array of raw cells goes by position; one of numbers (n, w) is encoded already and stays,
        unless codes leave open which it is (``raw_first``): then ``rows.encoded`` says so.
        ``alone``: an array (m,) may be one row. Raises DataError as ``Categorical.numbers`` does,
        and if a column is missing.
        """
        there = self._by_name(rows, alone=alone)
        if there is None:
            return rows
        absent = [name for name in self.names if name not in there]
        if absent:
            raise missing_column(absent, list(there), rows.source)
        found: dict[str, Array] = {}
        for field in self.fields:
            if isinstance(field, str):
                found[field] = there[field]
            else:
                cells = _as_written(rows, there, field.name)
                numbers = field.numbers(cells, spellings, rows.source)
                found |= zip(field.columns, numbers, strict=True)
        return replace(rows, values=None, columns=found, spelling=None)

    def _by_name(self, rows: Rows, *, alone: bool) -> Mapping[str, Array] | None:
        values = rows.values
        encoded = len(self.names) == len(self.columns) and not self.raw_first
        if values is not None and (rows.encoded or (encoded and values.dtype.kind in "biuf")):
            return None
        return named(rows, self.names, alone=alone)

    def with_others(self, x: Array | None) -> Self:
        """The same encoder, ``others`` counted in encoded training rows x (n, w); 0 for None."""
        fields = list(self.fields)
        for i, place in self.groups.items():
            field: Any = fields[i]
            others = 0 if x is None else int(np.count_nonzero(field.unlisted(x[:, place])))
            fields[i] = replace(field, others=others)
        return replace(self, fields=tuple(fields))


def _columns_of(field: str | Categorical) -> tuple[str, ...]:
    return (field,) if isinstance(field, str) else field.columns


def _categorical(column: Mapping[str, Any]) -> Categorical:
    name, listed = column["name"], column["categories"]
    if listed == LEARN:
        reason = f"the categories of {quoted(name)} are still to be learned"
        raise SpecError(reason, location="input.columns")
    kept = {key: column[key] for key in ("unknown", "missing", "encode") if key in column}
    return Categorical(name, tuple(listed), **kept)


def named(rows: Rows, names: Sequence[str], *, alone: bool = False) -> Mapping[str, Array] | None:
    """The columns of ``rows`` by name, those of an array (n, m) by position; None if it differs.

    ``alone``: an array (m,) is one row.
    """
    values = rows.values
    if values is None:
        return rows.columns
    if alone and values.shape == (len(names),):
        values = values[None]
    if values.ndim != 2 or values.shape[1] != len(names):
        return None
    return {name: values[:, j] for j, name in enumerate(names)}


def _as_written(rows: Rows, columns: Mapping[str, Array], name: str) -> Array:
    """The cells (n,) of one of ``columns`` of ``rows`` as their source spells them.

    "" where a value is missing by the rules of the source, which may know more spellings.
    """
    cells = np.asarray(columns[name])
    written = None if rows.spelling is None else rows.spelling(name)
    if written is None:
        return cells
    gaps = np.isnan(cells) if cells.dtype.kind == "f" else cells == ""
    return np.where(gaps, "", written) if gaps.any() else written


def learned(
    columns: Sequence[Column], rows: Rows, spellings: Collection[str] = ()
) -> list[str | dict[str, Any]]:
    """``columns`` with the categories of ``rows`` instead of "learn".

    Where a column has more than its ``max``, the others become "other". Raises DataError if a
    column is missing or has no categories.
    """
    names = [c if isinstance(c, str) else c["name"] for c in columns]
    there = named(rows, names) or {}
    found: list[str | dict[str, Any]] = []
    for column, name in zip(columns, names, strict=True):
        if isinstance(column, str) or column["categories"] != LEARN:
            found.append(column if isinstance(column, str) else dict(column))
            continue
        if name not in there:
            raise missing_column([name], list(there), rows.source)
        cells = _as_written(rows, there, name)
        most, source = column["max"], rows.source
        listed, left_out = learn(cells, name, most=most, spellings=spellings, source=source)
        explicit = {key: value for key, value in column.items() if key != "max"}
        explicit["categories"] = list(listed)
        explicit["unknown"] = "other" if left_out else column["unknown"]
        found.append(explicit)
    return found
