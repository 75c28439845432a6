"""The input half of the data contract: raw rows to the array that the model is fed.

It holds all that is needed to read raw rows: shape, column names in order, categories, fill values
and scaler. It is fitted to the training rows once and never changes; rows that do not keep it are
refused.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Literal, Self, TypeGuard

import numpy as np

from layerkit.core.context import Array, Shape
from layerkit.core.rows import Rows
from layerkit.datacontract.cell_errors import not_a_number, not_whole, unusable_number
from layerkit.datacontract.choose_columns import column_names, missing_column
from layerkit.datacontract.convert_rows import as_rows, one_batch
from layerkit.datacontract.encoder import Column, Encoder
from layerkit.datacontract.parse_cells import as_numbers
from layerkit.datacontract.scaling import (
    Missing,
    Scale,
    centered,
    fit_fill,
    fit_scaler,
    min_and_max,
)
from layerkit.datacontract.shared_fields import (
    MOST_NUMBERS,
    check_distinct,
    freeze_numbers,
    freeze_scaler,
    from_fields,
    lengths,
    to_fields,
)
from layerkit.datacontract.table_fields import read_fields, write_fields
from layerkit.display import counted
from layerkit.errors import DataError, ShapeError, SpecError

_DTYPES: dict[str, np.dtype[Any]] = {
    "float32": np.dtype(np.float32),
    "float64": np.dtype(np.float64),
}

_EXACT = 1 << 24
"""Whole numbers up to here are told apart in float32."""


def all_finite(x: Array) -> bool:
    """Whether ``x``, floats, holds no NaN and no infinity: a microsecond for a row in C order."""
    # NaN and infinity show in the sum of squares; so do large numbers, hence the second look.
    return math.isfinite(np.vdot(x, x)) or bool(np.isfinite(x).all())


@dataclass(frozen=True, eq=False)
class InputContract:
    """What an input row must look like, and how it becomes numbers for the model.

    The last axis of ``shape``, of size w, is that of the columns. The arrays are (w,) float64;
    without ``columns`` they may be (1,): one number for every element. Rows of more than 65,536
    elements are described so, since a file has no place for more. With ``encoder``, all of this is
    about the numeric columns that it makes of the raw ones. Raises SpecError or ShapeError if the
    fields do not fit together.
    """

    shape: Shape  # of a row, without the batch axis
    dtype: Literal["float32", "float64"] = "float32"  # that the model is fed
    columns: tuple[str, ...] | None = None  # in the model's order; None: they go by position
    center: Array | None = None  # with scale: the model is fed (x - center) / scale
    scale: Array | None = None
    low: Array | None = None  # with high: the range that training saw, not enforced
    high: Array | None = None
    missing: Array | None = None  # replaces missing values; None: rows with one are refused
    missing_values: tuple[str, ...] = ()  # further spellings of a missing value
    encoder: Encoder | None = None  # makes ``columns``; None: they are the raw ones
    whole: Array | None = None  # (numbers of a row,): whole ones below it, any where 0; by layers

    def __post_init__(self) -> None:
        if not self.shape or min(self.shape) < 0:
            reason = f"expected one or more sizes >= 0, got {list(self.shape)}"
            raise SpecError(reason, location="input.shape")
        if self.columns is not None:
            check_distinct(self.columns, "input.columns")
            if len(self.columns) != self.width:
                reason = f"{counted(len(self.columns), 'column')} for a last axis of {self.width}"
                raise ShapeError(reason, location="input.columns")
        allowed = lengths(self.width, self.columns)
        freeze_scaler(self, allowed, "input")
        freeze_numbers(self, ("missing",), allowed, "input")
        limits = freeze_numbers(self, ("low", "high"), allowed, "input")
        if self.whole is not None and self.whole.shape != (math.prod(self.shape),):
            reason = f"expected {math.prod(self.shape)} bounds, got shape {list(self.whole.shape)}"
            raise ShapeError(reason, location="input.whole")
        if limits and (limits[0] > limits[1]).any():
            raise SpecError("low lies above high", location="input.low")

    @property
    def width(self) -> int:
        """w, the size of the last axis."""
        return self.shape[-1]

    @property
    def raw_columns(self) -> tuple[str, ...] | None:
        """The columns that raw rows must have, in the model's order; None: they go by position."""
        return self.columns if self.encoder is None else self.encoder.names

    @property
    def numbers(self) -> int:
        """How many numbers the scaler and the range have when fitted: w, or 1 if w is too many."""
        return self.width if self.columns or self.width <= MOST_NUMBERS else 1

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, InputContract):
            return False
        return (self.to_spec(), self.table()) == (other.to_spec(), other.table())

    __hash__ = None  # type: ignore[assignment]  # holds arrays

    def matrix(self, rows: Rows | Array | Sequence[Any] | Mapping[str, Any]) -> Array:
        """Raw rows as (n, *shape), checked, missing values filled, not yet scaled.

        In ``dtype``, or in float64 where subtracting the center would magnify its rounding. The
        array may share memory with ``rows``, which is never written to.

        ``rows`` are ``Rows``; an array or nested sequence (n, *shape) or (n, prod(shape)), or one
        row of ``shape``; a mapping, a table or sequence of mappings with named columns. Columns are
        picked by name in the contract's order, others ignored; without names on either side they go
        by position. With categories, an array may also hold the raw cells (n, raw columns); where
        these are as many as the numbers, see ``Encoder.raw_first``.

        Raises DataError if a column is missing, the width differs, or a cell is text, missing
        (unless the contract has a value for it), infinite or too large for ``dtype``; or if it is
        none of the categories of its column.
        """
        plain = self.whole is None and not self.missing_values
        if plain and self.fits(rows) and self._sound(rows):
            return rows
        given = as_rows(rows)
        numbers = self._numbers(given, alone=not isinstance(rows, Rows))
        return self._checked(numbers, given.source)

    def raw(self, rows: Rows | Array | Sequence[Any] | Mapping[str, Any]) -> Array:
        """Raw rows as (n, *shape) numbers of any real dtype, NaN where missing, not yet filled.

        Raises DataError as ``matrix`` does, except for missing and infinite values, which stay.
        """
        return self._numbers(as_rows(rows), alone=not isinstance(rows, Rows))

    def fits(self, rows: object) -> TypeGuard[Array]:
        """Whether ``matrix`` would return ``rows`` themselves, if all numbers are finite."""
        return (
            type(rows) is np.ndarray
            and (rows.dtype == self._dtype or (self.wide and rows.dtype in _DTYPES.values()))
            and rows.shape[1:] == self.shape
            and rows.flags.c_contiguous
            and not (self.encoder is not None and self.encoder.raw_first)
        )

    def given_back(self, x: Array) -> Rows | Array:
        """What ``matrix`` takes as x (n, *shape), which it gave or which is drawn like that."""
        first = self.encoder is not None and self.encoder.raw_first
        return Rows(values=x, encoded=True) if first else x

    def _sound(self, x: Array) -> bool:
        """Whether all of x, floats, is finite, and also after scaling."""
        return all_finite(self.scale_rows(x) if self.wide else x)

    @cached_property
    def _dtype(self) -> np.dtype[Any]:
        return _DTYPES[self.dtype]

    @cached_property
    def wide(self) -> bool:
        """Whether rows are scaled in float64, to keep digits: the center is not 0, or ``dtype``
        cannot hold the scale.
        """
        if self.center is None or self.scale is None or self.dtype == "float64":
            return self.center is not None and bool(self.center.any())
        info = np.finfo(self.dtype)
        size = np.abs(self.scale)
        fits = (size >= info.tiny) & (size <= info.max)
        return bool(self.center.any()) or not bool(fits.all())

    @property
    def raw_dtype(self) -> np.dtype[Any]:
        """Of the raw rows that ``matrix`` gives."""
        return np.dtype(np.float64) if self.wide else self._dtype

    def scale_rows(self, x: Array) -> Array:
        """(x - center) / scale in ``dtype``, for x (n, *shape) from ``matrix``; x is kept."""
        if self.wide:
            return centered(x, self.center, self.scale, self._dtype)  # type: ignore[arg-type]  # wide
        if x.dtype != self._dtype:
            x = x.astype(self._dtype)
        return x if self._divisor is None else x / self._divisor

    @cached_property
    def _divisor(self) -> Array | None:
        """``scale`` in ``dtype``; None if there is none."""
        return None if self.scale is None else self.scale.astype(self.dtype)

    def _numbers(self, given: Rows, *, alone: bool = False) -> Array:
        """(n, *shape) numbers of any real dtype, NaN where missing; ``alone``: may be one row."""
        given = self.encoded(given, alone=alone)
        if given.columns is not None:
            return self._by_column(given)
        values = given.values
        if values is None:
            raise DataError("these rows have labels, but no input columns", source=given.source)
        batch = one_batch(values, self.shape, alone=alone)
        if batch is None:
            raise self._other_width(given, values.shape)
        numbers, bad = as_numbers(batch, self.missing_values)
        if bad is not None:
            row, place = divmod(bad, math.prod(self.shape))
            column, cell = self.name_of(place), batch.ravel()[bad]
            raise not_a_number(cell, row=row, column=column, source=given.source)
        return numbers

    def encoded(self, rows: Rows, *, alone: bool = False) -> Rows:
        """``rows`` with ``columns`` instead of the raw ones; ``alone``: may be one row.

        Raises DataError if a cell is none of the categories of its column.
        """
        if self.encoder is None:
            return rows
        return self.encoder.encode(rows, self.missing_values, alone=alone)

    def _other_width(self, given: Rows, shape: Shape) -> DataError:
        """The error for ``values`` (of ``shape``) that are not rows of this contract."""
        table = len(self.shape) == 1 and len(shape) == 2
        found = f"{shape[1]:,}" if table else f"rows of shape {list(shape[1:])}"
        hint: str | None = f"the array given has shape {list(shape)}, rows first"
        if table and given.spelling is not None:  # a text file
            wider = shape[1] > self.shape[0]
            hint = "remove the extra columns, or name the label column with --label"
            hint = f"{hint} (in Python: labels=)" if wider else None
        reason = f"expected {self._row_size()} per row, got {found}"
        return DataError(reason, source=given.source, hint=hint)

    def _by_column(self, given: Rows) -> Array:
        there = given.columns or {}
        names = self.columns
        if names is None:
            if len(there) != math.prod(self.shape):
                columns = counted(len(there), "column")
                raise DataError(
                    f"expected {self._row_size()} per row, got {columns}",
                    source=given.source,
                    hint=f"columns found: {', '.join(there)}\nthis model takes columns by "
                    "position: leave out the others, or name the label column",
                )
            names = tuple(there)
        absent = [name for name in names if name not in there]
        if absent:
            raise missing_column(absent, list(there), given.source)
        out = np.empty((len(given), len(names)), np.float64)
        for j, name in enumerate(names):
            column = np.asarray(there[name])
            numbers, bad = as_numbers(column, self.missing_values)
            if bad is not None:
                raise not_a_number(column[bad], row=bad, column=name, source=given.source)
            out[:, j] = numbers
        return out.reshape(len(out), *self.shape)

    def _checked(self, x: Array, source: str) -> Array:
        """``x`` in ``raw_dtype``, missing values filled, all finite and also after scaling.

        Whole numbers are in the domains that layers take.
        """
        self._check_whole(x, source)
        with np.errstate(over="ignore"):
            out = self._filled(x).astype(self.raw_dtype, copy=False)
            if (x.dtype.kind != "f" and not self.wide) or self._sound(out):
                return out
            raise self._not_finite(x, np.isfinite(self.scale_rows(out)), source)

    def _filled(self, x: Array) -> Array:
        """``x`` with fill values in place of missing ones."""
        if self.missing is None or x.dtype.kind != "f":
            return x
        gaps = np.isnan(x)
        return np.where(gaps, self.missing, x) if gaps.any() else x

    def _check_whole(self, x: Array, source: str) -> None:
        """Refuse the first number of ``x`` that lies outside the domain that a layer takes."""
        if self.whole is None:
            return
        flat = x.reshape(len(x), self.whole.size)
        below = self.whole if self.dtype == "float64" else np.minimum(self.whole, _EXACT)
        right = (flat >= 0) & (flat < below) & (flat == np.floor(flat))  # False for NaN
        right |= below == 0
        if not right.all():
            row, element = map(int, np.argwhere(~right)[0])
            value, bound = float(flat[row, element]), int(below[element])
            raise not_whole(value, bound, row, self.name_of(element), source)

    def _not_finite(self, x: Array, finite: Array, source: str) -> DataError:
        """The error for the first number of ``x`` that is not finite, or not once it is scaled."""
        place = tuple(int(i) for i in np.argwhere(~finite)[0])
        at = self.name_of(int(np.ravel_multi_index(place[1:], self.shape)))
        value = float(x[place])
        return unusable_number(value, self.dtype, place[0], at, source, scaled=self.wide)

    def name_of(self, element: int) -> str | int:
        """The column of an element of a row: its name, or its position if it has none."""
        return self.columns[element] if self.columns and len(self.shape) == 1 else element

    def raw_name_of(self, element: int) -> str | int:
        """The raw column that an element of a row comes from: its name, or its position."""
        if self.encoder is None:
            return self.name_of(element)
        return self.encoder.names[self.encoder.owners[element]]

    def is_category(self, element: int) -> bool:
        """Whether an element of a row is one of those of a column of categories."""
        encoder = self.encoder
        return encoder is not None and not isinstance(encoder.fields[encoder.owners[element]], str)

    def _row_size(self) -> str:
        numbers = counted(math.prod(self.shape), "number")
        if self.encoder is not None:
            return f"{counted(len(self.encoder.names), 'cell')} (or {numbers})"
        return numbers if len(self.shape) == 1 else f"{list(self.shape)} or {numbers}"

    @classmethod
    def fit(
        cls,
        rows: Rows,
        *,
        shape: Shape | None = None,
        dtype: Literal["float32", "float64"] = "float32",
        columns: Sequence[Column] | None = None,
        exclude: Collection[str] = (),
        scale: Scale = None,
        missing: Missing = "error",
        missing_values: Sequence[str] = (),
        whole: Array | None = None,
    ) -> Self:
        """The contract of training rows under the user's choices; statistics come from them alone.

        Labels are ignored. ``shape`` is by default that of the data. ``columns`` are those to use,
        in order, as in a resolved spec; by default all columns of the data but ``exclude``, those
        that are not inputs: the label, the column that rows are split by. ``scale`` and
        ``missing``: see ``layerkit.datacontract.scaling``; they are for numeric columns only.

        Raises DataError if there are no rows or they do not keep the contract they would define,
        ShapeError if the number of columns does not fit ``shape``, SpecError if a choice is
        malformed.
        """
        if len(rows) == 0:
            raise DataError("no rows to fit the data contract to", source=rows.source)
        encoder = Encoder.of(columns)
        listed = columns if encoder is None else encoder.columns
        names = column_names(rows, listed, exclude, shape)  # type: ignore[arg-type]  # only names
        if names is None and rows.columns is not None:  # by position: the shape has other axes
            kept = {k: v for k, v in rows.columns.items() if k not in exclude}
            rows = replace(rows, columns=kept)
        if shape is None and names is not None:
            shape = (len(names),)
        elif shape is None:
            shape = () if rows.values is None else rows.values.shape[1:]
        spellings = tuple(missing_values)
        shape = shape or (1,)
        draft = cls(shape, dtype, names, missing_values=spellings, encoder=encoder, whole=whole)
        raw = draft._numbers(rows)
        draft._check_whole(raw, rows.source)
        if encoder is not None:
            draft = replace(draft, encoder=encoder.with_others(raw))
        draft = draft.with_fill(missing, draft._by_element(raw))
        x = draft._filled(raw)
        if x.dtype.kind == "f" and not all_finite(x):
            raise draft._not_finite(x, np.isfinite(x), rows.source)
        x = draft._by_element(x)
        low, high = min_and_max(x)
        scaled = draft.with_scaler(scale, x, low, high, rows.weights)
        fitted = replace(scaled, low=low, high=high)
        fitted._checked(raw, rows.source)
        return fitted

    def with_fill(self, missing: Missing, x: Array) -> Self:
        """The same contract with the fill values of ``fit_fill`` for rows x (n, ..., numbers)."""
        names = self.columns
        if self.encoder is not None:
            names = tuple(self.encoder.columns[j] for j in self.encoder.numeric)
        fill = fit_fill(missing, self._numeric(x), names)
        return self if fill is None else replace(self, missing=self._spread(fill, 0.0))

    def with_scaler(
        self, scale: Scale, x: Array, low: Array, high: Array, weights: Array | None = None
    ) -> Self:
        """The same contract with the scaler of ``fit_scaler``.

        Columns of categories and of whole numbers that layers take stay as they are.
        """
        found = fit_scaler(scale, *map(self._numeric, (x, low, high)), weights=weights)
        if found is None:
            return self
        center, spread = (self._spread(found[0], 0.0), self._spread(found[1], 1.0))
        if self.whole is not None:
            held = (self.whole > 0).reshape(-1, self.width).any(axis=0)
            held = held if len(center) == self.width else held.any()
            center, spread = np.where(held, 0.0, center), np.where(held, 1.0, spread)
        return replace(self, center=center, scale=spread)

    def _numeric(self, x: Array) -> Array:
        """The elements of the last axis of ``x`` that are numbers in raw rows, too."""
        return x if self.encoder is None else x[..., self.encoder.numeric]

    def _spread(self, numbers: Array, rest: float) -> Array:
        """Numbers for the elements of ``_numeric`` as numbers for all, ``rest`` for the others."""
        return numbers if self.encoder is None else self.encoder.spread(numbers, rest)

    def _by_element(self, x: Array) -> Array:
        """``x`` with a last axis of ``numbers`` elements."""
        return x if self.numbers == self.width else x.reshape(-1, 1)

    def to_spec(self) -> dict[str, Any]:
        """The ``input`` map of the file's data contract (FORMAT.md 3.5)."""
        spec = to_fields(self.dtype, self.shape, self.center, self.scale)
        if self.columns is not None:
            spec["columns"] = list(self.columns)
        if self.low is not None and self.high is not None:
            spec["range"] = {"min": self.low.tolist(), "max": self.high.tolist()}
        return spec

    def table(self) -> list[dict[str, Any]] | None:
        """The ``fields`` of the file's ``table`` map; None without categories and fill values."""
        return write_fields(self.missing, self.columns, self.encoder)

    @classmethod
    def from_spec(cls, spec: Mapping[str, Any], fields: object = None) -> Self:
        """The contract that ``to_spec`` and ``table`` wrote; ``spec`` keeps rule 3.5.

        Raises SpecError if layerkit cannot use it, or ``fields`` are not of their form.
        """
        columns = tuple(spec["columns"]) if "columns" in spec else None
        limits = spec.get("range", {"min": None, "max": None})
        inputs = cls(
            columns=columns,
            low=limits["min"],
            high=limits["max"],
            **from_fields(spec, "spec.data.input"),
        )
        if fields is None:
            return inputs
        fill, encoder = read_fields(fields, columns, inputs.width)
        return replace(inputs, missing=fill, encoder=encoder)
