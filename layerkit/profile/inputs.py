"""What a model gets of each column of a table: a number, categories or nothing, and why."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from layerkit.datacontract.cell_hints import spells_missing
from layerkit.display import counted
from layerkit.profile.columns import ColumnProfile
from layerkit.profile.target import Target

Use = Literal["target", "number", "categories", "left out"]

_CODES = 10  # whole numbers of at most so many values may be codes
_LARGEST = 1e38  # float32 holds no number beyond


@dataclass(frozen=True)
class Decision:
    """What is done with one column, and why, in a few words."""

    column: ColumnProfile
    use: Use
    reason: str

    @property
    def field(self) -> str | dict[str, Any]:
        """The column's item in ``input.columns``."""
        column = self.column
        if self.use == "number":
            return column.name
        missing = {"missing": "category"} if column.missing else {}
        categories = list(column.values)
        return {"name": column.name, "categories": categories, "unknown": "other", **missing}

    @property
    def elements(self) -> tuple[str, ...]:
        """The names of the network's inputs that the column becomes."""
        column = self.column
        if self.use == "number":
            return (column.name,)
        if self.use != "categories":
            return ()
        last = ("?",) if column.missing else ()
        return tuple(f"{column.name}={value}" for value in (*column.values, *last))


def decide_all(
    columns: Sequence[ColumnProfile], target: Target, max_categories: int
) -> tuple[Decision, ...]:
    """What to do with each column of a table with this ``target``."""
    found: list[Decision] = []
    names: set[str] = set()
    for column in columns:
        decision = decide(column, target, max_categories)
        if not names.isdisjoint(decision.elements):
            decision = Decision(column, "left out", "named like a category of another column")
        names.update(decision.elements)
        found.append(decision)
    return tuple(found)


def decide(column: ColumnProfile, target: Target, max_categories: int) -> Decision:
    """What to do with a column of a table with this ``target``."""
    if column.name == target.column.name:
        return Decision(column, "target", target.reason)
    why_not = _why_not(column, target.column, max_categories)
    if why_not:
        return Decision(column, "left out", why_not)
    if column.numbers:
        return Decision(column, "number", _of_numbers(column))
    return Decision(column, "categories", _of_categories(column))


def _why_not(column: ColumnProfile, target: ColumnProfile, max_categories: int) -> str:
    """Why a column cannot be an input, or would be a useless one; empty if neither."""
    if column.kind == "empty":
        return "it has no values"
    if column.kind == "constant":
        return f"always {_shown(column.frequent[0][0])}" + _missing(column, "")
    if column.same_as is not None or target.same_as == column.name:
        same = column.same_as if target.same_as != column.name else target.name
        return f"equal to {same}" + (", the target" if same == target.name else "")
    if column.kind == "identifier":
        return _number_as_text(column) or "an identifier: a different value in each row"
    if column.kind == "datetime":
        return "dates or times: turn them into numbers"
    if column.strays:
        return f"numbers but for {', '.join(column.strays)} (--missing-value, if that is missing)"
    if column.kind == "text":
        few = column.distinct <= max_categories
        many = "which hardly repeat" if few else f"more than {max_categories}"
        return _number_as_text(column) or f"{counted(column.distinct, 'text')}, {many}"
    if column.infinite:
        return f"{counted(column.infinite, 'infinite number')}"
    if max(abs(column.low or 0), abs(column.high or 0)) > _LARGEST:
        return f"numbers beyond {_LARGEST:.0e}"
    return ""


def _number_as_text(column: ColumnProfile) -> str:
    """What is wrong with text that means numbers, such as 1,5 or 3 kg; empty for other text."""
    cell = str(column.frequent[0][0])
    if column.looks_like is None or spells_missing(cell) or not any(map(str.isdigit, cell)):
        return ""
    return f"{re.split('[?:]', column.looks_like)[0].removeprefix('this looks like ')}: {cell:.12}"


def _of_numbers(column: ColumnProfile) -> str:
    low, high = _shown(column.low or 0.0), _shown(column.high or 0.0)
    if column.kind == "boolean":
        facts = "0 and 1"
    elif column.whole and column.distinct <= _CODES:
        facts = f"{column.distinct} whole numbers, {low} to {high}, kept as numbers"
    else:
        facts = f"{low} to {high}"
    return facts + _missing(column, "median")


def _of_categories(column: ColumnProfile) -> str:
    value, rows = column.frequent[0]
    facts = f"{column.distinct} values ({_percent(rows / column.present)} {value})"
    return facts + (f", and missing ({_percent(column.missing_share)})" if column.missing else "")


def _missing(column: ColumnProfile, effect: str) -> str:
    """``; missing (6 %): median``, or nothing."""
    if not column.missing:
        return ""
    return f"; missing ({_percent(column.missing_share)})" + (f": {effect}" if effect else "")


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %" if share >= 0.005 else "<1 %"


def _shown(value: str | float) -> str:
    if isinstance(value, str):
        return value
    return f"{int(value)}" if value.is_integer() and abs(value) < 1e15 else f"{value:.6g}"
