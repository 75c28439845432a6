"""Callbacks take part in trainings: several at once, resumed exactly, and none loses anything."""

from __future__ import annotations

import io
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import layerkit
from layerkit import Callback, CallbackError, Listener, SpecError, TrainingDivergedError
from layerkit.discovery.registry import CALLBACKS
from layerkit.training.loop import Loop

RNG = np.random.default_rng(3)
X = RNG.standard_normal((60, 4))
DATA = (X, (X[:, 0] + 0.3 * X[:, 1] > 0).astype(int))


def spec(*callbacks: Any, **train: Any) -> dict[str, Any]:
    return {
        "layerkit": 1,
        "name": "net",
        "input": {"shape": [4]},
        "layers": [
            {"type": "dense", "units": 5, "activation": "tanh"}, {"type": "dense", "units": 2}
        ],
        "train": {
            "epochs": 6, "batch_size": 16, "validation": 0.2, "callbacks": list(callbacks), **train
        },
    }  # fmt: skip


def file_of(model: layerkit.Model) -> bytes:
    stream = io.BytesIO()
    layerkit.save(model, stream)
    return stream.getvalue()


class Ear(Listener):
    def __init__(self, stop_after: int = 99) -> None:
        self.notices: list[str] = []
        self.epochs: list[int] = []
        self.stop_after = stop_after
        self.ends = 0

    def notice(self, text: str) -> None:
        self.notices.append(text)

    def epoch(self, epoch: int, values: Any) -> None:
        self.epochs.append(epoch)

    def end(self, seconds: float) -> None:
        self.ends += 1

    def stop(self) -> bool:
        return len(self.epochs) >= self.stop_after


class Diary(Callback):
    """Writes down what it is told."""

    type_name = "acme.diary"

    def __init__(self, *, fail_in: str = "") -> None:
        self.fail_in = fail_in
        self.told: list[Any] = []

    def _tell(self, hook: str, *facts: Any) -> None:
        if hook == self.fail_in and self.training.done >= 2:
            raise KeyError(hook)
        self.told.append((hook, *facts))

    def begin(self, name: str, *, seed: int, epochs: int, rows: int) -> None:
        training = self.training
        assert (name, training.spec.name) == ("net", "net")
        assert (training.seed, training.epochs, training.rows) == (seed, epochs, rows)
        self._tell("begin", training.done)

    def batch(self, done: int, rows: int) -> None:
        self._tell("batch", done, rows)

    def retry(self, epoch: int, values: Mapping[str, float]) -> float | None:
        self._tell("retry", epoch)
        return None

    def epoch(self, epoch: int, values: Mapping[str, float]) -> None:
        assert {"loss", "accuracy", "val_loss", "val_accuracy", "learning_rate"} == {*values}
        self._tell("epoch", epoch)

    def over(self) -> str:
        self._tell("over", self.training.done)
        return ""

    def end(self, seconds: float) -> None:
        self._tell("end", self.training.outcome, *sorted(self.training.model.metrics)[:1])


def test_what_a_callback_is_told() -> None:
    diary = Diary()
    layerkit.train(spec(epochs=2), data=DATA, listener=diary)
    assert diary.told == [
        ("begin", 0),
        *(("over", 0), ("batch", 16, 48), ("batch", 32, 48), ("batch", 48, 48)),
        *(("retry", 1), ("epoch", 1), ("over", 1)),
        *(("batch", 16, 48), ("batch", 32, 48), ("batch", 48, 48), ("retry", 2), ("epoch", 2)),
        ("end", "finished", "train_accuracy"),
    ]


def test_an_incomplete_epoch_is_not_told() -> None:
    diary = Diary()
    run = layerkit.train(spec(), data=DATA, listener=[diary, Ear(stop_after=1)])
    assert (run.ended, run.epochs) == ("interrupted", 1)
    assert [told for told in diary.told if told[0] == "epoch"] == [("epoch", 1)]
    assert diary.told[-1][:2] == ("end", "interrupted")


def test_several_at_once_in_the_order_given() -> None:
    order: list[str] = []

    def named(name: str) -> Listener:
        class One(Listener):
            def epoch(self, epoch: int, values: Any) -> None:
                order.append(name)

        return One()

    @layerkit.register
    class Third(Callback):
        type_name = "acme.third"

        def epoch(self, epoch: int, values: Any) -> None:
            order.append("third")

    try:
        layerkit.train(
            spec("acme.third", epochs=1), data=DATA, listener=[named("first"), named("second")]
        )
    finally:
        CALLBACKS.unregister("acme.third")
    assert order == ["first", "second", "third"]


