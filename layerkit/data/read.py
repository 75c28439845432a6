"""Reading one file of raw rows in any format: ``read_rows`` whole, ``read_blocks`` in pieces."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import chain
from typing import Any

import numpy as np

from layerkit.core.rows import Rows
from layerkit.data.decode_text import decoded, decoded_pieces
from layerkit.data.dialect import Dialect
from layerkit.data.file_format import SNIFFED, detect_format, registered_formats
from layerkit.data.label_columns import Labels, label_names, take_labels
from layerkit.data.read_bytes import Source, byte_pieces, read_bytes
from layerkit.data.readers.csv import csv_blocks, csv_dialect, read_csv
from layerkit.data.readers.csv_cells import CellFormat
from layerkit.data.readers.idx import read_idx
from layerkit.data.readers.json import json_blocks, read_json
from layerkit.data.readers.numpy import npy_blocks, read_npy, read_npz
from layerkit.data.readers.registered import read_registered, registered_blocks
from layerkit.errors import DataError


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
    """Read the raw rows of a file.

    Parameters
    ----------
    source
        A path, "-" for standard input, or an open file.
    format
        "csv" (delimited text), "tsv", "jsonl" (one JSON object or array per line), "json" (one
        array of them), "npy", "npz" (arrays x, X, rows or features, and y or labels), "idx" or that
        of a registered ``Reader`` ("parquet"), each perhaps with ".gz"; by default detected from
        the name, or else from the first bytes.
    labels
        The label column or columns, which are not inputs: by name, or by position (64 or "64", from
        0); in an npz file, the key of the array.
    columns
        Names of columns that will be used. The first line is a header if it holds them all. Other
        columns are read when asked for, and cost little until then.
    header, delimiter, decimal, thousands, quote, comment, missing_values, encoding
        How delimited text is written: see ``layerkit.data.Dialect``. By default detected.
    has_header
        The older name of ``header``.

    Returns
    -------
    Rows
        Delimited text with a header or with text in it, and JSON objects, give ``columns``: (n,)
        float64 with NaN, or (n,) str with "", for a missing value (an empty cell, ``?``, or one of
        ``missing_values``); a ``Reader`` gives columns too. Other files give ``values``
        (n, *shape), in the file's dtype if it has one. A one-dimensional array gives ``values``
        (n,). ``notes`` lists what was assumed about the dialect.

    Raises
    ------
    DataError
        If the contents are not of the format; ``row`` counts from 0, without the header.
    DataSourceError
        If the file cannot be found, read or decompressed.
    MissingExtraError
        If a reader needs a library that is not installed.
    """
    dialect = Dialect(
        delimiter,
        decimal,
        thousands,
        quote,
        has_header if header is None else header,
        comment,
        missing_values,
        encoding,
    )
    raw, name = read_bytes(source)
    kind = _checked_format(format, source, name, raw)
    rows = _read_whole(raw, name, kind, dialect, labels, columns)
    return take_labels(rows, labels, _number_format(dialect))


def read_blocks(source: Source, *, rows: int = 8192, **options: Any) -> Iterator[Rows]:
    """Read the raw rows of a file in blocks, in order.

    Parameters
    ----------
    source
        A path, "-" for standard input, or an open file.
    rows
        The most rows that a block has.
    options
        Those of ``read_rows``.

    Yields
    ------
    Rows
        The same cells as from ``read_rows``; ``index`` is the number of each row in the file.

    Raises
    ------
    DataError, DataSourceError, MissingExtraError
        Same as ``read_rows``, with the block that holds the fault.
    """
    row = 0
    for block in _read_pieces(source, **options):
        for start in range(0, len(block) or 1, rows):
            part = block.take(slice(start, start + rows))
            yield replace(part, index=np.arange(row + start, row + start + len(part)))
        row += len(block)


def read_dialect(source: Source, *, format: str | None = None, dialect: Dialect) -> Dialect | None:
    """How the delimited text in ``source`` is written; None for a file of another format.

    What ``dialect`` leaves out is detected from the first lines. Raises DataError if there are no
    rows, DataSourceError if the file cannot be read.
    """
    pieces, name = byte_pieces(source)
    first, pieces = _beginning(pieces)
    kind = _checked_format(format, source, name, first)
    if kind not in ("csv", "tsv"):
        return None
    texts = decoded_pieces(pieces, name, dialect.encoding)
    return csv_dialect(texts, name, _with_tabs(dialect, kind))


def _beginning(pieces: Iterator[bytes]) -> tuple[bytes, Iterator[bytes]]:
    """(the first bytes, enough to detect the format; all of the pieces)."""
    first = next(pieces, b"")
    while len(first) < SNIFFED and (more := next(pieces, b"")):
        first += more
    return first, chain([first], pieces)


def _checked_format(given: str | None, source: Source, name: str, first: bytes) -> str:
    """The format of a file that begins with ``first``, which must not be empty."""
    is_path = isinstance(source, (str, os.PathLike)) and source != "-"
    kind = detect_format(given, name if is_path else "", first)
    if not first or first.isspace():
        raise DataError("the file is empty", source=name)
    return kind


def _read_whole(
    raw: bytes,
    name: str,
    kind: str,
    dialect: Dialect,
    labels: Labels,
    columns: Sequence[str] | None,
) -> Rows:
    if kind == "npy":
        return read_npy(raw, name)
    if kind == "npz":
        return read_npz(raw, name, labels=labels if isinstance(labels, str) else None)
    if kind == "idx":
        return read_idx(raw, name)
    if kind in registered_formats():
        return read_registered(raw, name, kind)
    text = decoded(raw, name, dialect.encoding)
    if kind in ("jsonl", "json"):
        document = True if kind == "json" else None
        return read_json(text, name, document=document, missing=dialect.missing_values)
    return read_csv(text, name, _with_tabs(dialect, kind), columns, label_names(labels))


def _read_pieces(
    source: Source,
    *,
    format: str | None = None,
    labels: Labels = None,
    columns: Sequence[str] | None = None,
    has_header: bool | None = None,
    **written: Any,
) -> Iterator[Rows]:
    header = has_header if written.get("header") is None else written["header"]
    dialect = Dialect.of({**written, "header": header})
    pieces, name = byte_pieces(source)
    first, pieces = _beginning(pieces)
    kind = _checked_format(format, source, name, first)
    found: Iterator[Rows]
    if kind == "npy":
        found = npy_blocks(pieces, name)
    elif kind in registered_formats():
        found = registered_blocks(b"".join(pieces), name, kind)
    elif kind in ("npz", "idx"):
        found = iter([_read_whole(b"".join(pieces), name, kind, dialect, labels, columns)])
    else:
        texts = decoded_pieces(pieces, name, dialect.encoding)
        if kind in ("jsonl", "json"):
            document = True if kind == "json" else None
            found = json_blocks(texts, name, document=document, missing=dialect.missing_values)
        else:
            used = label_names(labels)
            found = csv_blocks(texts, name, _with_tabs(dialect, kind), columns, used)
    return (take_labels(rows, labels, _number_format(dialect)) for rows in found)


def _with_tabs(dialect: Dialect, kind: str) -> Dialect:
    return dialect.over(Dialect(delimiter="\t")) if kind == "tsv" else dialect


def _number_format(dialect: Dialect) -> CellFormat:
    """How numbers among labels are written, where the file's format does not say."""
    return CellFormat(
        decimal=dialect.decimal or ("," if dialect.thousands == "." else "."),
        thousands=dialect.thousands,
        missing_values=dialect.missing_values,
    )
