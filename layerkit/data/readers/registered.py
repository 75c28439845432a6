"""Files that a registered ``Reader`` reads, such as Parquet."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from layerkit.core.rows import Rows
from layerkit.data.file_format import registered_formats
from layerkit.datacontract import as_rows
from layerkit.discovery.registry import READERS
from layerkit.errors import DataError, LayerkitError, PluginLoadError


def registered_blocks(raw: bytes, name: str, format: str) -> Iterator[Rows]:
    """The rows of a file with the contents ``raw``, in blocks of any size.

    Raises DataError if the reader cannot make sense of it, PluginLoadError if what it yields are
    not tables of the same columns, MissingExtraError as the reader does.
    """
    type_name = registered_formats()[format]
    reader = READERS.create(type_name)
    columns: list[str] | None = None
    try:
        for table in reader.tables(io.BytesIO(raw)):
            rows = replace(as_rows(table), source=name)
            columns = _checked_columns(rows, columns, type_name)
            yield rows
    except LayerkitError:
        raise
    except Exception as cause:  # whatever a library raises for a damaged file
        reason = f"not a readable {format} file: {type(cause).__name__}: {cause}"
        raise DataError(reason, source=name, hint="copy or download the file again") from cause
    if columns is None:
        raise PluginLoadError(f"reader {type_name!r}: expected one or more tables, got none")


def _checked_columns(rows: Rows, before: list[str] | None, reader: str) -> list[str]:
    """The names of the columns of ``rows``, those of the tables ``before`` if there were any."""
    found = None if rows.columns is None else list(rows.columns)
    if found is None or (before is not None and found != before):
        expected = "a table with named columns" if before is None else f"the columns {before}"
        got = "an array" if found is None else f"{found}"
        raise PluginLoadError(f"reader {reader!r}: expected {expected}, got {got}")
    return found


def read_registered(raw: bytes, name: str, format: str) -> Rows:
    """All rows of a file with the contents ``raw``; raises what ``registered_blocks`` raises."""
    return concatenated(list(registered_blocks(raw, name, format)))


def concatenated(blocks: Sequence[Rows]) -> Rows:
    """The rows of all blocks, which have the same columns."""
    if len(blocks) == 1:
        return blocks[0]
    columns = [block.columns or {} for block in blocks]
    joined = {name: np.concatenate([one[name] for one in columns]) for name in columns[0]}
    return Rows(columns=joined, source=blocks[0].source)
