"""What a file says, without importing a plugin."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import layerkit
from layerkit import CorruptFileError, NotAModelFileError, Rows


@pytest.fixture
def trained(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    rows = Rows(rng.standard_normal((20, 3)), labels=np.array(["u", "v"] * 10))
    spec: dict[str, Any] = {
        "layerkit": 1,
        "name": "small",
        "input": {"shape": [3], "scale": "standardize"},
        "layers": [
            {"type": "dense", "units": 4},
            {"type": "highway", "repeat": 2},
            {"type": "dense", "units": 2},
        ],
        "train": {"epochs": 2, "metrics": ["accuracy"]},
    }
    model = layerkit.train(spec, data={"train": rows}).model
    model.metadata = {"license": "MIT"}
    path = tmp_path / "m.layerkit"
    layerkit.save(model, path)
    return path


def test_everything_is_there(trained: Path) -> None:
    model = layerkit.load(trained)
    seen = layerkit.inspect(trained)
    assert seen.path == str(trained)
    assert seen.size == trained.stat().st_size
    assert seen.version == (1, 0)
    assert seen.file_id == model.file_id
    assert seen.parameters == model.network.size
    assert seen.unknown_fields == ()
    assert seen.header["metadata"] == {"license": "MIT"}
    assert seen.header["types"]["dense"]["dist"] == "layerkit"
    assert {n for n, t in seen.tensors.items() if t.role == "param"} == set(model.network.tensors())


def test_its_document_builds_the_same_network(trained: Path) -> None:
    seen = layerkit.inspect(trained)
    model = layerkit.build(seen.document)
    assert model.spec == layerkit.load(trained).spec
    again = layerkit.build(json.loads(json.dumps(seen.document)))
    assert again.spec == model.spec


def test_json_holds_plain_values(trained: Path) -> None:
    seen = layerkit.inspect(trained).to_json()
    again = json.loads(json.dumps(seen, allow_nan=False))
    assert again == seen
    assert again["format"] == [1, 0]
    assert again["parameters"] == layerkit.load(trained).network.size
    (first, *_) = again["tensors"]
    assert sorted(first) == ["dtype", "name", "nbytes", "role", "sha256", "shape"]
    assert len(first["sha256"]) == 64


def test_a_stream_has_no_path(trained: Path) -> None:
    seen = layerkit.inspect(io.BytesIO(trained.read_bytes()))
    assert seen.path is None
    assert seen.file_id == layerkit.inspect(trained).file_id


def test_expected_id(trained: Path) -> None:
    seen = layerkit.inspect(trained)
    assert layerkit.inspect(trained, expected_id=seen.file_id).file_id == seen.file_id
    with pytest.raises(CorruptFileError):
        layerkit.inspect(trained, expected_id="sha256:" + "0" * 64)


def test_what_is_no_model_file(tmp_path: Path) -> None:
    (tmp_path / "x").write_text("hello, this is no model")
    with pytest.raises(NotAModelFileError):
        layerkit.inspect(tmp_path / "x")
    with pytest.raises(FileNotFoundError):
        layerkit.inspect(tmp_path / "y")


def test_no_plug_in_and_no_pydantic_is_loaded(trained: Path) -> None:
    code = (
        "import sys, layerkit; layerkit.inspect(sys.argv[1]); "
        "print([m for m in sys.modules if m.startswith('layerkit_plugins')])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(trained)], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"
