"""One file of raw rows, whatever its format: bytes in, ``Rows`` out.

The format is told by the file's name, else by its first bytes; gzip by its own two bytes.
``read_rows`` reads a file whole, ``read_blocks`` in pieces.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from layerkit.core.rows import Rows
from layerkit.data.arrays import npy_blocks, read_idx, read_npy, read_npz
from layerkit.data.delimited import csv_blocks, read_csv
from layerkit.data.dialect import Dialect
from layerkit.data.form import Form
from layerkit.data.jsonlines import json_blocks, read_json
from layerkit.data.labels import Labels, named, take_labels
from layerkit.data.streams import Source, byte_pieces, is_path, looks_like, read_bytes
from layerkit.data.textual import decoded, decoded_pieces
from layerkit.display import nearest, quoted
from layerkit.errors import DataError, DataSourceError

__all__ = ["EXTENSIONS", "read_blocks", "read_rows"]

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

_FORMATS = ("csv", "tsv", "jsonl", "json", "npy", "npz", "idx")
_SNIFF = 512
_FOREIGN = (".xlsx", ".xls", ".parquet", ".feather", ".arff", ".mat", ".h5", ".hdf5", ".pkl",
            ".pickle", ".zip", ".png", ".jpg", ".jpeg", ".layerkit", ".pt")  # fmt: skip


def read_rows(
    source: Source,
    *,
    format: str | None = None,
    labels: Labels = None,
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
        "csv" (delimited text), "tsv", "jsonl" (one JSON object or array a line), "json" (one array
        of them), "npy", "npz" (arrays x, X, rows or features, and y or labels) or "idx", each
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
        float64 with NaN, or (n,) str with "", for a missing value (an empty cell, ``?``, or one of
        ``missing_values``). Other files give ``values`` (n, *shape), in the file's dtype if it has
        one. A one-dimensional array gives ``values`` (n,). ``notes`` says what was assumed of the
        dialect, if anything.

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
    kind = _format_of(format, name if is_path(source) else "", raw)
    if not raw or raw.isspace():
        raise DataError("the file is empty", source=name)
    return take_labels(_whole(raw, name, kind, dialect, labels, columns), labels, _marks(dialect))


def _whole(
    raw: bytes,
    name: str,
    kind: str,
    dialect: Dialect,
    labels: Labels,
    columns: Sequence[str] | None,
) -> Rows:
    if kind in ("csv", "tsv", "jsonl", "json"):
        text = decoded(raw, name, dialect.encoding)
        if kind in ("jsonl", "json"):
            document = True if kind == "json" else None
            return read_json(text, name, document=document, missing=dialect.missing_values)
        return read_csv(text, name, _tabs(dialect, kind), columns, named(labels))
    if kind == "npz":
        return read_npz(raw, name, labels=labels if isinstance(labels, str) else None)
    return read_npy(raw, name) if kind == "npy" else read_idx(raw, name)


def _tabs(dialect: Dialect, kind: str) -> Dialect:
    return dialect.over(Dialect(delimiter="\t")) if kind == "tsv" else dialect


def _marks(dialect: Dialect) -> Form:
    """How numbers among labels are written, where the file's format leaves that open."""
    return Form(
        decimal=dialect.decimal or ("," if dialect.thousands == "." else "."),
        thousands=dialect.thousands,
        missing_values=dialect.missing_values,
    )


def read_blocks(source: Source, *, rows: int = 8192, **options: Any) -> Iterator[Rows]:
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
    row = 0
    for block in _blocks(source, **options):
        for start in range(0, len(block) or 1, rows):
            part = block.take(slice(start, start + rows))
            yield replace(part, index=np.arange(row + start, row + start + len(part)))
        row += len(block)


def _blocks(
    source: Source,
    *,
    format: str | None = None,
    labels: Labels = None,
    columns: Sequence[str] | None = None,
    header: bool | None = None,
    has_header: bool | None = None,
    **written: Any,
) -> Iterator[Rows]:
    dialect = Dialect.of({"header": has_header if header is None else header, **written})
    pieces, name = byte_pieces(source)
    first = next(pieces, b"")
    while len(first) < _SNIFF and (more := next(pieces, b"")):
        first += more
    kind = _format_of(format, name if is_path(source) else "", first)
    if not first or first.isspace():
        raise DataError("the file is empty", source=name)
    pieces = chain([first], pieces)
    found: Iterator[Rows]
    if kind in ("jsonl", "json"):
        texts = decoded_pieces(pieces, name, dialect.encoding)
        document = True if kind == "json" else None
        found = json_blocks(texts, name, document=document, missing=dialect.missing_values)
    elif kind in ("csv", "tsv"):
        texts = decoded_pieces(pieces, name, dialect.encoding)
        found = csv_blocks(texts, name, _tabs(dialect, kind), columns, named(labels))
    elif kind == "npy":
        found = npy_blocks(pieces, name)
    else:
        found = iter([_whole(b"".join(pieces), name, kind, dialect, labels, columns)])
    return (take_labels(rows, labels, _marks(dialect)) for rows in found)


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
    if hint := looks_like(raw):
        raise DataSourceError(f"{name or 'the rows'}: no data in it", hint=hint)
    if stem.suffix == ".json":  # not among EXTENSIONS: what is looked for by name may be a spec
        return "json"
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
