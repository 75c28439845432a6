"""What a starting spec says about a table, and which tables it refuses."""

from __future__ import annotations

import gzip
import math
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import layerkit
from layerkit.data import Dialect
from layerkit.errors import DataError
from layerkit.profile.starting_spec import StartingSpec, name_of, starting_spec

N = 40


def table(**changes: Any) -> dict[str, Any]:
    """A table of 40 rows with numbers, text and two classes."""
    columns = {
        "age": [20 + 3 * (i % 11) for i in range(N)],
        "wage": [1000.5 + i for i in range(N)],
        "work": [("private", "state", "none")[i % 3] for i in range(N)],
        "kind": [("yes", "maybe")[i % 2] for i in range(N)],
    }
    return {name: cells for name, cells in {**columns, **changes}.items() if cells is not None}


def start(**changes: Any) -> StartingSpec:
    return starting_spec(table(**changes))


def told(found: StartingSpec) -> dict[str, str]:
    return {d.column.name: f"{d.use}: {d.reason}" for d in found.decisions}


def test_the_whole_spec_of_a_plain_table() -> None:
    document = layerkit.spec_init(table(), name="people")
    assert document["name"] == "people"
    assert document["input"] == {
        "columns": [
            "age",
            "wage",
            {"name": "work", "categories": ["none", "private", "state"], "unknown": "other"},
        ],
        "scale": "standardize",
    }
    assert document["output"] == {"column": "kind", "classes": ["maybe", "yes"]}
    assert document["layers"][-1] == {"type": "dense", "units": 2}
    assert document["train"]["test"] == 0.2
    assert "data" not in document["train"]


def test_every_column_is_told() -> None:
    assert told(start()) == {
        "age": "number: 20 to 50",
        "wage": "number: 1000.5 to 1039.5",
        "work": "categories: 3 values (35 % private)",
        "kind": "target: 2 values of text",
    }


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        ([7] * N, "left out: always 7"),
        ([math.nan] * N, "left out: it has no values"),
        (list(range(N)), "left out: an identifier: a different value in each row"),
        ([f"{i},5" for i in range(N)], "left out: a decimal comma: 0,5"),
        ([f"{i}.5 kg" for i in range(N)], "left out: a number with a unit: 0.5 kg"),
        ([f"2024-01-{1 + i % 28:02}" for i in range(N)], "left out: dates or times: "),
        ([f"some words {i}" for i in range(N)], "left out: 40 texts, which hardly repeat"),
        ([math.inf, *range(1, 2 * N - 1, 2)], "left out: 1 infinite number"),
        ([1e39, *range(1, 2 * N - 1, 2)], "left out: numbers beyond 1e+38"),
        ([20 + 3 * (i % 11) for i in range(N)], "left out: equal to age"),
        ([("yes", "maybe")[i % 2] for i in range(N)], "left out: equal to kind, the target"),
        ([*(str(i) for i in range(1, 2 * N - 1, 2)), "x"], "left out: numbers but for x ("),
        ([i % 2 for i in range(N)], "number: 0 and 1"),
        ([i % 6 for i in range(N)], "number: 6 whole numbers, 0 to 5, kept as numbers"),
        ([*[math.nan] * 4, *range(1, 72, 2)], "number: 1 to 71; missing (10 %): median"),
        (
            [*["", "?"], *["a", "b"] * 19],
            "categories: 2 values (50 % a), and missing (5 %)",
        ),
        (["yes", "no"] * 20, "categories: 2 values (50 % no)"),
    ],
)
def test_decisions(cells: list[Any], expected: str) -> None:
    assert told(start(work=cells))["work"].startswith(expected)


def test_a_column_before_the_target_that_equals_it_is_left_out() -> None:
    found = starting_spec({"copy": ["a", "b"] * 20, **table(kind=["a", "b"] * 20)})
    assert told(found)["copy"] == "left out: equal to kind, the target"
    assert told(found)["kind"] == "target: 2 values of text"


def test_a_column_that_is_named_like_a_category() -> None:
    named = {"work=none": [i % 7 for i in range(N)]}
    found = starting_spec({**table(kind=None), **named, "kind": ["a", "b"] * 20})
    assert told(found)["work=none"] == "left out: named like a category of another column"
    assert layerkit.train(
        found.document,
        data={**table(kind=None), **named, "kind": ["a", "b"] * 20},
        settings=["train.epochs=1"],
    ).epochs


