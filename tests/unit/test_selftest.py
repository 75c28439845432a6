"""What is kept with a model to check it: made only of models that a file can hold."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import layerkit
from layerkit import Array, Context, Layer, Param, Plan, PluginError
from layerkit.file.selftest import make_selftest, run_selftest


class Moves(Layer):
    """Counts its feeds in its state."""

    type_name = "tests.moves"

    def plan(self, in_shape: Any) -> Plan:
        return Plan(in_shape, state={"seen": Param((1,))})

    def feed(self, x: Array, ctx: Context) -> Array:
        self.state["seen"] += 1
        return x * 1.0

    def backprop(self, dy: Array, ctx: Context) -> Array:
        return dy * 1.0


class Dice(Moves):
    """Adds noise, always."""

    type_name = "tests.dice"

    def plan(self, in_shape: Any) -> Plan:
        return Plan(in_shape)

    def feed(self, x: Array, ctx: Context) -> Array:
        y: Array = x + np.random.default_rng().standard_normal(x.shape).astype(x.dtype)
        return y


class Counts(Dice):
    """Counts its feeds where no file would look."""

    type_name = "tests.counts"

    def feed(self, x: Array, ctx: Context) -> Array:
        self.count = getattr(self, "count", 0) + 1
        y: Array = x * np.float32(self.count)
        return y


class Learns(Moves):
    """Changes its parameter as it is fed."""

    type_name = "tests.learns"

    def plan(self, in_shape: Any) -> Plan:
        return Plan(in_shape, {"w": Param((1,))})

    def feed(self, x: Array, ctx: Context) -> Array:
        self.params["w"][...] += 1
        return x * 1.0


@pytest.mark.parametrize(
    ("layer", "words"),
    [
        (Moves, "'odd' of type 'tests.moves': it changes 'seen' in a prediction"),
        (Learns, "'odd' of type 'tests.learns': it changes 'w' in a prediction"),
        (Dice, "'odd' of type 'tests.dice': its outputs for the same rows vary"),
        (Counts, "'odd' of type 'tests.counts': its outputs for the same rows vary"),
    ],
)
def test_what_would_not_load_is_not_saved(
    layer: type[Layer], words: str, tmp_path: Path, register: Any
) -> None:
    register(layer)
    model = layerkit.build(
        {
            "layerkit": 1,
            "input": {"shape": [3]},
            "layers": [
                {"type": "dense", "units": 3},
                {"type": layer.type_name, "name": "odd"},
                {"type": "dense", "units": 2},
            ],
        }
    )
    path = tmp_path / "m.layerkit"
    path.write_bytes(b"old")
    before = {name: a.copy() for name, (_, a) in model.network.tensors().items()}
    with pytest.raises(PluginError, match=words):
        layerkit.save(model, path)
    assert path.read_bytes() == b"old"
    for name, (_, array) in model.network.tensors().items():
        np.testing.assert_array_equal(array, before[name])


class Notices(layerkit.Listener):
    def __init__(self) -> None:
        self.told: list[str] = []

    def notice(self, text: str) -> None:
        self.told.append(text)


def test_a_training_that_is_to_be_saved_refuses_it_before_the_first_batch(
    tmp_path: Path, register: Any
) -> None:
    register(Moves)
    spec = {
        "layerkit": 1,
        "input": {"shape": [3]},
        "layers": [{"type": Moves.type_name, "name": "odd"}, {"type": "dense", "units": 2}],
        "train": {"epochs": 1},
    }
    data = (np.eye(3), [0, 1, 1])
    listener = Notices()
    with pytest.raises(PluginError, match="changes 'seen' in a prediction"):
        layerkit.train(spec, data=data, listener=listener, checkpoint=tmp_path / "c.layerkit")
    assert listener.told == []
    run = layerkit.train(spec, data=data, listener=listener)
    assert run.epochs == 1
    assert "can be trained but not saved" in listener.told[0]
    with pytest.raises(PluginError, match="changes 'seen' in a prediction"):
        layerkit.save(run.model, tmp_path / "m.layerkit")
    assert list(tmp_path.iterdir()) == []


def far(offset: float) -> layerkit.Model:
    rng = np.random.default_rng(0)
    x = offset + rng.uniform(-30, 30, (50, 2))
    spec = {
        "layerkit": 1,
        "input": {"shape": [2], "scale": "standardize"},
        "layers": [{"type": "dense", "units": 1}],
        "output": {"targets": ["t"], "scale": "standardize"},
        "train": {"epochs": 1},
    }
    return layerkit.train(spec, data=(x, x[:, :1])).model


@pytest.mark.parametrize("offset", [0.0, 1.7e9, 1e12])
def test_far_numbers_are_held_to_their_spread(offset: float, tmp_path: Path) -> None:
    model = far(offset)
    test = make_selftest(model)
    assert test is not None
    assert test.rows.dtype == np.float64
    assert np.ptp(test.rows) > 1
    layerkit.save(model, tmp_path / "m.layerkit")
    again = layerkit.load(tmp_path / "m.layerkit")
    x = offset + np.linspace(-30, 30, 8).reshape(4, 2)
    np.testing.assert_array_equal(again.predict(x), model.predict(x))
    again.network.params[:] += 0.1
    with pytest.raises(layerkit.SelfTestError):
        run_selftest(again, test)
