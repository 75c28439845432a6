"""Categories: a column of text, or of a few different numbers, as columns of zeros and ones.

There is one such column per category (one-hot), named ``workclass=Private`` and so on; or one
column of codes, the numbers of the categories. Cells are compared as text: a text without the
blanks around it and otherwise as written (``00`` is not ``0``), a whole number as ``7``, true and
false as ``true`` and ``false``. A category that is not listed is an error, or "other": all zeros,
so that the width follows from the list alone, or the last code.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np

from layerkit.core.context import Array
from layerkit.datacontract.cell_errors import is_time, not_a_number
from layerkit.datacontract.labels import label_of
from layerkit.datacontract.parse_cells import is_missing, number
from layerkit.display import nearest, quoted
from layerkit.errors import DataError, SpecError

_OTHER, _UNKNOWN, _NO_VALUE = -1, -2, -3
_WHOLE = re.compile(r"-?(0|[1-9][0-9]*)(\.0)?")
_TRUTH = ("true", "false")
_SHOWN = 12
_WANTED = "a category"


@dataclass(frozen=True)
class Categorical:
    """A column of categories.

    Raises SpecError if ``categories`` are none, not distinct, or no cell could have one of them.
    """

    name: str
    categories: tuple[str, ...]  # in the order of their columns
    unknown: Literal["error", "other"] = "error"  # what a category that is not listed is
    missing: Literal["error", "category"] = "error"  # what a missing value is
    others: int = 0  # training rows whose category is not listed
    encode: Literal["one_hot", "code"] = "one_hot"

    def __post_init__(self) -> None:
        fault = category_fault(self.categories)
        if fault is not None:
            raise SpecError(f"column {quoted(self.name)}: {fault}", location="input.columns")

    @cached_property
    def columns(self) -> tuple[str, ...]:
        """The names of its numeric columns; no category is called ``?``, a missing value."""
        if self.encode == "code":
            return (self.name,)
        listed = (*self.categories, "?") if self.missing == "category" else self.categories
        return tuple(f"{self.name}={category}" for category in listed)

    @property
    def codes(self) -> int:
        """How many codes there are: of categories, of missing values, and of all others."""
        more = (self.missing == "category") + (self.unknown == "other")
        return len(self.categories) + more

    def unlisted(self, x: Array) -> Array:
        """Which rows of its numeric columns x (n, k) are of a category not listed: (n,) bool."""
        if self.encode != "code":
            return np.asarray(~x.any(axis=1))
        return np.asarray((x[:, 0] == self.codes - 1) & (self.unknown == "other"))

    @property
    def name_size(self) -> int:
        """How many characters the names in ``columns`` have."""
        return sum(map(len, self.categories)) + (len(self.name) + 2) * (len(self.categories) + 1)

    def numbers(self, cells: Array, spellings: Collection[str] = (), source: str = "rows") -> Array:
        """Its numeric columns (k, n) for cells (n,): bool, of which one is True or none; or codes.

        Raises DataError for a date, a missing value or a category that it has no column for.
        """
        different, which = _distinct(cells, self.name, source)
        places = np.array([self._place(cell, spellings) for cell in different], np.int64)[which]
        if len(places) and places.min() < _OTHER:
            row = int(np.argmax(places < _OTHER))
            raise self._refused(different[which[row]], int(places[row]), row, source)
        if self.encode == "code":
            return np.where(places == _OTHER, self.codes - 1, places)[None]
        flags: Array = places == np.arange(len(self.columns))[:, None]
        return flags

    def _place(self, cell: object, spellings: Collection[str]) -> int:
        if is_missing(cell, spellings):
            return len(self.categories) if self.missing == "category" else _NO_VALUE
        return self.places.get(text_of(cell), _OTHER if self.unknown == "other" else _UNKNOWN)

    @cached_property
    def places(self) -> dict[str, int]:
        """From text to column; own names go before other ways to write a category."""
        places = {category: i for i, category in enumerate(self.categories)}
        for i, category in enumerate(self.categories):
            for spelling in _other_spellings(category):
                places.setdefault(spelling, i)
        return places

    def _refused(self, cell: object, place: int, row: int, source: str) -> DataError:
        if place == _NO_VALUE:
            reason = "expected a category, got a missing value"
            hint = f'fill it in, or set "missing" of {quoted(self.name)} in input.columns to '
            hint += '"category" and train again'
        else:
            text, listed = text_of(cell), list(self.categories)
            reason = f"expected one of {len(listed):,} categories, got {quoted(text)}"
            reason += nearest(text, listed)
            more = ", ..." if len(listed) > _SHOWN else ""
            hint = f"categories: {', '.join(listed[:_SHOWN])}{more}\ncorrect the cell, or set "
            hint += f'"unknown" of {quoted(self.name)} in input.columns to "other" and train again'
        return DataError(reason, row=row, column=self.name, source=source, hint=hint)


def text_of(cell: object) -> str:
    """The text that a cell is compared as; not for missing values.

    >>> text_of(" 00 "), text_of(7.0), text_of(np.True_), text_of(0.5)
    ('00', '7', 'true', '0.5')
    """
    return str(label_of(cell)).strip()


def _other_spellings(category: str) -> Iterator[str]:
    """Other ways to write a category that files and data frames confuse."""
    if _WHOLE.fullmatch(category):  # a gap makes a column of integers one of floats
        yield category.removesuffix(".0") if category.endswith(".0") else f"{category}.0"
    if category.lower() in _TRUTH:
        yield from (category.lower(), category.capitalize(), category.upper())


def category_fault(categories: Sequence[str], spellings: Collection[str] = ()) -> str | None:
    """What is wrong with a list of categories, or None."""
    if not categories:
        return "expected one or more categories, got none"
    seen: set[str] = set()
    for category in categories:
        if is_missing(category, spellings):
            kind = "is a missing value, not a category: set 'missing' to 'category' to allow it"
            return f"{quoted(category)} {kind}"
        if category != category.strip():
            return f"{quoted(category)}: expected no blanks around a category"
        if category in seen:
            return f"expected distinct categories, got {quoted(category)} twice"
        seen.add(category)
    return None


def _distinct(cells: Array, name: str, source: str) -> tuple[list[Any], Array]:
    """The distinct cells of a column (n,), and for each row (n,) which of them it has.

    Raises DataError for a date, or a cell that is not a single value.
    """
    if cells.dtype.kind in "biuf":
        values, which = np.unique(cells, return_inverse=True)
        return values.tolist(), which.reshape(-1)
    listed = list(cells) if cells.dtype.kind in "mMcV" else cells.tolist()
    plain = set(map(type, listed)) <= {str, type(None)}
    try:  # True and 1 are equal, but not the same category
        keys = listed if plain else [(type(cell), cell) for cell in listed]
        places = {key: i for i, key in enumerate(dict.fromkeys(keys))}
    except TypeError:  # lists, say
        row = next(row for row, cell in enumerate(listed) if not _is_single(cell))
        raise not_a_number(
            listed[row], row=row, column=name, source=source, wanted=_WANTED
        ) from None
    which = np.fromiter(map(places.__getitem__, keys), np.int64, len(keys))
    different = list(places) if plain else [cell for _, cell in places]
    for i, cell in enumerate(different):
        if is_time(cell) and not is_missing(cell):
            row = int(np.argmax(which == i))
            raise not_a_number(cell, row=row, column=name, source=source, wanted=_WANTED)
    return different, which


def _is_single(cell: object) -> bool:
    try:
        hash(cell)
    except TypeError:
        return False
    return True


def learn(
    cells: Array,
    name: str,
    *,
    most: int,
    spellings: Collection[str] = (),
    source: str = "rows",
) -> tuple[tuple[str, ...], int]:
    """(the categories in cells (n,), how many were left out).

    Sorted by text, or by value if all are numbers. Of more than ``most``, those in the most rows
    are taken. Raises DataError if there are none, or they are dates.
    """
    different, which = _distinct(cells, name, source)
    rows: dict[str, int] = {}
    for cell, count in zip(different, np.bincount(which).tolist(), strict=True):
        if not is_missing(cell, spellings):
            text = text_of(cell)
            rows[text] = rows.get(text, 0) + count
    if not rows:
        reason = "this column has no values, so no categories can be learned"
        raise DataError(reason, column=name, source=source)
    _refuse_dates(rows, cells, name, source)
    ordered = _sorted(rows)
    kept = set(sorted(ordered, key=lambda text: -rows[text])[:most])  # stable: ties in order
    return tuple(text for text in ordered if text in kept), len(ordered) - len(kept)


def _sorted(texts: Collection[str]) -> list[str]:
    values = {text: number(text) for text in texts}
    if all(value is not None and abs(value) < np.inf for value in values.values()):
        return sorted(texts, key=lambda text: (values[text], text))
    return sorted(texts)


def _refuse_dates(texts: Collection[str], cells: Array, name: str, source: str) -> None:
    from layerkit.datacontract.cell_hints import is_date_text

    if all(map(is_date_text, texts)):
        first = next(row for row, cell in enumerate(cells.tolist()) if not is_missing(cell))
        error = not_a_number(
            cells.tolist()[first], row=first, column=name, source=source, wanted=_WANTED
        )
        error.hint = f"{error.hint}\nto take each of them as a category, list them in input.columns"
        raise error
