"""Healthy nets give no false alarm: the ready specs on their data, several seeds, and small tables.

Two of them are sick on purpose: the carry of article-digits is saturated, and no gradient comes
through the hundred plain layers of depth-plain-100.
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

import layerkit
from layerkit.health.checks import examine_layers
from layerkit.health.subject import Subject
from layerkit.specs import read_spec
from tests.unit.health.planted import DENSE, OUTPUT, digits_spec, look, table, table_spec

SHARED = Path(os.environ.get("LAYERKIT_SHARED", Path(__file__).parents[4] / "shared")) / "data"
MNIST, HOUSING = SHARED / "mnist", SHARED / "california-housing" / "housing.csv"
LETTER = SHARED / "letter-recognition" / "letter-recognition.data.gz"

WITH_THEIR_DATA = ["highway-digits", "plain-digits", "projection-digits"]
OTHERS = {
    "letter": LETTER,
    "california-housing": HOUSING,
    "california-resnet": HOUSING,
    "highway-mnist": MNIST,
    "plain-mnist": MNIST,
    "projection-mnist": MNIST,
    **{f"depth-{kind}-{depth}": MNIST for kind in ("plain", "highway") for depth in (10, 20, 50)},
    "depth-highway-100": MNIST,
}


def alarms(diagnosis: layerkit.Diagnosis) -> list[str]:
    return [f"{one.check}: {one.text}" for one in diagnosis.findings if one.severity != "notice"]


@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize("name", WITH_THEIR_DATA)
def test_ready_specs_are_sound(name: str, seed: int) -> None:
    assert look(name, settings=[f"train.seed={seed}"]).findings == []


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize("name", OTHERS)
def test_ready_specs_with_other_data_are_sound(name: str, seed: int) -> None:
    if not OTHERS[name].exists():
        pytest.skip(f"needs {OTHERS[name]}")
    assert alarms(look(name, OTHERS[name], settings=[f"train.seed={seed}"])) == []


@pytest.mark.parametrize("name", [*WITH_THEIR_DATA, "plain-relu"])
def test_trained_models_are_sound(name: str) -> None:
    relu = digits_spec([{**DENSE, "activation": "relu", "repeat": 2}, OUTPUT], epochs=8)
    spec = relu if name == "plain-relu" else read_spec(name, settings=["train.epochs=8"])
    assert look(layerkit.train(spec).model).findings == []


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("activation", ["relu", "sigmoid", "gelu", "selu", "softplus"])
def test_small_nets_on_a_table_are_sound(activation: str, seed: int) -> None:
    settings = [f"train.seed={seed}", f"layers.0.activation={activation}", "layers.0.units=8"]
    data = table(500, seed)
    assert look(table_spec(["a", "b", "c"]), data, settings=settings).findings == []


NETS = {
    "relu": [{**DENSE, "activation": "relu", "initializer": "he_normal", "repeat": 2}],
    "tanh": [{**DENSE, "repeat": 4}],
    "highway": [DENSE, {"type": "highway", "gate_bias": -1.0, "repeat": 6}],
    "gelu": [{**DENSE, "units": 128, "activation": "gelu", "repeat": 3}],
}
RULES = [("adam", 0.001), ("adam", 0.01), ("momentum", 0.02)]


@pytest.mark.slow
@pytest.mark.parametrize("net", NETS)
@pytest.mark.parametrize("name", ["iris", "wine", "breast_cancer", "diabetes", "digits"])
def test_nets_on_tables_of_others_are_sound(name: str, net: str) -> None:
    datasets = pytest.importorskip("sklearn.datasets")
    x, y = getattr(datasets, f"load_{name}")(return_X_y=True)
    real = name == "diabetes"
    width = 1 if real else len(np.unique(y))
    for rule, rate in RULES:
        spec = {
            "layerkit": 1,
            "input": {"shape": [x.shape[1]], "scale": "standardize"},
            "layers": [*NETS[net], {"type": "dense", "units": width}],
            "output": {"targets": ["y"], "scale": "standardize"} if real else {},
            "train": {
                "test": 0.2,
                "epochs": 20,
                "optimizer": {"type": rule, "learning_rate": rate},
            },
        }
        assert alarms(look(spec, (x, y))) == []


def test_a_single_row_is_no_proof_of_death() -> None:
    data = {name: cells[:1] for name, cells in table(10).items()}
    spec = table_spec(["a", "b", "c"], {"column": "y", "classes": ["no", "yes"]}, test=0)
    checks = [one.check for one in look(spec, data, settings=["layers.0.activation=relu"]).findings]
    assert "dead units" not in checks


def test_sorted_rows_are_looked_at_from_all_parts() -> None:
    x = np.r_[np.full((900, 4), -1.0), np.full((100, 4), 1.0)].astype(np.float32)
    relu = [{"type": "dense", "units": 8, "activation": "relu", "initializer": "ones"}]
    model = layerkit.build({"layerkit": 1, "input": {"shape": [4]}, "layers": relu})
    assert [f.check for f in examine_layers(Subject(model.spec, model.network, x[:900]))]
    assert examine_layers(Subject(model.spec, model.network, x)) == []


def test_rows_that_cannot_be_learned_are_no_fault_of_the_recipe() -> None:
    rng = np.random.default_rng(0)
    data = {**table(500), "y": rng.choice(["no", "yes"], 500)}
    assert alarms(look(table_spec(["a", "b", "c"]), data)) == []


def test_the_carry_that_is_saturated_on_purpose() -> None:
    (finding,) = look("article-digits").findings
    assert finding.check == "saturated units"
    assert finding.field == "layers.0.carry_initializer"
    assert finding.tried


@pytest.mark.slow
@pytest.mark.skipif(not MNIST.exists(), reason=f"needs {MNIST}")
def test_the_stack_that_is_too_deep_on_purpose() -> None:
    checks = [finding.check for finding in look("depth-plain-100", MNIST).findings]
    assert checks == ["vanishing gradients"]
