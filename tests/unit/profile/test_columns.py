"""What the columns of a table are found to be."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from layerkit.profile import ColumnProfile, profile_rows


def column(cells: Any, name: str = "it", **options: Any) -> ColumnProfile:
    return profile_rows({name: cells}, **options)[name]


def test_numbers_are_counted_and_measured() -> None:
    found = column([3.0, 1.5, math.nan, 3.0, -0.5, math.inf])
    assert (found.kind, found.numbers, found.whole) == ("numeric", True, False)
    assert (found.rows, found.missing, found.present, found.distinct) == (6, 1, 5, 4)
    assert found.missing_share == 1 / 6
    assert (found.low, found.high, found.mean, found.infinite) == (-0.5, 3.0, 1.75, 1)
    assert found.deviation == pytest.approx(1.436141)
    assert found.frequent[0] == (3.0, 2)
    assert found.values == ()


def test_text_of_few_values_is_categorical() -> None:
    found = column(["b", "a ", "", "a", "b", "a"])
    assert (found.kind, found.numbers, found.missing, found.distinct) == (
        "categorical",
        False,
        1,
        2,
    )
    assert found.values == ("a", "b")
    assert found.frequent == (("a", 3), ("b", 2))


@pytest.mark.parametrize(
    ("cells", "name", "kind"),
    [
        (["a", "b"] * 20, "x", "categorical"),
        ([f"v{i % 65}" for i in range(1000)], "x", "text"),
        ([f"v{i % 64}" for i in range(1000)], "x", "categorical"),
        (["a", "b", "c"], "x", "text"),
        ([f"word {i}" for i in range(40)], "x", "text"),
        ([f"u{i}" for i in range(40)], "x", "identifier"),
        ([f"u{i}" for i in range(19)], "x", "text"),
        (list(range(40)), "x", "identifier"),
        (list(range(100, 140))[::-1], "x", "identifier"),
        ([2 * i for i in range(40)], "x", "numeric"),
        ([2 * i for i in range(40)], "user_id", "identifier"),
        ([i + 0.5 for i in range(40)], "x", "numeric"),
        (list(range(19)), "x", "numeric"),
        ([7] * 9, "x", "constant"),
        (["a"] * 9, "x", "constant"),
        ([7], "x", "constant"),
        (["", "?", "nan"], "x", "empty"),
        ([math.nan] * 3, "x", "empty"),
        ([0, 1, 1], "x", "boolean"),
        ([1, 2, 2], "x", "numeric"),
        ([True, False], "x", "boolean"),
        (["yes", "No", "No"], "x", "boolean"),
        (["2024-01-31", "2024-02-01"], "x", "datetime"),
        (["12:30", "13:00", ""], "x", "datetime"),
        (np.array(["2024-01-31", "NaT"], "datetime64[D]"), "x", "constant"),
        (np.array(["2024-01-31", "2024-02-01"], "datetime64[ns]"), "x", "datetime"),
        (np.array([1, 5], "timedelta64[s]"), "x", "datetime"),
    ],
)
def test_kinds(cells: Any, name: str, kind: str) -> None:
    assert column(cells, name).kind == kind


@pytest.mark.parametrize("name", ["id", "user_id", "PassengerId", "rowID", "Unnamed: 0", "uuid"])
def test_a_name_that_says_identifier(name: str) -> None:
    assert column([3 * i for i in range(40)], name).kind == "identifier"


@pytest.mark.parametrize("name", ["humid", "paid", "grid", "Bid", "arrow"])
def test_a_name_that_only_ends_like_one(name: str) -> None:
    assert column([3 * i for i in range(40)], name).kind == "numeric"


def test_the_most_categories_can_be_chosen() -> None:
    cells = ["a", "b", "c"] * 4
    assert column(cells, max_categories=2).kind == "text"
    assert column(cells, max_categories=2).values == ()
    assert column(cells, max_categories=3).kind == "categorical"


def test_equal_columns_are_found() -> None:
    table = {
        "a": [1.0, math.nan, -0.0],
        "b": ["x", "", "y"],
        "c": [1, None, 0],
        "d": ["x ", None, "y"],
        "e": [1.0, 2.0, 0.0],
    }
    found = {c.name: c.same_as for c in profile_rows(table).columns}
    assert found == {"a": None, "b": None, "c": "a", "d": "b", "e": None}


def test_words_for_missing_values_among_numbers() -> None:
    found = column(["1", "2", "NA", "4", "-", ""])
    assert (found.kind, found.numbers, found.missing) == ("numeric", True, 3)
    assert found.spellings == ("-", "NA")
    assert (found.low, found.high) == (1, 4)


def test_other_words_among_numbers_make_text() -> None:
    assert column(["1", "2", "many", "NA"]).kind == "text"
    assert column(["1", "NA", "null", "NA"]).spellings == ()  # words prevail


def test_given_missing_values() -> None:
    found = column(["1", "-999", "many"], missing_values=["-999", "many"])
    assert (found.missing, found.numbers, found.kind) == (2, True, "constant")


def test_what_text_looks_like() -> None:
    assert "percentage" in (column(["12 %", "13 %", "12 %"]).looks_like or "")
    assert column(["red", "blue"]).looks_like is None


def test_an_array_has_columns_by_position() -> None:
    found = profile_rows([[1.0, 2.0], [3.0, 2.0]])
    assert [(c.name, c.kind) for c in found.columns] == [("0", "numeric"), ("1", "constant")]
    with pytest.raises(KeyError):
        found["2"]


def test_huge_numbers_do_not_warn() -> None:
    found = column([1.7e308, 1.7e308, -1.7e308])
    assert found.high == 1.7e308
    assert found.deviation == math.inf


def test_strays_among_numbers() -> None:
    found = column([*(str(i) for i in range(40)), "many"])
    assert (found.kind, found.strays) == ("text", ("many",))
    codes = column([*"0123" * 10, "4+"])
    assert (codes.kind, codes.strays) == ("categorical", ())
    assert column([*(str(i) for i in range(40)), *["many"] * 40]).strays == ()
