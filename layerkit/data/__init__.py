"""Raw rows from files and data sets by name, and splits of them."""

from layerkit.data.dialect import Dialect
from layerkit.data.fetch import data_home, fetch_files
from layerkit.data.load import load_data
from layerkit.data.mnist_files import load_idx_set
from layerkit.data.read import read_blocks, read_dialect, read_rows
from layerkit.data.split import split_by_column, split_rows

__all__ = [
    "Dialect",
    "data_home",
    "fetch_files",
    "load_data",
    "load_idx_set",
    "read_blocks",
    "read_dialect",
    "read_rows",
    "split_by_column",
    "split_rows",
]
