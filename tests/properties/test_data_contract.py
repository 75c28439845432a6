"""The data contract: fitted, written, read again, it gives the same numbers for any rows."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from layerkit.core.rows import Rows
from layerkit.data import split_rows
from layerkit.datacontract import DataContract, InputContract, OutputContract, Scale
from layerkit.errors import DataError

X = hnp.arrays(
    np.float64, hnp.array_shapes(min_dims=2, max_dims=3), elements=st.floats(-1e6, 1e6, width=32)
)
SCALES = st.sampled_from([None, "standardize", "minmax", {"divide": 3}])


@given(X, SCALES, st.sampled_from(["float32", "float64"]))
def test_fitted_written_and_read_again(x: np.ndarray, scale: Scale, dtype: str) -> None:
    kept = x.copy()
    contract = InputContract.fit(Rows(x), scale=scale, dtype=dtype)  # type: ignore[arg-type]
    again = DataContract.from_spec(
        json.loads(json.dumps(DataContract(contract).to_spec(), allow_nan=False))
    ).input
    assert again == contract
    rows = contract.matrix(x)
    assert rows.dtype == contract.raw_dtype
    scaled = again.scale_rows(rows)
    assert scaled.dtype == dtype
    assert scaled.shape == x.shape
    assert np.isfinite(scaled).all()
    np.testing.assert_array_equal(scaled, contract.scale_rows(contract.matrix(Rows(x))))
    np.testing.assert_array_equal(x, kept)


@given(hnp.arrays(np.float64, (7, 3), elements=st.floats(-60000, 60000, width=16)))
def test_statistics_are_what_they_are_called(x: np.ndarray) -> None:
    low_high = InputContract.fit(Rows(x), scale="minmax", dtype="float64")
    scaled = low_high.scale_rows(x)
    assert scaled.min() == 0
    assert scaled.max() <= 1
    normal = InputContract.fit(Rows(x), scale="standardize", dtype="float64").scale_rows(x)
    for j in range(3):
        if np.ptp(x[:, j]) > 1e-3:
            assert normal[:, j].mean() == pytest.approx(0, abs=1e-6)
            assert normal[:, j].std() == pytest.approx(1, rel=1e-6)


@given(
    st.permutations(range(4)), hnp.arrays(np.float32, (3, 4), elements=st.floats(-9, 9, width=32))
)
def test_the_order_of_named_columns_does_not_matter(order: list[int], x: np.ndarray) -> None:
    columns = {f"c{j}": x[:, j] for j in range(4)}
    contract = InputContract((4,), columns=tuple(columns))
    shuffled = Rows(columns={f"c{j}": columns[f"c{j}"] for j in order})
    np.testing.assert_array_equal(contract.matrix(shuffled), x)


@given(st.integers(0, 4), st.integers(0, 2), st.sampled_from(["", "text", "1_0", "inf", "1e99"]))
def test_a_bad_cell_is_found_where_it_is(row: int, column: int, cell: str) -> None:
    cells = np.full((5, 3), "1.5", dtype="<U8")
    cells[row, column] = cell
    contract = InputContract((3,), columns=("a", "b", "c"))
    named = Rows(columns={n: cells[:, j] for j, n in enumerate("abc")})
    for rows in (cells, cells.astype(object), Rows(cells), named):
        with pytest.raises(DataError) as caught:
            contract.matrix(rows)
        assert (caught.value.row, caught.value.column) == (row, "abc"[column])


LABELS = st.lists(
    st.text("abcxyz01. ", min_size=1).map(str.strip).filter(bool), min_size=1
) | st.lists(st.integers(-(2**40), 2**40), min_size=1)


@given(LABELS)
def test_labels_survive_encoding_and_decoding(labels: list[str] | list[int]) -> None:
    distinct = len(set(labels))
    if distinct < 2:
        return
    array = np.array(labels)
    contract = OutputContract.fit(Rows(np.zeros((len(array), 1)), labels=array), shape=(distinct,))
    again = OutputContract.from_spec(json.loads(json.dumps(contract.to_spec())))
    numbers = contract.encode(array)
    assert numbers.tolist() == again.encode(array.astype(object)).tolist()
    assert again.decode(numbers).tolist() == labels


@given(st.integers(2, 60), st.floats(0.01, 0.99), st.integers(1, 4), st.integers(0, 99))
def test_splits_keep_every_row_once(n: int, fraction: float, classes: int, seed: int) -> None:
    labels = np.arange(n) % classes
    rows = Rows(np.arange(n).reshape(-1, 1), labels=labels)
    for stratify in (None, labels):
        rest, part = split_rows(rows, fraction, np.random.default_rng(seed), stratify=stratify)
        assert rest.values is not None
        assert part.values is not None
        both = np.concatenate([rest.values, part.values])[:, 0]
        assert sorted(both.tolist()) == list(range(n))
        assert len(part) == min(max(int(n * fraction + 0.5), 1), n - 1)
        if stratify is not None:
            counts = np.bincount(labels, minlength=classes)
            taken = np.bincount(labels[part.values[:, 0]], minlength=classes)
            assert (np.abs(taken - counts * len(part) / n) < 1).all()
