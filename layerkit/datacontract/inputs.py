"""The input half of the data contract: raw rows to the array the model is fed, or a clear refusal.

Raw rows stay raw in files and in the self-test; the contract holds all that the model must know to
read them: shape, column names and their order, what replaces a missing value, and the scaler. It is
fitted to the training rows once and never changes.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Literal, Self, TypeGuard

import numpy as np

from layerkit.core.layer import Array, Shape
from layerkit.core.rows import Rows
from layerkit.datacontract.as_rows import as_rows, missing_column, one_batch
from layerkit.datacontract.choose_columns import column_names, no_number, no_value, shape_of
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
from layerkit.display import counted, quoted
from layerkit.errors import DataError, ShapeError, SpecError

__all__ = ["InputContract", "all_finite"]

_DTYPES: dict[str, np.dtype[Any]] = {
    "float32": np.dtype(np.float32),
    "float64": np.dtype(np.float64),
}


def all_finite(x: Array) -> bool:
    """Whether ``x``, floats, holds no NaN and no infinity: a microsecond for a row in C order."""
    # Either shows in the sum of squares. So do large numbers, whose squares overflow.
    return math.isfinite(np.vdot(x, x)) or bool(np.isfinite(x).all())


@dataclass(frozen=True, eq=False)
class InputContract:
    """What an input row must look like, and how it becomes numbers for the model.

    Parameters
    ----------
    shape
        One row, without the batch axis; its last axis, of size w, is that of the columns.
    dtype
        Of the arrays that the model is fed.
    columns
        Names of the w columns, in the model's order; None if rows are told by position.
    center, scale
        (w,) float64 each, or both None: the model is fed (x - center) / scale.
    low, high
        (w,) float64 each, or both None: the range that training saw. Not enforced; ``outside``
        tells which rows leave it.
    missing
        (w,) float64 to put in place of missing values, or None: rows with one are refused.
    missing_values
        Further spellings of a missing value, as ``cells.is_missing`` takes them.

    Without ``columns`` any of these may be (1,): one number for every element. Rows of more than
    65,536 elements are described so, since a file has no place for more.

    Raises
    ------
    SpecError
        If the fields do not fit together.
    """

    shape: Shape
    dtype: Literal["float32", "float64"] = "float32"
    columns: tuple[str, ...] | None = None
    center: Array | None = None
    scale: Array | None = None
    low: Array | None = None
    high: Array | None = None
    missing: Array | None = None
    missing_values: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not self.shape or min(self.shape) < 0:
            raise SpecError(f"no shape of a row: {list(self.shape)}", location="input.shape")
        if self.columns is not None:
            check_distinct(self.columns, "input.columns")
            if len(self.columns) != self.width:
                reason = f"{counted(len(self.columns), 'column')} for a last axis of {self.width}"
                raise ShapeError(reason, location="input.columns")
        allowed = lengths(self.width, self.columns)
        freeze_scaler(self, allowed, "input")
        freeze_numbers(self, ("missing",), allowed, "input")
        limits = freeze_numbers(self, ("low", "high"), allowed, "input")
        if limits and (limits[0] > limits[1]).any():
            raise SpecError("low lies above high", location="input.low")

    @property
    def width(self) -> int:
        """w, the size of the last axis."""
        return self.shape[-1]

    @property
    def numbers(self) -> int:
        """How many numbers describe a row when they are fitted: w, or 1 where w is too many."""
        return self.width if self.columns or self.width <= MOST_NUMBERS else 1

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, InputContract):
            return False
        return (self.to_spec(), self.table()) == (other.to_spec(), other.table())

    __hash__ = None  # type: ignore[assignment]  # holds arrays

    def matrix(self, rows: Rows | Array | Sequence[Any] | Mapping[str, Any]) -> Array:
        """Raw rows as (n, *shape), checked, missing values filled, not yet scaled.

        They are in ``dtype``, or in float64 where scaling would cancel what ``dtype`` has rounded.

        Parameters
        ----------
        rows
            ``Rows``; an array or nested sequence (n, *shape) or (n, prod(shape)), or one row of
            ``shape``; a mapping, a table or sequence of mappings with named columns. Columns
            are picked by name in the contract's order and others ignored, so a file may hold
            more; without names on either side, by position.

        Returns
        -------
        Array
            May share memory with ``rows``, which is never written into.

        Raises
        ------
        DataError
            If a column is missing, the width differs, or a cell is text, missing (unless the
            contract has a value for it), infinite or too large for ``dtype``.
        """
        if self.fits(rows) and not self.missing_values and self._sound(rows):
            return rows
        given = as_rows(rows)
        numbers = self._numbers(given, alone=not isinstance(rows, Rows))
        return self._checked(numbers, given.source)

    def raw(self, rows: Rows | Array | Sequence[Any] | Mapping[str, Any]) -> Array:
        """Raw rows as (n, *shape) numbers of any real dtype, NaN where missing, not yet filled.

        Raises
        ------
        DataError
            As ``matrix``, but missing and infinite values are left.
        """
        return self._numbers(as_rows(rows), alone=not isinstance(rows, Rows))

    def fits(self, rows: object) -> TypeGuard[Array]:
        """Whether ``rows`` is what ``matrix`` would give back, if all numbers are finite."""
        return (
            type(rows) is np.ndarray
            and (rows.dtype == self._own or (self.wide and rows.dtype in _DTYPES.values()))
            and rows.shape[1:] == self.shape
            and rows.flags.c_contiguous
        )

    def _sound(self, x: Array) -> bool:
        """Whether all of x, floats, is finite, and also after scaling."""
        return all_finite(self.scale_rows(x) if self.wide else x)

    @cached_property
    def _own(self) -> np.dtype[Any]:
        """``dtype`` as NumPy has it."""
        return _DTYPES[self.dtype]

    @cached_property
    def wide(self) -> bool:
        """Whether rows are scaled in float64: the center is not 0, so that digits cancel, or
        ``dtype`` cannot hold the scale.
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
        return np.dtype(np.float64) if self.wide else _DTYPES[self.dtype]

    def scale_rows(self, x: Array) -> Array:
        """(x - center) / scale in ``dtype``, for x (n, *shape) from ``matrix``; x is kept."""
        if self.wide:
            return centered(x, self.center, self.scale, self._own)  # type: ignore[arg-type]  # wide
        if x.dtype != self._own:
            x = x.astype(self._own)
        return x if self._divisor is None else x / self._divisor

    @cached_property
    def _divisor(self) -> Array | None:
        """``scale`` in ``dtype``; None if there is none."""
        return None if self.scale is None else self.scale.astype(self.dtype)

    def outside(self, rows: Rows | Array | Sequence[Any] | Mapping[str, Any]) -> Array:
        """Which numbers of ``rows`` lie outside the range that training saw: (n, *shape) bool.

        A number equal to the bound in ``dtype``, and one that stands in for a missing value, are
        not outside. None is where no training rows were seen.

        Raises
        ------
        DataError
            As ``matrix``.
        """
        from layerkit.datacontract.out_of_range import outside

        return outside(self, self.matrix(rows))

    def _numbers(self, given: Rows, *, alone: bool = False) -> Array:
        """(n, *shape) numbers of any real dtype, NaN where missing; ``alone``: may be one row."""
        if given.columns is not None:
            return self._by_column(given)
        values = given.values
        if values is None:
            raise DataError("there are no input columns, only labels", source=given.source)
        batch = one_batch(values, self.shape, alone=alone)
        if batch is None:
            raise DataError(
                f"rows of shape {list(values.shape[1:])} where {self._wanted()} are wanted",
                source=given.source,
                hint=f"the array given has the shape {list(values.shape)}, rows first",
            )
        numbers, bad = as_numbers(batch, self.missing_values)
        if bad is not None:
            row, place = divmod(bad, math.prod(self.shape))
            column = self._name(np.unravel_index(place, self.shape))
            raise no_number(batch.ravel()[bad], row=row, column=column, source=given.source)
        return numbers

    def _by_column(self, given: Rows) -> Array:
        there = given.columns or {}
        names = self.columns
        if names is None:
            if len(there) != math.prod(self.shape):
                raise DataError(
                    f"{len(there)} columns where {self._wanted()} are wanted",
                    source=given.source,
                    hint=f"columns there: {', '.join(there)}\nthis model takes columns by "
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
                raise no_number(column[bad], row=bad, column=name, source=given.source)
            out[:, j] = numbers
        return out.reshape(len(out), *self.shape)

    def _checked(self, x: Array, source: str) -> Array:
        """``x`` in ``raw_dtype``, missing values filled, all finite and also after scaling."""
        with np.errstate(over="ignore"):
            out = self._filled(x).astype(self.raw_dtype, copy=False)
            if (x.dtype.kind != "f" and not self.wide) or self._sound(out):
                return out
            raise self._not_finite(x, np.isfinite(self.scale_rows(out)), source)

    def _filled(self, x: Array) -> Array:
        """``x`` with what the contract puts in place of missing values."""
        if self.missing is None or x.dtype.kind != "f":
            return x
        gaps = np.isnan(x)
        return np.where(gaps, self.missing, x) if gaps.any() else x

    def _not_finite(self, x: Array, finite: Array, source: str) -> DataError:
        """The error for the first cell of ``x`` that is not finite, or does not stay so."""
        place = tuple(int(i) for i in np.argwhere(~finite)[0])
        at, value = self._name(place[1:]), float(x[place])
        return no_value(value, self.dtype, place[0], at, source, scaled=self.wide)

    def _name(self, place: tuple[Any, ...]) -> str | int:
        return self.name_of(int(np.ravel_multi_index(place, self.shape)))

    def name_of(self, element: int) -> str | int:
        """What an element of a row is called: its column, or its position where it has no name."""
        return self.columns[element] if self.columns and len(self.shape) == 1 else element

    def _wanted(self) -> str:
        flat = math.prod(self.shape)
        if len(self.shape) == 1:
            return f"{flat} numbers a row"
        return f"{list(self.shape)} or {flat} numbers a row"

    @classmethod
    def fit(
        cls,
        rows: Rows,
        *,
        shape: Shape | None = None,
        dtype: Literal["float32", "float64"] = "float32",
        columns: Sequence[str | Mapping[str, Any]] | None = None,
        exclude: Collection[str] = (),
        scale: Scale = None,
        missing: Missing = "error",
        missing_values: Sequence[str] = (),
    ) -> Self:
        """The contract of training rows under the user's choices; statistics come from them alone.

        Parameters
        ----------
        rows
            The training rows (n, ...), n >= 1; labels are not looked at.
        shape
            The row that the model wants; by default that of the data.
        columns
            Names to use, in order, each a str or {"name": .., "kind": "numeric"}; by default all
            columns of the data but ``exclude``.
        exclude
            Columns that are no input: the label, what rows are split by.
        scale, missing
            See ``layerkit.datacontract.scaling``.
        missing_values
            Further spellings of a missing value.

        Raises
        ------
        DataError
            If the rows do not keep the contract they would define.
        ShapeError
            If the number of columns does not fit ``shape``.
        SpecError
            If a choice is malformed.
        """
        if len(rows) == 0:
            raise DataError("no rows to fit the data contract to", source=rows.source)
        names = column_names(rows, columns, exclude, shape)
        if names is None and rows.columns is not None:  # by position: the shape has other axes
            kept = {k: v for k, v in rows.columns.items() if k not in exclude}
            rows = Rows(rows.values, kept, rows.labels, rows.source)
        wanted = shape or shape_of(rows, names)
        draft = cls(wanted, dtype, names, missing_values=tuple(missing_values))
        raw = draft._numbers(rows)
        draft = replace(draft, missing=fit_fill(missing, draft._described(raw), names))
        x = draft._filled(raw)
        if x.dtype.kind == "f" and not all_finite(x):
            raise draft._not_finite(x, np.isfinite(x), rows.source)
        x = draft._described(x)
        low, high = min_and_max(x)
        center, spread = fit_scaler(scale, x, low, high) or (None, None)
        fitted = replace(draft, center=center, scale=spread, low=low, high=high)
        fitted._checked(raw, rows.source)
        return fitted

    def _described(self, x: Array) -> Array:
        """``x`` (n, ..., w), whose last axis has one element for each of ``numbers``."""
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
        """The ``fields`` of the file's ``table`` map: one raw field each, or None if plain.

        A field has a kind. "numeric" is the only one today; "categorical", with its categories,
        is kept for a field that becomes several columns.
        """
        if self.missing is None:
            return None
        fields: list[dict[str, Any]] = [
            {"kind": "numeric", "fill": value} for value in self.missing.tolist()
        ]
        for name, field in zip(self.columns or (), fields, strict=False):
            field["name"] = name
        return fields

    @classmethod
    def from_spec(cls, spec: Mapping[str, Any], fields: object = None) -> Self:
        """The contract that ``to_spec`` and ``table`` wrote; ``spec`` keeps rule 3.5.

        Raises
        ------
        SpecError
            If layerkit cannot use it, or ``fields`` are not of their form.
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
        return replace(inputs, missing=_fills(fields, columns, inputs.width))


def _fills(fields: object, columns: tuple[str, ...] | None, width: int) -> Array:
    """The fill values in the ``fields`` of the file's ``table`` map."""
    from layerkit.codec.contract import closed_map  # 5 ms, and only for files

    at = "spec.data.table.fields"
    if not isinstance(fields, list) or len(fields) not in lengths(width, columns):
        raise SpecError(f"expected a list of {width} maps, got {quoted(fields)}", location=at)
    found = []
    for i, field in enumerate(fields):
        where = f"{at}[{i}]"
        if isinstance(field, dict) and field.get("kind", "numeric") != "numeric":
            reason = f"unknown kind {quoted(field['kind'])}: it needs a newer layerkit"
            raise SpecError(reason, location=f"{where}.kind")
        field = closed_map(field, where, ("kind", "fill"), ("name",))
        name, fill = columns[i] if columns else None, field["fill"]
        if field.get("name") != name:
            reason = f"expected the name of this column, {quoted(name)}, got "
            raise SpecError(reason + quoted(field.get("name")), location=f"{where}.name")
        if type(fill) not in (int, float) or not abs(fill) <= sys.float_info.max:
            reason = f"expected a finite number, got {quoted(fill)}"
            raise SpecError(reason, location=f"{where}.fill")
        found.append(fill)
    return np.array(found, np.float64)
