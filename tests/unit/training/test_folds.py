"""Cross-validation: how rows are dealt, what a fold knows, the interval, and interruptions."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pytest

import layerkit
from layerkit import Array, CrossValidation, Listener, Rows, Run
from layerkit.statistics.student_t import t_quantile
from layerkit.training.folds import deal

N = 61


def spec(**train: Any) -> dict[str, Any]:
    return {
        "layerkit": 1,
        "name": "net",
        "input": {"shape": [3], "scale": "standardize"},
        "layers": [{"type": "dense", "units": 3}],
        "train": {"epochs": 2, "batch_size": 8, **train},
    }


def data(n: int = N) -> tuple[Array, Array]:
    rng = np.random.default_rng(n)
    y = np.repeat(["a", "b", "c"], [n - 20, 13, 7])[rng.permutation(n)]
    x = rng.normal(size=(n, 3)) + (y == "a")[:, np.newaxis]
    return x, y


class TestDealing:
    def test_every_row_is_held_out_once_and_parts_are_equal(self) -> None:
        x, _ = data()
        for folds in (2, 5, N):
            part = deal(Rows(x), folds, 0, None)
            counts = np.bincount(part, minlength=folds + 1)
            assert counts[0] == 0
            assert np.ptp(counts[1:]) <= 1

    @pytest.mark.parametrize("folds", [2, 5, 7])
    def test_classes_are_spread_evenly(self, folds: int) -> None:
        x, y = data()
        classes = np.unique(y, return_inverse=True)[1]
        part = deal(Rows(x), folds, 3, classes)
        assert np.ptp(np.bincount(part)[1:]) <= 1
        for k in range(3):
            assert np.ptp(np.bincount(part[classes == k], minlength=folds + 1)[1:]) <= 1

    def test_a_class_with_one_row_is_always_trained_on(self) -> None:
        classes = np.array([0] * 10 + [1] + [2] * 2)
        part = deal(Rows(np.zeros((13, 1))), 5, 0, classes)
        assert part[10] == 0
        assert (part[[11, 12]] > 0).all()
        assert part[11] != part[12]

    def test_equal_seeds_deal_equally(self) -> None:
        x, _ = data()
        one, two, other = (deal(Rows(x), 5, seed, None) for seed in (1, 1, 2))
        np.testing.assert_array_equal(one, two)
        assert (one != other).any()

    def test_fewer_rows_than_folds(self) -> None:
        with pytest.raises(layerkit.DataError, match="expected at least 5 rows for 5 folds, got 4"):
            deal(Rows(np.zeros((4, 1))), 5, 0, None)
        with pytest.raises(layerkit.DataError, match=r"of classes with several rows \(6\)"):
            deal(Rows(np.zeros((6, 1))), 5, 0, np.arange(6))


def test_each_fold_is_a_training_on_the_other_rows() -> None:
    x, y = data()
    found = layerkit.cross_validate(spec(), folds=4, data=(x, y), seed=5)
    part = deal(Rows(x), 4, 5, np.unique(y, return_inverse=True)[1])
    assert [fold.number for fold in found.folds] == [1, 2, 3, 4]
    assert found.unfinished == []
    assert found.majority == ("a", (N - 20) / N)
    for fold in found.folds:
        held = part == fold.number
        split = {"train": (x[~held], y[~held]), "test": (x[held], y[held])}
        run = layerkit.train(spec(), data=split, seed=5)
        for name, value in fold.metrics.items():
            assert value == pytest.approx(run.metrics[f"test_{name}"], rel=1e-4)
        assert (fold.trained, fold.held, fold.epochs) == ((~held).sum(), held.sum(), 2)


def test_what_is_fitted_knows_nothing_of_the_rows_held_out(monkeypatch: pytest.MonkeyPatch) -> None:
    x, y = data()
    means: list[Array | None] = []

    def watched(*args: Any, **options: Any) -> Run:
        run = layerkit.train(*args, **options)
        means.append(run.model.contract.input.center)
        return run

    monkeypatch.setattr("layerkit.training.folds.train", watched)
    layerkit.cross_validate(spec(), folds=3, data=(x, y))
    part = deal(Rows(x), 3, 0, np.unique(y, return_inverse=True)[1])
    for number, mean in enumerate(means, start=1):
        assert mean is not None
        np.testing.assert_allclose(mean, x[part != number].mean(axis=0))


def test_the_interval_is_that_of_nadeau_and_bengio() -> None:
    x, y = data()
    found = layerkit.cross_validate(spec(), folds=5, data=(x, y), confidence=0.9)
    assert list(found.summaries) == ["loss", "accuracy"]
    loss = found.summaries["loss"]
    values = np.array([fold.metrics["loss"] for fold in found.folds])
    held, trained = (
        np.mean([getattr(fold, what) for fold in found.folds]) for what in ("held", "trained")
    )
    half = t_quantile(0.9, 4) * math.sqrt((1 / 5 + held / trained) * values.var(ddof=1))
    assert loss.mean == pytest.approx(values.mean())
    assert loss.sd == pytest.approx(values.std(ddof=1))
    assert (loss.low, loss.high) == pytest.approx((values.mean() - half, values.mean() + half))
    accuracy = found.summaries["accuracy"]
    assert accuracy.high is not None
    assert accuracy.high <= 1


def test_test_rows_are_never_touched() -> None:
    x, y = data()
    splits = {"train": (x, y), "test": (x * np.nan, np.full(N, "unheard of"))}
    found = layerkit.cross_validate(spec(), folds=3, data=splits)
    assert (found.rows, found.untouched) == (N, N)
    held_out = layerkit.cross_validate(spec(test=0.25), folds=3, data=(x, y))
    assert (held_out.rows, held_out.untouched) == (46, 15)


def test_early_stopping_watches_rows_of_the_other_folds() -> None:
    x, y = data()
    stopping = {"patience": 1, "metric": "loss"}
    found = layerkit.cross_validate(
        spec(validation=0.3, early_stopping=stopping, epochs=50), folds=3, data=(x, y)
    )
    assert [fold.trained + fold.held for fold in found.folds] == [N] * 3


class Stops(Listener):
    """Stops in the run of number ``at``, and collects what began."""

    def __init__(self, at: int) -> None:
        self.at = at
        self.begun: list[str] = []

    def begin(self, name: str, **_: Any) -> None:
        self.begun.append(name)

    def stop(self) -> bool:
        return len(self.begun) == self.at


@pytest.mark.parametrize("at", [1, 3])
def test_an_interruption_leaves_the_finished_folds(at: int) -> None:
    listener = Stops(at)
    found = layerkit.cross_validate(spec(), folds=4, data=data(), listener=listener)
    assert listener.begun == [f"net-fold-{k}-of-4" for k in range(1, at + 1)]
    assert len(found.folds) == at - 1
    assert found.unfinished == list(range(at, 5))
    assert ("loss" in found.summaries) == (at > 1)
    json.dumps(found.to_json(), allow_nan=False)


def test_a_fold_that_diverges_is_told_and_the_others_count() -> None:
    x, _ = data(40)
    z = x.sum(axis=1) + (np.arange(40) == np.flatnonzero(deal(Rows(x), 4, 0, None) == 2)[0]) * 1e30
    net = spec(optimizer={"type": "sgd", "learning_rate": 0.01})
    net |= {"output": {"targets": ["z"]}, "layers": [{"type": "dense", "units": 1}]}
    found: CrossValidation = layerkit.cross_validate(net, folds=4, data=(x, z))
    failed = [fold.number for fold in found.folds if fold.failure]
    assert failed == [1, 3, 4]  # those that train on the row
    assert found.summaries["loss"].sd is None
    assert found.summaries["loss"].low is None
    with pytest.raises(layerkit.TrainingDivergedError):
        layerkit.cross_validate(net, folds=4, data=(x, z * 1e30))


def test_what_is_refused() -> None:
    with pytest.raises(ValueError, match="folds: expected at least 2, got 1"):
        layerkit.cross_validate(spec(), folds=1, data=data())
    with pytest.raises(ValueError, match="confidence"):
        layerkit.cross_validate(spec(), data=data(), confidence=1)
    with pytest.raises(layerkit.SpecError, match="no 'train' section"):
        layerkit.cross_validate({k: v for k, v in spec().items() if k != "train"}, data=data())
