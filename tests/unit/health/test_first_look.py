"""What training is told after its first epoch: little, cheap, and nothing is changed."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import layerkit
from layerkit import Array, Context, Layer, Model, Plan, Shape
from layerkit.health.first_look import first_look
from layerkit.specs import read_spec
from tests.unit.health.planted import DENSE, HIGHWAY, OUTPUT, digits_spec

PIXELS: Array = np.asarray(layerkit.load_data("digits")["train"].values, np.float32)[:256]


def told(model: Model, x: Array = PIXELS / 16) -> list[str]:
    return first_look(model.spec, model.network, x, {})


@pytest.mark.parametrize("name", ["highway-digits", "plain-digits", "projection-digits"])
def test_ready_specs_are_told_nothing(name: str) -> None:
    assert told(layerkit.train(read_spec(name, settings=["train.epochs=1"])).model) == []


def test_a_layer_that_advises_by_itself_is_not_repeated() -> None:
    assert told(layerkit.build("article-digits")) == []  # its carry is saturated, as it says itself


@pytest.mark.parametrize(
    ("layers", "said"),
    [
        ([DENSE, {**OUTPUT, "activation": "relu"}], "try layers.1.activation=linear"),
        ([DENSE, {**HIGHWAY, "gate_bias": -20.0}, OUTPUT], "try layers.1.gate_bias=-2.0"),
        ([DENSE, {**HIGHWAY, "repeat": 90}, OUTPUT], "try layers.1.gate_bias=-4.5"),
        ([{**DENSE, "activation": "sigmoid", "repeat": 9}, OUTPUT], "see layerkit doctor"),
    ],
    ids=["relu output", "stuck gates", "too deep", "vanishing gradients"],
)
def test_a_sick_net_is_told_in_a_sentence(layers: list[dict[str, Any]], said: str) -> None:
    (text,) = told(layerkit.build(digits_spec(layers)))
    assert said in text
    assert "\n" not in text


def test_unscaled_inputs_come_before_what_they_cause() -> None:
    spec = digits_spec([DENSE, OUTPUT])
    spec["input"].pop("scale")
    (text,) = told(layerkit.build(spec), PIXELS * 20)
    assert "try input.scale=standardize" in text


def test_nothing_is_changed() -> None:
    model = layerkit.train(digits_spec([DENSE, {**HIGHWAY, "gate_bias": -20.0}, OUTPUT])).model
    network = model.network
    params = network.params.copy()
    grads = network.allocate_grads()
    before = grads.copy()
    assert told(model)
    np.testing.assert_array_equal(network.params, params)
    assert network.grads is grads
    np.testing.assert_array_equal(grads, before)


def test_a_layer_that_raises_does_not_end_the_training() -> None:
    class Rude(Layer):
        type_name = "planted.rude"
        eager = True

        def plan(self, in_shape: Shape) -> Plan:
            return Plan(in_shape)

        def feed(self, x: Array, ctx: Context) -> Array:
            if len(x) == 256:
                raise RuntimeError("not so many rows")
            return x

        def backprop(self, dy: Array, ctx: Context) -> Array:
            return dy

    layerkit.register(Rude)
    assert told(layerkit.build(digits_spec([DENSE, {"type": "planted.rude"}, OUTPUT]))) == []
