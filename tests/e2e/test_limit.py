"""``--limit FIELD=N``: on every command that reads or writes models."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from layerkit import Limits
from layerkit.codec.limits import limits_in_use
from tests.e2e.conftest import PETS, Cli

COMMANDS: dict[str, tuple[str, ...]] = {
    "build": ("pets.json", "-o", "other.layerkit"),
    "train": ("pets.json", "--data", "pets.csv", "--epochs", "1", "-o", "other.layerkit"),
    "resume": ("pets.layerkit", "--data", "pets.csv", "--epochs", "9"),
    "eval": ("pets.layerkit", "--data", "pets.csv"),
    "infer": ("pets.layerkit", "pets.csv"),
    "compare": ("pets.layerkit", "pets.layerkit", "--data", "pets.csv"),
    "inspect": ("pets.layerkit",),
    "verify": ("pets.layerkit",),
    "diff": ("pets.layerkit", "pets.layerkit"),
    "upgrade": ("pets.layerkit", "-o", "other.layerkit"),
    "deploy": ("pets.layerkit", "-o", "other.layerkit"),
}


@pytest.mark.parametrize("command", COMMANDS)
def test_the_limit_counts_for_the_command_and_no_longer(cli: Cli, pets: Path, command: str) -> None:
    done = cli(command, *COMMANDS[command], "--limit", "tensors=2", "--limit=depth=60", "--json")
    assert done.code == 1
    assert "Limits.tensors" in done.out + done.err
    assert not Path("other.layerkit").exists()
    assert limits_in_use() == Limits()
    assert cli("inspect", "pets.layerkit").code == 0


def test_what_exceeds_a_limit_is_refused_by_build_and_allowed_by_option(cli: Cli) -> None:
    columns = [f"c{i}" for i in range(65_537)]
    layers = [{"type": "dense", "units": 2}]
    spec = {**PETS, "input": {"columns": columns}, "layers": layers}
    Path("wide.json").write_text(json.dumps(spec))
    done = cli("build", "wide.json", "-o", "wide.layerkit")
    assert done.code == 1
    assert "spec.model.input.columns: 65537 items" in done.err
    assert "--limit items=N" in done.err
    assert cli("build", "wide.json", "-o", "wide.layerkit", "--limit", "items=70_000").code == 0
    assert "Limits.items" in cli("inspect", "wide.layerkit").err
    assert cli("inspect", "wide.layerkit", "--limit", "items=70000").code == 0


@pytest.mark.parametrize(
    ("word", "told"),
    [
        ("tensrs=3", "did you mean 'tensors'"),
        ("tensors", "expected an integer"),
        ("tensors=-3", "expected an integer"),
        ("tensors=1e6", "expected an integer"),
        ("tensors=" + "9" * 5000, "expected an integer"),
        ("=3", "header_bytes, items, string_bytes, values, depth, tensors, layers"),
        ("header_bytes=99999999999", "expected at most 67108864"),
    ],
)
def test_a_limit_that_is_none_is_a_usage_error(cli: Cli, word: str, told: str) -> None:
    done = cli("inspect", "pets.json", "--limit", word)
    assert done.code == 2
    assert told in done.err
    assert "layerkit inspect --help" in done.err
