"""Planted sick nets and tables: each is found, and doing what the finding says helps.

"Helps" is measured apart from the doctor's own short trainings: whole trainings, with and without.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

import layerkit
from layerkit import Diagnosis, Finding, Rows
from tests.unit.health.planted import (
    DENSE,
    HIGHWAY,
    OUTPUT,
    digits_spec,
    look,
    table,
    table_spec,
)

Score = Callable[[dict[str, Any], Any, list[str]], float]


def loss(spec: dict[str, Any], data: Any, settings: list[str]) -> float:
    """Mean training loss after the recipe; the lower the better."""
    try:
        run = layerkit.train(spec, data=data, settings=settings)
    except layerkit.TrainingDivergedError:
        return float("inf")
    return float(run.history["loss"][-1])


def metric(name: str) -> Score:
    """A metric on test rows, turned so that lower is better."""

    def score(spec: dict[str, Any], data: Any, settings: list[str]) -> float:
        metrics = layerkit.train(spec, data=data, settings=settings).metrics
        return -metrics[f"test_{name}"]

    return score


def missed(spec: dict[str, Any], data: Any, settings: list[str]) -> float:
    """The share of rows that is not found, averaged over the classes: new rows."""
    model = layerkit.train(spec, data=data, settings=settings).model
    new = table(2000, seed=5)
    wrong = model.classify(new) != new["y"]
    return float(np.mean([wrong[new["y"] == name].mean() for name in ("yes", "no")]))


def without_leak(spec: dict[str, Any], data: Any, settings: list[str]) -> float:
    """Error on new rows, where the column that leaked is not known yet: any of its values."""
    model = layerkit.train(spec, data=data, settings=settings).model
    new = table(400, seed=5)
    new["leak"] = np.random.default_rng(6).permutation(leaking(new)["leak"])
    return float((model.classify(new) != new["y"]).mean())


def leaking(data: dict[str, Any]) -> dict[str, Any]:
    noise = np.random.default_rng(3).standard_normal(len(data["y"]))
    return {**data, "leak": np.where(data["y"] == "yes", 3.0, 1.0) + 0.1 * noise}


def two_valued(data: dict[str, Any]) -> dict[str, Any]:
    return {**data, "leak": np.where(data["y"] == "yes", 7.0, 2.0)}


def skewed(data: dict[str, Any]) -> dict[str, Any]:
    keep = (data["y"] == "no") | (np.random.default_rng(4).random(len(data["y"])) < 0.05)
    return {name: cells[keep] for name, cells in data.items()}


@dataclass(frozen=True)
class Sick:
    """A planted illness, and by which score its cure is judged."""

    check: str
    spec: dict[str, Any]
    data: Any = None
    score: Score = loss
    severity: str = "warning"
    field: str = ""


ADAM = {"type": "adam", "learning_rate": 0.003}
RELU = {**DENSE, "activation": "relu"}
ABC = ["a", "b", "c"]
TABLE = table(600)

SICK = {
    "stack too deep for its gate bias": Sick(
        "too deep for the gate bias",
        digits_spec([DENSE, {**HIGHWAY, "gate_bias": -1.0, "repeat": 40}, OUTPUT]),
        field="layers.1.gate_bias",
    ),
    "gates stuck shut": Sick(
        "stuck gates",
        digits_spec([DENSE, {**HIGHWAY, "gate_bias": -15.0, "repeat": 4}, OUTPUT]),
        field="layers.1.gate_bias",
    ),
    "gates stuck open": Sick(
        "stuck gates",
        digits_spec([DENSE, {**HIGHWAY, "gate_bias": 15.0, "repeat": 24}, OUTPUT]),
        field="layers.1.gate_bias",
    ),
    "gates of a stranger stuck": Sick(
        "stuck gates",
        digits_spec([DENSE, {"type": "planted.valve", "openness": -20.0}, OUTPUT]),
        field="layers.1.openness",
    ),
    "relu on the output of a classifier": Sick(
        "activation on the output",
        digits_spec([DENSE, {**OUTPUT, "activation": "relu"}]),
        field="layers.1.activation",
    ),
    "tanh on the output of a classifier": Sick(
        "activation on the output",
        digits_spec([DENSE, {**OUTPUT, "activation": "tanh"}]),
        field="layers.1.activation",
    ),
    "deep sigmoid": Sick(
        "vanishing gradients",
        digits_spec([{**DENSE, "activation": "sigmoid", "repeat": 8}, OUTPUT]),
        field="layers.0.activation",
    ),
    "weights too small for their depth": Sick(
        "vanishing gradients",
        digits_spec([{**RELU, "initializer": "normal", "repeat": 12}, OUTPUT]),
        field="layers.0.initializer",
    ),
    "weights too large for their depth": Sick(
        "exploding gradients",
        digits_spec([{**RELU, "initializer": {"type": "normal", "std": 1.0}, "repeat": 9}, OUTPUT]),
        field="layers.0.initializer",
    ),
    "tanh saturated from the start": Sick(
        "saturated units",
        digits_spec([{**DENSE, "initializer": {"type": "normal", "std": 20.0}}, OUTPUT]),
        field="layers.0.initializer",
    ),
    "relu dead from the start": Sick(
        "dead units",
        digits_spec([{**RELU, "initializer": "planted.negative"}, OUTPUT]),
        severity="error",
    ),
    "adam's rate too large": Sick(
        "learning rate too large",
        digits_spec([DENSE, OUTPUT], optimizer={**ADAM, "learning_rate": 3.0}),
        field="train.optimizer.learning_rate",
    ),
    "sgd's rate far too large": Sick(
        "learning rate too large",
        digits_spec([RELU, OUTPUT], optimizer={"type": "sgd", "learning_rate": 300.0}),
        field="train.optimizer.learning_rate",
    ),
    "adam's rate too small": Sick(
        "learning rate too small",
        digits_spec([DENSE, OUTPUT], optimizer={**ADAM, "learning_rate": 1e-6}),
        field="train.optimizer.learning_rate",
    ),
    "one column in thousands": Sick(
        "unscaled inputs",
        table_spec(ABC),
        {**TABLE, "a": TABLE["a"] * 500 + 3000},
        field="input.scale",
    ),
    "all inputs tiny": Sick(
        "unscaled inputs",
        table_spec(ABC),
        {**TABLE, **{name: TABLE[name] * 1e-4 for name in ABC}},
        field="input.scale",
    ),
    "targets in hundred thousands": Sick(
        "unscaled targets",
        table_spec(ABC, {"targets": ["price"]}, 1, epochs=15),
        {**TABLE, "price": TABLE["b"] ** 2 * 1e5 + 2e5},
        metric("r2"),
        field="output.scale",
    ),
    "a rare class": Sick(
        "class imbalance",
        table_spec(ABC, epochs=3),
        skewed(table(4000)),
        missed,
        field="train.class_weights",
    ),
    "classes that no row has": Sick(
        "classes without rows",
        table_spec(ABC, {"column": "y", "classes": ["no", "yes", "maybe", "never"]}, 4, epochs=2),
        TABLE,
        field="output.classes",
    ),
    "a column that is the answer": Sick(
        "leakage suspects", table_spec([*ABC, "leak"], epochs=15), leaking(TABLE), without_leak,
        field="input.columns",
    ),
    "a column of two values that is the answer": Sick(
        "leakage suspects", table_spec([*ABC, "leak"], epochs=15), two_valued(TABLE), without_leak,
        field="input.columns",
    ),
}  # fmt: skip


def found(diagnosis: Diagnosis, check: str) -> Finding | None:
    return next((one for one in diagnosis.findings if one.check == check), None)


@pytest.mark.parametrize("name", SICK)
def test_is_found_and_the_cure_helps(name: str) -> None:
    sick = SICK[name]
    given = copy.deepcopy(sick.spec)
    finding = found(look(sick.spec, sick.data), sick.check)
    assert finding is not None
    assert finding.severity == sick.severity
    assert finding.field.startswith(sick.field or "")
    assert finding.field in finding.changes
    assert sick.spec == given

    after = look(sick.spec, sick.data, settings=finding.settings)
    assert found(after, sick.check) is None
    before_score = sick.score(sick.spec, sick.data, [])
    assert sick.score(sick.spec, sick.data, finding.settings) < before_score


NOTICED = {
    "constant columns": {**TABLE, "k": np.ones(600)},
    "duplicate columns": {**TABLE, "k": -3.0 * TABLE["a"] + 1.0},
}


@pytest.mark.parametrize("check", NOTICED)
def test_useless_columns_are_noticed_and_left_out(check: str) -> None:
    spec = table_spec([*ABC, "k"])
    finding = found(look(spec, NOTICED[check], seconds=0), check)
    assert finding is not None
    assert finding.severity == "notice"
    assert dict(finding.changes) == {"input.columns": ABC}
    after = look(spec, NOTICED[check], settings=finding.settings, seconds=0)
    assert after.findings == []


def test_rows_that_repeat_and_are_tested_on() -> None:
    twice = {name: np.concatenate([cells, cells]) for name, cells in TABLE.items()}
    findings = {f.check: f for f in look(table_spec(ABC), twice, seconds=0).findings}
    seen = findings["test rows seen in training"]
    assert seen.severity == "warning"
    assert seen.changes == {}
    assert seen.advice
    assert findings["repeated rows"].severity == "notice"
    unique = look(table_spec(ABC), TABLE, seconds=0)
    assert unique.findings == []


def test_labels_that_are_all_the_same() -> None:
    spec = table_spec(ABC, {"column": "y", "classes": ["no", "yes"]})
    same = {**TABLE, "y": np.full(600, "no")}
    diagnosis = look(spec, same)
    finding = found(diagnosis, "constant labels")
    assert finding is not None
    assert finding.severity == "error"
    assert diagnosis.steps == 0  # there is nothing to train


def test_weights_that_are_not_finite() -> None:
    model = layerkit.train(table_spec(ABC), data=TABLE).model
    assert look(model, TABLE).findings == []
    model.network.params[3:5] = np.nan
    (finding,) = look(model, TABLE).findings
    assert finding.check == "weights not finite"
    assert finding.severity == "error"
    assert "2 numbers of 'dense_1.W'" in finding.text
    assert dict(finding.changes) == {
        "train.clip_norm": 1.0,
        "train.optimizer.learning_rate": pytest.approx(0.001),
    }


def test_units_that_died_in_training_are_found_in_the_model() -> None:
    spec = digits_spec([RELU, OUTPUT], optimizer={**ADAM, "learning_rate": 3.0})
    model = layerkit.train(spec).model
    finding = found(look(model), "dead units")
    assert finding is not None
    assert dict(finding.changes) == {"train.optimizer.learning_rate": pytest.approx(0.3)}
    sound = layerkit.train(spec, settings=["train.optimizer.learning_rate=0.003"]).model
    assert look(sound).findings == []


def test_fields_of_a_model_are_those_of_its_spec() -> None:
    spec = digits_spec([DENSE, {**HIGHWAY, "gate_bias": -15.0, "repeat": 2}, OUTPUT])
    model = layerkit.build(spec)
    finding = found(look(model), "stuck gates")
    assert finding is not None
    assert list(finding.changes) == ["layers.1.config.gate_bias", "layers.2.config.gate_bias"]
    cured = layerkit.build(model.spec.to_document(), settings=finding.settings)
    assert found(look(cured), "stuck gates") is None


def test_a_model_is_left_as_it_is() -> None:
    model = layerkit.build(SICK["gates stuck shut"].spec)
    before, grads = model.network.params.copy(), model.network.grads
    look(model)
    np.testing.assert_array_equal(model.network.params, before)
    assert model.network.grads is grads
    assert not model.fitted


def test_rows_given_with_their_labels_are_looked_at_too() -> None:
    spec = {**table_spec(ABC), "input": {"shape": [3]}}
    spec["output"] = {}
    x = np.column_stack([TABLE["a"] * 900, TABLE["b"], TABLE["c"]])
    finding = found(look(spec, (x, TABLE["y"])), "unscaled inputs")
    assert finding is not None
    assert "'input 0'" in finding.text
    rows = Rows(x, labels=TABLE["y"])
    assert found(look(spec, {"train": rows}), "unscaled inputs") == finding


def test_the_worst_comes_first_and_all_of_it_is_json() -> None:
    twice = {name: np.concatenate([cells, cells]) for name, cells in TABLE.items()}
    twice["a"] = twice["a"] * 1e4
    diagnosis = look(table_spec(ABC), twice)
    ranks = ["error", "warning", "notice"]
    order = [ranks.index(one.severity) for one in diagnosis.findings]
    assert order == sorted(order)
    assert len(order) >= 3
    document = diagnosis.to_json()
    assert [one["check"] for one in document["findings"]] == [f.check for f in diagnosis.findings]
    assert document["steps"] == diagnosis.steps > 0
