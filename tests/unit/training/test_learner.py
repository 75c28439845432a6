"""Batches in one piece and in two, layer by layer and compiled as a whole: the same gradients."""

from __future__ import annotations

import importlib.util
from typing import Any

import numpy as np
import pytest

import layerkit
from layerkit.core.context import Array
from layerkit.core.network import Network
from layerkit.discovery.registry import LAYERS, LOSSES
from layerkit.errors import PluginLoadError
from layerkit.execution.runner import program_of
from layerkit.threads import single_blas
from layerkit.training import learner as module
from layerkit.training.learner import Learner

needs_numba = pytest.mark.skipif(
    importlib.util.find_spec("numba") is None, reason="numba, the extra `fast`, is not installed"
)
either = pytest.mark.parametrize("fast", [False, pytest.param(True, marks=needs_numba)])

HIGHWAY = {"type": "highway", "activation": "tanh"}
PROJECTION = {"type": "projection", "units": 6, "carry_initializer": "mean"}
NETS: list[list[dict[str, Any]]] = [
    [{"type": "dense", "units": 12, "activation": "relu"}, HIGHWAY, PROJECTION],
    [HIGHWAY, HIGHWAY, {"type": "dense", "units": 6, "activation": "sigmoid"}],
    [PROJECTION | {"activation": "sigmoid", "carry_activation": "linear"}],
    [{"type": "dense", "units": 40, "activation": "tanh"}, PROJECTION, HIGHWAY | {"freeze": True}],
    [
        HIGHWAY | {"activation": "silu", "use_bias": False},
        PROJECTION | {"carry_activation": "gelu"},
        {"type": "dense", "units": 6, "activation": "gelu", "use_bias": False},
        HIGHWAY | {"activation": "elu"},
    ],
]


def network_of(layers: list[dict[str, Any]]) -> Network:
    layers = [*layers, {"type": "dense", "units": 3}]
    network = layerkit.build({"layerkit": 1, "input": {"shape": [8]}, "layers": layers}).network
    network.params[:] = 0.4 * np.random.default_rng(5).standard_normal(network.size)
    return network


def batch_of(rows: int) -> tuple[Array, Array, Array]:
    rng = np.random.default_rng(6)
    weights = rng.uniform(0.5, 1, rows).astype(np.float32)
    x = rng.standard_normal((rows, 8)).astype(np.float32)
    return x, rng.integers(0, 3, rows), weights / weights.sum(dtype=np.float32)


def plainly(network: Network, x: Array, y: Array, weights: Array) -> tuple[Array, float, Array]:
    """Scores, loss and gradients, step by step."""
    contexts, loss = network.contexts(training=True), LOSSES.create("softmax_cross_entropy")
    ctx = layerkit.Context(training=True)
    scores = network.feed(x, contexts).copy()
    lost = float(loss.feed(scores, y, ctx) @ weights)
    network.backprop(loss.backprop(weights, ctx), contexts)
    assert network.grads is not None
    return scores, lost, network.grads.copy()


def learned(learner: Learner, x: Array, y: Array, weights: Array) -> tuple[Array, float, Array]:
    grads = learner.network.allocate_grads()
    grads[:] = np.nan
    with single_blas():
        scores, lost = learner.learn(x.__getitem__, y, weights)
    return scores.copy(), lost, grads.copy()


def learner_of(network: Network, *, fast: bool) -> Learner:
    return Learner(network, LOSSES.create("softmax_cross_entropy"), fast=fast)


