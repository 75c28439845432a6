"""A folder with the files of MNIST, under any of the names they go by."""

from __future__ import annotations

import math
from pathlib import Path

from layerkit.core.rows import Rows
from layerkit.data.read import read_rows
from layerkit.errors import DataSourceError

__all__ = ["has_idx", "load_idx"]

_STEMS = {"train": ("train",), "test": ("t10k", "test")}
_ENDINGS = {
    "images": ("-images-idx3-ubyte", "-images.idx3-ubyte", "-images.idx3", "-images.idx"),
    "labels": ("-labels-idx1-ubyte", "-labels.idx1-ubyte", "-labels.idx1", "-labels.idx"),
}


def _file(folder: Path, split: str, what: str) -> Path | None:
    names = (
        stem + ending + packed
        for stem in _STEMS[split]
        for ending in _ENDINGS[what]
        for packed in (".gz", "")
    )
    return next((folder / name for name in names if (folder / name).is_file()), None)


def has_idx(folder: Path) -> bool:
    """Whether ``folder`` holds any of the files."""
    return any(_file(folder, split, what) for split in _STEMS for what in _ENDINGS)


def load_idx(folder: Path) -> dict[str, Rows]:
    """The splits in ``folder``: images flat, (n, height * width), with their labels (n,).

    Raises
    ------
    DataSourceError
        If there is no training split, a file's other half is missing, or they do not match.
    DataError
        If a file is damaged.
    """
    splits = {split: rows for split in _STEMS if (rows := _split(folder, split)) is not None}
    if "train" not in splits:
        raise DataSourceError(
            f"{folder} has no training images",
            hint="wanted train-images-idx3-ubyte.gz and train-labels-idx1-ubyte.gz, or as they "
            "are when unpacked",
        )
    return splits


def _split(folder: Path, split: str) -> Rows | None:
    images, labels = _file(folder, split, "images"), _file(folder, split, "labels")
    if images is None and labels is None:
        return None
    if images is None or labels is None:
        there, absent = (labels, "images") if images is None else (images, "labels")
        wanted = _STEMS[split][0] + _ENDINGS[absent][0]
        name = there.name if there else ""
        raise DataSourceError(f"{folder} has {name}, but no {wanted}.gz (nor unpacked)")
    x, y = read_rows(images, format="idx").values, read_rows(labels, format="idx").values
    if x is None or y is None or x.ndim < 2 or y.ndim != 1 or len(x) != len(y):
        found = [list(a.shape) for a in (x, y) if a is not None]
        raise DataSourceError(
            f"{images} and {labels.name} do not match: shapes {found[0]} and {found[1]}",
            hint="wanted images (n, height, width) and as many labels (n,)",
        )
    flat = x.reshape(len(x), math.prod(x.shape[1:]))
    return Rows(flat, labels=y, source=str(images))
