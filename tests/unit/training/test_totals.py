"""What resume promises: the same bits for an unchanged total, a choice for another one."""

from __future__ import annotations

import io
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import layerkit
from layerkit import (
    Array,
    Context,
    History,
    Layer,
    Listener,
    Param,
    Plan,
    PluginLoadError,
    Schedule,
    Shape,
    SpecError,
)
from layerkit.discovery.registry import SCHEDULES

rng = np.random.default_rng(1)
X = rng.standard_normal((40, 3))
DATA = (X, (X[:, 0] > 0).astype(int))
SEES = {"type": "plateau", "patience": 1, "min_delta": 0.1, "decay": 0.5}
FALLING = [
    {"type": "warmup", "epochs": 2, "then": "cosine"},
    {"type": "step", "every": 2},
    SEES,
    {"type": "warmup", "epochs": 1, "then": {**SEES, "monitor": "val_accuracy"}},
]
EVERY = [*sorted(SCHEDULES.names()), *FALLING]


def spec(schedule: Any, epochs: int = 6, **train: Any) -> dict[str, Any]:
    train = {"epochs": epochs, "batch_size": 16, "schedule": schedule, "validation": 0.3, **train}
    return {
        "layerkit": 1,
        "input": {"shape": [3]},
        "layers": [{"type": "dense", "units": 2}],
        "train": train,
    }


class Until(Listener):
    """Stops after so many epochs; keeps what it is told."""

    def __init__(self, epochs: int = 99) -> None:
        self.left = epochs
        self.notices: list[str] = []

    def epoch(self, epoch: int, values: Any) -> None:
        self.left -= 1

    def notice(self, text: str) -> None:
        self.notices.append(text)

    def stop(self) -> bool:
        return self.left == 0


def filed(model: layerkit.Model) -> bytes:
    stream = io.BytesIO()
    layerkit.save(model, stream)
    return stream.getvalue()


def stopped(given: Any, epochs: int) -> layerkit.Model:
    """A model whose training was stopped after so many epochs, from its file."""
    run = layerkit.train(given, data=DATA, listener=Until(epochs))
    return layerkit.load(io.BytesIO(filed(run.model)))


def rates(model: layerkit.Model) -> list[float]:
    return [float(rate) for rate in model.history["learning_rate"]]


@pytest.mark.parametrize("schedule", EVERY, ids=str)
@pytest.mark.parametrize("done", [1, 3, 5])
def test_an_unchanged_total_ends_in_the_same_bits(schedule: Any, done: int) -> None:
    whole = filed(layerkit.train(spec(schedule), data=DATA).model)
    rest = layerkit.resume(stopped(spec(schedule), done), data=DATA)
    assert filed(rest.model) == whole


@pytest.mark.parametrize("schedule", EVERY, ids=str)
def test_another_total_ends_in_the_same_bits_or_is_refused(schedule: Any) -> None:
    whole = filed(layerkit.train(spec(schedule, 8), data=DATA).model)
    part = stopped(spec(schedule, 4), 4)
    if "cosine" not in str(schedule):
        assert filed(layerkit.resume(part, data=DATA, epochs=8).model) == whole
        return
    with pytest.raises(SpecError) as caught:
        layerkit.resume(part, data=DATA, epochs=8)
    assert caught.value.location == "train.schedule"
    assert "--schedule continue" in str(caught.value.hint)
    assert "--schedule restart" in str(caught.value.hint)


def test_a_strangers_schedule_is_found_out(register: Callable[[Any], Any]) -> None:
    class Late(Schedule):
        """Falls in the last quarter alone."""

        type_name = "test.late"

        def factor(self, epoch: float, epochs: int) -> float:
            return 1.0 if epoch < 0.75 * epochs else 0.1

    register(Late)
    whole = filed(layerkit.train(spec("test.late", 16), data=DATA).model)
    early = layerkit.resume(stopped(spec("test.late", 8), 5), data=DATA, epochs=16)
    assert filed(early.model) == whole  # its rates so far were those of either total
    with pytest.raises(SpecError, match="depends on the total"):
        layerkit.resume(stopped(spec("test.late", 8), 8), data=DATA, epochs=16)


def test_continue_goes_on_as_the_new_total_has_it() -> None:
    part = layerkit.resume(
        stopped(spec("cosine", 4), 4), data=DATA, epochs=8, schedule="continue"
    ).model
    old, new = (
        rates(layerkit.train(spec("cosine", n), data=DATA, listener=Until()).model) for n in (4, 8)
    )
    assert rates(part) == old + new[4:]


def test_restart_begins_the_schedule_anew() -> None:
    given = spec("cosine", 4)
    part = layerkit.resume(stopped(given, 4), data=DATA, epochs=10, schedule="restart").model
    old, new = (rates(layerkit.train(spec("cosine", n), data=DATA).model) for n in (4, 6))
    assert rates(part) == old + new
    cut = layerkit.resume(
        stopped(given, 4), data=DATA, epochs=10, schedule="restart", listener=Until(2)
    )
    again = layerkit.load(io.BytesIO(filed(cut.model)))
    assert filed(layerkit.resume(again, data=DATA).model) == filed(part)


def test_what_there_is_nothing_left_to_do_is_told() -> None:
    told = Until()
    layerkit.resume(stopped(spec("constant", 3), 3), data=DATA, listener=told)
    assert "all 3 epochs are done, so nothing is trained" in told.notices[0]
    early = spec("constant", 50, validation=0.3, early_stopping={"patience": 1, "min_delta": 1.0})
    model = layerkit.load(io.BytesIO(filed(layerkit.train(early, data=DATA).model)))
    before, told = filed(model), Until()
    run = layerkit.resume(model, data=DATA, listener=told)
    assert run.ended == "early"
    assert "early stopping ended this training after epoch 2: loss has not" in told.notices[0]
    assert filed(run.model) == before


