"""The labelled rows that a spec is trained and evaluated on."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from layerkit.core.rows import Rows
from layerkit.data import Dialect, load_data, read_rows
from layerkit.datacontract import as_rows, label_cells
from layerkit.display import counted
from layerkit.errors import DataError
from layerkit.specs import Spec
from layerkit.specs.recipe import require_parts
from layerkit.training.prepare import test_split

Pair = tuple[Any, Any]
"""Rows and their labels: arrays or lists (n, *shape) and (n,) or (n, k); columns by name."""

Table = Mapping[str, Any] | list[Any] | Any
"""Named columns: a mapping from name to values, a data frame, a list of mappings."""

DataLike = str | Path | Pair | Mapping[str, Rows | Pair] | Table | None
"""Labelled rows: a path; a pair (x, y); a table with the labels among its columns; any of these by
split, as in ``{"train": (x, y), "test": (u, v)}``; an object as in ``train.data``; or None for what
the recipe names."""


def _label_columns(spec: Spec) -> str | list[str] | None:
    column: str | None = spec.output["column"]
    targets: list[str] | None = spec.output["targets"]
    return column if column is not None else targets


def read_options(spec: Spec, instead: Dialect | None = None) -> dict[str, Any]:
    """Keyword arguments of ``read_rows`` for a file of rows for ``spec``, without its labels.

    ``instead`` overrides the dialect of ``spec.input``.
    """
    dialect = (instead or Dialect()).over(Dialect.of(spec.input))
    columns: Sequence[str] | None = spec.column_names
    if columns is None:  # a file like the training file is read as that was
        columns = [name for name in _used_columns(spec) if name.isdecimal()]
    return {"columns": columns, **dialect.given()}


def _used_columns(spec: Spec) -> list[str]:
    """The columns of a training table that ``spec`` names, without its labels."""
    recipe = spec.train or {}
    split, weight = recipe.get("test"), recipe.get("sample_weight")
    others = [split["column"] if isinstance(split, dict) else None, weight]
    return [*(spec.column_names or ()), *(name for name in others if name is not None)]


def splits_of(
    spec: Spec, data: DataLike = None, *, dialect: Dialect | None = None
) -> dict[str, Rows]:
    """The splits "train" and perhaps "test" of ``data``, or of what the recipe names.

    ``dialect`` overrides what the spec says about how a table is written.
    """
    if isinstance(data, Mapping) and _names_files(data):
        spec, data = spec.with_train(data=dict(data)), None
    if isinstance(data, Mapping) and _by_split(data):
        return {split: given_rows(rows) for split, rows in data.items()}
    if data is not None and not isinstance(data, (str, Path)):
        return {"train": given_rows(data)}
    named = (spec.train or {}).get("data")
    if data is None or isinstance(named, Mapping):
        require_parts(spec, "data")
    return load_data(
        named,
        where=data,
        labels=_label_columns(spec),
        columns=_used_columns(spec),
        dialect=Dialect.of(spec.input),
        instead=dialect,
    )


def _names_files(data: Mapping[str, Any]) -> bool:
    """Whether a mapping gives the paths of files, as ``train.data`` may."""
    return isinstance(data.get("path", data.get("train")), (str, Path))


def _by_split(data: Mapping[str, Any]) -> bool:
    """Whether a mapping holds rows by split, not one table by column."""
    return "train" in data or any(isinstance(v, (Rows, tuple)) for v in data.values())


def given_rows(rows: Rows | Pair | Table) -> Rows:
    """``Rows`` of a pair (x, y) or of a table with the labels among its columns.

    Raises DataError if ``rows`` are neither, or x and y differ in length.
    """
    if isinstance(rows, Rows):
        return rows
    if not isinstance(rows, tuple):
        table = as_rows(rows)
        if table.columns is None:
            raise DataError(
                "expected a pair (x, y) of rows and labels, or a table with named columns, got "
                f"{type(rows).__name__}"
            )
        return table
    if len(rows) != 2:
        raise DataError(
            f"expected a pair (x, y) of rows and labels, got {counted(len(rows), 'part')}"
        )
    x, labels = as_rows(rows[0]), label_cells(rows[1])
    if labels.ndim == 0 or len(labels) != len(x):
        count = "none" if labels.ndim == 0 else str(len(labels))
        raise DataError(f"expected one label per row, got {count} for {counted(len(x), 'row')}")
    return Rows(x.values, x.columns, labels, "the rows given")


def labelled_rows(
    spec: Spec, source: str | os.PathLike[str] | Rows | Pair, *, dialect: Dialect | None = None
) -> Rows:
    """The rows of one file with the labels that ``spec`` names; or the rows given.

    The file is read like that of ``train.data``; ``dialect`` overrides that.
    """
    if isinstance(source, (Rows, tuple)):
        return given_rows(source)
    data = (spec.train or {}).get("data")
    recipe = Dialect.of(data) if isinstance(data, dict) else Dialect()
    options = read_options(spec, (dialect or Dialect()).over(recipe))
    return read_rows(source, labels=_label_columns(spec), **options)


def judged_rows(
    spec: Spec, data: DataLike = None, split: str = "test", *, dialect: Dialect | None = None
) -> Rows:
    """The rows of one split, as a training on the same data uses them; DataError if it is missing.

    "test" is the data set's own, or what the recipe's ``train.test`` chooses; without either, all
    rows of ``data``, if it is given.
    """
    splits = splits_of(spec, data, dialect=dialect)
    rows, test = test_split(splits, spec)
    if split == "train":
        return rows
    if split != "test":
        raise DataError(f"expected the split 'train' or 'test', got {split!r}")
    if test is not None:
        return test
    if data is not None:
        return rows
    raise DataError(
        "these data have no test rows",
        source=rows.source,
        hint="set train.test (0.2, say), give other data, or evaluate the split 'train'",
    )
