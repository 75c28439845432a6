"""Early stopping: patience, min_delta, direction, and the best weights to the last bit."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import layerkit
from layerkit import Layer, Rows, Run, SpecError
from layerkit.network import Network, plan_layers
from layerkit.registry import LAYERS
from layerkit.training.loop import Stopper

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


def stopper(**more: Any) -> tuple[Stopper, Layer]:
    layer = LAYERS["dense"](units=1)  # type: ignore[call-arg]
    network = Network(plan_layers([("d", layer)], (1,)), np.dtype(np.float32))
    options = {"metric": "loss", "patience": 2, "min_delta": 0.0, "higher_is_better": False}
    return Stopper(network, **{**options, **more}), layer


def stops(values: list[float], **more: Any) -> tuple[int | None, int, float]:
    """(index of the epoch it stops at, best epoch, value of the weight that is restored)."""
    watch, layer = stopper(**more)
    end = None
    for epoch, value in enumerate(values):
        layer.params["W"][...] = epoch
        if watch.see(epoch, value):
            end = epoch
            break
    watch.restore()
    return end, watch.best_epoch, float(layer.params["W"][0, 0])


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
        ([3, 2.95, 2.9, 2.85], {"min_delta": 0.1}, (2, 0, 0)),
        ([3, 2.95, 2.85, 2.8], {"min_delta": 0.1}, (None, 2, 2)),
        ([3.0, 2.5, 2.0], {"min_delta": 0.5}, (2, 0, 0)),
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


def test_the_state_of_layers_is_restored_too() -> None:
    watch, _ = stopper()
    watch.network.layers[0].state["count"] = count = np.zeros(())
    watch.see(0, 1.0)
    count[...] = 5
    watch.see(1, 2.0)
    watch.restore()
    assert float(count) == 0
