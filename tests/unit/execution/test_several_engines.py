"""Trials of several engines: what fails is replaced by the next form, what passes is used."""

from __future__ import annotations

import math
import threading
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

import layerkit
from layerkit import Context, Layer, Listener, Plan
from layerkit.core.context import Array, Shape
from layerkit.core.network import Network
from layerkit.core.optimizer import Optimizer
from layerkit.core.parts import Link
from layerkit.core.planning import PlannedLayer, plan_layers
from layerkit.discovery.registry import LAYERS, LOSSES, OPTIMIZERS
from layerkit.execution.engine import Engine, LossStage, RecordedLayer, Row, Rule, Stage
from layerkit.execution.planned_engine import PLANNED, PlannedNumPy
from layerkit.execution.rules import compiled_rule
from layerkit.execution.runner import Chain, RowForm
from layerkit.execution.trial import trials_of
from layerkit.recording.record import Recording
from layerkit.training.learner import Learner

ROWS = 20
FAULTS = ["y", "dx", "gradient", "state", "stream", "raises"]


class Mixed(Layer):
    """Parameters, state and random numbers; ``kind`` lets a test address one of several."""

    type_name = "test.mixed"
    kind: int

    def __init__(self, *, kind: int = 0) -> None:
        self.kind = kind

    def plan(self, in_shape: Shape) -> Plan:
        state = {"mean": layerkit.Param(in_shape)}
        return Plan(in_shape, {"gain": layerkit.Param(in_shape, init=1.5)}, state=state)

    def feed(self, x: Array, ctx: Context) -> Array:
        if not ctx.training:
            return x * self.params["gain"] - self.state["mean"]
        self.state["mean"] = 0.5 * self.state["mean"] + 0.5 * x.mean(axis=0)
        noise = ctx.rng.random(x.shape, dtype=np.float32)
        ctx.save(x, noise)
        return x * self.params["gain"] + noise

    def backprop(self, dy: Array, ctx: Context) -> Array:
        x, _ = ctx.saved
        self.grads["gain"] = (dy * x).sum(axis=0)
        return dy * self.params["gain"]


class Kinked(Layer):
    """y = max(x - 1, 0): the slope jumps at 1."""

    type_name = "test.kinked"

    def plan(self, in_shape: Shape) -> Plan:
        return Plan(in_shape)

    def feed(self, x: Array, ctx: Context) -> Array:
        z = x - np.float32(1)
        ctx.save(z)
        y: Array = np.maximum(z, 0)
        return y

    def backprop(self, dy: Array, ctx: Context) -> Array:
        (z,) = ctx.saved
        dx: Array = dy * (z > 0)
        return dx


class Liar(Layer):
    """Decides by the number of rows; its recording does not show it."""

    type_name = "test.liar"

    def plan(self, in_shape: Shape) -> Plan:
        return Plan(in_shape)

    def feed(self, x: Array, ctx: Context) -> Array:
        return x * 3 if len(x) > 10 else x * 2

    def backprop(self, dy: Array, ctx: Context) -> Array:
        return dy * 3 if len(dy) > 10 else dy * 2


class Shifted(Layer):
    """Lies too, in feed only."""

    type_name = "test.shifted"

    def plan(self, in_shape: Shape) -> Plan:
        return Plan(in_shape)

    def feed(self, x: Array, ctx: Context) -> Array:
        return x + 3 if len(x) > 10 else x + 2

    def backprop(self, dy: Array, ctx: Context) -> Array:
        return dy * 1


class Once(Layer):
    """Not the same for one row as for several, which its recording does not show."""

    type_name = "test.once"

    def plan(self, in_shape: Shape) -> Plan:
        return Plan(in_shape)

    def feed(self, x: Array, ctx: Context) -> Array:
        return x * 3 if len(x) < 2 else x * 2

    def backprop(self, dy: Array, ctx: Context) -> Array:
        return dy * 3 if len(dy) < 2 else dy * 2


@pytest.fixture(autouse=True)
def registered() -> Iterator[None]:
    kinds: list[type[Layer]] = [Mixed, Kinked, Liar, Shifted, Once]
    for kind in kinds:
        layerkit.register(kind)
    yield
    for kind in kinds:
        LAYERS.unregister(kind.type_name)


