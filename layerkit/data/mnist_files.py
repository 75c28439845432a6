"""MNIST's four IDX files: in a folder under any of their usual names, or downloaded."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

from layerkit.core.rows import Rows
from layerkit.data.fetch import data_home, fetch_files
from layerkit.data.read import read_rows
from layerkit.errors import DataSourceError

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

    Raises DataSourceError if there is no training split, or images and labels do not match.
    """
    splits = {split: rows for split in _STEMS if (rows := _split(folder, split)) is not None}
    if "train" not in splits:
        raise DataSourceError(
            f"{folder} has no training images",
            hint="expected train-images-idx3-ubyte.gz and train-labels-idx1-ubyte.gz, or the "
            "unpacked files",
        )
    return splits


def _split(folder: Path, split: str) -> Rows | None:
    images, labels = _file(folder, split, "images"), _file(folder, split, "labels")
    if images is None and labels is None:
        return None
    if images is None or labels is None:
        there, absent = (labels, "images") if images is None else (images, "labels")
        expected = _STEMS[split][0] + _ENDINGS[absent][0]
        name = there.name if there else ""
        raise DataSourceError(f"{folder} has {name}, but not {expected}.gz or the unpacked file")
    x, y = read_rows(images, format="idx").values, read_rows(labels, format="idx").values
    if x is None or y is None or x.ndim < 2 or y.ndim != 1 or len(x) != len(y):
        found = [list(a.shape) for a in (x, y) if a is not None]
        raise DataSourceError(
            f"{images} and {labels.name} do not match: expected images (n, height, width) and "
            f"labels (n,), got shapes {found[0]} and {found[1]}"
        )
    flat = x.reshape(len(x), math.prod(x.shape[1:]))
    return Rows(flat, labels=y, source=str(images))


def load_idx_set(
    name: str, where: Path | None, *, files: Mapping[str, str], mirrors: Sequence[str]
) -> dict[str, Rows]:
    """The splits of a data set that comes as IDX files, as MNIST does.

    The user's folder goes first, then ``LAYERKIT_DATA``, then the download cache. Files in a user's
    folder are not compared with a SHA-256, so that a data set of the same form (KMNIST) may take
    the place.

    Parameters
    ----------
    name
        Name of the data set and of its folder under ``LAYERKIT_DATA``.
    where
        The user's folder: the one with the files, or the parent of a folder ``name``.
    files, mirrors
        See ``fetch_files``.

    Returns
    -------
    dict
        "train" and "test": values (n, pixels) uint8, labels (n,) uint8.

    Raises
    ------
    DataSourceError, MissingExtraError
        If the files are not there and cannot be downloaded.
    DataError
        If a file is damaged.
    """
    if where is not None:
        for folder in (where, where / name):
            if folder.is_dir() and has_idx(folder):
                return load_idx(folder)
        found = f"it contains: {contents(where)}" if where.is_dir() else "it is not a folder"
        raise DataSourceError(
            f"{where} holds no files of {name!r}; {found}",
            hint=f"put these there, or into a folder {name} in it: {', '.join(files)}",
        )
    home = data_home()
    if home is not None and (home / name).is_dir() and has_idx(home / name):
        return load_idx(home / name)
    return load_idx(fetch_files(name, files, mirrors))


def contents(folder: Path) -> str:
    """The names of the first files in ``folder``, for messages."""
    return ", ".join(sorted(p.name for p in folder.iterdir())[:20]) or "nothing"
