"""``layerkit infer``: every form of rows in, every form of answers out, nothing half-written."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import layerkit

if TYPE_CHECKING:
    from tests.e2e.conftest import Cli, Unchanged

ROWS = "weight,height\n24,55\n4,25\n"


@pytest.fixture
def expected(pets: Path) -> np.ndarray[Any, Any]:
    return layerkit.load(pets).predict([[24.0, 55.0], [4.0, 25.0]])


def test_csv_has_the_class_and_a_column_for_each(cli: Cli, expected: Any) -> None:
    Path("rows.csv").write_text(ROWS)
    done = cli("infer", "pets.layerkit", "rows.csv")
    assert (done.code, done.err) == (0, "")
    head, *rows = csv.reader(io.StringIO(done.out))
    assert head == ["class", "p_cat", "p_dog"]
    assert [row[0] for row in rows] == ["dog", "cat"]
    got = np.array([row[1:] for row in rows], np.float32)
    np.testing.assert_array_equal(got, expected)  # to the last bit: decimals lose nothing


def test_json_lines_nest_the_probabilities(cli: Cli, expected: Any) -> None:
    Path("rows.csv").write_text(ROWS)
    done = cli("infer", "pets.layerkit", "rows.csv", "--to", "jsonl")
    first, second = map(json.loads, done.out.splitlines())
    assert (first["class"], second["class"]) == ("dog", "cat")
    assert np.float32(first["probabilities"]["dog"]) == expected[0, 1]
    assert list(second["probabilities"]) == ["cat", "dog"]


def test_json_is_one_object_a_row(cli: Cli, pets: Path) -> None:
    done = cli("infer", "pets.layerkit", "-", "--json", stdin=ROWS.encode())
    assert done.out == cli("infer", "pets.layerkit", "-", "--to", "jsonl", stdin=ROWS.encode()).out
    assert [json.loads(line)["class"] for line in done.out.splitlines()] == ["dog", "cat"]
    both = cli("infer", "pets.layerkit", "-", "--json", "--to", "csv", stdin=ROWS.encode())
    assert (both.code, both.out) == (2, "")


@pytest.mark.parametrize(
    ("form", "text"),
    [
        ("csv", "height;weight;extra\n55;24;x\n25;4;y\n"),
        ("tsv", "weight\theight\n24\t55\n4\t25\n"),
        ("jsonl", '{"weight": 24, "height": 55}\n{"height": 25, "weight": 4}\n'),
        ("jsonl", "[24, 55]\n[4, 25]\n"),
    ],
)
def test_standard_input_in_every_form_gives_the_same(
    cli: Cli, pets: Path, form: str, text: str
) -> None:
    done = cli("infer", "pets.layerkit", "-", "--format", form, stdin=text.encode())
    wanted = cli("infer", "pets.layerkit", "-", stdin=ROWS.encode())
    assert (done.code, done.out) == (0, wanted.out)


def test_npy_and_numbers_without_a_header(cli: Cli, pets: Path) -> None:
    np.save("rows.npy", np.array([[24.0, 55.0], [4.0, 25.0]]))
    Path("bare.csv").write_text("24,55\n4,25\n")
    wanted = cli("infer", "pets.layerkit", "-", stdin=ROWS.encode()).out
    assert cli("infer", "pets.layerkit", "rows.npy").out == wanted
    assert cli("infer", "pets.layerkit", "bare.csv", "--no-header").out == wanted


def test_the_model_may_come_from_standard_input(cli: Cli, pets: Path) -> None:
    Path("rows.csv").write_text(ROWS)
    assert cli("infer", "-", "rows.csv", stdin=pets.read_bytes()).out.startswith("class,p_cat")
    both = cli("infer", "-", "-")
    assert both.code == 2
    assert "MODEL and ROWS cannot both be standard input" in both.err


def test_a_label_column_is_left_out_by_position(cli: Cli, pets: Path) -> None:
    Path("labelled.csv").write_text("24,55,1\n4,25,0\n")
    refused = cli("infer", "pets.layerkit", "labelled.csv")
    assert refused.code == 1
    assert "expected 2 numbers per row, got 3" in refused.err
    done = cli("infer", "pets.layerkit", "labelled.csv", "--label", "2")
    assert done.out == cli("infer", "pets.layerkit", "-", stdin=ROWS.encode()).out


def test_many_rows_keep_their_order(cli: Cli, pets: Path) -> None:
    text = "weight,height\n" + "24,55\n4,25\n4,25\n" * 1700
    done = cli("infer", "pets.layerkit", "-", stdin=text.encode())
    classes = [line.split(",")[0] for line in done.out.splitlines()[1:]]
    assert classes == ["dog", "cat", "cat"] * 1700


def test_an_output_file_is_replaced_and_its_name_gives_the_form(
    cli: Cli, pets: Path, folder: Path
) -> None:
    Path("answers.jsonl").write_text("old")
    done = cli("infer", "pets.layerkit", "-", "-o", "answers.jsonl", stdin=ROWS.encode())
    assert (done.code, done.out, done.err) == (0, "", "wrote 2 rows to answers.jsonl\n")
    assert [json.loads(x)["class"] for x in Path("answers.jsonl").read_text().splitlines()] == [
        "dog",
        "cat",
    ]
    told = cli("infer", "pets.layerkit", "-", "-o", "a.csv", "--json", stdin=ROWS.encode()).json
    assert told == {
        "name": "pets",
        "rows": 2,
        "file": "a.csv",
        "outside": {"rows": 0, "columns": {}},
    }
    assert Path("a.csv").read_text().startswith("class,p_cat,p_dog\ndog,")


def test_targets_name_the_columns(cli: Cli, spec: Callable[..., Path]) -> None:
    spec(
        "price.json",
        name="price",
        input={"columns": ["size"]},
        layers=[{"type": "dense", "units": 2}],
        output={"targets": ["price", "tax"]},
        train={"epochs": 1},
    )
    Path("houses.csv").write_text("size,price,tax\n1,2,3\n2,4,6\n")
    assert cli("train", "price.json", "--data", "houses.csv").code == 0
    done = cli("infer", "price.layerkit", "houses.csv")
    wanted = layerkit.load("price.layerkit").predict([[1.0], [2.0]])
    head, *rows = csv.reader(io.StringIO(done.out))
    assert head == ["price", "tax"]
    np.testing.assert_array_equal(np.array(rows, np.float32), wanted)
    line = cli("infer", "price.layerkit", "houses.csv", "--to", "jsonl").out.splitlines()[0]
    assert list(json.loads(line)) == ["price", "tax"]


def test_one_sigmoid_unit_gives_both_probabilities(cli: Cli, spec: Callable[..., Path]) -> None:
    layers = [{"type": "dense", "units": 1}]
    spec("one.json", name="one", layers=layers, train={"loss": "sigmoid_cross_entropy"})
    assert cli("train", "one.json", "--data", "pets.csv").code == 0
    done = cli("infer", "one.layerkit", "-", stdin=ROWS.encode())
    head, *rows = csv.reader(io.StringIO(done.out))
    assert head == ["class", "p_cat", "p_dog"]
    for name, cat, dog in rows:
        assert float(cat) + float(dog) == pytest.approx(1, abs=1e-6)
        assert name == ("dog" if float(dog) >= 0.5 else "cat")


def test_numbers_without_names_are_numbered(cli: Cli, spec: Callable[..., Path]) -> None:
    spec("bare.json", name="bare", input={"shape": [2]}, output={})
    del_train = json.loads(Path("bare.json").read_text())
    del del_train["train"]
    Path("bare.json").write_text(json.dumps(del_train))
    cli("build", "bare.json")
    done = cli("infer", "bare.layerkit", "-", stdin=b"24,55\n")
    assert done.out.splitlines()[0] == "y_0,y_1"


def test_what_is_not_finite_is_null_in_json(cli: Cli, pets: Path) -> None:
    model = layerkit.load(pets)
    model.network.params[:] = np.nan
    layerkit.save(model, "nan.layerkit")
    done = cli("infer", "nan.layerkit", "-", "--to", "jsonl", stdin=ROWS.encode())
    assert json.loads(done.out.splitlines()[0])["probabilities"] == {"cat": None, "dog": None}


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("weight\n1\n", "standard input, column 'height': not found"),
        (
            "weight,height\n1,2\n3,nan\n",
            "standard input, row 1, column 'height': expected a number, got a missing value",
        ),
        (
            "weight,height\n1,2\n,4\n",
            "standard input, row 1, column 'weight': expected a number, got a missing value",
        ),
        (
            "weight,height\n1,2\n3,tall\n",
            "standard input, row 1, column 'height': expected a number, got 'tall'",
        ),
        (
            "weight,height\n1,2\n3\n",
            "standard input, row 1: expected 2 cells in line 3, as in the first line, got 1",
        ),
        ("weight,height\n1,2\n3,1e999\n", "standard input, row 1, column 'height': "),
        ("", "standard input: the file is empty"),
    ],
)
def test_one_bad_row_and_nothing_is_written(
    cli: Cli, pets: Path, unchanged: Unchanged, text: str, wanted: str
) -> None:
    Path("out.csv").write_text("old")
    with unchanged():
        done = cli("infer", "pets.layerkit", "-", stdin=text.encode())
        to_file = cli("infer", "pets.layerkit", "-", "-o", "out.csv", stdin=text.encode())
    assert (done.code, done.out, to_file.code, to_file.out) == (1, "", 1, "")
    assert done.err.startswith(f"error LK-203: {wanted}")
    assert to_file.err == done.err


def test_the_row_and_the_column_are_data_for_programs(cli: Cli, pets: Path) -> None:
    told = cli("infer", "pets.layerkit", "-", "--json", stdin=b"weight,height\n1,2\n3,tall\n")
    assert told.out == ""
    error = told.error
    assert (error["code"], error["row"], error["column"]) == ("LK-203", 1, "height")


def test_an_untrained_model_says_what_it_lacks(cli: Cli, folder: Path) -> None:
    cli("build", "pets.json")
    done = cli("infer", "pets.layerkit", "-", stdin=ROWS.encode())
    assert done.code == 1
    assert (
        "the model 'pets' was built but not trained: its input scaling must be fitted" in done.err
    )


def test_unwritable_output(cli: Cli, pets: Path, unchanged: Unchanged) -> None:
    with unchanged():
        done = cli("infer", "pets.layerkit", "-", "-o", "none/x.csv", stdin=ROWS.encode())
    assert (done.code, done.out) == (1, "")
    assert done.err.startswith("error LK-305: there is no folder none, so none/x.csv cannot")


def test_unknown_formats(cli: Cli, pets: Path) -> None:
    done = cli("infer", "pets.layerkit", "-", "--format", "cvs", stdin=ROWS.encode())
    assert done.code == 1
    assert "idx or parquet, got 'cvs'; did you mean 'csv'" in done.err
    assert cli("infer", "pets.layerkit", "-", "--to", "xml", stdin=b"1,2\n").code == 2