class SpoiltStage:
    """The planned form of layers, with one fault; or with rounding errors only."""

    def __init__(self, stage: Any, layers: Sequence[RecordedLayer], fault: str) -> None:
        self.stage, self.layers, self.fault = stage, layers, fault
        self.streams: Mapping[str, np.random.Generator] = {}

    def feed(self, x: Array) -> Array:
        self.stage.streams = self.streams
        if self.fault == "raises":
            raise RuntimeError("no such form")
        if self.fault == "rounding":
            x = x * np.float32(1 + 2**-22)
        y: Array = self.stage.feed(x)
        for p, _ in self.layers:
            if self.fault == "state":
                p.layer.state["mean"][...] *= 1.01
            if self.fault == "stream":
                self.streams[p.name].random()
        return y * np.float32(1.01) if self.fault == "y" else y

    def backprop(self, dy: Array) -> Array:
        dx: Array = self.stage.backprop(dy)
        for p, _ in self.layers:
            if self.fault == "gradient":
                p.layer.grads["gain"][...] *= 1.01
        return dx * np.float32(1.01) if self.fault == "dx" else dx


class SpoiltLoss:
    def __init__(self, form: LossStage, fault: str) -> None:
        self.form, self.fault = form, fault

    def learn(self, scores: Array, targets: Array, weights: Array) -> tuple[float, Array]:
        lost, dy = self.form.learn(scores, targets, weights)
        if self.fault == "raises":
            raise RuntimeError("no such form")
        return (1.01 * lost, dy) if self.fault == "loss" else (lost, dy * np.float32(1.01))


class Spoilt(PlannedNumPy):
    """An engine whose forms of ``Mixed(kind=1)``, losses, rules and rows have a fault."""

    type_name = "spoilt"
    has_rules = True

    def __init__(self, fault: str) -> None:
        self.fault = fault
        self.losses: list[SpoiltLoss] = []

    def stage(
        self, network: Network, layers: Sequence[RecordedLayer], *, keeps: bool, wants_dx: bool
    ) -> Stage:
        stage = PLANNED.stage(network, layers, keeps=keeps, wants_dx=wants_dx)
        spoils = self.fault == "rounding" or any(getattr(p.layer, "kind", 0) for p, _ in layers)
        return SpoiltStage(stage, layers, self.fault) if spoils else stage

    def loss(self, recording: Recording) -> LossStage:
        self.losses.append(SpoiltLoss(PLANNED.loss(recording), self.fault))
        return self.losses[-1]

    def row(self, network: Network, layers: Sequence[RecordedLayer], link: Link) -> Row | None:
        row = PLANNED.row(network, layers, link)
        assert row is not None
        if self.fault != "y":
            return row
        return lambda x: row(x * 2)

    def rule(self, optimizer: Optimizer, recording: Recording) -> Rule | None:
        def rule(p: Array, g: Array, slots: Any, numbers: Any, decay: Any = None) -> None:
            if self.fault == "raises":
                raise RuntimeError("no such form")
            p -= np.float32(numbers["rate"] * (1.01 if self.fault == "y" else 1)) * g

        return rule


def network_of(*types: str | dict[str, Any], units: int = 6) -> Network:
    layers = [{"type": one} if isinstance(one, str) else one for one in types]
    spec = {"layerkit": 1, "input": {"shape": [units]}, "layers": layers}
    return layerkit.build(spec).network


def x_of(rows: int = ROWS, units: int = 6) -> Array:
    return np.random.default_rng(rows).standard_normal((rows, units)).astype(np.float32)


FAULTY = {"type": "test.mixed", "kind": 1}
SOUND = {"type": "test.mixed", "kind": 0}


def passed(network: Network, engines: Sequence[Engine], x: Array) -> tuple[Any, ...]:
    """Everything that a training pass gives, and the chain."""
    chain = Chain(network, engines, training=True, wants_dx=True)
    for p in network.planned:
        chain.set_stream(p.name, np.random.default_rng(3))
    y = chain.feed(x).copy()
    dx = chain.backprop(np.ones_like(y)).copy()
    grads = network.allocate_grads().copy()
    states = [p.layer.state["mean"].copy() for p in network.planned if p.layer.state]
    drawn = [chain.streams[p.name].random() for p in network.planned]
    return y, dx, grads, states, drawn, chain


def used(chain: Chain, x: Array) -> list[str]:
    """The engine of each stage; empty for layers that run as they are written."""
    (group,) = chain.groups
    stages = group.stages(x)  # type: ignore[union-attr]
    return ["" if engine is None else engine.type_name for engine, _ in stages]


