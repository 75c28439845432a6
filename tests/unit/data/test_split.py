from typing import Any

import numpy as np
import pytest

from layerkit.core.rows import Rows
from layerkit.data import split_by_column, split_rows
from layerkit.errors import DataError


def rng() -> np.random.Generator:
    return np.random.default_rng(3)


def values(rows: Rows) -> list[int]:
    assert rows.values is not None
    return [int(v) for v in rows.values[:, 0]]


TEN = Rows(np.arange(10).reshape(10, 1), labels=np.arange(10))
SPOKEN = Rows(
    columns={"speaker": np.array([0.0, 8, 1, 8, 9]), "sex": np.array(["m", "f", "m", "f", "m"])},
    labels=np.arange(5),
    source="vowel",
)


def test_every_row_is_in_one_part_and_both_are_shuffled() -> None:
    rest, part = split_rows(TEN, 0.3, rng())
    assert (len(rest), len(part)) == (7, 3)
    assert sorted(values(rest) + values(part)) == list(range(10))
    assert values(rest) != sorted(values(rest))
    assert rest.labels is not None
    assert rest.labels.tolist() == values(rest)


def test_same_generator_same_split() -> None:
    for labels in (None, np.arange(10) % 2):
        one, two = (split_rows(TEN, 0.3, rng(), stratify=labels)[1] for _ in range(2))
        assert values(one) == values(two)
    other = split_rows(TEN, 0.3, np.random.default_rng(4))[1]
    assert values(other) != values(split_rows(TEN, 0.3, rng())[1])


def test_stratified_by_largest_remainder() -> None:
    labels = np.array(["a"] * 50 + ["b"] * 26 + ["c"] * 24)
    rows = Rows(np.arange(100).reshape(-1, 1), labels=labels)
    rest, part = split_rows(rows, 0.1, rng(), stratify=labels)
    assert part.labels is not None
    assert rest.labels is not None
    # 5, 2.6 and 2.4 rows: the tenth goes to b
    assert [int((part.labels == c).sum()) for c in "abc"] == [5, 3, 2]
    assert len(rest) == 90
    assert rest.labels.tolist() != sorted(rest.labels.tolist())


@pytest.mark.parametrize(("fraction", "size"), [(0.001, 1), (0.999, 9), (0.25, 3), (0.24, 2)])
def test_neither_part_is_empty(fraction: float, size: int) -> None:
    assert len(split_rows(TEN, fraction, rng())[1]) == size


@pytest.mark.parametrize("fraction", [0.0, 1.0, -0.1, float("nan")])
def test_fraction_out_of_range(fraction: float) -> None:
    with pytest.raises(DataError, match="between 0 and 1"):
        split_rows(TEN, fraction, rng())


def test_too_few_rows_or_labels() -> None:
    with pytest.raises(DataError, match="1 row cannot be split"):
        split_rows(TEN.take(slice(0, 1)), 0.5, rng())
    with pytest.raises(DataError, match="expected 10 labels to stratify by, got 3"):
        split_rows(TEN, 0.5, rng(), stratify=np.zeros(3))


@pytest.mark.parametrize("wanted", [[8, 9], ["8", "9.0"], range(8, 10)])
def test_by_the_numbers_of_a_column(wanted: Any) -> None:
    rest, part = split_by_column(SPOKEN, "speaker", wanted)
    assert rest.labels is not None
    assert part.labels is not None
    assert part.labels.tolist() == [1, 3, 4]
    assert rest.labels.tolist() == [0, 2]
    assert rest.columns is not None
    assert "speaker" in rest.columns


def test_by_the_text_of_a_column() -> None:
    part = split_by_column(SPOKEN, "sex", ["f"])[1]
    assert part.labels is not None
    assert part.labels.tolist() == [1, 3]


@pytest.mark.parametrize(
    ("column", "wanted", "words"),
    [
        ("speakr", [1], "did you mean 'speaker'"),
        ("speaker", [8, 10], "no row has the value 10"),
        ("speaker", ["x"], "no row has the value 'x'"),
        ("sex", ["male"], "values there: f, m"),
        ("sex", ["m", "f"], "all rows"),
        ("sex", [], "no values"),
    ],
)
def test_splits_that_cannot_be(column: str, wanted: list[Any], words: str) -> None:
    with pytest.raises(DataError, match=words) as caught:
        split_by_column(SPOKEN, column, wanted)
    assert (caught.value.column, caught.value.source) == (column, "vowel")
