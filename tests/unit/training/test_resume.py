"""Going on with an interrupted training: to the very bits it would have reached."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import layerkit
from layerkit import (
    Array,
    Context,
    Layer,
    Listener,
    Model,
    Param,
    Plan,
    Rows,
    Shape,
    SpecError,
)
from layerkit.discovery.registry import OPTIMIZERS
from layerkit.training import resume

Register = Callable[[Any], Any]

rng = np.random.default_rng(1)
X = rng.standard_normal((50, 4))
LABELS = np.where(X[:, 0] + rng.standard_normal(50) > 0, "p", "n")
DATA = {"train": Rows(X, labels=LABELS)}


class Noisy(Layer):
    """Draws noise in training and keeps a running mean: chance and state must both go on."""

    type_name = "test.noisy"

    def plan(self, in_shape: Shape) -> Plan:
        return Plan(in_shape, {"b": Param(in_shape)}, {"mean": Param(in_shape)})

    def feed(self, x: Array, ctx: Context) -> Array:
        if ctx.training:
            self.state["mean"] *= x.dtype.type(0.9)
            self.state["mean"] += x.mean(axis=0)
            x = x + ctx.rng.standard_normal(x.shape).astype(x.dtype)
        y: Array = x + self.params["b"] + self.state["mean"]
        return y

    def backprop(self, dy: Array, ctx: Context) -> Array:
        self.grads["b"][...] = dy.sum(axis=0)
        return dy


def spec(**train: Any) -> dict[str, Any]:
    return {
        "layerkit": 1,
        "input": {"shape": [4], "scale": "standardize"},
        "layers": [
            {"type": "test.noisy"},
            {"type": "highway", "activation": "tanh"},
            {"type": "dense", "units": 2},
        ],
        "train": {"epochs": 6, "batch_size": 8, "validation": 0.2, **train},
    }


class Stop(Listener):
    """Stops after so many batches."""

    def __init__(self, batches: int) -> None:
        self.left = batches

    def batch(self, done: int, rows: int) -> None:
        self.left -= 1

    def stop(self) -> bool:
        return self.left <= 0


def copied(model: Model) -> Model:
    stream = io.BytesIO()
    layerkit.save(model, stream)
    stream.seek(0)
    return layerkit.load(stream)


def as_bytes(model: Model) -> bytes:
    stream = io.BytesIO()
    layerkit.save(model, stream)
    return stream.getvalue()


@pytest.mark.parametrize("optimizer", sorted(OPTIMIZERS.names()))
@pytest.mark.parametrize("batches", [1, 5, 7, 12])
def test_it_reaches_the_same_bits(register: Register, optimizer: str, batches: int) -> None:
    register(Noisy)
    given = spec(optimizer=optimizer, schedule="cosine", weight_decay=0.01)
    whole = layerkit.train(given, data=DATA)
    part = layerkit.train(given, data=DATA, listener=Stop(batches))
    assert part.ended == "interrupted"
    if part.epochs == 0:
        with pytest.raises(SpecError, match="no training state"):
            resume(copied(part.model), data=DATA)
        return
    gone_on = resume(copied(part.model), data=DATA)
    assert (gone_on.ended, gone_on.steps) == ("finished", whole.steps)
    assert as_bytes(gone_on.model) == as_bytes(whole.model)


@pytest.mark.parametrize("batches", [5, 11, 26])
def test_early_stopping_goes_on_too(register: Register, batches: int) -> None:
    register(Noisy)
    given = spec(
        epochs=40, early_stopping={"patience": 4}, optimizer={"type": "adam", "learning_rate": 0.05}
    )
    whole = layerkit.train(given, data=DATA)
    assert whole.ended == "early"
    part = layerkit.train(given, data=DATA, listener=Stop(batches))
    assert part.ended == "interrupted"
    gone_on = resume(copied(part.model), data=DATA)
    assert (gone_on.ended, gone_on.best_epoch) == ("early", whole.best_epoch)
    assert as_bytes(gone_on.model) == as_bytes(whole.model)


def test_twice_interrupted(register: Register) -> None:
    register(Noisy)
    whole = layerkit.train(spec(), data=DATA)
    part = layerkit.train(spec(), data=DATA, listener=Stop(7))
    again = resume(copied(part.model), data=DATA, listener=Stop(8))
    assert again.ended == "interrupted"
    gone_on = resume(copied(again.model), data=DATA)
    assert as_bytes(gone_on.model) == as_bytes(whole.model)


def test_a_checkpoint_can_be_resumed(register: Register, tmp_path: Path) -> None:
    register(Noisy)
    path = tmp_path / "c.layerkit"
    whole = layerkit.train(spec(early_stopping={}), data=DATA)
    kept: list[bytes] = []

    class Copy(Listener):
        def epoch(self, epoch: int, values: Any) -> None:
            if path.exists():
                kept.append(path.read_bytes())

    again = layerkit.train(
        spec(early_stopping={}), data=DATA, checkpoint=path, every=0.0, listener=Copy()
    )
    assert as_bytes(again.model) == as_bytes(whole.model)
    assert len(set(kept)) >= 3
    for raw in kept:
        loaded = layerkit.load(io.BytesIO(raw))
        assert as_bytes(resume(loaded, data=DATA).model) == as_bytes(whole.model)


def test_more_epochs(register: Register) -> None:
    register(Noisy)
    long = layerkit.train(spec(epochs=9), data=DATA)
    short = layerkit.train(spec(epochs=6), data=DATA)
    gone_on = resume(copied(short.model), data=DATA, epochs=9)
    assert as_bytes(gone_on.model) == as_bytes(long.model)


def test_what_is_finished_stays_as_it_is(register: Register) -> None:
    register(Noisy)
    whole = layerkit.train(spec(), data=DATA)
    before = as_bytes(whole.model)
    gone_on = resume(copied(whole.model), data=DATA)
    assert (gone_on.ended, gone_on.epochs) == ("finished", 6)
    assert as_bytes(gone_on.model) == before


def test_other_rows_are_refused(register: Register) -> None:
    register(Noisy)
    part = layerkit.train(spec(), data=DATA, listener=Stop(7))
    with pytest.raises(SpecError, match="not the rows"):
        resume(copied(part.model), data={"train": Rows(X + 1, labels=LABELS)})
    other = LABELS.copy()
    other[0] = "p" if other[0] == "n" else "n"
    with pytest.raises(SpecError, match="not the rows"):
        resume(copied(part.model), data={"train": Rows(X, labels=other)})


def test_another_optimizer_is_refused(register: Register) -> None:
    register(Noisy)
    model = copied(layerkit.train(spec(), data=DATA, listener=Stop(7)).model)
    model.spec = model.spec.with_train(optimizer={"type": "sgd", "learning_rate": 0.1})
    with pytest.raises(SpecError, match=r"'adam'.*'sgd'"):
        resume(model, data=DATA)


def test_a_model_without_state_cannot_be_resumed(register: Register) -> None:
    register(Noisy)
    with pytest.raises(SpecError, match="no training state"):
        resume(layerkit.build(spec()), data=DATA)


def test_weights_alone_may_be_kept(register: Register, tmp_path: Path) -> None:
    register(Noisy)
    model = layerkit.train(spec(), data=DATA).model
    small, large = tmp_path / "small", tmp_path / "large"
    layerkit.save(model, small, weights_only=True)
    layerkit.save(model, large)
    assert small.stat().st_size < large.stat().st_size
    assert layerkit.load(small).predict(X).tobytes() == layerkit.load(large).predict(X).tobytes()
    with pytest.raises(SpecError, match="no training state"):
        resume(small, data=DATA)
    assert resume(large, data=DATA).epochs == 6


def test_mapped_parameters_are_copied_when_training_needs_them(
    register: Register, tmp_path: Path
) -> None:
    register(Noisy)
    path = tmp_path / "m.layerkit"
    part = layerkit.train(spec(), data=DATA, listener=Stop(7))
    layerkit.save(part.model, path)
    whole = layerkit.train(spec(), data=DATA)
    before = path.read_bytes()
    mapped = layerkit.load(path, mmap=True)
    assert mapped.predict(X).tobytes() == part.model.predict(X).tobytes()
    assert as_bytes(mapped) == before
    assert as_bytes(resume(mapped, data=DATA).model) == as_bytes(whole.model)
    assert path.read_bytes() == before


def test_a_full_disk_costs_a_checkpoint_and_not_the_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second checkpoint cannot be written: the first stays, training goes on and is told."""
    heard: list[str] = []

    class Ear(layerkit.Listener):
        def notice(self, text: str) -> None:
            heard.append(text)

    from layerkit.training import run as module

    saved: list[bytes] = []
    path = tmp_path / "checkpoint.layerkit"

    def full(model: layerkit.Model, target: Path) -> str:
        if saved:
            raise OSError(28, "No space left on device")
        file_id = layerkit.save(model, target)
        saved.append(path.read_bytes())
        return file_id

    monkeypatch.setattr(module, "save", full)
    done = layerkit.train(
        "highway-digits", settings=["train.epochs=3"], listener=Ear(), checkpoint=path, every=0.0
    )
    assert done.epochs == 3
    assert path.read_bytes() == saved[0]
    assert len(heard) == 2
    assert "No space left" in heard[0]
    assert (
        layerkit.resume(path).model.network.params.tobytes() == done.model.network.params.tobytes()
    )


@pytest.mark.parametrize("name", ["sgd", "momentum", "nesterov", "adam", "rmsprop"])
def test_no_weight_decay_leaves_no_trace_in_a_file(register: Register, name: str) -> None:
    register(Noisy)
    plain = {"type": name, "learning_rate": 0.01}
    given = [spec(optimizer=o, epochs=2) for o in (plain, {**plain, "weight_decay": 0.0})]
    files = []
    for one in given:
        files.append(io.BytesIO())
        layerkit.save(layerkit.train(one, data=DATA).model, files[-1])
    assert files[0].getvalue() == files[1].getvalue()
    assert b"optimizer" in files[0].getvalue()
    files[0].seek(0)
    held = layerkit.load(files[0]).spec.train
    assert held is not None
    assert "weight_decay" not in held["optimizer"]
    decayed = layerkit.train(spec(optimizer={**plain, "weight_decay": 0.5}, epochs=2), data=DATA)
    assert decayed.model.spec.train is not None
    assert decayed.model.spec.train["optimizer"]["weight_decay"] == 0.5
