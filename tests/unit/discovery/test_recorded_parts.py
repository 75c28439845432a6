"""Every layer, activation, loss and rule of layerkit is recorded, and the record gives its bits."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from layerkit import Array, Context
from layerkit.core.network import Network
from layerkit.core.planning import plan_layers
from layerkit.discovery.registry import ACTIVATIONS, LAYERS, LOSSES, OPTIMIZERS
from layerkit.recording.record import record, record_loss, record_rule
from layerkit.recording.replay import replay

DTYPES = [np.float32, np.float64]
ROWS = 0, 1, 7, 64
FUNCTIONS: list[Any] = [
    *ACTIVATIONS.names(),
    {"type": "elu", "alpha": 0.3},
    {"type": "leaky_relu", "slope": 0},
]
LAYER_SETTINGS: list[tuple[str, dict[str, Any]]] = [
    *(("dense", {"units": 5, "activation": f}) for f in FUNCTIONS),
    *(("highway", {"activation": f}) for f in ("relu", "tanh", "gelu")),
    *(("projection", {"units": 5, "carry_activation": f}) for f in ("tanh", "linear", "silu")),
    ("dense", {"units": 3, "use_bias": False}),
    ("highway", {"use_bias": False}),
    ("projection", {"units": 3, "use_bias": False}),
]
LOSS_SETTINGS: list[Any] = [
    *LOSSES.names(),
    {"type": "softmax_cross_entropy", "label_smoothing": 0.1},
]


def same(found: Array | None, wanted: Array) -> None:
    assert found is not None
    assert (found.shape, found.dtype) == (wanted.shape, wanted.dtype)
    np.testing.assert_array_equal(found, wanted)


@pytest.mark.parametrize(("kind", "settings"), LAYER_SETTINGS)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("keeps", [True, False])
def test_layers(kind: str, settings: dict[str, Any], dtype: Any, *, keeps: bool) -> None:
    layer, rng = LAYERS[kind](**settings), np.random.default_rng(0)
    network = Network(plan_layers([("l", layer)], (4,)), np.dtype(dtype))
    network.params[...] = rng.standard_normal(network.size)
    network.allocate_grads()
    recording = record(layer, (4,), dtype, training=True, keeps=keeps)
    for n in ROWS:
        x = 2 * rng.standard_normal((n, 4)).astype(dtype)
        dy = rng.standard_normal((n, *network.planned[0].plan.out_shape)).astype(dtype)
        contexts = network.contexts(training=True, keeps=keeps, wants_dx=True)
        y = network.feed(x, contexts)
        again = replay(recording, {"x": x, "dy": dy}, n, params=layer.params)
        same(again.y, y)
        if keeps:
            same(again.dx, network.backprop(dy, contexts))
            assert list(again.grads) == list(layer.grads)
            for name, grad in layer.grads.items():
                same(again.grads[name], grad)


@pytest.mark.parametrize("config", LOSS_SETTINGS, ids=str)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("k", [1, 5])
def test_losses(config: str | dict[str, Any], dtype: Any, k: int) -> None:
    loss, rng = LOSSES.create(config), np.random.default_rng(0)
    kinds: list[tuple[tuple[int, ...], Any]] = [((), np.int64)]
    if loss.target != "class":
        shapes = [(k,), ()] if k == 1 else [(k,)]
        kinds = [(shape, kind) for shape in shapes for kind in DTYPES]
    for shape, kind in kinds:
        recording = record_loss(loss, (k,), dtype, shape, kind)
        for n in ROWS:
            scores = 3 * rng.standard_normal((n, k)).astype(dtype)
            limit = k if loss.target == "class" else 2
            targets = rng.integers(0, limit, (n, *shape)).astype(kind)
            weights, ctx = rng.uniform(size=n).astype(dtype), Context(dtype)
            given = {"x": scores, "targets": targets, "weights": weights}
            again = replay(recording, given, n)
            same(again.y, loss.feed(scores, targets, ctx))
            same(again.dx, loss.backprop(weights, ctx))


@pytest.mark.parametrize("name", OPTIMIZERS.names())
@pytest.mark.parametrize("dtype", DTYPES)
def test_rules(name: str, dtype: Any) -> None:
    rule, rng, size = OPTIMIZERS.create(name), np.random.default_rng(0), 33
    recording = record_rule(rule, dtype)
    p, g = rng.standard_normal(size).astype(dtype), np.empty(size, dtype)
    decay = (rng.uniform(size=size) < 0.5).astype(dtype)
    now = {"p": p.copy(), **{f"slot:{slot}": np.zeros(size, dtype) for slot in rule.slot_names}}
    rule.bind(p, g, decay)
    for step in range(1, 5):
        gradient = rng.standard_normal(size).astype(dtype)
        g[...] = gradient  # which a rule may overwrite
        rule.begin(0.1 / step)
        rule.apply(slice(0, size))
        given = {**now, "g": gradient, "decay": decay, "rate": 0.1 / step, "steps": step}
        again = replay(recording, given, size)
        now = {"p": again.y, **{f"slot:{slot}": a for slot, a in again.state.items()}}
        same(again.y, p)
        assert set(again.state) == set(rule.slot_names)
        for slot, array in rule.slots.items():
            same(again.state[slot], array)
