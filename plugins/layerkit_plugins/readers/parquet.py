"""Parquet, read by pyarrow or polars, whichever is installed."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping, Sequence
from importlib.util import find_spec
from typing import Any, BinaryIO

from layerkit import MissingExtraError, Reader

__all__ = ["Parquet"]

_ROWS = 1 << 16  # per table
_NEEDS = "reading Parquet"


class Parquet(Reader):
    """Tables in columns, as pandas, polars, Spark and DuckDB write them.

    Missing cells are missing values. pyarrow reads the file in pieces of 65,536 rows; polars, if
    pyarrow is not installed, as a whole.

    Source: the Apache Parquet format, https://parquet.apache.org/docs/file-format/.
    """

    type_name = "parquet"

    def tables(self, file: BinaryIO) -> Iterator[Any]:
        """Tables of pyarrow or polars.

        Raises
        ------
        MissingExtraError
            If neither is installed.
        """
        if find_spec("pyarrow"):
            from pyarrow.parquet import ParquetFile

            content = ParquetFile(file)
            if content.metadata.num_rows == 0:
                yield content.schema_arrow.empty_table()
            yield from content.iter_batches(_ROWS)
        elif find_spec("polars"):
            import polars

            yield polars.read_parquet(file)
        else:
            raise MissingExtraError("pyarrow", "parquet", _NEEDS)

    def example(self) -> tuple[bytes, Mapping[str, Sequence[Any]]]:
        """Numbers and text with a missing cell each.

        Raises
        ------
        MissingExtraError
            If neither pyarrow nor polars is installed.
        """
        columns: dict[str, list[Any]] = {"size": [1.5, None, -2.0], "kind": ["a", "b", None]}
        file = io.BytesIO()
        if find_spec("pyarrow"):
            import pyarrow
            from pyarrow.parquet import write_table

            write_table(pyarrow.table(columns), file)
        elif find_spec("polars"):
            import polars

            polars.DataFrame(columns).write_parquet(file)
        else:
            raise MissingExtraError("pyarrow", "parquet", _NEEDS)
        return file.getvalue(), columns
