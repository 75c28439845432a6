"""``layerkit spec match``, and a study that solves for widths, from the command line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import layerkit
from tests.e2e.conftest import Cli


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_it_writes_the_spec_with_its_widths(cli: Cli) -> None:
    done = cli("spec", "match", "plain-digits", "7,000", "-o", "small.json", "--set", "name=small")
    assert done.code == 0
    assert done.out.endswith("saved small.json\nnext: layerkit train small.json\n")
    spec = json.loads(Path("small.json").read_text())
    assert [layer.get("repeat") for layer in spec["layers"]] == [None, 16, None]
    assert abs(layerkit.build("small.json").network.size - 7000) <= 35
    again = cli("spec", "match", "plain-digits", "7000", "-o", "small.json")
    assert again.code == 1
    assert "replace it with --force" in again.err


def test_it_tells_programs(cli: Cli) -> None:
    words = ("plain-digits", "highway-digits", "--what", "macs", "--tied", "--json")
    found = json.loads(cli("spec", "match", *words).out)
    assert found["settings"] == ["layers.0.units=32", "layers.1.units=32"]
    assert (found["target"], found["cost"], found["remainder"]) == (18752, 18752, 0.0)


def test_wrong_words_are_usage(cli: Cli) -> None:
    assert cli("spec", "match", "plain-digits", "0").code == 2
    assert cli("spec", "match", "plain-digits", "12").code == 1
    assert "there is no file none.json" in cli("spec", "match", "plain-digits", "none.json").err


def test_a_study_shows_its_widths(cli: Cli) -> None:
    plain = {"layers.1": {"type": "dense", "units": 8, "activation": "tanh", "repeat": 2}}
    study = {
        "layerkit_study": 1,
        "spec": "highway-digits",
        "set": {"train.epochs": 1, "layers.0.units": 8, "layers.1.repeat": 2},
        "grid": {"kind": {"highway": {}, "plain": plain}},
        "match": {"what": "params", "to": "highway"},
    }
    Path("kinds.json").write_text(json.dumps(study))
    status = cli("study", "kinds.json", "--status").out
    assert status.split("\n")[1].startswith("  plain: layers.0.units ")
    report = cli("study", "kinds.json", "-q").out
    assert "solved for equal parameters: 1 point, at most " in report
    assert cli("study", "kinds.json", "--status").out.startswith("2 of 2 runs finished")
