"""What counts as one contestant."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from layerkit.comparison.contestants import read_contestants
from layerkit.errors import ModelFileError, SpecError
from layerkit.file.save import save
from layerkit.model import Model, build


def saved(folder: Path, spec: dict[str, Any], seed: int, file: str) -> Path:
    model = build(spec, settings=[f"train.seed={seed}"])
    save(model, folder / file)
    return folder / file


def test_files_of_one_recipe_are_seeds_of_one_contestant(
    tmp_path: Path, plain: dict[str, Any], highway: dict[str, Any]
) -> None:
    paths = [
        saved(tmp_path, plain, 3, "a.layerkit"),
        saved(tmp_path, highway, 3, "b.layerkit"),
        saved(tmp_path, {**plain, "name": "renamed"}, 5, "c.layerkit"),
    ]
    first, second = read_contestants(paths)
    assert (first.name, list(first.models), first.kind) == ("plain", [3, 5], "file")
    assert (second.name, list(second.models)) == ("highway", [3])
    assert first.sources == [str(paths[0]), str(paths[2])]


def test_another_recipe_is_another_contestant(tmp_path: Path, plain: dict[str, Any]) -> None:
    longer = {**plain, "train": {**plain["train"], "epochs": 3}}
    entries = read_contestants(
        [saved(tmp_path, plain, 0, "a.layerkit"), saved(tmp_path, longer, 1, "b.layerkit")]
    )
    assert [e.name for e in entries] == ["a", "b"]  # one name, so their files tell them apart


def test_the_same_seed_twice_is_two_contestants(tmp_path: Path, plain: dict[str, Any]) -> None:
    path = saved(tmp_path, plain, 0, "a.layerkit")
    entries = read_contestants([path, path])
    assert [e.name for e in entries] == ["a", "a (2)"]
    assert [list(e.models) for e in entries] == [[0], [0]]


def test_models_are_told_from_specs_by_content(tmp_path: Path, plain: dict[str, Any]) -> None:
    path = saved(tmp_path, plain, 0, "no-suffix")
    assert read_contestants([path])[0].kind == "file"


def test_a_broken_model_file_is_not_read_as_a_spec(tmp_path: Path) -> None:
    path = tmp_path / "a.layerkit"
    path.write_text("{}")
    with pytest.raises(ModelFileError, match="not a layerkit"):
        read_contestants([path])


def test_specs_stay_apart_and_take_settings(plain: dict[str, Any]) -> None:
    resolved = build(plain).spec
    entries = read_contestants([plain, resolved], ["train.epochs=7"])
    assert [e.spec.train["epochs"] for e in entries if e.spec.train] == [7, 7]
    assert [e.name for e in entries] == ["plain", "plain (2)"]


def test_models_in_memory(plain: dict[str, Any]) -> None:
    model: Model = build(plain)
    entry = read_contestants([replace(model)])[0]
    assert (entry.kind, entry.sources) == ("model", [])


def test_nothing_to_compare(plain: dict[str, Any]) -> None:
    with pytest.raises(SpecError, match="at least one"):
        read_contestants([])
    with pytest.raises(SpecError, match="only models"):
        read_contestants([build(plain)], ["train.epochs=1"])
