"""npz: arrays by name, as numpy.savez writes them."""

from __future__ import annotations

import zipfile
from typing import BinaryIO

import numpy as np

from layerkit import Importer, Weights, WeightsError

__all__ = ["Npz"]

_SMALL = 256 << 20  # bytes
_RATIO = 20  # weights hardly shrink when they are compressed


class Npz(Importer):
    """Arrays by name in NumPy's npz; pickled objects are refused.

    Source: numpy.lib.format, NumPy enhancement proposal 1.
    """

    type_name = "npz"
    extensions = (".npz",)

    def weights(self, source: BinaryIO) -> Weights:
        """The arrays.

        Raises
        ------
        WeightsError
            If they would take far more memory than the file.
        """
        with zipfile.ZipFile(source) as archive:
            size = sum(info.file_size for info in archive.infolist())
            packed = sum(info.compress_size for info in archive.infolist())
        if size > max(_SMALL, _RATIO * packed):
            raise WeightsError(f"its arrays claim {size:,} bytes, in {packed:,} bytes of a file")
        source.seek(0)
        with np.load(source, allow_pickle=False) as held:
            return Weights({name: held[name] for name in held.files})
