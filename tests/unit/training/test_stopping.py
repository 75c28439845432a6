"""Early stopping: patience, min_delta, direction, and the best weights to the last bit."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import layerkit
from layerkit import Rows, Run, SpecError
from layerkit.core.network import Network
from layerkit.core.planning import plan_layers
from layerkit.discovery.registry import CALLBACKS, LAYERS, OPTIMIZERS
from layerkit.training.resume_state import Snapshot

rng = np.random.default_rng(2)
X = rng.standard_normal((60, 4))
LABELS = np.where(X[:, 0] + rng.standard_normal(60) > 0, "p", "n")
ROWS, VAL = Rows(X[:40], labels=LABELS[:40]), Rows(X[40:], labels=LABELS[40:])


def spec(**train: Any) -> dict[str, Any]:
    return {
        "layerkit": 1,
        "input": {"shape": [4]},
        "layers": [{"type": "dense", "units": 16, "activation": "tanh"},
                   {"type": "dense", "units": 2}],
        "output": {"classes": ["n", "p"]},
        "train": {"epochs": 60, "batch_size": 8, "optimizer": {"type": "adam",
                  "learning_rate": 0.05}, "metrics": ["accuracy", "log_loss"], **train},
    }  # fmt: skip


def run(**train: Any) -> Run:
    return layerkit.train(spec(**train), data={"train": ROWS}, validation_data=VAL)


@pytest.mark.parametrize(
    ("metric", "best"),
    [("loss", np.argmin), ("log_loss", np.argmin), ("accuracy", np.argmax)],
)
@pytest.mark.parametrize("patience", [1, 3, 8])
def test_it_stops_and_restores_the_best_epoch_exactly(
    metric: str, best: Any, patience: int
) -> None:
    found = run(early_stopping={"metric": metric, "patience": patience})
    series = found.history[f"val_{metric}"]
    assert found.ended == "early"
    assert found.best_epoch == int(best(series)) + 1
    assert found.epochs == len(series) == found.best_epoch + patience
    recomputed = run(epochs=found.best_epoch)
    # the schedule is constant, so a run of fewer epochs takes the very same steps
    assert recomputed.model.network.params.tobytes() == found.model.network.params.tobytes()
    assert found.metrics[f"val_{metric}"] == pytest.approx(series[found.best_epoch - 1], rel=1e-6)
    assert found.metrics == recomputed.metrics


def test_a_run_that_never_stops_restores_the_best_too() -> None:
    found = run(epochs=12, early_stopping={"patience": 1000})
    assert found.ended == "finished"
    assert found.epochs == 12
    assert found.best_epoch == int(np.argmin(found.history["val_loss"])) + 1
    recomputed = run(epochs=found.best_epoch)
    assert recomputed.model.network.params.tobytes() == found.model.network.params.tobytes()


def test_without_early_stopping_the_last_epoch_counts() -> None:
    found = run(epochs=12)
    assert (found.epochs, found.best_epoch, found.ended) == (12, None, "finished")
    assert found.metrics["val_loss"] == pytest.approx(found.history["val_loss"][-1], rel=1e-6)


def test_validation_rows_are_needed() -> None:
    with pytest.raises(SpecError) as caught:
        layerkit.train(spec(early_stopping={}), data={"train": ROWS})
    assert caught.value.location == "train.early_stopping"
    assert "train.validation" in str(caught.value)
    layerkit.train(
        spec(early_stopping={}, validation=0.2), data={"train": ROWS}, settings=["train.epochs=1"]
    )


class Weights:
    """A training whose only weight is the number of the epoch, counted from 0."""

    def __init__(self, *, higher_is_better: bool = False) -> None:
        self.done = 0
        self.kept: int | None = None
        self.rises = lambda name: higher_is_better

    def keep(self) -> None:
        self.kept = self.done - 1


def stops(
    values: list[float], *, higher_is_better: bool = False, **more: Any
) -> tuple[int | None, int, int | None]:
    """(epoch it stops after, best epoch, the weight that was kept), epochs counted from 0."""
    watch: Any = CALLBACKS.create({"type": "early_stopping", "patience": 2, **more})
    training = watch.training = Weights(higher_is_better=higher_is_better)
    watch.restore({})
    assert not watch.over()
    end = None
    for epoch, value in enumerate(values):
        training.done += 1
        watch.epoch(training.done, {"val_loss": value})
        if watch.over():
            end = epoch
            break
    assert training.kept is not None
    assert watch.state()["epoch"] == training.kept
    return end, watch.best_epoch - 1, training.kept


NAN = float("nan")


@pytest.mark.parametrize(
    ("values", "more", "wanted"),
    [
        ([3, 2, 1, 0], {}, (None, 3, 3)),
        ([3, 2, 2, 2, 2], {}, (3, 1, 1)),
        ([3, 4, 5], {}, (2, 0, 0)),
        ([3, 4, 2, 5, 5], {}, (4, 2, 2)),
        ([3, 4, 5], {"patience": 1}, (1, 0, 0)),
        ([1, 2, 3], {"higher_is_better": True}, (None, 2, 2)),
        ([3, 2, 1], {"higher_is_better": True}, (2, 0, 0)),
        ([3, 2.95, 2.92, 2.85], {"min_delta": 0.1}, (2, 0, 0)),
        ([3, 2.95, 2.85, 2.8], {"min_delta": 0.1}, (None, 2, 2)),
        ([3.0, 2.5, 2.5], {"min_delta": 0.5}, (2, 0, 0)),
        ([NAN, 3, 4, 5], {}, (3, 1, 1)),
        ([3, NAN, NAN], {}, (2, 0, 0)),
        ([3, NAN, 2, 4, 4], {}, (4, 2, 2)),
        ([float("inf"), 5.0, 6.0, 7.0], {}, (3, 1, 1)),
    ],
)
def test_the_rule(
    values: list[float], more: dict[str, Any], wanted: tuple[int | None, int, float]
) -> None:
    assert stops(values, **more) == wanted


def test_a_snapshot_holds_states_and_slots_too() -> None:
    layer = LAYERS["dense"](units=1)
    network = Network(plan_layers([("d", layer)], (1,)), np.dtype(np.float32))
    count = np.ones(())
    layer.state = {"count": count}
    rule = OPTIMIZERS.create("momentum")
    rule.bind(network.params, network.allocate_grads())
    rule.begin(0.1)
    kept = Snapshot.of(network, rule)
    network.params[...], count[...], rule.slots["v"][...] = 5, 6, 7
    rule.begin(0.1)
    kept.restore(network)
    assert (network.params[0], float(count), rule.slots["v"][0], rule.steps) == (0, 1, 7, 2)
    kept.restore(network, rule)
    assert (rule.slots["v"][0], rule.steps) == (0, 1)
