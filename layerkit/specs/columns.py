"""The columns of the input section: numeric ones by name, those of categories as objects."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from layerkit.display import quoted
from layerkit.errors import SpecError
from layerkit.specs.json_source import Path, strict_json
from layerkit.specs.messages import Faults, distinct_names, mismatch
from layerkit.specs.sections import InputCategories
from layerkit.specs.validate.check_fields import check_fields

LEARN = "learn"
_MOST = 64  # categories that are learned


def read_columns(given: dict[str, Any], faults: Faults) -> None:
    """Fill in the defaults of ``input.columns`` in place; mistakes go to ``faults``."""
    columns = given["columns"]
    if columns is None:
        return
    at: Path = ("input", "columns")
    for i, column in enumerate(columns):
        if isinstance(column, str):
            continue
        found = check_fields(InputCategories, column, (*at, i), faults)
        if found is not None:
            columns[i] = _resolved(strict_json(found), (*at, i), faults)
    names = [name_of(column) for column in columns]
    if not names or len(set(names)) < len(names):
        faults.add(at, distinct_names(1, names))


def _resolved(column: dict[str, Any], at: Path, faults: Faults) -> dict[str, Any]:
    """``column`` without ``max``, unless its categories are learned."""
    listed, most = column["categories"], column.pop("max")
    if listed == LEARN:
        return {**column, "max": _MOST if most is None else most}
    if most is not None:
        faults.add((*at, "max"), 'goes with "categories": "learn", not with a list of them')
    if len(set(listed)) < len(listed):
        faults.add((*at, "categories"), distinct_names(1, listed))
    for j, category in enumerate(listed):
        if category != category.strip() or not category:
            expected = "a text without blanks around it"
            faults.add((*at, "categories", j), mismatch(expected, category))
    return column


def name_of(column: str | Mapping[str, Any]) -> str:
    """The name of one of ``input.columns``, checked or not."""
    return column if isinstance(column, str) else str(column.get("name"))


def inputs_of(column: str | Mapping[str, Any]) -> int:
    """How many inputs of the network one of ``input.columns``, resolved, becomes."""
    if isinstance(column, str):
        return 1
    return len(column["categories"]) + int(column["missing"] == "category")


def not_learned(name: str) -> SpecError:
    """The error for a spec whose width is needed while the categories of a column are unknown."""
    return SpecError(
        f"the categories of {quoted(name)} are learned from training rows, so the width of the "
        "input is not known yet",
        location="input.columns",
        hint="train the spec with layerkit train, or list the categories; layerkit spec init "
        "writes a spec that lists them",
    )
