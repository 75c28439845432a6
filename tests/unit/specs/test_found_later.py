"""What metrics take from the loss, and what is found in a spec only when it is used."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import layerkit
from layerkit import SpecError
from layerkit.specs import read_spec
from layerkit.specs.overrides import Setting


def spec(**train: Any) -> dict[str, Any]:
    return {
        "layerkit": 1,
        "name": "net",
        "input": {"columns": ["a"]},
        "output": {"targets": ["t"]},
        "layers": [{"type": "dense", "units": 1}],
        "train": {"epochs": 1, **train},
    }


@pytest.mark.parametrize(
    ("metric", "quantile"),
    [
        ("pinball", 0.9),
        ({"type": "pinball"}, 0.9),
        ({"type": "pinball", "quantile": 0.5}, 0.5),
    ],
    ids=["name", "object", "given"],
)
def test_a_metric_takes_the_quantile_of_the_loss(metric: Any, quantile: float) -> None:
    read = read_spec(spec(loss={"type": "quantile", "quantile": 0.9}, metrics=[metric, "mae"]))
    assert read.train is not None
    assert read.train["metrics"] == [{"type": "pinball", "quantile": quantile}, "mae"]


def test_other_losses_leave_it_its_default() -> None:
    read = read_spec(spec(loss={"type": "huber", "delta": 2.0}, metrics=["pinball"]))
    assert read.train is not None
    assert read.train["metrics"] == [{"type": "pinball", "quantile": 0.5}]


@pytest.mark.parametrize(
    ("train", "words"),
    [
        ({"schedule": "plateau"}, r"train.schedule \(line \d+\): plateau needs validation rows"),
        (
            {"early_stopping": {"patience": 2}},
            r"train.early_stopping \(line \d+\): early stopping needs validation rows",
        ),
    ],
    ids=["schedule", "early stopping"],
)
def test_missing_validation_rows_are_told_with_file_and_line(
    train: dict[str, Any], words: str, tmp_path: Path
) -> None:
    path = tmp_path / "net.json"
    path.write_text(json.dumps(spec(validation=0, **train), indent=1))
    data = {"a": np.arange(20.0), "t": np.arange(20.0)}
    with pytest.raises(SpecError, match=r"net\.json: " + words) as caught:
        layerkit.train(path, data=data)
    field = next(iter(train))
    assert caught.value.line is not None
    assert field in path.read_text().splitlines()[caught.value.line - 1]


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        (["train.schedule=plateau"], r"^--set: train.schedule=plateau: plateau needs"),
        (
            ["train.schedule.patience=2", "train.epochs=2"],
            r"^--set: train.schedule.patience=2: train.schedule: plateau needs",
        ),
        (["train.epochs=2"], r"^net\.json: train.schedule \(line \d+\): plateau needs"),
        (
            ['train.class_weights={"a": 1}'],
            r"^--set: train.class_weights=.*: class weights need classes",
        ),
    ],
    ids=["itself", "inside", "beside", "weights"],
)
def test_what_an_override_has_made_is_told_with_it(
    settings: list[str], told: str, tmp_path: Path
) -> None:
    path = tmp_path / "net.json"
    schedule = "constant" if "class_weights" in settings[0] else "plateau"
    path.write_text(json.dumps(spec(validation=0, schedule=schedule), indent=1))
    given = [Setting(text, f"--set: {text}") for text in settings]
    with pytest.raises(SpecError) as caught:
        layerkit.train(path, data={"a": np.arange(20.0), "t": np.arange(20.0)}, settings=given)
    assert re.search(told, str(caught.value).replace(str(path), "net.json"))


def test_codes_that_are_learned_are_missed_by_their_number_not_by_the_width() -> None:
    column = {"name": "a", "categories": "learn", "encode": "code"}
    read = read_spec({**spec(), "input": {"columns": [column]}})
    with pytest.raises(SpecError, match="so how many codes it has is not known yet"):
        layerkit.build(read)
