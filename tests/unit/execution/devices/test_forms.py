"""Every installed layer, loss and rule on a device gives what its methods give, or is refused."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from layerkit import Array, Context, Layer, Plan, Shape
from layerkit.core.domains import domain_of, with_whole_numbers
from layerkit.core.network import Network
from layerkit.core.planning import plan_layers
from layerkit.discovery.registry import ACTIVATIONS, LAYERS, LOSSES, OPTIMIZERS
from layerkit.errors import DeviceError
from layerkit.execution.devices.engine import OnDevice, layers_on
from layerkit.execution.rules import compiled_rule
from layerkit.execution.runner import recordings_of
from layerkit.execution.trial import close, trials_of
from layerkit.recording.arrays import NotRecorded
from layerkit.recording.record import record_loss
from layerkit.specs.layers import arguments
from tests.strangers.attention import Attention
from tests.strangers.batchnorm import BatchNorm
from tests.strangers.conv1d import Conv1d
from tests.strangers.dropout import Dropout
from tests.strangers.excite import Excite
from tests.strangers.gated import Gated
from tests.strangers.layernorm import LayerNorm
from tests.strangers.maxout import Maxout
from tests.strangers.radial import Radial
from tests.strangers.recurrent import Recurrent
from tests.unit.strict import Strict

DTYPES = [np.float32, np.float64]
ROWS = 1, 7


def installed_layers() -> list[Any]:
    """(class, settings, input shape) of every example, and dense with every activation."""
    found = [
        pytest.param(LAYERS[name], settings, shape, id=f"{name}-{i}")
        for name in LAYERS.names()
        for i, (settings, shape) in enumerate(LAYERS[name].examples())
    ]
    dense = LAYERS["dense"]
    return found + [
        pytest.param(dense, {"units": 5, "activation": f}, (4,), id=f"dense-{f}")
        for f in ACTIVATIONS.names()
    ]


STRANGERS = (
    *(Attention, BatchNorm, Conv1d, Dropout, Excite, Gated, LayerNorm, Maxout, Radial, Recurrent),
)


def hold(part: Any, settings: dict[str, Any], shape: tuple[int, ...], dtype: Any) -> None:
    layer, rng = part(**arguments(part, settings)), np.random.default_rng(3)
    network = Network(plan_layers([("layer", layer)], shape), np.dtype(dtype))
    network.params[...] = rng.standard_normal(network.size) / 2
    for array in layer.state.values():
        array[...] = rng.random(array.shape) + 0.5
    engine = OnDevice(Strict())
    for training in (True, False):
        recorded = recordings_of(network).get(network.planned[0], training=training, keeps=training)
        assert not isinstance(recorded, NotRecorded), str(recorded)
        layers = layers_on(network, engine, training=training)
        for n in ROWS:
            x = rng.standard_normal((n, *shape)).astype(dtype)
            domain = domain_of(network.planned[0].plan.takes, math.prod(shape))
            x = with_whole_numbers(x, domain, rng)
            streams = {"layer": np.random.default_rng(n)}
            trials = trials_of(network)
            chosen = trials.choose(
                network, layers, [engine], x, streams, keeps=training, wants_dx=True
            )
            assert chosen == [engine], trials.remarks


@pytest.mark.parametrize(("part", "settings", "shape"), installed_layers())
@pytest.mark.parametrize("dtype", DTYPES)
def test_layers(part: Any, settings: Any, shape: Any, dtype: Any) -> None:
    hold(part, settings, shape, dtype)


@pytest.mark.parametrize("part", STRANGERS)
@pytest.mark.parametrize("dtype", DTYPES)
def test_layers_of_strangers(part: Any, dtype: Any) -> None:
    hold(part, {}, (6,), dtype)


class Lacking(Layer):
    type_name = "test.lacking"

    def plan(self, in_shape: Shape) -> Plan:
        return Plan(in_shape)

    def feed(self, x: Array, ctx: Context) -> Array:
        y: Array = np.sinc(x)
        return y

    def backprop(self, dy: Array, ctx: Context) -> Array:
        return dy


def test_what_the_standard_lacks_is_refused_with_layer_and_line() -> None:
    network = Network(plan_layers([("layer_1", Lacking())], (6,)), np.dtype("f4"))
    words = "layer 'layer_1' cannot run on the device 'strict': test_forms.py:[0-9]+: .*'sinc'"
    with pytest.raises(DeviceError, match=words):
        layers_on(network, OnDevice(Strict()), training=True)


@pytest.mark.parametrize("name", LOSSES.names())
@pytest.mark.parametrize("dtype", DTYPES)
def test_losses(name: str, dtype: Any) -> None:
    loss, engine, rng = LOSSES.create(name), OnDevice(Strict()), np.random.default_rng(0)
    by_class = loss.target == "class"
    shape, kind = ((), np.dtype(np.int64)) if by_class else ((4,), np.dtype(dtype))
    recorded = record_loss(loss, (4,), dtype, shape, kind)
    assert engine.refuses(recorded) == ""
    for n in ROWS:
        scores = 3 * rng.standard_normal((n, 4)).astype(dtype)
        numbers = rng.integers(0, 2, (n, *shape)) if loss.target != "real" else rng.random((n, 4))
        weights = (rng.random(n) / n).astype(dtype)
        network = Network([], np.dtype(dtype))
        form = engine.loss(recorded)
        targets = numbers.astype(kind)
        assert trials_of(network).loss(loss, form, scores, targets, weights)
        lost, _ = form.learn(scores, targets, weights)
        assert lost > 0


@pytest.mark.parametrize("name", OPTIMIZERS.names())
@pytest.mark.parametrize("dtype", DTYPES)
def test_rules(name: str, dtype: Any) -> None:
    kernel = compiled_rule(OPTIMIZERS.create(name), [OnDevice(Strict())], np.dtype(dtype))
    assert kernel is not None


def test_a_stage_moves_nothing_of_the_model_in_inference() -> None:
    layer = LAYERS["dense"](units=3, activation="tanh")
    network = Network(plan_layers([("layer", layer)], (4,)), np.dtype("f8"))
    network.params[...] = np.random.default_rng(0).standard_normal(network.size)
    before = network.params.copy()
    engine = OnDevice(Strict())
    members = layers_on(network, engine, training=False)
    stage = engine.stage(network, members, keeps=False, wants_dx=False)
    stage.streams = {}
    x = np.random.default_rng(1).standard_normal((5, 4))
    wanted = network.feed(x, network.contexts(keeps=False))
    assert close(stage.feed(x), wanted)
    assert np.array_equal(network.params, before)
    network.params[...] *= 2  # parameters are read in each call
    again = network.feed(x, network.contexts(keeps=False))
    assert close(stage.feed(x), again)
    assert not close(again, wanted)
