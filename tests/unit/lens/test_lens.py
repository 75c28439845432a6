"""What the lens measures, against a pass of the equations by hand."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import layerkit
from layerkit import Array, Model
from layerkit.cli import run
from layerkit.core.rows import Rows
from layerkit.lens import look
from layerkit.lens.results import Scores


@pytest.fixture(scope="module")
def model() -> Model:
    """Two highway layers, a container that has a carry between them, and a dense head."""
    highway = {"type": "highway", "activation": "tanh", "gate_bias": -0.5}
    layers = [
        {**highway, "name": "a"},
        {"type": "residual", "name": "b", "layers": [{"type": "dense", "units": 3}]},
        {**highway, "name": "c"},
        {"type": "dense", "units": 2},
    ]
    spec = {
        "layerkit": 1,
        "dtype": "float64",
        "input": {"shape": [3]},
        "layers": layers,
        "output": {"classes": ["no", "yes"]},
        "train": {"epochs": 3, "seed": 3},
    }
    return layerkit.train(spec, data=rows()).model


def answers() -> Array:
    found: Array = np.where(numbers()[:, 0] > 0.5, "yes", "no")
    return found


def numbers() -> Array:
    found: Array = np.random.default_rng(7).normal(size=(80, 3))
    return found


def rows() -> Rows:
    return Rows(numbers(), None, answers(), "here")


def outputs(model: Model, kept: str) -> dict[str, Array]:
    """The values after each layer, those that are not kept replaced by their carry."""
    p, x = model.tensors(), numbers()
    found = {"x": x}
    for name in "abc":
        if name in kept and name != "b":
            t = 1 / (1 + np.exp(-(x @ p[f"{name}.WT"] + p[f"{name}.bT"])))
            x = t * np.tanh(x @ p[f"{name}.WH"] + p[f"{name}.bH"]) + (1 - t) * x
            found[f"{name}.gate"] = t
        elif name in kept:
            x = x + x @ p["b.dense_1.W"] + p["b.dense_1.b"]
        found[name] = x
    z = x @ p["dense_1.W"] + p["dense_1.b"]
    log_p = z - np.log(np.exp(z).sum(axis=1, keepdims=True))
    truth = (answers() == "yes").astype(int)
    found["loss"] = np.array(-log_p[np.arange(len(z)), truth].mean())
    found["accuracy"] = np.array((z.argmax(axis=1) == truth).mean())
    return found


def agrees(scores: Scores | None, model: Model, kept: str) -> None:
    expected, whole = outputs(model, kept), outputs(model, "abc")
    assert scores is not None
    for name in ("loss", "accuracy"):
        value = float(expected[name])
        assert scores[name].value == pytest.approx(value, rel=1e-9), kept
        assert scores[name].gap == pytest.approx(value - float(whole[name]), abs=1e-9), kept


def test_gates_changes_lesions_and_curves_are_those_of_the_equations(model: Model) -> None:
    seen, own = look(model, rows()), outputs(model, "abc")
    kinds = {"a": "highway", "b": "residual", "c": "highway"}
    assert {b.name: b.type for b in seen.blocks} == kinds
    agrees(seen.whole, model, "abc")
    for block, before, kept in zip(seen.blocks, ("x", "a", "b"), ("bc", "ac", "ab"), strict=True):
        agrees(block.without, model, kept)
        size = np.linalg.norm(own[block.name] - own[before], axis=1)
        change = np.quantile(size / np.linalg.norm(own[before], axis=1), [0.25, 0.5, 0.75])
        assert block.change is not None
        np.testing.assert_allclose(list(vars(block.change).values()), change)
        if block.name == "b":
            assert (block.gates, block.drift) == (None, [])
            continue
        gate = own[f"{block.name}.gate"]
        assert block.gates is not None
        assert block.gates.mean == pytest.approx(float(gate.mean()))
        assert block.gates.spread == pytest.approx(float(gate.mean(axis=0).std()))
        np.testing.assert_allclose(block.gates.units, gate.mean(axis=0))
        assert block.gates.steps == []
        for label in ("no", "yes"):
            of_class = gate[answers() == label]
            assert block.gates.classes[label] == pytest.approx(float(of_class.mean()))
            apart = of_class.mean(axis=0) - gate.mean(axis=0)
            np.testing.assert_allclose(block.gates.class_units[label], apart, atol=1e-12)
        (drift,) = block.drift
        moved = model.tensors()[f"{block.name}.bT"] + 0.5
        assert (drift.parameter, drift.start) == ("bT", -0.5)
        assert drift.mean == pytest.approx(float(moved.mean()))
        assert (drift.low, drift.high) == pytest.approx((float(moved.min()), float(moved.max())))
        assert drift.below == pytest.approx(float((moved < 0).mean()))
    assert seen.curve == ["a", "b", "c"]
    for k, first in enumerate(("", "a", "ab", "abc")):
        agrees(seen.first[k], model, first)
        agrees(seen.last[k], model, "abc"[3 - k :])
    assert json.loads(json.dumps(seen.to_json()))["blocks"][0]["name"] == "a"


def of_one(layer: dict[str, Any], shape: list[int]) -> Model:
    """A model of one layer and a head, untrained."""
    layers = [{**layer, "name": "one"}, {"type": "dense", "units": 2, "name": "head"}]
    spec = {
        "layerkit": 1,
        "input": {"shape": shape},
        "layers": layers,
        "output": {"classes": ["no", "yes"]},
        "train": {},
    }
    return layerkit.build(spec)


def test_a_model_without_such_layers_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = of_one({"type": "dense", "units": 3}, [3])
    assert model.without(["one"]).left_out == ("one",)  # it has a carry, and does not write it out
    with pytest.raises(
        ValueError, match=r"no layer to look at: none \(dense\) shows a gate or wri"
    ):
        look(model, rows())
    layerkit.save(model, tmp_path / "plain.layerkit")
    assert run(["lens", str(tmp_path / "plain.layerkit")]) == 2
    assert "no layer to look at" in " ".join(capsys.readouterr().err.split())


@pytest.mark.parametrize("width", [2, 3])
def test_a_gate_is_shown_without_a_carry(width: int) -> None:
    """Whether the rows of a layer keep their shape decides about lesions, not about gates."""
    model = of_one({"type": "gru", "units": width, "sequence": True}, [1, 3])
    found = numbers()[:, None, :]
    labels = answers()[:, None]
    seen = look(model, Rows(found, None, labels, "here"))
    (block,) = seen.blocks
    gate = model.watch(found, layers=["one"])["one"]["gate"]
    assert block.name == "one"
    assert block.gates is not None
    assert block.gates.mean == pytest.approx(float(gate.mean()))
    carried = width == 3
    assert (block.change is not None, block.without is not None) == (carried, carried)
    assert (len(seen.first), len(seen.last)) == ((2, 2) if carried else (0, 0))


def test_answers_for_each_step_have_no_rows_of_a_class() -> None:
    model = of_one({"type": "gru", "units": 3, "sequence": True}, [2, 3])
    found = np.stack([numbers(), -numbers()], axis=1)
    labels = np.array([["yes", None], ["no", "yes"]] * (len(found) // 2), object)
    (block,) = look(model, Rows(found[: len(labels)], None, labels, "here")).blocks
    assert block.gates is not None
    assert block.gates.classes == {}
    assert len(block.gates.steps) == 2
