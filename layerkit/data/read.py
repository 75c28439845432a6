"""One file of raw rows, whatever its format: bytes in, ``Rows`` out.

The format is told by the file's name, else by its first bytes; gzip by its own two bytes. A file is
read whole: layerkit trains on what fits into memory.
"""

from __future__ import annotations

import gzip
import os
import sys
import zlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO, TextIO

from layerkit.contract.rowforms import take_labels
from layerkit.data.arrays import read_idx, read_npy, read_npz
from layerkit.data.delimited import read_csv
from layerkit.data.dialect import Dialect
from layerkit.data.jsonlines import read_jsonl
from layerkit.errors import DataError, DataSourceError, PathError, quoted
from layerkit.offers import nearest
from layerkit.parts import Rows
from layerkit.paths import expanded, open_input

__all__ = ["EXTENSIONS", "read_blocks", "read_bytes", "read_rows"]

EXTENSIONS = {
    ".csv": "csv",
    ".data": "csv",
    ".txt": "csv",
    ".tsv": "tsv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".npy": "npy",
    ".npz": "npz",
    ".idx": "idx",
}
"""File name extension to format; each may be followed by .gz."""

_FORMATS = ("csv", "tsv", "jsonl", "npy", "npz", "idx")
_FOREIGN = (".xlsx", ".xls", ".parquet", ".feather", ".arff", ".mat", ".h5", ".hdf5", ".pkl",
            ".pickle", ".zip", ".png", ".jpg", ".jpeg", ".json", ".layerkit", ".pt")  # fmt: skip


def read_rows(
    source: str | os.PathLike[str] | BinaryIO | TextIO,
    *,
    format: str | None = None,
    labels: str | Sequence[str] | None = None,
    columns: Sequence[str] | None = None,
    header: bool | None = None,
    delimiter: str | None = None,
    decimal: str | None = None,
    thousands: str | None = None,
    quote: str | None = None,
    comment: str | None = None,
    missing_values: Sequence[str] = (),
    encoding: str | None = None,
    has_header: bool | None = None,
) -> Rows:
    """The raw rows in a file.

    Parameters
    ----------
    source
        A path, "-" for standard input, or an open file.
    format
        "csv" (delimited by commas, semicolons or tabs), "tsv", "jsonl" (one JSON object or array
        a line), "npy", "npz" (arrays x, X, rows or features, and y or labels) or "idx", each
        perhaps with ".gz"; by default told by the name, else by the first bytes.
    labels
        Column or columns that are labels and no input: by name, or by position (64 or "64", from
        0); in an npz file, the key of the array.
    columns
        Names of columns that are wanted. The first line is a header if it holds them all. Others
        cost little, and are there when asked for.
    header, delimiter, decimal, thousands, quote, comment, missing_values, encoding
        How delimited text is written: see ``layerkit.data.Dialect``. What is left out is detected.
    has_header
        The older name of ``header``.

    Returns
    -------
    Rows
        Delimited text with a header or with text in it, and JSON objects, give ``columns``: (n,)
        float64 with NaN, or (n,) str with "", for a missing value (an empty cell or ``?``). Other
        files give ``values`` (n, *shape), in the file's dtype if it has one. A one-dimensional
        array gives ``values`` (n,).

    Raises
    ------
    DataError
        If the contents are not of the format; ``row`` counts from 0, without the header.
    DataSourceError
        If the file cannot be found, read or decompressed.
    """
    dialect = Dialect(
        delimiter,
        decimal,
        thousands,
        quote,
        has_header if header is None else header,
        comment,
        tuple(missing_values),
        encoding,
    )
    raw, name = read_bytes(source)
    kind = _format_of(format, name if _is_path(source) else "", raw)
    if not raw.strip():
        raise DataError("the file is empty", source=name)
    if kind in ("csv", "tsv"):
        tab = "\t" if kind == "tsv" else None
        rows = read_csv(raw, name, delimiter=dialect.delimiter or tab, has_header=dialect.header)
    elif kind == "npz":
        rows = read_npz(raw, name, labels=labels if isinstance(labels, str) else None)
    else:
        readers: dict[str, Callable[[bytes, str], Rows]]
        readers = {"jsonl": read_jsonl, "npy": read_npy, "idx": read_idx}
        rows = readers[kind](raw, name)
    return take_labels(rows, labels)


