"""``layerkit spec init``: from a table to a spec to a model, and what it refuses."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from tests.e2e.conftest import PETS, Cli, Unchanged

PEOPLE = "id,age,work,since,wage,income\n" + "".join(
    f"p{i},{20 + 7 * i % 40},{('state', 'private', '')[i % 3]},2024-01-{1 + i % 28:02},"
    f"{1000 + 17 * i % 300}.5,{('low', 'low', 'high')[i % 3]}\n"
    for i in range(60)
)


@pytest.fixture
def people(folder: Path) -> Path:
    path = folder / "people.csv"
    path.write_text(PEOPLE)
    return path


def test_a_table_becomes_a_spec_that_trains_and_answers(cli: Cli, people: Path) -> None:
    done = cli("spec", "init", "people.csv", "--target", "income")
    assert (done.code, done.err) == (0, "")
    assert done.out.endswith("saved people.json\nnext: layerkit train people.json\n")
    assert max(map(len, done.out.splitlines())) <= 80
    lines = {line.split()[0]: line for line in done.out.splitlines() if line.strip()}
    assert lines["id"].endswith("left out    an identifier: a different value in each row")
    assert lines["since"].endswith("left out    dates or times: turn them into numbers")
    assert lines["work"].endswith("2 values (50 % private), and missing (33 %)")
    assert lines["income"].endswith("target      2 values of text")
    assert lines["low"].split() == ["low", "40", "66.7", "%"]
    trained = cli("train", "people.json", "--epochs", 2, "--quiet")
    assert trained.code == 0
    Path("new.csv").write_text("age,work,wage\n30,elsewhere,1100\n41,,1200\n")
    answers = cli("infer", "people.layerkit", "new.csv")
    assert answers.code == 0
    assert len(answers.out.splitlines()) == 3


def test_json_tells_all(cli: Cli, people: Path) -> None:
    told = cli("spec", "init", "people.csv", "-o", "spec.json", "--json").json
    assert told["spec"] == json.loads(Path("spec.json").read_text())
    assert told["target"]["classes"] == {"high": 20, "low": 40}
    assert [c["use"] for c in told["columns"]] == [
        "left out", "number", "categories", "left out", "number", "target",
    ]  # fmt: skip
    assert told["columns"][1]["low"] == 20


def test_equal_tables_give_equal_files(cli: Cli, people: Path) -> None:
    cli("spec", "init", "people.csv", "-o", "one.json")
    head, *rows = PEOPLE.splitlines()
    people.write_text("\n".join([head, *reversed(rows)]))
    cli("spec", "init", "people.csv", "-o", "two.json")
    assert Path("one.json").read_bytes() == Path("two.json").read_bytes()


def test_nothing_is_replaced_unasked(cli: Cli, people: Path, unchanged: Unchanged) -> None:
    with unchanged():
        done = cli("spec", "init", "people.csv", "-o", "pets.json")
        assert done.code == 1
        assert "pets.json is already there" in done.err
        done = cli("spec", "init", "people.csv", "-o", "pets.csv", "--force")
        assert done.code == 1
        assert "already exists and is not a spec" in done.err
        done = cli("spec", "init", "people.csv", "-o", "nowhere/spec.json")
        assert done.code == 1
        done = cli("spec", "init", "people.csv", "-o", "-")
        assert done.code == 2
        done = cli("spec", "init", "-")
        assert done.code == 2
    assert cli("spec", "init", "people.csv", "-o", "pets.json", "--force").code == 0
    assert json.loads(Path("pets.json").read_text())["name"] != PETS["name"]


@pytest.mark.parametrize(
    ("text", "words", "message"),
    [
        (PEOPLE, ["--target", "incom"], "no such column to predict; did you mean 'income'"),
        (PEOPLE.replace("low", ""), [], "the target is missing in 40 of 60 rows"),
        (PEOPLE.replace("low", "high"), [], "two or more values in the target, got only 'high'"),
        (PEOPLE, ["--target", "since"], "got dates or times"),
        (PEOPLE, ["--target", "id"], "expected classes that repeat, got 60 values in 60 rows"),
        (PEOPLE, ["--task", "numbers"], "expected numbers in the target, got 'low'"),
        (PEOPLE.replace("wage", "age"), [], "two columns have this name"),
        ("a,b\n", [], "expected rows after the header"),
        ("a\nx\ny\nx\ny\n", [], "no column can be an input"),
        ("a,b\n1,x\n", [], "two or more values in the target"),
        ("", [], "the file is empty"),
    ],
)
def test_tables_that_are_refused(
    cli: Cli, folder: Path, unchanged: Unchanged, text: str, words: list[str], message: str
) -> None:
    Path("t.csv").write_text(text)
    with unchanged():
        done = cli("spec", "init", "t.csv", *words)
        assert done.code == 1
        assert message in done.err


def test_the_dialect_goes_into_the_spec(cli: Cli, folder: Path) -> None:
    rows = "".join(f"{i % 7},5;{i % 5}.250,25;{'xy'[i % 2]}\n" for i in range(30))
    Path("de.csv.gz").write_bytes(gzip.compress(f"a;preis;art\n{rows}".encode()))
    assert cli("spec", "init", "de.csv.gz", "--missing-value", "k. A.").code == 0
    given = json.loads(Path("de.json").read_text())["input"]
    assert (given["delimiter"], given["decimal"], given["thousands"]) == (";", ",", ".")
    assert given["missing_values"] == ["k. A."]
    assert cli("train", "de.json", "--epochs", 1, "--quiet").code == 0


def test_a_table_without_names(cli: Cli, folder: Path) -> None:
    Path("t.csv").write_text("".join(f"{i % 7}.5,{i % 4},{'xy'[i % 2]}\n" for i in range(30)))
    done = cli("spec", "init", "t.csv", "--target", 2)
    assert "the first line is a row, so columns go by position (or --header)" in done.out
    assert cli("train", "t.json", "--epochs", 1, "--quiet").code == 0


def test_a_thousand_columns_are_not_a_thousand_lines(cli: Cli, folder: Path) -> None:
    names = ",".join(f"c{i}" for i in range(1000))
    rows = "".join(",".join(str((i * j) % 97) for j in range(1000)) + "\n" for i in range(2, 22))
    Path("wide.csv").write_text(f"{names}\n{rows}")
    done = cli("spec", "init", "wide.csv", "--task", "numbers")
    assert done.code == 0
    assert len(done.out.splitlines()) < 70
    told = [line.split()[:3] for line in done.out.splitlines() if " more)" in line]
    assert len(told) == 2
    assert 50 + sum(int(line[0].strip("(")) for line in told) == 1000
    assert max(map(len, done.out.splitlines())) <= 80


def test_names_that_do_not_print_harm_no_terminal(cli: Cli, folder: Path) -> None:
    rows = "".join(f"{i}.5,{'ab'[i % 2]}\x1b[31m,{i % 2}\n" for i in range(30))
    Path("t.csv").write_text(f"a\x1b[2J,b\u202e,{'n' * 90}\n{rows}")
    done = cli("spec", "init", "t.csv")
    assert done.code == 0
    assert "\x1b" not in done.out
    assert "\u202e" not in done.out
    assert max(map(len, done.out.splitlines())) <= 80
    assert "\x1b" not in Path("t.json").read_text()
    assert cli("train", "t.json", "--epochs", 1, "--quiet").code == 0
