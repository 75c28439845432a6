"""``layerkit doctor`` as a user meets it."""

from __future__ import annotations

import copy
import json
import shlex
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.e2e.conftest import PETS, Cli


def pets(rows: int = 200, scale: float = 1.0) -> str:
    rng = np.random.default_rng(0)
    lines = ["weight,height,kind"]
    for weight, height in rng.normal(size=(rows, 2)):
        kind = "cat" if weight + 0.3 * height > 0 else "dog"
        lines.append(f"{weight * scale:.4f},{height:.4f},{kind}")
    return "\n".join(lines) + "\n"


def spec(**changes: Any) -> str:
    document = copy.deepcopy(PETS)
    document["input"].pop("scale")
    return json.dumps({**document, **changes})


@pytest.fixture
def desk(cli: Cli) -> Cli:
    Path("pets.csv").write_text(pets(scale=1000))
    Path("net.json").write_text(spec())
    return cli


def test_the_command_that_it_prints_works(desk: Cli) -> None:
    told = desk("doctor", "net.json", "--data", "pets.csv")
    assert told.code == 0
    assert "warning: unscaled inputs\n" in told.out
    assert "Tried: in " in told.out
    (line,) = [line for line in told.out.split("\n") if line.startswith("    layerkit train")]
    assert line.strip() == "layerkit train net.json --data pets.csv --set input.scale=standardize"
    words = shlex.split(line)[1:]
    assert desk(*words).code == 0
    again = desk("doctor", "net.json", "--data", "pets.csv", *words[-2:])
    assert again.out.endswith("nothing found\n")


def test_settings_that_the_finding_replaces_are_left_out(desk: Cli) -> None:
    given = ["--set", "layers.1.gate_bias=-20", "--set", "input.scale=standardize"]
    told = desk("doctor", "net.json", "--data", "pets.csv", *given, "--seconds", "0")
    lines = [line.strip().rstrip("\\").strip() for line in told.out.split("\n")]
    at = lines.index("layerkit train net.json --data pets.csv")
    assert lines[at + 1 : at + 3] == [
        "--set input.scale=standardize",
        "--set layers.1.gate_bias=-2.0",
    ]


def test_strict_exits_with_1_and_notices_do_not_count(desk: Cli) -> None:
    assert desk("doctor", "net.json", "--data", "pets.csv", "--strict").code == 1
    Path("pets.csv").write_text(pets() + pets().split("\n", 1)[1])
    told = desk("doctor", "net.json", "--data", "pets.csv", "--strict", "--json", "--seconds", "0")
    assert [f["check"] for f in told.json["findings"] if f["severity"] == "notice"]


def test_json_holds_the_findings_and_what_was_run(desk: Cli) -> None:
    told = desk("doctor", "net.json", "--data", "pets.csv", "--json").json
    assert told["name"] == "pets"
    (finding,) = told["findings"]
    assert finding["settings"] == ["input.scale=standardize"]
    assert finding["field"] == "input.scale"
    assert told["rows"] == 150
    assert told["steps"] > 0
    assert set(told["gradients"]) == {"dense_1", "highway_1", "dense_2"}


def test_a_model_is_examined_and_its_spec_named(desk: Cli) -> None:
    desk("train", "net.json", "--data", "pets.csv", "--set", "layers.1.gate_bias=-20", "-q")
    told = desk("doctor", "pets.layerkit", "--data", "pets.csv")
    assert "stuck gates" in told.out
    assert "--set layers.1.config.gate_bias=-2.0" in told.out
    export = told.out.rstrip().split("\n")[-1].strip()
    assert export == "layerkit inspect pets.layerkit --spec > pets.json"
    Path("pets.json").write_text(desk(*shlex.split(export)[1:-2]).out)
    setting = "layers.1.config.gate_bias=-2.0"
    cured = desk("doctor", "pets.json", "--data", "pets.csv", "--set", setting)
    assert "stuck gates" not in cured.out


def test_layers_are_shown_one_by_one(desk: Cli) -> None:
    told = desk("doctor", "net.json", "--data", "pets.csv", "--layers")
    lines = told.out.split("\n")
    head = next(
        i for i, line in enumerate(lines) if line.split() == ["layer", "gradient", "update"]
    )
    assert [line.split()[0] for line in lines[head + 2 : head + 5]] == [
        "dense_1",
        "highway_1",
        "dense_2",
    ]


@pytest.mark.parametrize("columns", [80, 50])
def test_no_line_is_too_wide(desk: Cli, monkeypatch: pytest.MonkeyPatch, columns: int) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    out = desk("doctor", "net.json", "--data", "pets.csv", "--layers").out
    assert max(map(len, out.split("\n"))) <= columns


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["missing.json"], "missing.json"),
        (["net.json", "--data", "nothing.csv"], "nothing.csv"),
        (["net.json"], "error LK-"),  # a spec without data, and none given
        (["net.json", "--data", "pets.csv", "--set", "layers.9.units=3"], "--set layers.9.units=3"),
        (["net.json", "--data", "pets.csv", "--seconds=-1"], "--seconds"),
    ],
)
def test_mistakes_are_told_in_a_line(desk: Cli, words: list[str], said: str) -> None:
    told = desk("doctor", *words)
    assert told.code in (1, 2)
    assert said in told.err
    assert "Traceback" not in told.err
    assert told.out == ""


def test_a_model_without_a_recipe(desk: Cli) -> None:
    document = json.loads(spec())
    document.pop("train")
    Path("net.json").write_text(json.dumps(document))
    told = desk("doctor", "net.json", "--data", "pets.csv")
    assert told.code == 1
    assert "no 'train' section" in told.err