def test_missing_values_are_filled_or_one_more_category() -> None:
    document = starting_spec(
        table(age=[None, *range(1, 2 * N - 1, 2)], work=["", "a", "b", "a"] * 10)
    ).document
    assert document["input"]["missing"] == "median"
    assert document["input"]["columns"][2] == {
        "name": "work",
        "categories": ["a", "b"],
        "unknown": "other",
        "missing": "category",
    }


def test_words_for_missing_values_become_spellings() -> None:
    found = start(age=["NA", *(str(i) for i in range(1, 2 * N - 1, 2))], work=["NA", "a"] * 20)
    assert found.document["input"]["missing_values"] == ["NA"]
    assert told(found)["work"].startswith("left out: always a; missing (50 %)")


@pytest.mark.parametrize(
    ("cells", "task", "classes"),
    [
        (["b", "a"] * 20, "classes", {"a": 20, "b": 20}),
        ([i % 3 for i in range(N)], "classes", {0: 14, 1: 13, 2: 13}),
        ([float(i % 2) for i in range(N)], "classes", {0: 20, 1: 20}),
        ([True, False] * 20, "classes", {"false": 20, "true": 20}),
        ([i % 9 for i in range(N)], "numbers", {}),
        ([3 * (i % 25) for i in range(N)], "numbers", {}),
        ([i % 3 + 0.5 for i in range(N)], "numbers", {}),
    ],
)
def test_the_likely_task(cells: list[Any], task: str, classes: dict[Any, int]) -> None:
    found = start(kind=cells)
    assert found.target.task == task
    assert found.target.classes == classes
    if task == "numbers":
        assert found.document["output"] == {"targets": ["kind"], "scale": "standardize"}
        assert found.document["layers"][-1]["units"] == 1


def test_the_task_can_be_chosen() -> None:
    cells = [i % 3 for i in range(N)]
    numbers = starting_spec(table(kind=cells), task="numbers")
    assert numbers.document["output"]["targets"] == ["kind"]
    assert numbers.target.reason == "as chosen; it has 3 values, all whole numbers"
    classes = starting_spec(table(kind=[i % 9 for i in range(N)]), task="classes")
    assert classes.document["output"]["classes"] == list(range(9))
    with pytest.raises(DataError, match="expected numbers in the target, got 'maybe'"):
        starting_spec(table(), task="numbers")
    with pytest.raises(DataError, match="cannot be a class"):
        starting_spec(table(), target="wage", task="classes")


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        (["a", "", "b", None] * 10, "the target is missing in 20 of 40 rows"),
        ([1.5, math.nan] * 20, "the target is missing in 20 of 40 rows"),
        (["a"] * N, "expected two or more values in the target, got only 'a'"),
        ([4.0] * N, "expected two or more values in the target, got only 4"),
        ([f"2024-01-{1 + i % 28:02}" for i in range(N)], "got dates or times"),
        ([f"t{i}" for i in range(N)], "expected classes that repeat, got 40 values in 40 rows"),
        ([math.inf, *range(1, N)], "expected finite numbers in the target, got 1 that are inf"),
    ],
)
def test_targets_that_cannot_be_learned(cells: list[Any], message: str) -> None:
    with pytest.raises(DataError, match=message) as caught:
        start(kind=cells)
    assert caught.value.column == "kind"
    assert caught.value.hint
    if "missing" in message:
        assert caught.value.row == 1


def test_a_target_that_does_not_exist() -> None:
    with pytest.raises(DataError, match="no such column to predict; did you mean 'kind'"):
        starting_spec(table(), target="kinds")
    wide = {f"c{i}": [0, 1] for i in range(1000)}
    with pytest.raises(DataError) as caught:
        starting_spec(wide, target="nothing like it")
    assert len(caught.value.hint or "") < 300


def test_no_input_is_left() -> None:
    with pytest.raises(DataError, match="no column can be an input") as caught:
        starting_spec({"id": list(range(N)), "kind": ["a", "b"] * 20})
    assert caught.value.hint == "id: an identifier: a different value in each row"
    with pytest.raises(DataError, match="no column can be an input"):
        starting_spec({"kind": ["a", "b"] * 20})


@pytest.mark.parametrize(
    "rows",
    [
        [[1.0, 2.0], [3.0, 4.0]],
        np.zeros((4, 8, 8)),
        layerkit.Rows(np.zeros((3, 2)), labels=np.array([0, 1, 0])),
        layerkit.Rows(columns={"a": np.zeros(2)}, labels=np.array([0, 1])),
    ],
    ids=["lists", "pictures", "labels apart", "labels apart from columns"],
)
def test_rows_that_are_no_table(rows: Any) -> None:
    with pytest.raises(DataError, match="expected a table with named columns"):
        starting_spec(rows)