@pytest.mark.parametrize("seed", [-1, 2**63, 10**20])
def test_a_seed_that_no_file_can_hold_is_refused(seed: int) -> None:
    with pytest.raises(SpecError, match=r"train\.seed"):
        layerkit.train(spec("constant"), data=DATA, seed=seed)


@pytest.mark.parametrize("where", ["epochs", "batch_size", "early_stopping", "schedule"])
def test_a_size_that_no_file_can_hold_is_refused(where: str) -> None:
    huge: Any = 10**20
    value = {"early_stopping": {"patience": huge}, "schedule": {"type": "step", "every": huge}}
    with pytest.raises(SpecError, match="too large for a model file"):
        layerkit.build(spec("constant") | {"train": {where: value.get(where, huge)}})


class Batches(Listener):
    """Counts them."""

    seen = 0

    def batch(self, done: int, rows: int) -> None:
        self.seen += 1


def test_what_could_not_be_saved_is_refused_before_the_first_batch(
    register: Callable[[Any], Any],
) -> None:
    class Drifting(Layer):
        """Counts the rows it is fed, in inference too."""

        type_name = "test.drifting"

        def plan(self, in_shape: Shape) -> Plan:
            return Plan(in_shape, state={"count": Param((1,))})

        def feed(self, x: Array, ctx: Context) -> Array:
            self.state["count"] += len(x)
            return x

        def backprop(self, dy: Array, ctx: Context) -> Array:
            return dy

    register(Drifting)
    given, odd = spec("constant"), np.array(["a", "b\ud800"])[DATA[1]]
    drifting = {**given, "layers": [{"type": "test.drifting"}, *given["layers"]]}
    for wrong, data, error in (
        (given, (X, odd), SpecError),
        (drifting, DATA, PluginLoadError),
    ):
        told = Batches()
        with pytest.raises(error):
            layerkit.train(wrong, data=data, listener=told, checkpoint=lambda model: None)
        assert told.seen == 0


def test_a_plateau_lowers_the_rate_in_training() -> None:
    model = layerkit.train(spec(SEES, 6), data=DATA).model
    found = rates(model)
    losses = model.history["val_loss"]
    want, best = [found[0]], losses[0]
    for loss in losses[1:]:  # patience 1: whatever is no gain of 0.1 halves the rate
        want.append(want[-1])
        if best - loss > 0.1:
            best = loss
        else:
            want[-1] /= 2
    assert found[1:] == want[:1] + want[1:-1]
    assert found[-1] < found[0] / 4


def test_a_training_sees_its_own_epochs_alone() -> None:
    first = layerkit.train(spec(SEES, 6), data=DATA).model
    again = layerkit.train(first, data=DATA).model
    assert rates(again)[6] == rates(again)[0] > rates(again)[5]
    cut = layerkit.train(
        layerkit.train(spec(SEES, 6), data=DATA).model, data=DATA, listener=Until(3)
    )
    part = layerkit.load(io.BytesIO(filed(cut.model)))
    assert filed(layerkit.resume(part, data=DATA).model) == filed(again)


def test_restart_forgets_the_results_too() -> None:
    part = stopped(spec(SEES, 4), 4)
    low = rates(part)[-1]
    more = layerkit.resume(part, data=DATA, epochs=8, schedule="restart").model
    assert rates(more)[4] == rates(more)[0] > low


@pytest.mark.parametrize("wrap", [False, True])
def test_a_series_that_is_not_there_is_refused_before_the_first_batch(wrap: bool) -> None:
    wrong: Any = {**SEES, "monitor": "val_auc"}
    if wrap:
        wrong = {"type": "warmup", "then": wrong}
    with pytest.raises(
        SpecError, match=r"watches 'val_auc'.*: loss, accuracy, val_loss, val_"
    ) as e:
        layerkit.train(spec(wrong), data=DATA)
    assert e.value.location == "train.schedule"
    with pytest.raises(SpecError, match="plateau needs validation rows"):
        layerkit.train(spec(SEES, validation=0.0), data=DATA)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda history: history["val_auc"][-1], "raised KeyError: 'val_auc'"),
        (lambda history: math.nan, "expected a finite factor >= 0, got nan"),
        (lambda history: -0.5, r"expected a finite factor >= 0, got -0\.5"),
    ],
    ids=["unnamed", "nan", "negative"],
)
def test_a_schedule_that_goes_wrong_is_named(
    register: Callable[[Any], Any], answer: Any, words: str
) -> None:
    class Odd(Schedule):
        """Right without results."""

        type_name = "test.odd"

        def factor(self, epoch: float, epochs: int) -> float:
            return 1.0

        def factor_after(self, epoch: float, epochs: int, history: History) -> float:
            return float(answer(history))

    register(Odd)
    with pytest.raises(PluginLoadError, match=f"schedule 'test.odd': {words}"):
        layerkit.train(spec("test.odd"), data=DATA)


def test_a_file_without_the_series_is_refused() -> None:
    part = stopped(spec(SEES, 6), 3)
    del part.history["val_loss"]
    with pytest.raises(SpecError, match="no history of val_loss for all of the 3 epochs done"):
        layerkit.resume(part, data=DATA)