@pytest.mark.parametrize("fault", FAULTS)
def test_the_next_form_replaces_one_that_fails(fault: str) -> None:
    layers = SOUND, FAULTY, SOUND, SOUND, FAULTY
    network, x = network_of(*layers), x_of()
    *found, chain = passed(network, [Spoilt(fault), PLANNED], x)
    assert used(chain, x) == ["spoilt", "planned", "spoilt", "planned"]
    *wanted, _ = passed(network_of(*layers), [], x)
    for one, other in zip(found, wanted, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)
    trials = trials_of(network)
    names = network.planned[1].name, network.planned[4].name
    assert trials.failed == {(name, "spoilt", "training", ROWS) for name in names}
    (remark,) = trials.remarks
    assert remark.startswith(f"{', '.join(names)}: batches of 20 rows run in the planned form: the")
    assert "raised RuntimeError: no such form" in remark or "gives another " in remark


@pytest.mark.parametrize("fault", FAULTS)
def test_where_every_form_fails_the_methods_run(fault: str) -> None:
    class Other(Spoilt):
        type_name = "other"

    network, x = network_of(SOUND, FAULTY), x_of()
    *found, chain = passed(network, [Spoilt(fault), Other(fault)], x)
    assert used(chain, x) == ["spoilt", ""]
    *wanted, _ = passed(network_of(SOUND, FAULTY), [], x)
    for one, other in zip(found, wanted, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)
    assert {engine for _, engine, _, _ in trials_of(network).failed} == {"spoilt", "other"}
    (remark,) = trials_of(network).remarks
    assert "batches of 20 rows run as written: the " in remark


def test_a_form_is_tried_once_for_each_number_of_rows_and_mode() -> None:
    network, engine = network_of(SOUND, FAULTY), Spoilt("y")
    tried: list[int] = []
    original = engine.stage

    def stage(network: Network, layers: Any, **kw: Any) -> Stage:
        tried.append(len(network.planned))
        return original(network, layers, **kw)

    engine.stage = stage  # type: ignore[method-assign]
    for rows in (20, 30):
        passed(network, [engine, PLANNED], x_of(rows))
    trials = tried.count(1)  # stages of one layer
    assert trials == 6  # for each number of rows: once what passes, twice what fails
    for rows in (30, 20, 30):
        passed(network, [engine, PLANNED], x_of(rows))
    assert tried.count(1) == trials
    Chain(network, [engine, PLANNED]).feed(x_of())
    assert {mode for _, _, mode, _ in trials_of(network).failed} == {"training", "inference"}


def test_rounding_at_a_kink_does_not_fail_a_form() -> None:
    """A number that rounds to 1 has the slope 0 or 1, both right."""
    network, x = network_of("test.kinked"), x_of()
    x[3, 2] = np.nextafter(np.float32(1), np.float32(0))
    *_, chain = passed(network, [Spoilt("rounding"), PLANNED], x)
    assert used(chain, x) == ["spoilt"]
    assert trials_of(network).remarks == []
    *_, plain = passed(network, [], x)
    slopes = [one.backprop(np.ones_like(x))[3, 2] for one in (chain, plain)]
    assert slopes == [1, 0]  # else nothing was tested