def test_nobody_listening_to_batches_costs_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    found: list[Any] = []
    real = Loop.epoch

    def epoch(loop: Loop, *facts: Any) -> Any:
        found.append(loop.told.after_batch)
        return real(loop, *facts)

    monkeypatch.setattr(Loop, "epoch", epoch)
    layerkit.train(spec({"type": "early_stopping"}, "divergence_guard", epochs=1), data=DATA)
    assert found == [None]


@pytest.mark.parametrize("hook", ["batch", "retry", "epoch", "over"])
def test_a_callback_that_raises_loses_no_finished_work(hook: str, tmp_path: Path) -> None:
    ear = Ear()
    with pytest.raises(
        CallbackError, match=f"callback 'acme.diary': {hook} raised KeyError"
    ) as got:
        layerkit.train(spec(), data=DATA, listener=[Diary(fail_in=hook), ear])
    assert isinstance(got.value.__cause__, KeyError)
    run = got.value.run
    assert (run.ended, run.epochs, ear.ends) == ("interrupted", 2, 1)
    assert ear.epochs == [1, 2]
    layerkit.save(run.model, tmp_path / "net.layerkit")
    resumed = layerkit.resume(tmp_path / "net.layerkit", data=DATA)
    assert file_of(resumed.model) == file_of(layerkit.train(spec(), data=DATA).model)


def test_a_retry_without_a_factor_is_an_error() -> None:
    class Nought(Callback):
        type_name = "acme.nought"

        def retry(self, epoch: int, values: Mapping[str, float]) -> float | None:
            return 0.0

    with pytest.raises(CallbackError, match=r"expected a factor > 0, got 0\.0"):
        layerkit.train(spec(), data=DATA, listener=Nought())


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        ("stop", np.zeros(3)),
        ("over", np.zeros(3)),
        ("over", 5),
        ("retry", "half"),
        ("retry", np.ones(2)),
    ],
    ids=["stop-array", "over-array", "over-number", "retry-text", "retry-array"],
)
def test_an_answer_that_is_none_is_the_callbacks_error(question: str, answer: object) -> None:
    class Odd(Callback):
        type_name = "acme.odd"

    setattr(Odd, question, lambda *_: answer)
    with pytest.raises(CallbackError, match=f"callback 'acme.odd': {question} raised") as caught:
        layerkit.train(spec(), data=DATA, listener=Odd())
    assert caught.value.run.ended == "interrupted"


def test_a_callback_that_raises_in_the_end_loses_nothing() -> None:
    with pytest.raises(CallbackError) as caught:
        layerkit.train(spec(), data=DATA, listener=Diary(fail_in="end"))
    run = caught.value.run
    assert (run.ended, run.epochs) == ("finished", 6)
    assert run.metrics["train_accuracy"] > 0.5


def test_errors_of_begin_are_its_own() -> None:
    class Refuses(Callback):
        type_name = "acme.refuses"

        def begin(self, name: str, *, seed: int, epochs: int, rows: int) -> None:
            raise layerkit.MissingExtraError("tensorboardX", "track", "the callback")

    with pytest.raises(layerkit.MissingExtraError):
        layerkit.train(spec(), data=DATA, listener=Refuses())


def test_what_is_no_listener_is_refused() -> None:
    with pytest.raises(TypeError, match="listener: expected a Listener or Callback, or a list"):
        layerkit.train(spec(), data=DATA, listener=["csv_log"])  # type: ignore[list-item]


def test_a_watched_value_must_be_there() -> None:
    with pytest.raises(SpecError, match="checkpoint watches 'val_acuracy', which is none of"):
        layerkit.train(spec({"type": "checkpoint", "best": "val_acuracy"}), data=DATA)
    with pytest.raises(SpecError, match="checkpoint needs validation rows"):
        layerkit.train(spec({"type": "checkpoint", "best": "val_loss"}, validation=0.0), data=DATA)


