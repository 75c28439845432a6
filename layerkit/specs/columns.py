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
    """``column`` without ``max``, unless its categories are learned, and a usual ``encode``."""
    listed, most = column["categories"], column.pop("max")
    if column["encode"] != "code":  # documents are as they were before there were codes
        del column["encode"]
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


def name_of(column: Any) -> str:
    """The name of one of ``input.columns``, checked or not."""
    return str(column.get("name")) if isinstance(column, dict) else str(column)


def inputs_of(column: str | Mapping[str, Any]) -> int:
    """How many inputs of the network one of ``input.columns``, resolved, becomes."""
    if isinstance(column, str) or "encode" in column:
        return 1
    return len(column["categories"]) + int(column["missing"] == "category")


def codes_of(column: str | Mapping[str, Any]) -> int:
    """How many codes one of ``input.columns``, resolved, has; 0 if it is no code."""
    if isinstance(column, str) or "encode" not in column:
        return 0
    codes = len(column["categories"]) + int(column["missing"] == "category")
    return codes + int(column["unknown"] == "other")


def not_learned(column: Mapping[str, Any]) -> SpecError:
    """The error for a spec that must be whole while the categories of a column are unknown."""
    unknown = "how many codes it has" if "encode" in column else "the width of the input"
    return SpecError(
        f"the categories of {quoted(column['name'])} are learned from training rows, so {unknown} "
        "is not known yet",
        location="input.columns",
        hint="train the spec with layerkit train, or list the categories; layerkit spec init "
        "writes a spec that lists them",
    )


def before_learning(document: dict[str, Any], given: dict[str, Any]) -> dict[str, Any]:
    """The ``document`` of a trained model, with "learn" where the spec ``given`` has it.

    Both are resolved. Two trainings of one spec are then equal, whatever categories they learned,
    and from whichever teacher if it only says where that is.
    """
    teacher, named = _teacher_of(document), _teacher_of(given)
    if teacher and named and named.get("file_id") is None:
        train = {**document["train"], "teacher": {**teacher, "file_id": None}}
        document = {**document, "train": train}
    theirs, ours = (_columns_of(d) for d in (document, given))
    if not theirs or [name_of(c) for c in theirs] != [name_of(c) for c in ours]:
        return document
    pairs = zip(theirs, ours, strict=True)
    columns = [one if _may_have_learned(column, one) else column for column, one in pairs]
    return {**document, "input": {**document["input"], "columns": columns}}


def _teacher_of(document: dict[str, Any]) -> dict[str, Any]:
    train = document.get("train")
    teacher = train.get("teacher") if isinstance(train, dict) else None
    return teacher if isinstance(teacher, dict) else {}


def _columns_of(document: dict[str, Any]) -> list[Any]:
    section = document.get("input")
    columns = section.get("columns") if isinstance(section, dict) else None
    return columns if isinstance(columns, list) else []


def _may_have_learned(column: Any, given: Any) -> bool:
    """Whether a ``column`` with categories comes from ``given``, which says "learn"."""
    if not isinstance(column, dict) or isinstance(given, str) or given["categories"] != LEARN:
        return False
    same = all(column.get(key) == given.get(key) for key in ("missing", "encode"))
    return same and column.get("unknown") in (
        given["unknown"],
        "other",
    )
