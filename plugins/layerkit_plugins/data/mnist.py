"""MNIST: handwritten digits, 28 x 28 pixels. Not bundled: read from a folder, or downloaded."""

from __future__ import annotations

from pathlib import Path

from layerkit import DataSource, Rows
from layerkit.data import load_idx_set

__all__ = ["Mnist"]

MIRRORS = (
    "https://ossci-datasets.s3.amazonaws.com/mnist/",
    "https://storage.googleapis.com/cvdf-datasets/mnist/",
)

FILES = {
    "train-images-idx3-ubyte.gz": (
        "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609"
    ),
    "train-labels-idx1-ubyte.gz": (
        "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c"
    ),
    "t10k-images-idx3-ubyte.gz": (
        "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6"
    ),
    "t10k-labels-idx1-ubyte.gz": (
        "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6"
    ),
}
"""File name to SHA-256."""


class Mnist(DataSource):
    """60,000 training and 10,000 test images of handwritten digits.

    Values (n, 784) uint8, pixels row by row from 0 to 255; labels (n,) uint8, 0 to 9. Nearest
    class mean on raw pixels scores 82.03 % on the test rows.

    Source: Y. LeCun, C. Cortes, C. Burges, from NIST Special Databases 1 and 3.
    """

    type_name = "mnist"

    def load(self, where: Path | None) -> dict[str, Rows]:
        """The two splits: from ``where``, from ``LAYERKIT_DATA``/mnist, or downloaded.

        Raises
        ------
        DataSourceError, MissingExtraError, DataError
            Same as ``layerkit.data.load_idx_set``.
        """
        return load_idx_set(self.type_name, where, files=FILES, mirrors=MIRRORS)