def test_an_unknown_callback_and_a_wrong_setting_are_mistakes_in_the_spec() -> None:
    with pytest.raises(layerkit.UnknownTypeError, match=r"train.callbacks\[0\]: unknown callback"):
        layerkit.build(spec("early_stoping"))
    with pytest.raises(SpecError, match=r"train.callbacks\[1\].seconds"):
        layerkit.build(spec("checkpoint", {"type": "time_budget", "seconds": -1}))


def test_without_callbacks_the_file_does_not_name_them() -> None:
    document = layerkit.build(spec()).spec.to_document()
    assert "callbacks" not in document["train"]
    assert b"callbacks" in file_of(layerkit.build(spec("divergence_guard")))


def test_the_field_early_stopping_is_the_callback() -> None:
    stopping = {"patience": 1, "metric": "accuracy"}
    by_field = layerkit.train(spec(early_stopping=stopping, epochs=30), data=DATA)
    by_name = layerkit.train(spec({"type": "early_stopping", **stopping}, epochs=30), data=DATA)
    assert by_field.ended == by_name.ended == "early"
    assert by_field.best_epoch == by_name.best_epoch
    assert by_field.reason == by_name.reason
    assert by_field.reason.startswith("early stopping ended this training after epoch")
    a, b = by_field.model.network.params, by_name.model.network.params
    assert a.tobytes() == b.tobytes()


def test_a_state_in_a_file_that_is_wrong_is_an_error_of_the_file(tmp_path: Path) -> None:
    run = layerkit.train(spec("checkpoint"), data=DATA, listener=Ear(1))
    training = run.model.leftovers.training
    assert training is not None
    training["callbacks"]["checkpoint"] = {"kept": ["../../elsewhere"]}
    layerkit.save(run.model, tmp_path / "net.layerkit")
    with pytest.raises(SpecError) as caught:
        layerkit.resume(tmp_path / "net.layerkit", data=DATA)
    assert caught.value.location == "training.callbacks.checkpoint"


def test_the_first_look_is_after_the_first_epoch_only(tmp_path: Path) -> None:
    from layerkit.training.run import _session, resumed_session

    seen: list[Any] = []

    def look(network: Any, x: Any, values: Any) -> list[str]:
        seen.append((network.size, x.shape, sorted(values)[0]))
        return ["unit 3 is dead"]

    ear = Ear(stop_after=2)
    session = _session(layerkit.build(spec()), data=DATA, listener=ear)
    session.first_look = look
    layerkit.save(session.run().model, tmp_path / "net.layerkit")
    assert seen == [(37, (48, 4), "accuracy")]
    assert ear.notices == ["unit 3 is dead"]
    resumed = resumed_session(layerkit.load(tmp_path / "net.layerkit"), data=DATA)
    resumed.first_look = look
    resumed.run()
    assert len(seen) == 1


# ---- divergence_guard


class Poison(Listener):
    """Makes a weight NaN after a batch, in the given epochs, as often as wanted."""

    def __init__(self, model: layerkit.Model, epoch: int, times: int = 1) -> None:
        self.model, self.at, self.times, self.done = model, epoch, times, 0

    def epoch(self, epoch: int, values: Any) -> None:
        self.done = epoch

    def batch(self, done: int, rows: int) -> None:
        if self.done == self.at - 1 and self.times and done == rows:
            self.times -= 1
            self.model.network.params[3] = math.nan


GUARDED = spec("divergence_guard", optimizer={"type": "sgd", "learning_rate": 0.5})


def test_the_guard_goes_back_once_with_a_smaller_rate() -> None:
    model, ear = layerkit.build(GUARDED), Ear()
    run = layerkit.train(model, data=DATA, listener=[ear, Poison(model, 3)])
    assert (run.ended, run.epochs, ear.epochs) == ("finished", 6, [1, 2, 3, 4, 5, 6])
    assert run.history["learning_rate"].tolist() == [0.5, 0.5, *[0.05] * 4]
    (note,) = ear.notices
    assert "in epoch 3: back to where it began, with 0.1 times the learning rate" in note
    plain = layerkit.train(GUARDED, data=DATA)
    assert plain.history["loss"][:2].tolist() == run.history["loss"][:2].tolist()


def test_the_second_time_it_fails_as_without_a_guard() -> None:
    model = layerkit.build(GUARDED)
    with pytest.raises(TrainingDivergedError, match="after epoch 3") as caught:
        layerkit.train(model, data=DATA, listener=Poison(model, 3, times=2))
    good = caught.value.last_good
    assert np.isfinite(good.network.params).all()
    assert len(good.history["loss"]) == 2


