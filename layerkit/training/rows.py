"""The labelled rows that a spec is trained and judged on."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from layerkit.data import load_data, read_rows
from layerkit.errors import DataError
from layerkit.parts import Rows
from layerkit.spec import Spec
from layerkit.training.prepare import test_split

__all__ = ["DataLike", "judged_rows", "labelled_rows", "splits_of"]

DataLike = str | Path | Mapping[str, Rows] | None
"""Where rows come from: None for what the recipe names, a path, or splits by name."""


def _label_columns(spec: Spec) -> str | list[str] | None:
    column: str | None = spec.output["column"]
    targets: list[str] | None = spec.output["targets"]
    return column if column is not None else targets


def splits_of(spec: Spec, data: DataLike = None) -> dict[str, Rows]:
    """The splits by name, "train" and perhaps "test", from ``data`` or what the recipe names.

    Raises
    ------
    DataError, DataSourceError
        If they cannot be found or read.
    """
    if isinstance(data, Mapping):
        return dict(data)
    named = (spec.train or {}).get("data")
    return load_data(named, where=data, labels=_label_columns(spec))


def labelled_rows(spec: Spec, source: str | os.PathLike[str] | Rows) -> Rows:
    """Rows of one file with their labels, as ``spec`` names them.

    Raises
    ------
    DataError, DataSourceError
        If the file cannot be read.
    """
    return source if isinstance(source, Rows) else read_rows(source, labels=_label_columns(spec))


def judged_rows(spec: Spec, data: DataLike = None, split: str = "test") -> Rows:
    """The rows of one split: those that a training on the same data judges by.

    "test" is the data set's own, or what the recipe's ``train.test`` chooses; without either, all
    rows of ``data`` when it is given.

    Raises
    ------
    DataError
        If there is no such split.
    """
    splits = splits_of(spec, data)
    rows, test = test_split(splits, (spec.train or {}).get("test"))
    if split == "train":
        return rows
    if split != "test":
        raise DataError(f"a split is 'train' or 'test', {split!r} came")
    if test is not None:
        return test
    if data is not None:
        return rows
    raise DataError(
        "these data have no test rows",
        source=rows.source,
        hint="set train.test (0.2, say), give other data, or judge the split 'train'",
    )
