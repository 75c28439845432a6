"""Real files as their owners publish them: read, split, fitted."""

import gzip
import io
from pathlib import Path

import numpy as np
import pytest

from layerkit.core.rows import Rows
from layerkit.data import read_rows, split_by_column
from layerkit.datacontract import InputContract, OutputContract
from layerkit.errors import DataError


def nearest_mean(contract: InputContract, output: OutputContract, train: Rows, test: Rows) -> float:
    x, y = contract.matrix(train), output.encode(output.labels_of(train))
    means = np.stack([x[y == k].mean(axis=0) for k in range(output.width)])
    distance = ((contract.matrix(test)[:, None] - means) ** 2).sum(axis=2)
    return float(np.mean(distance.argmin(axis=1) == output.encode(output.labels_of(test))))


def test_vowel_by_speaker(shared: Path) -> None:
    path = shared / "vowel" / "vowel.csv.gz"
    with pytest.raises(
        DataError, match="expected 12 cells in line 2, as in the first line, got 11"
    ):
        read_rows(path)  # its header names a tenth number that the rows do not have
    body = gzip.decompress(path.read_bytes()).replace(b",lpc10", b"", 1)
    rest, part = split_by_column(read_rows(io.BytesIO(body)), "speaker", range(8, 15))
    assert (len(rest), len(part)) == (528, 462)
    contract = InputContract.fit(rest, exclude=["speaker", "vowel"], dtype="float64")
    output = OutputContract.fit(rest, shape=(11,), label="vowel")
    assert contract.columns == tuple(f"lpc{i}" for i in range(1, 10))
    assert set(output.classes or ()) >= {"hid", "hId", "hud", "hUd"}
    assert round(nearest_mean(contract, output, rest, part), 3) == 0.392


def test_california_housing_with_mean_imputation(shared: Path) -> None:
    rows = read_rows(shared / "california-housing" / "housing.csv", labels="median_house_value")
    assert len(rows) == 20_640
    assert rows.columns is not None
    assert rows.labels is not None
    bedrooms = rows.columns["total_bedrooms"]
    assert int(np.isnan(bedrooms).sum()) == 207
    places, counts = np.unique(rows.columns["ocean_proximity"], return_counts=True)
    assert dict(zip(places.tolist(), counts.tolist(), strict=True)) == {
        "<1H OCEAN": 9136, "INLAND": 6551, "NEAR OCEAN": 2658, "NEAR BAY": 2290, "ISLAND": 5,
    }  # fmt: skip
    assert rows.labels.mean() == pytest.approx(206_855.8, abs=0.1)
    with pytest.raises(DataError, match="'NEAR BAY'") as caught:
        InputContract.fit(rows)
    assert (caught.value.row, caught.value.column) == (0, "ocean_proximity")
    with pytest.raises(DataError, match="missing value") as caught:
        InputContract.fit(rows, exclude=["ocean_proximity"])
    assert caught.value.column == "total_bedrooms"
    contract = InputContract.fit(
        rows, exclude=["ocean_proximity"], missing="mean", scale="standardize"
    )
    x = contract.scale_rows(contract.matrix(rows))
    assert x.shape == (20_640, 8)
    np.testing.assert_allclose(x.mean(axis=0, dtype=np.float64), 0, atol=1e-4)
    np.testing.assert_allclose(x.std(axis=0, dtype=np.float64), 1, atol=1e-4)
    filled = np.flatnonzero(np.isnan(bedrooms))
    np.testing.assert_allclose(x[filled, 4], 0, atol=1e-6)


def test_letters_without_header(shared: Path) -> None:
    rows = read_rows(shared / "letter-recognition" / "letter-recognition.data.gz", labels="0")
    assert len(rows) == 20_000
    train, test = rows.take(slice(0, 16_000)), rows.take(slice(16_000, None))
    contract = InputContract.fit(train)
    output = OutputContract.fit(train, shape=(26,))
    assert "".join(map(str, output.classes or ())) == "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
    assert round(nearest_mean(contract, output, train, test), 3) == 0.562


def test_adult_keeps_text_columns_as_text(shared: Path) -> None:
    train = read_rows(shared / "adult" / "adult-train.csv", labels="14")
    test = read_rows(shared / "adult" / "adult-test.csv", labels="14")
    assert (len(train), len(test)) == (32_561, 16_281)
    assert train.columns is not None
    kinds = "".join(column.dtype.kind for column in train.columns.values())
    assert kinds == "fUfUfUUUUUfffU"
    missing = np.zeros(len(train), bool)
    for column in train.columns.values():
        missing |= (column == "") if column.dtype.kind == "U" else np.isnan(column)
    assert int(missing.sum()) == 2399
    output = OutputContract.fit(train, shape=(2,))
    assert np.bincount(output.encode(output.labels_of(train))).tolist() == [24_720, 7841]
    with pytest.raises(DataError, match=r"did you mean '<=50K'") as caught:
        output.encode(output.labels_of(test))  # its labels end in a full stop
    assert caught.value.row == 0


@pytest.mark.parametrize(
    ("name", "counts"),
    [("iris/iris.csv", [50, 50, 50]), ("wine/wine_data.csv", [59, 71, 48]),
     ("breast-cancer-wisconsin/breast_cancer.csv", [212, 357])],
)  # fmt: skip
def test_small_sets_whose_first_line_is_their_own(
    shared: Path, name: str, counts: list[int]
) -> None:
    text = (shared / name).read_text().split("\n", 1)[1]
    rows = read_rows(io.StringIO(text), format="csv")
    assert rows.values is not None
    labels = rows.values[:, -1]
    output = OutputContract.fit(Rows(rows.values, labels=labels), shape=(len(counts),))
    assert np.bincount(output.encode(labels)).tolist() == counts