def read_blocks(
    source: str | os.PathLike[str] | BinaryIO | TextIO, *, rows: int = 8192, **options: Any
) -> Iterator[Rows]:
    """The raw rows in a file, some at a time and in order.

    Parameters
    ----------
    source
        A path, "-" for standard input, or an open file.
    rows
        How many rows a block has at most.
    options
        Those of ``read_rows``.

    Yields
    ------
    Rows
        The same cells as ``read_rows`` gives; ``index`` is the number of each row in the file.

    Raises
    ------
    DataError, DataSourceError
        As ``read_rows``, at the block that holds the fault.
    """
    whole = read_rows(source, **options)
    for start in range(0, len(whole), rows):
        yield whole.take(slice(start, start + rows))


def _is_path(source: object) -> bool:
    return isinstance(source, (str, os.PathLike)) and source != "-"


def read_bytes(source: str | os.PathLike[str] | BinaryIO | TextIO) -> tuple[bytes, str]:
    """The contents, decompressed, and a name for messages.

    Raises
    ------
    DataSourceError
        If it is not there, no file, unreadable, or broken gzip.
    """
    if isinstance(source, (str, os.PathLike)) and source != "-":
        path = Path(expanded(os.fspath(source)))
        raw, name = _file_bytes(path), str(path)
        if path.suffix == ".gz" and not raw.startswith(b"\x1f\x8b"):
            raise DataSourceError(
                f"{name}: not gzip data, though its name says so",
                hint=_looks_like(raw) or "unpack or download it again",
            )
    else:
        stream = sys.stdin.buffer if source == "-" else source
        assert not isinstance(stream, (str, os.PathLike))  # noqa: S101  # narrows the type
        got = stream.read()
        raw = got.encode() if isinstance(got, str) else bytes(got)
        name = "standard input" if source == "-" else str(getattr(stream, "name", "the open file"))
    return (_gunzip(raw, name) if raw.startswith(b"\x1f\x8b") else raw), name


def _file_bytes(path: Path) -> bytes:
    try:
        with open_input(str(path)) as file:
            return file.read()
    except IsADirectoryError:
        raise DataSourceError(
            f"{path} is a folder where one file is wanted", hint="name a file in it"
        ) from None
    except FileNotFoundError:
        there = sorted(p.name for p in path.parent.iterdir()) if path.parent.is_dir() else []
        near = nearest(path.name, there)
        where = "" if path.parent.is_dir() else f" (nor its folder {path.parent})"
        raise DataSourceError(f"there is no file {path}{where}{near}") from None
    except PathError as error:
        raise DataSourceError(error.message, hint=error.hint) from error
    except OSError as cause:
        raise DataSourceError(f"{path} cannot be read: {cause.strerror or cause}") from cause


def _gunzip(raw: bytes, name: str) -> bytes:
    try:
        return gzip.decompress(raw)
    except EOFError:
        reason = "the gzip data end too early"
    except (OSError, zlib.error) as cause:
        reason = f"the gzip data are damaged ({cause})"
    raise DataSourceError(f"{name}: {reason}", hint="copy or download the file again")


def _looks_like(raw: bytes) -> str | None:
    start = raw[:200].lstrip().lower()
    if start.startswith((b"<!doctype", b"<html", b"<?xml")):
        return "it is a web page: the download went wrong"
    if start.startswith(b"version https://git-lfs"):
        return "it is a Git LFS pointer: fetch the file itself with git lfs pull"
    return None


def _format_of(wanted: str | None, name: str, raw: bytes) -> str:
    if wanted is not None:
        short = wanted.lower().removeprefix(".").removesuffix(".gz")
        if short not in _FORMATS:
            raise DataSourceError(
                f"unknown format {quoted(wanted)}{nearest(short, list(_FORMATS))}",
                hint=f"formats: {', '.join(_FORMATS)}, each perhaps with .gz",
            )
        return short
    stem = Path(name.lower().removesuffix(".gz"))
    if hint := _looks_like(raw):
        raise DataSourceError(f"{name or 'the rows'}: no data in it", hint=hint)
    if stem.suffix in EXTENSIONS:
        return EXTENSIONS[stem.suffix]
    if stem.suffix in _FOREIGN:
        raise DataSourceError(
            f"{name}: no reader for {stem.suffix} files",
            hint=f"formats: {', '.join(_FORMATS)}; convert it, for instance to CSV",
        )
    return _sniffed(raw)


def _sniffed(raw: bytes) -> str:
    """The format that the first bytes speak for."""
    if raw.startswith(b"\x93NUMPY"):
        return "npy"
    if raw.startswith(b"PK"):
        return "npz"
    if raw.startswith(b"\0\0") and raw[2:3] in (
        b"\x08",
        b"\x09",
        b"\x0b",
        b"\x0c",
        b"\x0d",
        b"\x0e",
    ):
        return "idx"
    return "jsonl" if raw.lstrip(b" \t\r\n\xef\xbb\xbf")[:1] in (b"{", b"[") else "csv"