def test_a_guarded_training_is_deterministic_and_resumable(tmp_path: Path) -> None:
    """It blows up by itself: twice the same files, and the same after an interruption."""
    wild = spec("divergence_guard", optimizer={"type": "sgd", "learning_rate": 2e20}, epochs=8)
    ear = Ear()
    whole = layerkit.train(wild, data=DATA, listener=ear)
    assert len([text for text in ear.notices if "back to where it began" in text]) == 1
    assert file_of(layerkit.train(wild, data=DATA).model) == file_of(whole.model)
    for epochs in (1, 4):
        part = layerkit.train(wild, data=DATA, listener=Ear(epochs))
        layerkit.save(part.model, tmp_path / "part.layerkit")
        resumed = layerkit.resume(tmp_path / "part.layerkit", data=DATA)
        assert file_of(resumed.model) == file_of(whole.model)


@pytest.mark.parametrize(
    ("losses", "spike", "at"),
    [
        ([1.0, 0.5, 1.6, 0.4], 3.0, 3),
        ([1.0, 0.5, 1.4, 0.4], 3.0, None),
        ([1.0, 0.5, 1.4, 0.4], 2.0, 3),
        ([1.0, math.nan], 3.0, 2),
        ([math.inf], 3.0, 1),
        ([1.0, 0.0, 0.5], 3.0, None),
        ([1.0, 0.005, 0.03, 0.005], 3.0, None),
        ([1.0, 0.005, 0.03, 0.51], 3.0, 4),
        ([-1.0, -2.0, 5.0], 3.0, None),
        ([1.0, 9.0, 9.0, math.nan], 3.0, 2),
    ],
)
def test_what_counts_as_bad(losses: list[float], spike: float, at: int | None) -> None:
    guard: Any = CALLBACKS.create({"type": "divergence_guard", "spike": spike, "factor": 0.5})
    guard.training = Ear()
    guard.restore({})
    bad = []
    for epoch, loss in enumerate(losses, 1):
        factor = guard.retry(epoch, {"loss": loss})
        if factor is None:
            guard.epoch(epoch, {"loss": loss})
        else:
            bad.append((epoch, factor))
    assert bad == ([] if at is None else [(at, 0.5)])


# ---- time_budget


