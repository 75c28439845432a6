"""The tables: real ones from the shared folder, and two that scikit-learn draws.

The drawn ones have the shape of satimage and spambase, and classes so far apart that a network of
100 units reaches about what is published for those (91 and 94 %).
"""

from __future__ import annotations

import csv
import gzip
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

__all__ = ["TABLES", "Table"]

SHARED = Path(os.environ.get("LAYERKIT_SHARED", Path(__file__).resolve().parents[3] / "shared"))
TEST_SHARE = 0.2
MOST = 4_000  # training rows; the peers need many minutes for more

Columns = dict[str, list[Any]]


@dataclass(frozen=True)
class Table:
    """Training and test rows by column, the target "target" among them."""

    name: str
    train: Columns
    test: Columns


def _lines(path: str, skip: int = 0) -> Iterator[list[str]]:
    file = SHARED / "data" / path
    with gzip.open(file, "rt") if path.endswith(".gz") else file.open() as text:
        for i, cells in enumerate(csv.reader(text, skipinitialspace=True)):
            if i >= skip and len(cells) > 1:
                yield [cell.strip() for cell in cells]


def _columns(rows: list[list[Any]], target: int = -1) -> Columns:
    """Columns x0, x1, ... and target; columns without text as floats, NaN for an empty cell."""
    found: Columns = {}
    columns = list(zip(*rows, strict=True))
    target %= len(columns)
    for j, cells in enumerate(columns):
        try:
            values: list[Any] = [float("nan") if c in ("", "?") else float(c) for c in cells]
        except ValueError:
            values = ["" if c == "?" else c for c in cells]
        found["target" if j == target else f"x{j}"] = values
    return found


def _split(name: str, columns: Columns) -> Table:
    """A fixed random fifth for testing."""
    count = len(columns["target"])
    order = np.random.default_rng(0).permutation(count)
    test = int(TEST_SHARE * count)
    return Table(name, _take(columns, order[test:][:MOST]), _take(columns, order[:test]))


def _take(columns: Columns, rows: Any) -> Columns:
    return {name: [cells[i] for i in rows] for name, cells in columns.items()}


def _adult() -> Table:
    found = []
    for part in ("train", "test"):
        rows = [row for row in _lines(f"adult/adult-{part}.csv") if len(row) == 15]
        found.append(_columns([[*row[:-1], row[-1].rstrip(".")] for row in rows]))
    order = np.random.default_rng(0).permutation(len(found[0]["target"]))[:MOST]
    return Table("adult", _take(found[0], order), found[1])


def _letter() -> Table:
    return _split(
        "letter", _columns(list(_lines("letter-recognition/letter-recognition.data.gz")), 0)
    )


def _california() -> Table:
    rows = list(_lines("california-housing/housing.csv", 1))
    return _split("california-housing", _columns(rows, 8))


def _cancer() -> Table:
    rows = _lines("breast-cancer-wisconsin/breast_cancer.csv", 1)
    return _split("breast-cancer", _columns(list(rows)))


def _wine() -> Table:
    return _split("wine", _columns(list(_lines("wine/wine_data.csv", 1))))


def _vowel() -> Table:
    return _split("vowel", _columns(list(_lines("vowel/vowel.csv.gz", 1))))


def _digits() -> Table:
    return _split("digits", _columns(list(_lines("digits/digits.csv.gz"))))


def _diabetes() -> Table:
    folder = SHARED / "data" / "diabetes"
    x = np.loadtxt(folder / "diabetes_data_raw.csv.gz")
    y = np.loadtxt(folder / "diabetes_target.csv.gz")
    return _split("diabetes", _columns(np.column_stack([x, y]).tolist()))


def _drawn(name: str, **options: Any) -> Table:
    from sklearn.datasets import make_classification

    x, y = make_classification(random_state=1, **options)
    return _split(
        name, _columns([[*row, label] for row, label in zip(x.tolist(), y.tolist(), strict=True)])
    )


def _satimage_like() -> Table:
    return _drawn(
        "satimage-like",
        n_samples=6435, n_features=36, n_informative=18, n_redundant=12, n_classes=6,
        n_clusters_per_class=3, class_sep=2.0, flip_y=0.03,
    )  # fmt: skip


def _spambase_like() -> Table:
    return _drawn(
        "spambase-like",
        n_samples=4601, n_features=57, n_informative=20, n_redundant=10, n_classes=2,
        n_clusters_per_class=4, weights=[0.6],
        class_sep=1.8, flip_y=0.04,
    )  # fmt: skip


TABLES: dict[str, Callable[[], Table]] = {
    "adult": _adult,
    "letter": _letter,
    "california-housing": _california,
    "satimage-like": _satimage_like,
    "spambase-like": _spambase_like,
    "digits": _digits,
    "vowel": _vowel,
    "breast-cancer": _cancer,
    "wine": _wine,
    "diabetes": _diabetes,
}
"""How each table is made, by name."""
