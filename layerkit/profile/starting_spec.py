"""The spec that a table starts from: explicit, sensible, and equal for equal data."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from layerkit.core.rows import Rows
from layerkit.data import Dialect, read_dialect, read_rows
from layerkit.datacontract import as_rows
from layerkit.errors import DataError
from layerkit.profile.columns import TableProfile, profile_rows
from layerkit.profile.inputs import Decision, decide_all
from layerkit.profile.recipe import layers, recipe
from layerkit.profile.target import Target, Task, choose_target
from layerkit.specs import as_spec


@dataclass(frozen=True)
class StartingSpec:
    """A spec for a table, and what was decided about each column, in the table's order.

    ``dialect`` is how the table's file is written, None for rows and files that are not delimited
    text.
    """

    document: dict[str, Any]
    rows: int
    target: Target
    decisions: tuple[Decision, ...]
    dialect: Dialect | None

    @property
    def width(self) -> int:
        """The number of inputs of the network."""
        return sum(len(decision.elements) for decision in self.decisions)


def spec_init(
    data: object,
    *,
    target: str | None = None,
    task: Task | None = None,
    max_categories: int = 64,
    name: str | None = None,
) -> dict[str, Any]:
    """A sensible spec for a table, to train at once or to start from.

    Parameters
    ----------
    data
        The path of a table with a column per input and one for the target; or such a table:
        a data frame, a mapping from names to values, records, ``Rows``.
    target
        The name of the column to predict; by default the last one.
    task
        "classes" or "numbers": what the target is learned as, by default the likely one. Text and
        whole numbers of few values are classes.
    max_categories
        Columns of text with more different values are left out.
    name
        Of the model; by default that of the file.

    Returns
    -------
    dict
        A spec with every category and class listed; equal data give equal specs. ``train.data`` is
        the path, as given. Identifiers, dates, free text, constants and copies of another column
        are left out of ``input.columns``.

    Raises
    ------
    DataError
        If ``data`` are no table, there is no such target, it cannot be learned (empty cells, a
        single value), or no column can be an input.
    DataSourceError
        If the file cannot be read.
    SpecError
        If ``name`` cannot be the name of a model.

    Examples
    --------
    >>> table = {"size": [1.5, 2, 3, 4], "colour": list("rgrg"), "kind": list("abab")}
    >>> spec = spec_init(table)
    >>> spec["input"]["columns"][1]["categories"], spec["output"]["classes"]
    (['g', 'r'], ['a', 'b'])
    """
    start = starting_spec(data, target=target, task=task, max_categories=max_categories, name=name)
    return start.document


def starting_spec(
    data: object,
    *,
    target: str | None = None,
    task: Task | None = None,
    max_categories: int = 64,
    name: str | None = None,
    dialect: Dialect | None = None,
) -> StartingSpec:
    """``spec_init`` with what was decided and why; ``dialect`` is how the file is written.

    Raises DataError and DataSourceError as ``spec_init`` does.
    """
    path, written = None, None
    given = dialect or Dialect()
    if isinstance(data, (str, os.PathLike)):
        path = os.fspath(data)
        written = read_dialect(path, dialect=given)
        rows = read_rows(path, **(written or given).given())
        rows = _table(rows, by_position=written is not None)
    else:
        rows = _table(as_rows(data))
    profile, spellings = _profile(rows, given.missing_values, max_categories)
    chosen = choose_target(rows, profile, target, task, spellings)
    decisions = decide_all(profile.columns, chosen, max_categories)
    used = [decision for decision in decisions if decision.elements]
    if not used:
        raise DataError(
            "no column can be an input",
            source=rows.source,
            hint="\n".join(_left_out(decisions)) or "the target is the only column",
        )
    document = {
        "layerkit": 1,
        "name": name or name_of(path),
        "input": {
            "columns": [decision.field for decision in used],
            **_numbers(used),
            **({} if written is None else _unusual(written)),
            **({"missing_values": spellings} if spellings else {}),
        },
        "layers": layers(max(1, len(chosen.classes))),
        "output": _output(chosen),
        "train": {**_data(path), **recipe(len(rows), chosen)},
    }
    as_spec(document)  # no spec is given that a training would refuse
    return StartingSpec(document, len(rows), chosen, decisions, written)


def _table(rows: Rows, *, by_position: bool = False) -> Rows:
    """``rows``, which must be columns of cells, among them the target.

    ``by_position`` allows columns without names, those of delimited text.
    """
    named = rows.columns is not None or by_position
    if not named or rows.labels is not None:
        raise DataError(
            "expected a table with named columns, one of them the target",
            source=rows.source,
            hint="columns come from delimited text, JSON, a data frame or a mapping",
        )
    if len(rows) == 0:
        raise DataError("expected rows, got none", source=rows.source)
    return rows


def _profile(
    rows: Rows, missing_values: Sequence[str], max_categories: int
) -> tuple[TableProfile, list[str]]:
    """The profile of ``rows``, and all spellings of a missing value among them."""
    known = list(missing_values)
    profile = profile_rows(rows, missing_values=known, max_categories=max_categories)
    found = {text for column in profile.columns for text in column.spellings}
    if not found:
        return profile, known
    known += sorted(found)
    return profile_rows(rows, missing_values=known, max_categories=max_categories), known


def _numbers(used: Sequence[Decision]) -> dict[str, str]:
    """How the columns of numbers are scaled and filled."""
    numbers = [decision.column for decision in used if decision.use == "number"]
    scale = {"scale": "standardize"} if numbers else {}
    return scale | ({"missing": "median"} if any(c.missing for c in numbers) else {})


def _unusual(dialect: Dialect) -> dict[str, Any]:
    """What of a dialect a spec must say: all but commas, points and a header."""
    usual = {"delimiter": ",", "decimal": ".", "header": True}
    given = dialect.given()
    given.pop("missing_values", None)
    return {key: value for key, value in given.items() if usual.get(key) != value}


def _data(path: str | None) -> dict[str, Any]:
    """``train.data`` for the file at ``path``; a bare word would be the name of a data set."""
    if path is None:
        return {}
    return {"data": path if Path(path).suffix else {"path": path}}


def _output(target: Target) -> dict[str, Any]:
    if target.task == "numbers":
        return {"targets": [target.column.name], "scale": "standardize"}
    return {"column": target.column.name, "classes": list(target.classes)}


def _left_out(decisions: Sequence[Decision]) -> list[str]:
    return [f"{d.column.name}: {d.reason}" for d in decisions if d.use == "left out"][:10]


def name_of(path: str | None) -> str:
    """The name of a model, and of its spec, for the table at ``path``."""
    stem = "model" if path is None else Path(path.removesuffix(".gz")).stem
    return re.sub(r"[^A-Za-z0-9_.-]", "-", stem).lstrip("-.")[:64] or "model"