def test_a_time_budget_ends_after_a_complete_epoch(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [0.0]
    monkeypatch.setattr("time.monotonic", lambda: clock[0])

    class Tick(Listener):
        def batch(self, done: int, rows: int) -> None:
            clock[0] += 1.0

    def trained(seconds: float) -> layerkit.Run:
        clock[0] = 100.0
        budget = {"type": "time_budget", "seconds": seconds}
        return layerkit.train(spec(budget), data=DATA, listener=Tick())

    assert [trained(s).epochs for s in (1.5, 2.5, 3.0, 5.9, 6.5, 10.0)] == [0, 1, 1, 1, 2, 3]
    assert trained(1.5).ended == trained(7).ended == "early"
    assert trained(7).reason.startswith("the time budget of 7 s is used up")
    assert trained(1000).ended == "finished"


def test_a_training_that_ran_out_of_time_is_resumed(tmp_path: Path) -> None:
    budget = CALLBACKS.create({"type": "time_budget", "seconds": 1e-9})
    short = layerkit.train(spec(), data=DATA, listener=budget)
    assert (short.ended, short.epochs) == ("early", 0)

    class AfterTwo(Callback):
        type_name = "acme.aftertwo"

        def over(self) -> str:
            return "two are enough" if self.training.done >= 2 else ""

    part = layerkit.train(spec(), data=DATA, listener=AfterTwo())
    assert (part.ended, part.reason, part.best_epoch) == ("early", "two are enough", None)
    layerkit.save(part.model, tmp_path / "net.layerkit")
    rest = layerkit.resume(tmp_path / "net.layerkit", data=DATA)
    assert file_of(rest.model) == file_of(layerkit.train(spec(), data=DATA).model)


# ---- checkpoint


def test_checkpoints(tmp_path: Path) -> None:
    settings = {"folder": str(tmp_path / "new" / "kept"), "best": "val_loss", "keep": 2}
    run = layerkit.train(spec({"type": "checkpoint", **settings}), data=DATA)
    files = sorted(p.name for p in (tmp_path / "new" / "kept").iterdir())
    assert files == [f"net-s0-{what}.layerkit" for what in ("best", "epoch5", "epoch6", "last")]
    loaded = {
        what: layerkit.load(tmp_path / "new" / "kept" / f"net-s0-{what}.layerkit")
        for what in ("best", "epoch5", "last")
    }
    params = run.model.network.params
    assert loaded["last"].network.params.tobytes() == params.tobytes()
    best = int(np.argmin(run.history["val_loss"])) + 1
    assert len(loaded["best"].history["loss"]) == best
    assert len(loaded["epoch5"].history["loss"]) == 5
    resumed = layerkit.resume(loaded["epoch5"], data=DATA)
    assert file_of(resumed.model) == file_of(run.model)


def test_a_checkpoint_has_the_weights_of_its_epoch_beside_early_stopping(tmp_path: Path) -> None:
    """Its own best epoch is not the one that early stopping keeps; both survive."""
    wanted = spec(
        {"type": "checkpoint", "folder": str(tmp_path), "best": "loss"},
        early_stopping={"metric": "accuracy", "patience": 3},
        epochs=12,
    )
    run = layerkit.train(wanted, data=DATA)
    best = layerkit.load(tmp_path / "net-s0-best.layerkit")
    lowest = int(np.argmin(run.history["loss"])) + 1
    assert len(best.history["loss"]) == lowest != run.best_epoch
    plain = layerkit.train(spec(epochs=lowest), data=DATA)
    assert best.network.params.tobytes() == plain.model.network.params.tobytes()
    last = layerkit.load(tmp_path / "net-s0-last.layerkit")
    resumed = layerkit.resume(last, data=DATA)
    assert (resumed.best_epoch, resumed.ended) == (run.best_epoch, run.ended)
    assert resumed.model.network.params.tobytes() == run.model.network.params.tobytes()


def test_rotation_never_removes_more_than_it_should(tmp_path: Path) -> None:
    for keep in (1, 3, 5, 99):
        folder = tmp_path / str(keep)
        rotating = {"type": "checkpoint", "folder": str(folder), "last": False, "keep": keep}
        layerkit.train(spec(rotating), data=DATA)
        kept = sorted(int(p.stem.rpartition("epoch")[2]) for p in folder.iterdir())
        assert kept == list(range(max(1, 7 - keep), 7))


def test_a_checkpoint_that_cannot_be_written_is_a_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("no folder")
    ear = Ear()
    wanted = spec({"type": "checkpoint", "folder": str(tmp_path / "file")})
    run = layerkit.train(wanted, data=DATA, listener=ear)
    assert (run.ended, run.epochs) == ("finished", 6)
    assert "the checkpoint after epoch 1 could not be saved" in ear.notices[0]
    assert "training continues" in ear.notices[0]


def test_a_full_disk_leaves_the_previous_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, calls = layerkit.training.session.save, []  # type: ignore[attr-defined]

    def full(model: layerkit.Model, target: str) -> None:
        calls.append(target)
        if len(calls) > 2:
            raise OSError(28, "No space left on device")
        real(model, target)

    monkeypatch.setattr("layerkit.training.session.save", full)
    ear = Ear()
    wanted = spec({"type": "checkpoint", "folder": str(tmp_path)})
    run = layerkit.train(wanted, data=DATA, listener=ear)
    assert (run.ended, len(ear.notices)) == ("finished", 4)
    assert len(layerkit.load(tmp_path / "net-s0-last.layerkit").history["loss"]) == 2


def test_a_callback_given_in_python_needs_no_name() -> None:
    class Counts(Callback):
        def __init__(self) -> None:
            self.epochs = 0

        def epoch(self, epoch: int, values: Mapping[str, float]) -> None:
            self.epochs = epoch

    one = Counts()
    layerkit.train(spec(), data=DATA, listener=one)
    assert one.epochs == layerkit.train(spec(), data=DATA).epochs


def test_one_that_is_listed_twice_is_refused(tmp_path: Path) -> None:
    twice = [{"type": "csv_log", "folder": str(tmp_path / name)} for name in ("a", "b", "a")]
    with pytest.raises(SpecError, match=r"csv_log is listed twice with equal settings: .* 0 and 2"):
        layerkit.train(spec(*twice), data=DATA)
    layerkit.train(spec(*twice[:2]), data=DATA)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b"]
