"""``layerkit import`` as a user meets it: notes and a model, or every fault and nothing written."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import layerkit

if TYPE_CHECKING:
    from tests.e2e.conftest import Cli, Unchanged

ROWS = np.array([[1.0, 2.0], [3.0, -1.0], [0.5, 0.5]], np.float32)
SPEC: dict[str, Any] = {
    "layerkit": 1,
    "name": "net",
    "input": {"columns": ["width", "height"]},
    "layers": [{"type": "dense", "units": 2, "activation": "relu"}, {"type": "dense", "units": 1}],
    "output": {"targets": ["price"]},
}


@pytest.fixture(autouse=True)
def stored(folder: Path) -> None:
    """Weights as PyTorch names and stores them, a spec, rows and answers."""
    W1, b1 = np.array([[1.0, -2.0], [0.5, 3.0]], np.float32), np.array([0.1, 0.2], np.float32)
    W2, b2 = np.array([[2.0], [-1.0]], np.float32), np.array([0.3], np.float32)
    answers = np.maximum(ROWS @ W1 + b1, 0) @ W2 + b2
    tensors = {"fc1.weight": W1.T, "fc1.bias": b1, "fc2.weight": W2.T, "fc2.bias": b2}
    np.savez("net.npz", **tensors)  # type: ignore[arg-type]  # arrays by name
    Path("net.json").write_text(json.dumps(SPEC))
    Path("map.json").write_text('{"dense_1": "fc1", "dense_2": "fc2"}')
    Path("bad.json").write_text('{"dense_1": "fc1", "dense_2": "fc3"}')
    Path("list.json").write_text("[1]")
    Path("text.json").write_text("{")
    Path("names.json").write_text('{"name": "net"')
    np.save("answers.npy", answers)
    np.save("wrong.npy", answers + 1)
    Path("rows.csv").write_text("width,height\n1,2\n3,-1\n0.5,0.5\n")
    Path("answers.csv").write_text("price\n" + "".join(f"{a:.7f}\n" for a in answers[:, 0]))
    Path("net.pt").write_bytes(b"PK")


def test_a_model_and_notes_on_each_tensor(cli: Cli) -> None:
    done = cli("import", "net.npz", "--spec", "net.json", "--map", "map.json",
               "--prove", "rows.csv", "answers.npy")  # fmt: skip
    assert (done.code, done.err) == (0, "")
    lines = done.out.splitlines()
    assert lines[:2] == [
        "dense_1.W = fc1.weight, transposed from [2, 2] to [2, 2]",
        "dense_1.b = fc1.bias",
    ]
    assert lines[4].startswith("proved on 3 rows: largest difference ")
    assert lines[5].startswith("saved net.layerkit (")
    found = layerkit.load("net.layerkit").predict(ROWS)
    np.testing.assert_allclose(found, np.load("answers.npy"), rtol=1e-6)


def test_answers_of_a_table_and_json(cli: Cli) -> None:
    done = cli("import", "net.npz", "--spec", "net.json", "--map", "map.json", "--prove",
               "rows.csv", "answers.csv", "-o", "other.layerkit", "--json")  # fmt: skip
    assert done.json["file"] == "other.layerkit"
    assert done.json["proved"]["rows"] == 3
    assert len(done.json["notes"]) == 4
    assert layerkit.inspect("other.layerkit").file_id == done.json["file_id"]


def test_a_spec_that_is_to_be_fitted(cli: Cli) -> None:
    done = cli("import", "net.npz", "--spec", "net.json", "--map", "map.json",
               "--set", "input.scale=standardize")  # fmt: skip
    assert done.code == 0
    assert done.out.splitlines()[-1].startswith("it cannot predict before it is trained")


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["net.npz"], "the source does not tell its architecture"),
        (["net.npz", "--spec", "net.json"], "from dense_1, dense_2 to fc1, fc2"),
        (["net.npz", "--spec", "net.json", "--map", "bad.json"], "no layer 'fc3'"),
        (["net.npz", "--spec", "net.json", "--map", "list.json"], "expected a JSON object"),
        (["net.npz", "--spec", "net.json", "--map", "text.json"], "text.json: not valid JSON"),
        (["net.npz", "--spec", "net.json", "--map", "none.json"], "there is no file none.json"),
        (["net.npz", "--spec", "names.json", "--map", "map.json"], "names.json"),
        (["net.npz", "--spec", "net.json", "--map", "map.json", "--prove", "rows.csv",
          "wrong.npy"], "row 1: expected [6.5], the model gives [5.5]"),
        (["net.npz", "--spec", "net.json", "--map", "map.json", "--prove", "rows.csv",
          "rows.csv"], "expected answers of shape [3, 1], got [3, 2]"),
        (["net.npz", "--spec", "net.json", "--map", "map.json", "-o", "rows.csv"], "rows.csv"),
        (["net.npz", "--spec", "net.json", "--map", "map.json", "-o", "no/net.layerkit"],
         "there is no folder no"),
        (["net.npz", "--spec", "pets.layerkit"], "is a model"),
        (["net.pt", "--spec", "net.json"], "from safetensors.torch import save_file"),
        (["none.npz", "--spec", "net.json"], "there is no file none.npz"),
        (["rows.csv", "--spec", "net.json"], "expected a file of weights"),
    ],
    ids=lambda value: "-".join(value[1:]) or "bare" if isinstance(value, list) else None,
)  # fmt: skip
def test_bad_input_is_told_and_nothing_is_written(
    words: list[str], told: str, cli: Cli, pets: Path, unchanged: Unchanged
) -> None:
    with unchanged():
        done = cli("import", *words)
    assert done.code in (1, 2)
    assert told in " ".join(done.err.split())
    assert done.out == ""


def test_a_trained_model_is_not_lost(cli: Cli, pets: Path, unchanged: Unchanged) -> None:
    pets.rename("net.layerkit")
    words = ["import", "net.npz", "--spec", "net.json", "--map", "map.json"]
    with unchanged():
        done = cli(*words)
    assert "holds a trained model" in done.err
    assert cli(*words, "-o", "net.layerkit").code == 0
