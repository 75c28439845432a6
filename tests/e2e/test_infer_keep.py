"""``layerkit infer --keep``: columns of the rows beside the answers, as they were written."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

import layerkit

if TYPE_CHECKING:
    from tests.e2e.conftest import Cli

ROWS = 'id,weight,height,note\n007,24,55,"a, b"\n,4,25,=1+1\n12,5,26,\n'


@pytest.fixture(autouse=True)
def rows(pets: Path) -> None:
    Path("rows.csv").write_text(ROWS)


def test_cells_stay_as_they_were_written(cli: Cli) -> None:
    done = cli("infer", "pets.layerkit", "rows.csv", "--keep", "note", "--keep", "id", "--raw")
    assert (done.code, done.err) == (0, "")
    head, *lines = csv.reader(io.StringIO(done.out))
    assert head == ["note", "id", "class", "p_cat", "p_dog"]
    assert [line[:3] for line in lines] == [
        ["a, b", "007", "dog"],
        ["=1+1", "", "cat"],
        ["", "12", "cat"],
    ]


def test_a_spreadsheet_runs_nothing_that_was_kept(cli: Cli) -> None:
    done = cli("infer", "pets.layerkit", "rows.csv", "--keep", "note")
    assert [line[0] for line in csv.reader(io.StringIO(done.out))][2] == "'=1+1"


def test_json_lines(cli: Cli) -> None:
    done = cli("infer", "pets.layerkit", "rows.csv", "--keep", "id", "--to", "jsonl")
    found = [json.loads(line) for line in done.out.splitlines()]
    assert [one["id"] for one in found] == ["007", None, "12"]  # a column of one type
    assert [list(one) for one in found] == [["id", "class", "probabilities"]] * 3


def test_json_keeps_numbers_and_booleans(cli: Cli) -> None:
    records = [
        {"id": 7, "share": 0.5, "new": True, "weight": 24, "height": 55},
        {"id": 2**53, "share": None, "new": False, "weight": 4, "height": 25},
    ]
    text = "\n".join(map(json.dumps, records)).encode()
    keep = [word for name in ("id", "share", "new") for word in ("--keep", name)]
    done = cli("infer", "pets.layerkit", "-", "--format", "jsonl", "--json", *keep, stdin=text)
    found = [json.loads(line) for line in done.out.splitlines()]
    assert [(one["id"], one["share"]) for one in found] == [(7, 0.5), (2**53, None)]
    assert [str(one["new"]).lower() for one in found] == ["true", "false"]


def test_a_name_of_an_answer_is_changed(cli: Cli) -> None:
    Path("rows.csv").write_text("class,weight,height\nold,24,55\n")
    done = cli("infer", "pets.layerkit", "rows.csv", "--keep", "class")
    assert done.out.splitlines()[0] == "class_,class,p_cat,p_dog"


def test_json_changes_the_name_of_its_probabilities_too(cli: Cli) -> None:
    Path("rows.csv").write_text("probabilities,weight,height\nold,24,55\n")
    done = cli("infer", "pets.layerkit", "rows.csv", "--keep", "probabilities", "--json")
    found = json.loads(done.out)
    assert list(found) == ["probabilities_", "class", "probabilities"]
    assert found["probabilities_"] == "old"


def test_a_column_that_is_not_there(cli: Cli) -> None:
    done = cli("infer", "pets.layerkit", "rows.csv", "--keep", "notes", "-o", "out.csv")
    assert done.code == 1
    assert "column 'notes': not found; did you mean 'note'?" in done.err
    assert not Path("out.csv").exists()
    np.save("rows.npy", np.ones((2, 2)))
    done = cli("infer", "pets.layerkit", "rows.npy", "--keep", "id")
    assert (done.code, done.out) == (1, "")
    assert "these rows have no named columns" in done.err


def test_many_blocks_keep_their_order(cli: Cli) -> None:
    size = layerkit.load("pets.layerkit").block_rows
    rng = np.random.default_rng(0)
    rows = rng.uniform(1, 60, (2 * size + 77, 2)).round(1)
    lines = [f"r{i},{a},{b}" for i, (a, b) in enumerate(rows)]
    Path("rows.csv").write_text("\n".join(["id,weight,height", *lines]))
    done = cli("infer", "pets.layerkit", "rows.csv", "--keep", "id")
    found = list(csv.reader(io.StringIO(done.out)))[1:]
    assert [line[0] for line in found] == [f"r{i}" for i in range(len(rows))]
    plain = cli("infer", "pets.layerkit", "rows.csv")
    assert [line[1:] for line in found] == list(csv.reader(io.StringIO(plain.out)))[1:]
