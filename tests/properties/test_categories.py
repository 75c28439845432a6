"""Categories against a slow, obvious reference, through files, and from any kind of frame."""

import json
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from layerkit.core.rows import Rows
from layerkit.datacontract import DataContract, InputContract, as_rows
from layerkit.datacontract.categories import Categorical
from layerkit.datacontract.encoder import learned
from layerkit.errors import DataError

WORDS = ["a", "b", "00", "0", "7", "1.5", "true", "Ü", "a=b", "NA"]
CELLS = st.one_of(
    st.sampled_from([*WORDS, " a ", "7.0", "True", "c", "", "?"]),
    st.sampled_from([0, 7, 8, True, False, None, 7.0, 1.5, math.nan]),
)


def text(cell: Any) -> str | None:
    """What a cell is compared as; None if it is missing."""
    if cell is None or (isinstance(cell, float) and math.isnan(cell)):
        return None
    if isinstance(cell, bool):
        return "true" if cell else "false"
    if isinstance(cell, float) and cell.is_integer():
        return str(int(cell))
    word = str(cell).strip()
    return None if word in ("", "?") else word


def place(word: str | None, field: Categorical) -> int | None:
    """The column of a cell, None for none of them; raises KeyError where it is refused."""
    listed = list(field.categories)
    if word is None:
        if field.missing == "error":
            raise KeyError
        return len(listed)
    for other in (
        word,
        *({"7.0": "7", "7": "7.0", "true": "True", "True": "true"}.get(word, word),),
    ):
        if other in listed:
            return listed.index(other)
    if field.unknown == "error":
        raise KeyError
    return None


FIELDS = st.builds(
    Categorical,
    st.just("c"),
    st.lists(st.sampled_from(WORDS), min_size=1, max_size=6, unique=True).map(tuple),
    st.sampled_from(["error", "other"]),
    st.sampled_from(["error", "category"]),
)


@given(FIELDS, st.lists(CELLS, min_size=1, max_size=12))
def test_one_hot_equals_the_reference(field: Categorical, cells: list[Any]) -> None:
    given_cells = np.empty(len(cells), object)
    given_cells[:] = cells
    wanted = np.zeros((len(field.columns), len(cells)), bool)
    for row, cell in enumerate(cells):
        try:
            found = place(text(cell), field)
        except KeyError:
            with pytest.raises(DataError) as caught:
                field.numbers(given_cells)
            assert (caught.value.row, caught.value.column) == (row, "c")
            return
        if found is not None:
            wanted[found, row] = True
    np.testing.assert_array_equal(field.numbers(given_cells), wanted)


@given(st.lists(CELLS, min_size=1, max_size=30), st.integers(1, 6))
def test_learned_categories_equal_the_reference(cells: list[Any], most: int) -> None:
    given_cells = np.empty(len(cells), object)
    given_cells[:] = cells
    words = [word for cell in cells if (word := text(cell)) is not None]
    column = {"name": "c", "categories": "learn", "max": most, "unknown": "error",
              "missing": "category"}  # fmt: skip
    if not words:
        with pytest.raises(DataError, match="no values"):
            learned([column], Rows(columns={"c": given_cells}))
        return
    (found,) = learned([column], Rows(columns={"c": given_cells}))
    assert isinstance(found, dict)
    counts = {word: words.count(word) for word in words}
    least = sorted(counts.values(), reverse=True)[:most][-1]
    kept = found["categories"]
    assert len(kept) == min(most, len(counts))
    assert {word for word in counts if counts[word] > least} <= set(kept)
    assert all(counts[word] >= least for word in kept)
    assert kept == sorted(kept) or kept == sorted(kept, key=lambda w: (float(w), w))
    assert found["unknown"] == ("other" if len(counts) > most else "error")
    assert "max" not in found


TABLES = st.lists(
    st.tuples(st.floats(-1e6, 1e6), st.sampled_from(["x", "y", "z"]), st.integers(0, 3)),
    min_size=1,
    max_size=20,
)


def fitted(rows: Any, **choices: Any) -> InputContract:
    """A contract of a number, a text and a whole number."""
    columns: list[Any] = [
        "n",
        {"name": "t", "categories": ["x", "y"], "unknown": "other", "missing": "category"},
        {"name": "i", "categories": ["0", "1", "2", "3"]},
    ]
    return InputContract.fit(as_rows(rows), columns=columns, **choices)


@given(
    TABLES,
    st.sampled_from([None, "standardize", "minmax", {"divide": 3}]),
    st.sampled_from(["error", "median", 0.5]),
)
def test_fitted_written_and_read_again(table: list[Any], scale: Any, missing: Any) -> None:
    n, t, i = (list(cells) for cells in zip(*table, strict=True))
    rows = Rows(columns={"n": np.array(n), "t": np.array(t), "i": np.array(i)})
    contract = fitted(rows, scale=scale, missing=missing, dtype="float64")
    spec = json.loads(json.dumps(DataContract(contract).to_spec(), allow_nan=False))
    again = DataContract.from_spec(spec).input
    assert again == contract
    x = again.scale_rows(again.matrix(rows))
    np.testing.assert_array_equal(x[:, 1:], [
        [a == "x", a == "y", False, *(b == k for k in range(4))] for a, b in zip(t, i, strict=True)
    ])  # fmt: skip
    plain = InputContract.fit(
        Rows(columns={"n": np.array(n)}), scale=scale, missing=missing, dtype="float64"
    )
    np.testing.assert_array_equal(x[:, :1], plain.scale_rows(plain.matrix({"n": n})))
    assert contract.encoder is not None
    assert contract.encoder.fields[1].others == t.count("z")  # type: ignore[union-attr]  # categorical


@given(TABLES)
def test_every_kind_of_frame_gives_the_same(table: list[Any]) -> None:
    pandas = pytest.importorskip("pandas", reason="pandas is not installed")
    polars = pytest.importorskip("polars", reason="polars is not installed")
    arrow = pytest.importorskip("pyarrow", reason="pyarrow is not installed")
    n, t, i = (list(cells) for cells in zip(*table, strict=True))
    named = {"n": n, "t": t, "i": i}
    frame = pandas.DataFrame(named)
    forms = [
        [dict(zip(named, row, strict=True)) for row in table],
        [list(row) for row in table],
        frame,
        frame.astype({"t": "category", "i": "float64"}),
        frame.astype({"t": "string", "i": "category"}),
        polars.DataFrame(named),
        polars.DataFrame(named).with_columns(polars.col("t").cast(polars.Categorical)),
        arrow.table(named),
        arrow.table({**named, "t": arrow.array(t).dictionary_encode()}),
    ]
    contract = fitted(named, dtype="float64")
    wanted = contract.matrix(named)
    for form in forms:
        np.testing.assert_array_equal(contract.matrix(form), wanted)
    first = contract.matrix(forms[0][0])
    np.testing.assert_array_equal(first, wanted[:1])
    np.testing.assert_array_equal(contract.matrix(wanted), wanted)
