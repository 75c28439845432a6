"""Loading of data by name: a registered source, a file, or a folder with the splits."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from layerkit.core.rows import Rows
from layerkit.data.dialect import DIALECT_KEYS, Dialect
from layerkit.data.fetch import data_home
from layerkit.data.file_format import extensions
from layerkit.data.label_columns import Labels
from layerkit.data.mnist_files import contents, has_idx, load_idx
from layerkit.data.read import read_rows
from layerkit.data.read_bytes import nearest_name, read_bytes
from layerkit.data.readers.numpy import load_npz
from layerkit.discovery.registry import DATA
from layerkit.display import nearest, quoted
from layerkit.errors import DataError, DataSourceError, UnknownTypeError
from layerkit.paths import expanded

Options = dict[str, Any]
"""Keyword arguments of ``read_rows``."""

_FILE_KEYS = ("path", "train", "test", "format", "labels", *DIALECT_KEYS, "has_header")
_NPY_FILES = ("x_train.npy", "y_train.npy", "x_test.npy", "y_test.npy")
_EXPECTED = (
    "expected the IDX files of MNIST (train-images-idx3-ubyte.gz, ...); train and test with {} "
    "(perhaps .gz); x_train.npy and y_train.npy, x_test.npy and y_test.npy; or a single such file"
)


def load_data(
    data: str | Path | Mapping[str, Any] | None,
    *,
    where: str | Path | None = None,
    labels: Labels = None,
    columns: Sequence[str] | None = None,
    dialect: Dialect | None = None,
    instead: Dialect | None = None,
) -> dict[str, Rows]:
    """Load the splits of a data set by name: "train", and "test" if there is one.

    Parameters
    ----------
    data
        The name of a registered data source; the path of a file or folder; a mapping, either
        {"type": source, ...its settings}, or {"path": path} or {"train": path, "test": path} with
        "format", "labels" and the fields of ``Dialect``; or None to use ``where`` alone.
    where
        The folder or file that the user gave for this run, or the name of a data source to use
        instead. A path goes before the environment variable ``LAYERKIT_DATA``, a folder that holds
        files or folders by data set name.
    labels
        Label column or columns of files, see ``read_rows``; registered sources know theirs.
    columns
        Other columns of files that will be used, see ``read_rows``.
    dialect, instead
        How files are written where ``data`` does not say; and what overrides both.

    Raises
    ------
    UnknownTypeError
        If ``data`` is neither a registered name nor a path.
    DataSourceError
        If there is nothing at the path, or no data set.
    DataError
        If a file is damaged.
    """
    base = None if where is None else Path(expanded(os.fspath(where)))
    if base is not None and not base.exists():
        if isinstance(where, str) and where in DATA:
            if isinstance(data, Mapping) and data.get("type") == where:
                return _from_source(data, None)
            return _from_source(where, None)
        raise DataSourceError(f"there is no file or folder {base}{nearest_name(base)}")
    written = dialect or Dialect()
    if isinstance(data, Mapping) and "type" not in data:
        _check_keys(data)
        written = Dialect.of({"header": data.get("has_header"), **data}).over(written)
    written = (instead or Dialect()).over(written)
    options: Options = {"labels": labels, "columns": columns, **written.given()}
    if isinstance(data, Mapping):
        return _from_mapping(data, base, options)
    if data is None:
        if base is None:
            hint = 'give --data PATH, or set train.data in the spec (for example "digits")'
            raise DataSourceError("no data given", hint=hint)
        return _from_path(base, options)
    if isinstance(data, str) and data in DATA:
        return _from_source(data, base)
    return _from_path(_found(data, base), options)


def _from_source(config: str | Mapping[str, Any], base: Path | None) -> dict[str, Rows]:
    splits = DATA.create(config).load(base)
    if "train" not in splits:
        name = config if isinstance(config, str) else config.get("type")
        raise DataSourceError(f"the data source {name!r} has no 'train' split")
    return splits


def _check_keys(data: Mapping[str, Any]) -> None:
    unknown = sorted(set(data) - set(_FILE_KEYS))
    if unknown or ("train" in data) == ("path" in data):
        fault = "give either 'train' or 'path', not both"
        if unknown:
            fault = f"unknown key {quoted(unknown[0])}{nearest(unknown[0], list(_FILE_KEYS))}"
        elif "train" not in data:
            fault = "give 'train' or 'path'"
        raise DataSourceError(
            f"data: {fault}",
            hint=f"keys: type and its settings, or {', '.join(_FILE_KEYS)}",
        )


def _from_mapping(data: Mapping[str, Any], base: Path | None, options: Options) -> dict[str, Rows]:
    if "type" in data:
        return _from_source(data, base)
    own = {key: data[key] for key in ("format", "labels") if data.get(key) is not None}
    options = {**options, **own}
    if "path" in data:
        return _from_path(_found(data["path"], base), options)
    if base is not None and base.is_file():  # it replaces both
        return _from_path(base, options)
    names = {split: data[split] for split in ("train", "test") if data.get(split) is not None}
    return {split: read_rows(_found(name, base), **options) for split, name in names.items()}


def _found(name: Any, base: Path | None) -> Path:
    """The file or folder ``name``; ``base`` itself if it is given and does not contain that."""
    home = data_home()
    parents = [base] if base is not None else [Path(), *([home] if home is not None else [])]
    for folder in parents:
        endings = _endings() if folder.is_dir() else []
        for ending in ["", *endings]:
            path = folder / (expanded(os.fspath(name)) + ending)
            if path.exists():
                return path
    if base is None:
        raise _unknown(name)
    return base


def _unknown(data: str | Path) -> UnknownTypeError | DataSourceError:
    name = os.fspath(data)
    home = data_home()
    searched = f"searched the current folder and LAYERKIT_DATA ({home or 'not set'})"
    if isinstance(data, Path) or Path(name).suffix or "/" in name or os.sep in name:
        return DataSourceError(
            f"there is no file or folder {name}{nearest_name(Path(expanded(name)))}",
            hint=f"{searched}; give its path with --data PATH",
        )
    try:
        DATA.choose(name)
    except UnknownTypeError as cause:
        hint = f"{cause.hint}\n{searched}; for your own file or folder: --data PATH"
        return UnknownTypeError(cause.message, hint=hint, problems=cause.problems)
    return DataSourceError(f"there is no data set {name}")


def _from_path(path: Path, options: Options) -> dict[str, Rows]:
    if path.is_dir():
        return _from_folder(path, options)
    if path.suffix == ".npz":
        arrays = {key.lower(): array for key, array in load_npz(*read_bytes(path)).items()}
        if "x_train" in arrays:
            return _from_arrays(arrays, {key: str(path) for key in arrays})
    return {"train": read_rows(path, **options)}


def _from_arrays(arrays: Mapping[str, Any], sources: Mapping[str, str]) -> dict[str, Rows]:
    """The splits of arrays called x_train, y_train, x_test, y_test."""
    splits = {}
    for split in ("train", "test"):
        x, y = arrays.get(f"x_{split}"), arrays.get(f"y_{split}")
        if x is None:
            continue
        source = sources[f"x_{split}"]
        if y is not None and len(x) != len(y):
            reason = f"expected one label per row, got {len(y)} for {len(x)}"
            raise DataError(reason, source=source)
        splits[split] = Rows(x, labels=y, source=source)
    return splits


def _from_folder(folder: Path, options: Options) -> dict[str, Rows]:
    if has_idx(folder):
        return load_idx(folder)
    files = {p.name.lower(): p for p in sorted(folder.iterdir()) if p.is_file()}
    named = {
        split: [files[split + ending] for ending in _endings() if split + ending in files]
        for split in ("train", "test")
    }
    if named["train"]:
        for split, paths in named.items():
            if len(paths) > 1:
                names = " and ".join(p.name for p in paths)
                raise DataSourceError(f"{folder}: expected one {split} file, got {names}")
        return {s: read_rows(paths[0], **options) for s, paths in named.items() if paths}
    if "x_train.npy" in files:
        read = {name[:-4]: read_rows(files[name]) for name in _NPY_FILES if name in files}
        values = {name: rows.values for name, rows in read.items()}
        return _from_arrays(values, {name: rows.source for name, rows in read.items()})
    single = [p for n, p in files.items() if Path(n.removesuffix(".gz")).suffix in extensions()]
    if len(single) == 1:
        return _from_path(single[0], options)
    raise DataSourceError(
        f"{folder}: no data set found; it contains: {contents(folder)}",
        hint=_EXPECTED.format(", ".join(extensions())),
    )


def _endings() -> list[str]:
    """Extensions of files of rows, each also with .gz."""
    return [ending + packed for ending in extensions() for packed in ("", ".gz")]
