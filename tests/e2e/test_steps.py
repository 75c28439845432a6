"""Outputs per step on the command line: trained, judged, resumed, exported, compared, predicted."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import layerkit

if TYPE_CHECKING:
    from tests.e2e.conftest import Cli

STEPS = 6
RNG = np.random.default_rng(2)
X = RNG.integers(0, 2, (90, STEPS, 1)).astype(float)
PARITY = X[..., 0].cumsum(axis=1).astype(int) % 2
PADDED = np.where(np.arange(STEPS) < RNG.integers(2, STEPS + 1, (90, 1)), PARITY, -1)
SPEC: dict[str, Any] = {
    "layerkit": 1,
    "name": "parity",
    "input": {"shape": [STEPS, 1]},
    "layers": [
        {"type": "gru", "units": 8, "sequence": True},
        {"type": "dense", "units": 2},
    ],
    "output": {"classes": [0, 1]},
    "train": {
        "data": "parity.npz",
        "test": 0.2,
        "validation": 0.2,
        "epochs": 4,
        "metrics": ["accuracy", "macro_f1"],
        "class_weights": "balanced",
    },
}


@pytest.fixture
def parity(folder: Path) -> Path:
    np.savez(folder / "parity.npz", x=X, y=PADDED)
    for name, kind in (("parity", "gru"), ("other", "highway_rnn")):
        layers = [{**SPEC["layers"][0], "type": kind}, SPEC["layers"][1]]
        text = json.dumps({**SPEC, "name": name, "layers": layers})
        (folder / f"{name}.json").write_text(text)
    model = layerkit.train("parity.json").model
    layerkit.save(model, "parity.layerkit")
    return folder


@pytest.mark.parametrize("kind", ["c", "onnx", "python"])
def test_an_export_gives_the_same(parity: Path, cli: Cli, kind: str) -> None:
    if kind == "onnx":
        pytest.importorskip("onnx", reason="onnx is not installed")
        pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
    done = cli("export", "parity.layerkit", "--to", kind, "--verify", "self")
    assert done.code == 0
    assert "verified" in done.out


def test_trained_resumed_and_loaded_elsewhere(
    parity: Path, cli: Cli, shell: Callable[..., Any]
) -> None:
    assert cli("train", "parity.json", "--epochs", 2, "-o", "half.layerkit", "-q").code == 0
    assert cli("resume", "half.layerkit", "--epochs", 4, "-o", "rest.layerkit", "-q").code == 0
    assert Path("rest.layerkit").read_bytes() == Path("parity.layerkit").read_bytes()
    np.save("rows.npy", X[:3])
    there = shell("infer", "parity.layerkit", "rows.npy", "--to", "jsonl")
    assert there.out == cli("infer", "rest.layerkit", "rows.npy", "--to", "jsonl").out


def test_eval_counts_the_steps_with_a_label(parity: Path, cli: Cli) -> None:
    known = int((PADDED >= 0).sum())
    text = cli("eval", "parity.layerkit", "--data", "parity.npz", "--html", "page.html").out
    assert f"{known} steps with a label, of 90 rows" in " ".join(text.split())
    found = cli("eval", "parity.layerkit", "--data", "parity.npz", "--json").json
    assert (found["rows"], found["steps"]) == (90, known)
    assert sum(one["rows"] for one in found["classes"]) == known


def test_compare(parity: Path, cli: Cli) -> None:
    done = cli("compare", "parity.json", "other.json", "--seeds", 2, "--json", "-q")
    assert done.code == 0
    assert [one["name"] for one in done.json["contestants"]] == ["parity", "other"]


def test_infer_lists_the_steps(parity: Path, cli: Cli) -> None:
    np.save("rows.npy", X[:3])
    predicted = layerkit.load("parity.layerkit").predict(X[:3])
    done = cli("infer", "parity.layerkit", "rows.npy", "--to", "jsonl", "--flag")
    rows = [json.loads(line) for line in done.out.splitlines()]
    assert [row["class"] for row in rows] == predicted.argmax(axis=-1).tolist()
    for row, wanted in zip(rows, predicted, strict=True):
        found = np.array([row["probabilities"]["0"], row["probabilities"]["1"]], np.float32).T
        np.testing.assert_array_equal(found, wanted)
        assert row["outside"] == []
    lists = "".join(json.dumps(row.tolist()) + "\n" for row in X[:3])
    given = cli("infer", "parity.layerkit", "-", "--json", stdin=lists.encode())
    assert [json.loads(line)["class"] for line in given.out.splitlines()] == [
        row["class"] for row in rows
    ]


def test_infer_keeps_a_column_with_the_name_of_an_answer(parity: Path, cli: Cli) -> None:
    names = ("class", *(f"bit{i}" for i in range(1, STEPS)))
    row = json.dumps(dict(zip(names, X[0, :, 0], strict=True)))
    done = cli(
        *("infer", "parity.layerkit", "-", "--format", "jsonl", "--json", "--keep", "class"),
        stdin=row.encode(),
    )
    found = json.loads(done.out)
    assert found["class_"] == X[0, 0, 0]
    assert len(found["class"]) == STEPS


def test_infer_says_what_csv_cannot_hold(parity: Path, cli: Cli) -> None:
    np.save("rows.npy", X[:3])
    done = cli("infer", "parity.layerkit", "rows.npy", "-o", "answers.csv")
    assert (done.code, done.out) == (2, "")
    assert "--to jsonl" in done.err
    assert not Path("answers.csv").exists()


def test_numbers_per_step(parity: Path, cli: Cli) -> None:
    sums = np.where(PADDED < 0, np.nan, X[..., 0].cumsum(axis=1))
    np.savez("sums.npz", x=X, y=sums)
    train = {"data": "sums.npz", "test": 0.2, "epochs": 2, "metrics": ["mae"]}
    output = {"targets": ["sum"], "scale": "standardize"}
    layers = [SPEC["layers"][0], {"type": "dense", "units": 1}]
    given = {**SPEC, "name": "sums", "layers": layers, "output": output, "train": train}
    Path("sums.json").write_text(json.dumps(given))
    assert cli("train", "sums.json", "-q").code == 0
    assert cli("eval", "sums.layerkit", "--data", "sums.npz").code == 0
    np.save("rows.npy", X[:2])
    (first, _) = cli("infer", "sums.layerkit", "rows.npy", "--to", "jsonl").out.splitlines()
    wanted = layerkit.load("sums.layerkit").predict(X[:1])[0, :, 0]
    np.testing.assert_allclose(json.loads(first)["sum"], wanted, rtol=1e-6)


def test_the_doctor_takes_them(parity: Path, cli: Cli) -> None:
    assert cli("doctor", "parity.json").code == 0
