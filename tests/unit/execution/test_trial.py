"""Forms of recorded layers are used only after they gave what the methods as written give."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import layerkit
from layerkit import Context, Layer, Listener, Plan
from layerkit.core.context import Array, Shape
from layerkit.discovery.registry import LAYERS
from layerkit.execution.runner import Chain
from layerkit.execution.trial import Trials, trials_of

BATCH, ROWS = 128, 300  # the last batch has 44 rows


class Plain(Layer):
    """y = x; the layers below change it."""

    def plan(self, in_shape: Shape) -> Plan:
        return Plan(in_shape)

    def feed(self, x: Array, ctx: Context) -> Array:
        return x * 1

    def backprop(self, dy: Array, ctx: Context) -> Array:
        return dy * 1


class Liar(Plain):
    """Decides by the number of rows, above all that a recorder can look at."""

    type_name = "liar"

    def feed(self, x: Array, ctx: Context) -> Array:
        return x * 2 if len(x) > 100 else x * 3

    def backprop(self, dy: Array, ctx: Context) -> Array:
        return dy * 2 if len(dy) > 100 else dy * 3


class BackLiar(Plain):
    type_name = "back_liar"

    def backprop(self, dy: Array, ctx: Context) -> Array:
        return dy * 0.5 if len(dy) > 100 else dy * 1


class Short(Plain):
    """Lies about short batches only: those of the last rows."""

    type_name = "short"

    def feed(self, x: Array, ctx: Context) -> Array:
        return x * 2 if len(x) == ROWS % BATCH else x * 1

    def backprop(self, dy: Array, ctx: Context) -> Array:
        return dy * 2 if len(dy) == ROWS % BATCH else dy * 1


class Noisy(Plain):
    """Draws, and writes state: a running mean."""

    type_name = "noisy"

    def plan(self, in_shape: Shape) -> Plan:
        return Plan(in_shape, state={"mean": layerkit.Param(in_shape)})

    def feed(self, x: Array, ctx: Context) -> Array:
        if not ctx.training:
            return x - self.state["mean"]
        self.state["mean"] = 0.9 * self.state["mean"] + 0.1 * x.mean(axis=0)
        keep = (ctx.rng.random(x.shape, dtype=np.float32) < 0.8) / np.float32(0.8)
        ctx.save(keep)
        return x * keep

    def backprop(self, dy: Array, ctx: Context) -> Array:
        (keep,) = ctx.saved
        dx: Array = dy * keep
        return dx


@pytest.fixture(autouse=True)
def registered() -> Iterator[None]:
    kinds = [Liar, BackLiar, Short, Noisy]
    for kind in kinds:
        layerkit.register(kind)
    yield
    for kind in kinds:
        LAYERS.unregister(kind.type_name)


class Notes(Listener):
    def __init__(self) -> None:
        self.texts: list[str] = []

    def notice(self, text: str) -> None:
        self.texts.append(text)


def data(rows: int = ROWS) -> tuple[Array, Array]:
    rng = np.random.default_rng(0)
    x = rng.standard_normal((rows, 6)).astype(np.float32)
    labels: Array = np.where(x.sum(axis=1) > 0, "a", "b")
    return x, labels


def spec(*kinds: str, **train: Any) -> dict[str, Any]:
    return {
        "layerkit": 1,
        "input": {"shape": [6]},
        "layers": [
            {"type": "dense", "units": 6, "activation": "tanh"},
            *({"type": kind} for kind in kinds),
            {"type": "highway"},
            {"type": "dense", "units": 2},
        ],
        "output": {"classes": ["a", "b"]},
        "train": {"epochs": 2, "batch_size": BATCH, **train},
    }


def trained(*kinds: str, eager: bool = False, **train: Any) -> tuple[Array, list[str]]:
    notes = Notes()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LAYERKIT_EAGER", "1" if eager else "0")
        run = layerkit.train(spec(*kinds, **train), data=data(), listener=notes)
    return run.model.network.params.copy(), notes.texts


@pytest.mark.parametrize("fast", ["0", "1"])
@pytest.mark.parametrize("kind", ["liar", "back_liar", "short", "noisy"])
def test_a_training_gives_what_the_methods_as_written_give(
    kind: str, fast: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LAYERKIT_FAST", fast)
    expected, _ = trained(kind, eager=True)
    found, notes = trained(kind)
    np.testing.assert_allclose(found, expected, rtol=0, atol=2e-6 * np.abs(expected).max())
    lies = [text for text in notes if f"{kind}" in text and "as written" in text]
    assert len(lies) == (kind != "noisy"), notes


def test_what_lies_about_one_size_is_planned_for_others() -> None:
    model = layerkit.build(spec("short"))
    chain = Chain(model.network, _engines(), training=True)
    x, _ = data()
    chain.feed(x[:BATCH])
    assert not trials_of(model.network).failed
    chain.feed(x[: ROWS % BATCH])
    assert {(name, rows) for name, _, _, rows in trials_of(model.network).failed} == {
        ("short_1", ROWS % BATCH)
    }


def _engines() -> Any:
    from layerkit.discovery.engines import engines

    return engines(compiled=False)


def test_a_trial_changes_nothing() -> None:
    model = layerkit.build(spec("noisy"))
    network = model.network
    stream = np.random.default_rng(7)
    before = network.params.copy(), stream.bit_generator.state
    state = network.layers[1].state["mean"].copy()
    chain = Chain(network, _engines(), training=True)
    chain.set_stream("noisy_1", stream)
    x, _ = data(BATCH)
    chain.prepare(x)
    assert np.array_equal(network.params, before[0])
    assert stream.bit_generator.state == before[1]
    assert np.array_equal(network.layers[1].state["mean"], state)
    assert not network.grads.any()  # type: ignore[union-attr]


@pytest.mark.parametrize("kinds", [("liar",), ("back_liar", "short"), ("noisy", "short")])
def test_a_resumed_training_gives_the_bytes_of_one_without_a_stop(
    kinds: tuple[str, ...], tmp_path: Path
) -> None:
    whole = layerkit.train(spec(*kinds, epochs=4), data=data()).model
    half = layerkit.train(spec(*kinds, epochs=2), data=data()).model
    layerkit.save(half, tmp_path / "half.layerkit")
    again = layerkit.load(tmp_path / "half.layerkit")
    resumed = layerkit.resume(again, data=data(), epochs=4).model
    for model, name in (whole, "whole"), (resumed, "resumed"):
        layerkit.save(model, tmp_path / f"{name}.layerkit")
    files = [(tmp_path / f"{name}.layerkit").read_bytes() for name in ("whole", "resumed")]
    assert files[0] == files[1]


def test_predictions_before_a_resume_change_nothing(tmp_path: Path) -> None:
    kinds = "liar", "short"
    whole = layerkit.train(spec(*kinds, epochs=4), data=data()).model
    half = layerkit.train(spec(*kinds, epochs=2), data=data()).model
    layerkit.save(half, tmp_path / "half.layerkit")
    again = layerkit.load(tmp_path / "half.layerkit")
    x, _ = data(400)
    for rows in (1, 1, ROWS % BATCH, 130, 400):
        again.scores(x[:rows])
    resumed = layerkit.resume(again, data=data(), epochs=4).model
    for model, name in (whole, "whole"), (resumed, "resumed"):
        layerkit.save(model, tmp_path / f"{name}.layerkit")
    files = [(tmp_path / f"{name}.layerkit").read_bytes() for name in ("whole", "resumed")]
    assert files[0] == files[1]


def test_a_failure_is_kept_with_the_checkpoint_and_not_tried_again(tmp_path: Path) -> None:
    model = layerkit.train(spec("liar"), data=data()).model
    failed = trials_of(model.network).failed
    assert ("liar_1", "planned", "training", BATCH) in failed
    layerkit.save(model, tmp_path / "m.layerkit")
    again = layerkit.load(tmp_path / "m.layerkit")
    notes = Notes()
    layerkit.resume(again, data=data(), epochs=3, listener=notes)
    assert not [text for text in notes.texts if "liar_1" in text]
    assert failed <= trials_of(again.network).failed


def test_predictions_of_a_layer_that_lies_are_those_of_its_methods() -> None:
    model = layerkit.build(spec("liar"))
    x, _ = data(400)
    for rows in (1, 1, 50, 101, 400):
        network = model.network
        expected = network.feed(x[:rows], network.contexts(keeps=False))
        np.testing.assert_allclose(model.scores(x[:rows]), expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("saved", [1, {"failed": [1]}, {"failed": [["a", "b", "c", "d"]]}, {}])
def test_a_malformed_record_is_refused(saved: object) -> None:
    with pytest.raises(
        layerkit.errors.SpecError, match=r"callbacks\.trials: expected failed forms"
    ):
        Trials().restore(saved)