@pytest.mark.parametrize("spoilt", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("everywhere", [True, False])
def test_a_batch_that_is_not_finite_lets_nothing_pass(spoilt: float, everywhere: bool) -> None:
    """A training that diverged, say, and goes on from an earlier state in the same process."""
    network = network_of("test.shifted", {"type": "dense", "units": 3})
    x = np.full((ROWS, 6), spoilt, np.float32) if everywhere else x_of()
    x[-1] = spoilt
    passed(network, [PLANNED], x)
    *found, chain = passed(network, [PLANNED], x_of())
    *wanted, _ = passed(network, [], x_of())
    for one, other in zip(found, wanted, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)
    assert used(chain, x_of()) == ["", "planned"]


def test_infinities_that_belong_there_do_not_fail_a_form() -> None:
    network, x = network_of({"type": "dense", "units": 3}), x_of()
    x[4, 1] = np.inf
    *_, chain = passed(network, [PLANNED], x)
    assert used(chain, x) == ["planned"]
    assert trials_of(network).remarks == []


@pytest.mark.parametrize("fault", ["loss", "slope", "raises"])
def test_a_form_of_the_loss_that_fails_is_not_used(fault: str) -> None:
    targets, weights = np.arange(ROWS) % 6, np.full(ROWS, 1 / ROWS, np.float32)
    found = []
    for engines in ([Spoilt(fault), PLANNED], [Spoilt(fault)], []):
        network = network_of({"type": "dense", "units": 6})
        loss = LOSSES.create("softmax_cross_entropy")
        learner = Learner(network, loss, engines)
        for _ in range(2):
            _, lost = learner.learn(x_of().__getitem__, targets, weights)
        found.append((lost, network.allocate_grads().copy()))
        form = learner._pieces[0].forms[ROWS]
        assert not isinstance(form, SpoiltLoss)
        assert (form is None) is (PLANNED not in engines)
    for lost, grads in found:
        assert lost == pytest.approx(found[-1][0], rel=1e-6)
        np.testing.assert_allclose(grads, found[-1][1], rtol=1e-5, atol=1e-7)


def test_a_form_of_the_loss_is_not_taken_on_numbers_that_are_not_finite() -> None:
    targets, weights = np.arange(ROWS) % 6, np.full(ROWS, 1 / ROWS, np.float32)
    learner = Learner(
        network_of({"type": "dense", "units": 6}),
        LOSSES.create("softmax_cross_entropy"),
        [Spoilt("loss"), PLANNED],
    )
    x = np.full((ROWS, 6), np.nan, np.float32)
    assert math.isnan(learner.learn(x.__getitem__, targets, weights)[1])
    learner.learn(x_of().__getitem__, targets, weights)
    assert not isinstance(learner._pieces[0].forms[ROWS], SpoiltLoss)


@pytest.mark.parametrize("rate", [1e-8, 0.01, 10.0])
@pytest.mark.parametrize("fault", ["y", "raises"])
def test_a_form_of_the_rule_that_fails_is_not_used(fault: str, rate: float) -> None:
    class Right(Spoilt):
        type_name = "right"

    rule, dtype = OPTIMIZERS.create({"type": "sgd", "learning_rate": rate}), np.dtype(np.float32)
    wrong, right = Spoilt(fault), Right("")
    assert compiled_rule(rule, [wrong, PLANNED], dtype) is None
    found = compiled_rule(rule, [wrong, right, PLANNED], dtype)
    assert found is not None
    p = np.ones(3, np.float32)
    found(p, np.ones(3, np.float32), [], {"rate": 0.5, "steps": 1})
    np.testing.assert_array_equal(p, 0.5)


def test_a_form_of_a_single_row_that_fails_is_not_used() -> None:
    layers: list[Any] = ["highway", {"type": "dense", "units": 3}]
    for engines in ([Spoilt("y"), PLANNED], [Spoilt("y")]):
        network, x = network_of(*layers), x_of(1)
        wanted = network.feed(x, network.contexts(keeps=False))
        for form in [RowForm(network, engines, "identity") for _ in range(2)]:
            for _ in range(3):
                given = form(x)
                assert (given is None) is (PLANNED not in engines)
                assert given is None or np.allclose(given, wanted, rtol=1e-5)
        assert trials_of(network).row_failed(engines[0])


def test_a_single_row_that_is_not_finite_lets_nothing_pass() -> None:
    network, x = network_of("highway"), x_of(1)
    form = RowForm(network, [Spoilt("y")], "identity")
    assert form(np.full_like(x, np.nan)) is None
    assert form(x) is None
    assert trials_of(network).row_failed(Spoilt("y"))


@pytest.mark.parametrize("fast", ["0", "1"])
def test_a_single_row_of_a_layer_that_lies_about_it(
    fast: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LAYERKIT_FAST", fast)
    spec = {"layerkit": 1, "input": {"shape": [6]}, "layers": [{"type": "test.once"}]}
    model = layerkit.build(spec)
    for _ in range(4):
        np.testing.assert_allclose(model.scores(x_of(1)), 3 * x_of(1), rtol=1e-6)
    np.testing.assert_allclose(model.scores(x_of(2)), 2 * x_of(2), rtol=1e-6)


@pytest.mark.parametrize("fast", ["0", "1"])
def test_the_first_single_row_has_the_bits_of_the_methods(
    fast: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LAYERKIT_FAST", "")
    spec = {
        "layerkit": 1,
        "input": {"shape": [6]},
        "layers": [{"type": "highway", "repeat": 3}, {"type": "dense", "units": 3}],
        "output": {"classes": list("abc")},
    }
    model, row = layerkit.build(spec), x_of(1)
    monkeypatch.setenv("LAYERKIT_EAGER", "1")
    written = layerkit.build(spec).predict(row)
    monkeypatch.delenv("LAYERKIT_EAGER")
    np.testing.assert_array_equal(model.predict(row), written)
    monkeypatch.setenv("LAYERKIT_FAST", fast)
    model = layerkit.build(spec)
    model.predict(row)
    later = model.predict(row)
    np.testing.assert_allclose(later, written, rtol=1e-6)
    for _ in range(3):
        np.testing.assert_array_equal(model.predict(row), later)


@pytest.mark.parametrize("fast", ["0", "1"])
@pytest.mark.parametrize("stranger", ["test.liar", "test.once", "highway"])
def test_many_threads_predict_on_a_fresh_model(
    stranger: str, fast: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LAYERKIT_FAST", fast)
    monkeypatch.setenv("LAYERKIT_THREADS", "2")
    layers: list[Any] = ["highway", stranger, "highway", {"type": "dense", "units": 3}]
    sizes = [1, 2, 9, 11, 1, 700]
    plain = network_of(*layers)
    wanted = {n: plain.feed(x_of(n), plain.contexts(keeps=False)).copy() for n in sizes}
    for _ in range(5):
        network = network_of(*layers)
        spec = {"layerkit": 1, "input": {"shape": [6]}, "layers": []}
        model = layerkit.build(spec | {"layers": [_config(p) for p in network.planned]})
        start = threading.Barrier(6)

        def ask(n: int, model: layerkit.Model = model, start: Any = start) -> list[Array]:
            start.wait()
            return [model.scores(x_of(n)) for _ in range(4)]

        with ThreadPoolExecutor(6) as pool:
            found = list(pool.map(ask, sizes))
        for n, several in zip(sizes, found, strict=True):
            for one in several:
                if n <= 256 or stranger != "test.liar":  # many rows go in tiles
                    np.testing.assert_allclose(one, wanted[n], rtol=1e-4, atol=1e-6)


def _config(p: PlannedLayer) -> dict[str, Any]:
    units = {"units": 3} if p.layer.type_name == "dense" else {}
    return {"type": p.layer.type_name, **units}


def test_what_fails_is_told_once_per_number_of_rows() -> None:
    told: list[str] = []

    class Ear(Listener):
        def notice(self, text: str) -> None:
            told.append(text)

    spec = {
        "layerkit": 1,
        "input": {"shape": [6]},
        "layers": [{"type": "test.liar"}, {"type": "dense", "units": 2}],
        "train": {"epochs": 3, "batch_size": 16},
    }
    layerkit.train(spec, data=(x_of(40), np.arange(40) % 2), listener=Ear())
    lies = [text for text in told if "liar" in text]
    assert len(lies) == 1, told  # batches of 16 rows; those of 8 are as they were recorded
    assert "16 rows" in lies[0]


class Overwriting(Layer):
    """y = x - 1, written over x; dx reads what was a view of x, unless it had to copy."""

    type_name = "test.overwriting"

    def plan(self, in_shape: Shape) -> Plan:
        return Plan(in_shape)

    def feed(self, x: Array, ctx: Context) -> Array:
        flat = np.reshape(x, -1)
        x -= 1
        ctx.save(x, flat)
        return x

    def backprop(self, dy: Array, ctx: Context) -> Array:
        x, flat = ctx.saved
        dx: Array = dy * x + flat.mean()
        return dx


@pytest.mark.parametrize("training", [True, False])
def test_a_layer_that_overwrites_its_input_gives_the_same_after_any_form(training: bool) -> None:
    rng = np.random.default_rng(0)
    x, dy = rng.standard_normal((2, ROWS, 6)).astype("f4")
    found = []
    for engines in ([], [PLANNED]):
        layers = [("a", Kinked()), ("b", Overwriting()), ("c", Kinked())]
        network = Network(plan_layers(layers, (6,)), np.dtype("f4"))
        chain = Chain(network, engines, training=training, wants_dx=True)
        given = x.copy()
        found.append([chain.feed(given).copy()])
        np.testing.assert_array_equal(given, x)
        if training:
            found[-1].append(chain.backprop(dy).copy())
    for expected, got in zip(*found, strict=True):
        np.testing.assert_array_equal(got, expected)