def test_no_rows() -> None:
    with pytest.raises(DataError, match="expected rows, got none"):
        starting_spec(pd.DataFrame({"a": [], "b": []}))


def test_one_row_has_no_two_classes() -> None:
    with pytest.raises(DataError, match="two or more values"):
        starting_spec({"a": [1.0], "b": ["x"]})


def test_few_rows_are_all_for_training() -> None:
    found = starting_spec({"a": [1.0, 2.0, 3.5], "b": ["x", "y", "x"]})
    assert "test" not in found.document["train"]


def test_a_skewed_target_has_a_metric_beside_accuracy() -> None:
    skewed = start(kind=["a"] * 30 + ["b"] * 10).document
    assert skewed["train"]["metrics"] == ["accuracy", "macro_f1"]
    assert "metrics" not in start().document["train"]


def test_equal_tables_give_equal_specs() -> None:
    frame = pd.DataFrame(table())
    assert layerkit.spec_init(frame) == layerkit.spec_init(table())
    turned = frame.iloc[::-1]
    assert layerkit.spec_init(turned) == layerkit.spec_init(frame)


def test_a_semicolon_table_says_so(tmp_path: Path) -> None:
    path = tmp_path / "de.csv.gz"
    lines = "\n".join(f"{i},5;{'ab'[i % 2]};{i % 7},25" for i in range(30))
    path.write_bytes(gzip.compress(f"größe;art;preis\n{lines}\n".encode()))
    document = starting_spec(path).document
    assert document["name"] == "de"
    assert document["train"]["data"] == str(path)
    assert document["input"]["delimiter"] == ";"
    assert document["input"]["decimal"] == ","
    assert document["input"]["columns"][0] == "größe"
    assert document["output"]["targets"] == ["preis"]
    assert layerkit.train(document, settings=["train.epochs=1"]).epochs == 1


def test_a_table_without_a_header(tmp_path: Path) -> None:
    path = tmp_path / "bare.csv"
    path.write_text("".join(f"{i}.5,{i % 4},{'xy'[i % 2]}\n" for i in range(30)))
    document = starting_spec(path).document
    assert document["input"]["columns"] == ["0", "1"]
    assert document["input"]["header"] is False
    assert document["output"]["column"] == "2"
    assert layerkit.train(document, settings=["train.epochs=1"]).epochs == 1
    numbers = tmp_path / "numbers.csv"
    numbers.write_text("".join(f"{i}.5,{i % 4},{i % 2}\n" for i in range(30)))
    document = starting_spec(numbers).document
    assert document["output"] == {"column": "2", "classes": [0, 1]}
    assert layerkit.train(document, settings=["train.epochs=1"]).epochs == 1


def test_a_given_dialect_goes_into_the_spec(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text(
        "a|b\n" + "".join(f"{i}.5|{'xy'[i % 2]}\n" for i in range(30)) + "-9|x\n", "latin-1"
    )
    given = Dialect(delimiter="|", encoding="latin-1", missing_values=["-9"])
    document = starting_spec(path, dialect=given).document
    assert document["input"]["delimiter"] == "|"
    assert document["input"]["encoding"] == "latin-1"
    assert document["input"]["missing_values"] == ["-9"]
    assert document["input"]["missing"] == "median"


def test_two_columns_of_one_name(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("a,a,b\n1,2,x\n3,4,y\n")
    with pytest.raises(DataError, match="two columns have this name"):
        starting_spec(path)


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("data/adult-train.csv", "adult-train"),
        ("letter.data.gz", "letter"),
        ("my table (1).csv", "my-table--1-"),
        ("größe.csv", "gr--e"),
        (".hidden", "hidden"),
        ("%.csv", "model"),
        (None, "model"),
        ("x" * 90 + ".csv", "x" * 64),
    ],
)
def test_the_name_of_the_model(path: str | None, name: str) -> None:
    assert name_of(path) == name


def test_a_file_named_like_a_data_set_stays_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("digits").write_text("a,b\n" + "".join(f"{i}.5,{i % 2}\n" for i in range(30)))
    document = starting_spec("digits").document
    assert document["train"]["data"] == {"path": "digits"}
    assert layerkit.train(document, settings=["train.epochs=1"]).model.network.layers


def test_a_thousand_columns() -> None:
    rng = np.random.default_rng(0)
    wide = {f"c{i}": rng.normal(size=30) for i in range(1000)} | {"y": list("ab") * 15}
    found = starting_spec(wide)
    assert found.width == 1000
    assert len(found.decisions) == 1001