def always_halves(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_MUCH", 0)
    monkeypatch.setattr(module, "_FEWEST", 1)


@either
@pytest.mark.parametrize("layers", NETS)
@pytest.mark.parametrize("halves", [False, True])
def test_gradients_are_those_of_feed_and_backprop(
    layers: list[dict[str, Any]], halves: bool, fast: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if halves:
        always_halves(monkeypatch)
    network = network_of(layers)
    learner = learner_of(network, fast=fast)
    for rows in (40, 7, 64, 1, 65):  # one learner for all: memory is laid anew as rows change
        batch = batch_of(rows)
        scores, lost, grads = plainly(network, *batch)
        found = learned(learner, *batch)
        np.testing.assert_allclose(found[0], scores, rtol=2e-5, atol=2e-6)
        assert found[1] == pytest.approx(lost, rel=1e-5)
        np.testing.assert_allclose(found[2], grads, rtol=2e-5, atol=2e-6 * np.abs(grads).max())
        assert np.shares_memory(network.grads, learner.network.grads)


@needs_numba
def test_a_compiled_network_runs_as_a_whole() -> None:
    network = network_of(NETS[0])
    assert program_of(network) is not None
    assert learner_of(network, fast=True).contexts == {}
    other = network_of([PROJECTION | {"carry_activation": "gelu"}])
    assert program_of(other) is None
    assert list(learner_of(other, fast=True).contexts) == [other.planned[0].name]
    double = layerkit.build(
        {"layerkit": 1, "dtype": "float64", "input": {"shape": [8]}, "layers": NETS[0]}
    )
    assert program_of(double.network) is None


@either
def test_the_number_of_threads_changes_no_bit(fast: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    always_halves(monkeypatch)
    network, batch = network_of(NETS[0]), batch_of(50)
    found = []
    for threads in ("1", "2", "5"):
        monkeypatch.setenv("LAYERKIT_THREADS", threads)
        found += [learned(learner_of(network, fast=fast), *batch) for _ in range(20)]
    for scores, lost, grads in found[1:]:
        assert (scores == found[0][0]).all()
        assert lost == found[0][1]
        assert (grads == found[0][2]).all()


@either
def test_weights_changed_in_place_are_seen(fast: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    always_halves(monkeypatch)
    network, batch = network_of(NETS[0]), batch_of(50)
    learner = learner_of(network, fast=fast)
    learned(learner, *batch)
    network.params[:] *= 0.5
    found, wanted = learned(learner, *batch), plainly(network, *batch)
    np.testing.assert_allclose(found[0], wanted[0], rtol=2e-5, atol=2e-6)
    np.testing.assert_allclose(found[2], wanted[2], rtol=2e-5, atol=1e-6)


@either
def test_a_loss_that_is_not_finite_in_one_half_is_told(
    fast: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    always_halves(monkeypatch)
    network = network_of(NETS[0])
    for row in (0, 45):
        x, y, weights = batch_of(50)
        x[row] = np.inf
        assert not np.isfinite(learned(learner_of(network, fast=fast), x, y, weights)[1])


@needs_numba
def test_what_is_large_is_cut_and_what_is_small_is_not() -> None:
    layers = [{"type": "dense", "units": 256, "activation": "relu"}, {"type": "dense", "units": 10}]
    spec = {"layerkit": 1, "input": {"shape": [784]}, "layers": layers}
    network = layerkit.build(spec).network
    learner = learner_of(network, fast=True)
    assert [part.stop for part in learner._cut(32)] == [32]
    assert [part.stop for part in learner._cut(200)] == [112, 200]
    assert len(learner_of(network, fast=False)._cut(200)) == 1
    assert len(learner_of(network_of(NETS[0]), fast=True)._cut(4096)) == 1


class _Scaled(layerkit.Layer):
    """y = n x, n the number of rows, which halves would not see."""

    type_name = "test.scaled"

    def plan(self, in_shape: layerkit.Shape) -> layerkit.Plan:
        return layerkit.Plan(in_shape)

    def feed(self, x: Any, ctx: layerkit.Context) -> Any:
        ctx.save(len(x))
        return x * np.float32(len(x))

    def backprop(self, dy: Any, ctx: layerkit.Context) -> Any:
        return dy * np.float32(ctx.saved[0])


@either
@pytest.mark.parametrize("place", [0, 2, 3])
def test_a_strangers_layer_sees_whole_batches_between_programs(
    place: int, fast: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    always_halves(monkeypatch)
    layerkit.register(_Scaled)
    try:
        layers = [*NETS[0][:place], {"type": "test.scaled"}, *NETS[0][place:]]
        network, batch = network_of(layers), batch_of(50)
        learner = learner_of(network, fast=fast)
        assert len(learner.contexts) == (1 if fast else 5)
        for _ in range(2):
            found, wanted = learned(learner, *batch), plainly(network, *batch)
            np.testing.assert_allclose(found[0], wanted[0], rtol=2e-5, atol=2e-5)
            largest = np.abs(wanted[2]).max()
            np.testing.assert_allclose(found[2], wanted[2], rtol=2e-5, atol=2e-6 * largest)
    finally:
        LAYERS.unregister("test.scaled")


def test_nothing_is_sent_back_from_a_loss_that_is_not_finite(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(_Scaled, "feed", lambda self, x, ctx: x * np.float32(np.nan))
    monkeypatch.setattr(_Scaled, "backprop", lambda *_: pytest.fail("asked for a gradient"))
    layerkit.register(_Scaled)
    try:
        network = network_of([NETS[0][0], {"type": "test.scaled"}])
        assert np.isnan(learned(learner_of(network, fast=False), *batch_of(50))[1])
    finally:
        LAYERS.unregister("test.scaled")


@either
def test_what_a_layer_raises_names_it(fast: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_Scaled, "feed", lambda *_: 1 / 0)
    layerkit.register(_Scaled)
    try:
        network, batch = network_of([NETS[0][0], {"type": "test.scaled"}]), batch_of(50)
        with pytest.raises(PluginLoadError, match="feed raised ZeroDivisionError"):
            learned(learner_of(network, fast=fast), *batch)
    finally:
        LAYERS.unregister("test.scaled")


@pytest.mark.parametrize("step", ["program", "feed", "backprop"])
def test_a_strangers_program_that_raises_names_its_layers(step: str) -> None:
    class Bad(_Scaled):
        type_name = "test.bad"

        def program(self) -> Any:
            if step == "program":
                raise ZeroDivisionError("oh")
            return (lambda lines: self), (1,)

        def make_pass(self, *, keeps: bool) -> Any:
            return self

        def feed(self, x: Any, ctx: Any) -> Any:
            if step == "feed":
                raise ZeroDivisionError("oh")
            return np.ones((50, 3), np.float32)

        def backprop(self, dy: Any, ctx: Any, grads: Any = None, *, wants_dx: bool = True) -> Any:
            raise ZeroDivisionError("oh")

    layerkit.register(Bad)
    try:
        spec = {"layerkit": 1, "input": {"shape": [3]}, "layers": [{"type": "test.bad"}]}
        network = layerkit.build(spec).network
        x, y, weights = batch_of(50)
        with pytest.raises(PluginLoadError, match=rf"'test.bad'.*{step}.* raised ZeroDiv.*: oh"):
            learned(learner_of(network, fast=True), x[:, :3], y, weights)
    finally:
        LAYERS.unregister("test.bad")


@either
def test_a_whole_training_with_halves(fast: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(7)
    data = rng.standard_normal((130, 8)), rng.integers(0, 3, 130)
    spec = {
        "layerkit": 1,
        "input": {"shape": [8]},
        "layers": [*NETS[0], {"type": "dense", "units": 3}],
        "train": {"epochs": 3, "batch_size": 50, "optimizer": {"type": "adam"}},
    }
    monkeypatch.setenv("LAYERKIT_FAST", "1" if fast else "0")
    plain = layerkit.train(spec, data=data)
    always_halves(monkeypatch)
    cut = layerkit.train(spec, data=data)
    np.testing.assert_allclose(
        cut.model.network.params, plain.model.network.params, rtol=1e-3, atol=1e-5
    )
    np.testing.assert_allclose(cut.history["loss"], plain.history["loss"], rtol=1e-5)
