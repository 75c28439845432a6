"""Optical digits, 8 x 8 pixels: the data set that comes with layerkit (see ATTRIBUTION.md)."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

import numpy as np

from layerkit.data import read_rows
from layerkit.errors import DataSourceError
from layerkit.parts import DataSource, Rows

__all__ = ["Digits"]

FILE = "digits.csv.gz"
TRAIN_ROWS = 1400
PIXELS = 64


class Digits(DataSource):
    """1797 handwritten digits: rows 0 to 1399 for training, 1400 to 1796 for testing.

    Values (n, 64) uint8, pixels row by row from 0 to 16; labels (n,) int64, 0 to 9. Nearest class
    mean scores 85.64 % on the test rows.

    Source: E. Alpaydin, C. Kaynak, "Optical Recognition of Handwritten Digits", UCI, 1998.
    """

    type_name = "digits"

    def load(self, where: Path | None) -> dict[str, Rows]:
        """The two splits, from the bundled file or from one of the same form at ``where``.

        Raises
        ------
        DataSourceError
            If ``where`` holds no such file.
        """
        if where is None:
            with resources.as_file(resources.files(__package__) / FILE) as path:
                rows = read_rows(path, labels=str(PIXELS))
        else:
            rows = read_rows(where / FILE if where.is_dir() else where, labels=str(PIXELS))
        x, y = rows.values, rows.labels
        if x is None or y is None or x.shape[1:] != (PIXELS,) or len(x) <= TRAIN_ROWS:
            raise DataSourceError(
                f"{rows.source}: not the digits: wanted more than {TRAIN_ROWS} rows of {PIXELS} "
                "pixels and a label"
            )
        whole = Rows(x.astype(np.uint8), labels=y.astype(np.int64), source=f"digits ({FILE})")
        return {
            "train": whole.take(slice(0, TRAIN_ROWS)),
            "test": whole.take(slice(TRAIN_ROWS, None)),
        }
