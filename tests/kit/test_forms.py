"""What is made of a record is held against the methods: engines that err are found, each error."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pytest

from layerkit import Array, Context, Layer, Optimizer, Plan, Shape
from layerkit.core.network import Network
from layerkit.core.parts import Link
from layerkit.core.planning import PlannedLayer
from layerkit.execution.engine import Engine, LossStage, RecordedLayer, Row, Rule, Stage
from layerkit.execution.planned_engine import PLANNED
from layerkit.recording import record
from layerkit.testing import check_layer, check_part
from layerkit.testing.batteries import layer_recorded, losses, optimizers
from layerkit.testing.report import Outcome
from tests.kit.planted import CountsRows, OtherSlope, ReadsGlobal
from tests.kit.planted_parts import Heavy, Squares
from tests.kit.sound import Active, Carry, Centre, Follow, Mask
from tests.kit.version_one import Old
from tests.kit.wide import Slide


class _Broken:
    """A stage that gives what planned NumPy gives, with a fault."""

    def __init__(self, stage: Stage, fault: str, network: Network) -> None:
        self.stage, self.fault, self.network = stage, fault, network
        self.streams: Mapping[str, np.random.Generator] = {}
        self.rows, self.feeds = 0, 0
        self.x: Array = np.zeros(0)

    def feed(self, x: Array) -> Array:
        layer = self.network.planned[0].layer
        self.stage.streams = self.streams
        self.rows, self.feeds = len(x), self.feeds + 1
        if self.fault == "writes into x":
            x *= 0.5
        if self.fault == "no state":
            kept = {name: array.copy() for name, array in layer.state.items()}
        y = self.stage.feed(x)
        if self.fault == "no state":
            for name, array in kept.items():
                layer.state[name][...] = array
        if self.fault == "moves the stream" and self.streams:
            self.streams["layer"].random()
        if self.fault == "output of 64 rows" and len(x) == 64:
            y = 1.01 * y
        if self.fault == "last row" and len(x):
            y = y.copy()
            y[-1] += 1
        if self.fault == "raises for no rows" and not len(x):
            raise ValueError("no rows")
        if self.fault == "float64":
            y = y.astype(np.float64)
        if self.fault == "keeps a batch" and self.feeds > 5:
            y = y * (1 + 4 * np.finfo(y.dtype).eps)
        return y

    def backprop(self, dy: Array) -> Array:
        dx = self.stage.backprop(dy)
        if self.fault == "dx of one row" and self.rows == 1:
            dx = 0.5 * dx
        if self.fault == "gradients of 257 rows" and self.rows == 257:
            assert self.network.grads is not None
            self.network.grads[-1] += 1
        if self.fault == "adds gradients":
            assert self.network.grads is not None
            self.network.grads += 7
        return dx


class BrokenEngine(Engine):
    """Planned NumPy with one fault; says that it is ``compiled``."""

    type_name = "broken"

    def __init__(self, fault: str = "", refusal: str = "") -> None:
        self.fault, self.refusal = fault, refusal

    def trouble(self) -> str:
        return ""

    def versions(self) -> Mapping[str, str]:
        return {}

    def refuses(self, recording: Any, planned: PlannedLayer | None = None) -> str:
        return self.refusal

    def stage(
        self, network: Network, layers: Sequence[RecordedLayer], *, keeps: bool, wants_dx: bool
    ) -> Stage:
        if self.fault == "no stage":
            raise RuntimeError("cannot be made")
        made = PLANNED.stage(network, layers, keeps=keeps, wants_dx=wants_dx)
        alone = len(layers) == 1
        if self.fault == "shared memory" and not alone:
            return _Broken(made, "dx of one row", network)
        return _Broken(made, self.fault, network) if alone else made

    def loss(self, recording: Any) -> LossStage:
        return PLANNED.loss(recording)

    def row(self, network: Network, layers: Sequence[RecordedLayer], link: Link) -> Row | None:
        row = PLANNED.row(network, layers, link)
        if row is None or self.fault not in ("row", "old weights"):
            return row
        calls = [0]

        def wrong(x: Array) -> Array | None:
            calls[0] += 1
            y = row(x)
            right = self.fault == "old weights" and calls[0] == 1
            return y if right or y is None else np.multiply(y, 1.01)

        return wrong


def outcome(layer: type[Layer], check: str, monkeypatch: Any, engine: Engine) -> Outcome:
    monkeypatch.setattr(layer_recorded, "PLANNED", engine)
    monkeypatch.setattr(layer_recorded, "compiled_engine", lambda: engine)
    monkeypatch.setattr(layer_recorded, "trouble", lambda: "")
    return check_layer(layer, only=check)[check]


FAULTS: list[tuple[str, type[Layer], str]] = [
    ("output of 64 rows", Carry, "another value for the output of 64 rows"),
    ("last row", Carry, "the output of 1 row"),
    ("dx of one row", Carry, "dL/dx of 1 row"),
    ("gradients of 257 rows", Carry, "grads['bT'] of 257 rows"),
    ("adds gradients", Carry, "grads['WH'] of 0 rows"),
    ("no state", Follow, "state['mean'] of"),
    ("moves the stream", Mask, "the place in the random stream"),
    ("raises for no rows", Carry, "the form raised ValueError: no rows"),
    ("float64", Carry, "the output of 0 rows"),
    ("keeps a batch", Carry, "gives other bits for the output when it runs a batch again"),
    ("shared memory", Carry, "three in a row"),
    ("row", Carry, "the broken form for single rows"),
    ("old weights", Carry, "the broken form for single rows"),
    ("no stage", Carry, "making the form raised RuntimeError"),
]


@pytest.mark.parametrize("check", ["recorded.planned", "recorded.compiled"])
@pytest.mark.parametrize(("fault", "layer", "words"), FAULTS, ids=[fault for fault, *_ in FAULTS])
def test_an_engine_that_errs_is_found(
    check: str, fault: str, layer: type[Layer], words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = outcome(layer, check, monkeypatch, BrokenEngine(fault))
    assert found.status == "failed"
    assert words in found.message
    assert outcome(layer, check, monkeypatch, BrokenEngine()).status == "passed"


def test_what_an_engine_refuses_is_noted(monkeypatch: pytest.MonkeyPatch) -> None:
    found = outcome(Carry, "recorded.compiled", monkeypatch, BrokenEngine(refusal="no such thing"))
    assert (found.status, found.message) == ("passed", "not in this form: no such thing")


def test_without_the_extra_nothing_is_compiled_and_the_report_says_so(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(layer_recorded, "trouble", lambda: "llvmlite is not installed")
    found = check_layer(Carry, only="recorded.compiled")["recorded.compiled"]
    assert found.status == "passed"
    assert found.message == "nothing is compiled here: llvmlite is not installed"


def test_a_record_that_calls_rows_apart_that_meet_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "meet" in check_layer(Centre, only="recorded.rows")["recorded.rows"].message
    assert check_layer(Carry, only="recorded.rows")["recorded.rows"].message == ""
    monkeypatch.setattr(record.Recording, "rowwise", property(lambda _: True))
    assert check_layer(Carry, only="recorded.rows").ok
    found = check_layer(Centre, only="recorded.rows")["recorded.rows"]
    assert found.status == "failed"
    assert "computed in two halves" in found.message


class Steered(Carry):
    type_name = "kit.steered"

    def feed(self, x: Array, ctx: Context) -> Array:
        return super().feed(x if x.sum() > 0 else 1 * x, ctx)


class Eager(Carry):
    type_name = "kit.eager"
    eager = True


@pytest.mark.parametrize(
    ("layer", "words"),
    [
        (Steered, "test_forms.py:"),
        (Steered, "np.where"),
        (Slide, "wide.py:"),
        (Eager, "eager = True"),
        (Old, "contract version 1"),
    ],
)
def test_a_layer_that_cannot_be_recorded_conforms_with_the_reason(
    layer: type[Layer], words: str
) -> None:
    report = check_layer(layer, only="recorded.*")
    report.raise_if_failed()
    note = report["recorded.replay"].message
    assert note.startswith("not recorded, it runs as it is written, slower: ")
    assert words in note
    assert f"note: recorded.replay: {note[:40]}" in " ".join(report.text().split())
    assert report["recorded.planned"].message == "not recorded"


@pytest.mark.parametrize("layer", [Carry, Mask, Centre, Follow, Active], ids=lambda c: c.__name__)
def test_a_layer_that_is_recorded_says_so(layer: type[Layer]) -> None:
    report = check_layer(layer, only="recorded.*")
    report.raise_if_failed()
    empty = "; batches of no rows run as they are written" if layer in (Centre, Follow) else ""
    assert report["recorded.replay"].message == "recorded" + empty


class Ranked(Layer):
    """y = sort(x)."""

    def plan(self, in_shape: Shape) -> Plan:
        return Plan(in_shape)

    def feed(self, x: Array, ctx: Context) -> Array:
        order = np.argsort(x, axis=1)
        ctx.save(order)
        return np.take_along_axis(x, order, 1)

    def backprop(self, dy: Array, ctx: Context) -> Array:
        (order,) = ctx.saved
        dx = np.zeros_like(dy)
        np.put_along_axis(dx, order, dy, 1)
        return dx


def test_an_operation_that_no_form_of_export_has_is_noted() -> None:
    note = check_layer(Ranked, only="recorded.replay")["recorded.replay"].message
    assert note.startswith("recorded; not exported to c, python, for 'take_along_axis'")


@pytest.mark.parametrize(
    ("layer", "words"),
    [
        (CountsRows, "the output of 257 rows"),
        (ReadsGlobal, "the output of"),
        (OtherSlope, "dL/dx of 257 rows"),
    ],
)
def test_a_layer_that_lies_to_the_recorder_is_named(layer: type[Layer], words: str) -> None:
    assert words in check_layer(layer, only="recorded.replay")["recorded.replay"].message


# ---- losses


class _BrokenLoss:
    """A loss that gives what planned NumPy gives, with a fault."""

    def __init__(self, loss: LossStage, fault: str) -> None:
        self.form, self.fault, self.calls = loss, fault, 0

    def learn(self, scores: Array, targets: Array, weights: Array) -> tuple[float, Array]:
        lost, slope = self.form.learn(scores, targets, weights)
        self.calls += 1
        if self.fault == "a mean" and len(scores) == 7:
            lost /= 7
        if self.fault == "slope of 64 rows" and len(scores) == 64:
            slope = 1.01 * slope
        if self.fault == "raises for no rows" and not len(scores):
            raise ValueError("no rows")
        if self.fault == "keeps a batch" and self.calls > 5:
            slope = slope * (1 + 4 * np.finfo(slope.dtype).eps)
        return lost, slope


class BrokenLosses(BrokenEngine):
    """Planned NumPy whose losses have one fault."""

    def loss(self, recording: Any) -> LossStage:
        return _BrokenLoss(PLANNED.loss(recording), self.fault)


@pytest.mark.parametrize("check", ["recorded.planned", "recorded.compiled"])
@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("a mean", "another value for the loss of 7 rows"),
        ("slope of 64 rows", "another value for dL/dscores of 64 rows"),
        ("raises for no rows", "the form raised ValueError: no rows"),
        ("keeps a batch", "gives other bits for dL/dscores when it runs a batch again"),
    ],
)
def test_a_form_of_a_loss_that_errs_is_found(
    check: str, fault: str, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for engine in (BrokenLosses(fault), BrokenLosses()):
        monkeypatch.setattr(losses, "PLANNED", engine)
        monkeypatch.setattr(losses, "compiled_engine", lambda engine=engine: engine)
        monkeypatch.setattr(losses, "trouble", lambda: "")
        found = check_part(Squares, only=check)[check]
        assert found.status == ("failed" if engine.fault else "passed")
        assert words in found.message or not engine.fault


def test_a_loss_that_cannot_be_recorded_conforms_with_the_reason() -> None:
    class Steering(Squares):
        type_name = "kit.steering"

        def feed(self, scores: Array, targets: Array, ctx: Context) -> Array:
            return super().feed(scores if scores.sum() > 0 else 1 * scores, targets, ctx)

    report = check_part(Steering, only="recorded.*")
    report.raise_if_failed()
    assert "test_forms.py:" in report["recorded.replay"].message
    assert report["recorded.planned"].message == "not recorded"
    assert check_part(Squares, only="recorded.replay")["recorded.replay"].message == "recorded"


# ---- optimizers


class BrokenRules(BrokenEngine):
    """The rule itself as its form, with a fault."""

    has_rules = True

    def rule(self, optimizer: Optimizer, recording: Any) -> Rule | None:
        if self.fault == "none":
            return None

        def kernel(
            p: Array, g: Array, slots: Sequence[Array], numbers: Mapping[str, Any], decay: Any
        ) -> None:
            rule = copy.copy(optimizer)
            rule.rate, rule.steps = numbers["rate"], numbers["steps"]
            rule.decay = 1.0 if decay is None else decay
            if self.fault == "old rate":
                rule.rate = 0.1
            rule.rule(p, g, slots, np.empty_like(p))
            if self.fault == "last number" and len(p):
                p[-1] += 0.01
            if self.fault == "slot" and numbers["steps"] == 3:
                slots[0][...] *= 1.01

        return kernel


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("", "recorded"),
        ("none", "recorded, but not in this form"),
        ("last number", "other parameters than the rule for 1 numbers"),
        ("slot", "slot 'm'"),
        ("old rate", "other parameters"),
    ],
)
def test_a_form_of_a_rule_that_errs_is_found(
    fault: str, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(optimizers, "compiled_engine", lambda: BrokenRules(fault))
    monkeypatch.setattr(optimizers, "trouble", lambda: "")
    found = check_part(Heavy, only="recorded.compiled")["recorded.compiled"]
    assert found.status == ("passed" if fault in ("", "none") else "failed")
    assert words in found.message
