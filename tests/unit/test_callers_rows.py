"""A layer that works in place changes nothing that belongs to the caller, on any path."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import layerkit
from layerkit import Array, Context, Layer, Model, Plan, PluginError

SIZES = [1, 5, 300, 3000]  # alone, in one tile, in several that threads share
ROWS = np.random.default_rng(0).normal(size=(3000, 3)).astype(np.float32)


class Doubles(Layer):
    """y = 2 x, in place."""

    type_name = "tests.doubles"

    def plan(self, in_shape: Any) -> Plan:
        return Plan(in_shape)

    def feed(self, x: Array, ctx: Context) -> Array:
        x *= 2
        return x

    def backprop(self, dy: Array, ctx: Context) -> Array:
        return dy * np.float32(2)


class Insists(Doubles):
    """The same, and it makes its input writeable first."""

    type_name = "tests.insists"

    def feed(self, x: Array, ctx: Context) -> Array:
        x.flags.writeable = True
        return super().feed(x, ctx)


class Writes(Doubles):
    """Writes into what is never to be written."""

    type_name = "tests.writes"

    def feed(self, x: Array, ctx: Context) -> Array:
        fixed = np.zeros(1)
        fixed.flags.writeable = False
        fixed[0] = 1
        return x


def model_of(layer: type[Layer], register: Any) -> Model:
    register(layer)
    spec = {
        "layerkit": 1,
        "input": {"shape": [3]},
        "layers": [{"type": layer.type_name, "name": "odd"}],
        "output": {"targets": ["u", "v", "w"]},
        "train": {"epochs": 1, "metrics": ["mae"], "batch_size": 64},
    }
    return layerkit.build(spec)


@pytest.mark.parametrize("n", SIZES)
@pytest.mark.parametrize("layer", [Doubles, Insists])
def test_predicting_keeps_the_rows(layer: type[Layer], n: int, register: Any) -> None:
    model = model_of(layer, register)
    x = ROWS[:n].copy()
    for _ in range(3):
        found = model.predict(x)
        np.testing.assert_array_equal(x, ROWS[:n])
        np.testing.assert_array_equal(found, 2 * x)
        assert found.flags.writeable
        assert not np.shares_memory(found, x)


@pytest.mark.parametrize("n", SIZES)
@pytest.mark.parametrize("layer", [Doubles, Insists])
def test_training_and_judging_keep_the_rows(layer: type[Layer], n: int, register: Any) -> None:
    model = model_of(layer, register)
    x, y = ROWS[:n].copy(), 2 * ROWS[:n]
    run = layerkit.train(model, data=(x, y), validation_data=(x, y))
    assert run.metrics["train_mae"] == run.metrics["val_mae"] == 0
    assert layerkit.evaluate(model, (x, y))["mae"] == 0
    np.testing.assert_array_equal(x, ROWS[:n])
    np.testing.assert_array_equal(y, 2 * ROWS[:n])


def test_rows_that_are_read_only_are_taken(register: Any) -> None:
    x = ROWS[:5].copy()
    x.flags.writeable = False
    np.testing.assert_array_equal(model_of(Doubles, register).predict(x), 2 * x)


def test_writing_into_what_is_read_only_is_told_as_the_layers_fault(register: Any) -> None:
    with pytest.raises(PluginError, match=r"layer 'odd' .* wrote into its input or a parameter"):
        model_of(Writes, register).predict(ROWS[:5])


@pytest.mark.parametrize("scale", [None, "standardize"])
@pytest.mark.parametrize("n", SIZES)
def test_answers_are_the_callers_own(scale: str | None, n: int) -> None:
    spec = {
        "layerkit": 1,
        "input": {"shape": [3], "scale": scale},
        "layers": [{"type": "dense", "units": 3}],
        "output": {"targets": ["u", "v", "w"], "scale": scale},
        "train": {"epochs": 1},
    }
    model = layerkit.train(spec, data=(ROWS[:64], ROWS[:64])).model
    first = model.predict(ROWS[:n])
    kept = first.copy()
    first += 1
    np.testing.assert_array_equal(model.predict(ROWS[:n]), kept)
