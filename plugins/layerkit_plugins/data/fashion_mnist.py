"""Fashion-MNIST: clothes, 28 x 28 pixels. Not bundled: read from a folder, or downloaded."""

from __future__ import annotations

from pathlib import Path

from layerkit import DataSource, Rows
from layerkit.data import load_idx_set

__all__ = ["FashionMnist"]

MIRRORS = (
    "https://github.com/zalandoresearch/fashion-mnist/raw/master/data/fashion/",
    "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
)

FILES = {
    "train-images-idx3-ubyte.gz": (
        "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84"
    ),
    "train-labels-idx1-ubyte.gz": (
        "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845"
    ),
    "t10k-images-idx3-ubyte.gz": (
        "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073"
    ),
    "t10k-labels-idx1-ubyte.gz": (
        "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5"
    ),
}
"""File name to SHA-256."""


class FashionMnist(DataSource):
    """60,000 training and 10,000 test images of ten kinds of clothes.

    Values (n, 784) uint8, pixels row by row from 0 to 255; labels (n,) uint8, 0 to 9: T-shirt/top,
    Trouser, Pullover, Dress, Coat, Sandal, Shirt, Sneaker, Bag, Ankle boot. Nearest class mean on
    raw pixels scores 67.68 % on the test rows.

    Source: H. Xiao, K. Rasul, R. Vollgraf, "Fashion-MNIST", Zalando Research, 2017 (MIT licence).
    """

    type_name = "fashion-mnist"

    def load(self, where: Path | None) -> dict[str, Rows]:
        """The two splits: from ``where``, from ``LAYERKIT_DATA``/fashion-mnist, or downloaded.

        Raises
        ------
        DataSourceError, MissingExtraError, DataError
            Same as ``layerkit.data.load_idx_set``.
        """
        return load_idx_set(self.type_name, where, files=FILES, mirrors=MIRRORS)
