"""The kind of a column, from its values and how often each occurs."""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Mapping, Sequence
from itertools import islice
from typing import Literal

from layerkit.core.context import Array
from layerkit.datacontract.cell_hints import is_date_text, spells_missing
from layerkit.datacontract.parse_cells import number

Kind = Literal[
    "numeric", "boolean", "categorical", "datetime", "identifier", "text", "constant", "empty"
]

_TRUTH = ({"true", "false"}, {"yes", "no"}, {"t", "f"}, {"y", "n"})
_ID = re.compile(r"(?:.*[ _.-])?(?:id|uid|uuid|guid|index|idx|row|nr|no|key)|unnamed.*", re.I)
_ID_IN_CAPITALS = re.compile(r".*[a-z](?:ID|Id|UID|UUID)")
_ROWS = 20  # in fewer rows, different values say little about what a column is
_NEARLY_ALL = 0.95
_FEW_STRAYS = 0.2
_MANY_NUMBERS = 10
_LOOKED_AT = 1000  # values of a column of text that are tried as dates


def kind_of_numbers(name: str, values: Array, present: int, *, whole: bool) -> Kind:
    """The kind of a column of ``present`` numbers whose different values are ``values``, sorted.

    An identifier numbers the rows, or is called one and differs in nearly all of them.
    """
    distinct = len(values)
    if distinct < 2:
        return "constant" if distinct else "empty"
    if distinct == 2 and values.tolist() == [0, 1]:
        return "boolean"
    if whole and present >= _ROWS:
        counter = distinct == present and values[-1] - values[0] == distinct - 1
        if counter or (distinct >= _NEARLY_ALL * present and called_identifier(name)):
            return "identifier"
    return "numeric"


def kind_of_text(counts: Mapping[str, int], max_categories: int, *, dates: bool = False) -> Kind:
    """The kind of a column of text with ``counts`` of rows by value.

    ``dates`` says that its source calls it dates or times. Categories repeat: there are at least
    two rows to a value on average. Nearly all rows of an identifier differ, in words without
    blanks.
    """
    distinct, present = len(counts), sum(counts.values())
    if distinct == 0:
        return "empty"
    if dates or _are_dates(counts):
        return "datetime" if distinct > 1 else "constant"
    if distinct == 1:
        return "constant"
    if distinct == 2 and {text.lower() for text in counts} in _TRUTH:
        return "boolean"
    if distinct <= max_categories and 2 * distinct <= present:
        return "categorical"
    words = sum(" " not in text for text in counts)
    unique = present >= _ROWS and distinct >= _NEARLY_ALL * present
    return "identifier" if unique and words >= _NEARLY_ALL * distinct else "text"


def called_identifier(name: str) -> bool:
    """Whether a column's name says that it identifies rows.

    >>> called_identifier("user_id"), called_identifier("PassengerId"), called_identifier("humid")
    (True, True, False)
    """
    return bool(_ID.fullmatch(name) or _ID_IN_CAPITALS.fullmatch(name))


def missing_spellings(cells: Sequence[object], known: Collection[str]) -> tuple[str, ...]:
    """The cells that stand for a missing value in a column that otherwise holds numbers, sorted.

    Empty if another cell is text, or fewer than half of the cells that have a value are numbers.
    """
    found: list[str] = []
    numbers = 0
    for cell in cells:
        value = number(cell, known)
        if value is not None:
            numbers += not math.isnan(value)
        elif isinstance(cell, str) and spells_missing(cell):
            found.append(cell.strip())
        else:
            return ()
    return tuple(sorted(set(found))) if len(found) <= numbers else ()


def stray_texts(counts: Mapping[str, int]) -> tuple[str, ...]:
    """At most three of the cells, with ``counts`` of rows, that are no numbers though most are.

    Empty if they are not few among many different numbers: then the numbers may be categories.
    """
    strays = [text for text in counts if number(text) is None]
    rows = sum(counts[text] for text in strays)
    few = rows <= _FEW_STRAYS * sum(counts.values())
    return tuple(strays[:3]) if few and len(counts) - len(strays) > _MANY_NUMBERS else ()


def _are_dates(counts: Mapping[str, int]) -> bool:
    tried = list(islice(counts, _LOOKED_AT))
    return sum(map(is_date_text, tried)) >= _NEARLY_ALL * len(tried)
