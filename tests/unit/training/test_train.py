"""Training, held against a plain reference written out below: every number of every step."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest

import layerkit
from layerkit import (
    Array,
    DataError,
    Listener,
    Model,
    Rows,
    Run,
    SpecError,
    TrainingDivergedError,
)
from layerkit.core.rng import random_stream

Register = Callable[[Any], Any]

N = 24
rng = np.random.default_rng(11)
X = rng.standard_normal((N, 3))
LABELS = np.where(X[:, 0] + 0.3 * X[:, 1] > 0, "p", "n")
Y = (LABELS == "p").astype(int)
ROWS = Rows(X, labels=LABELS)
W0 = rng.standard_normal((3, 2))
B0 = np.array([0.1, -0.2])


def spec(**train: Any) -> dict[str, Any]:
    recipe = {
        "epochs": 3,
        "batch_size": 8,
        "optimizer": {"type": "sgd", "learning_rate": 0.5},
        **train,
    }
    return {
        "layerkit": 1,
        "dtype": "float64",
        "input": {"shape": [3]},
        "layers": [{"type": "dense", "units": 2, "name": "d"}],
        "output": {"classes": ["n", "p"]},
        "train": recipe,
    }


def started(given: Mapping[str, Any]) -> Model:
    """A model whose weights are W0, B0."""
    model = layerkit.build(given)
    layer = model.network.layers[0]
    layer.params["W"][...], layer.params["b"][...] = W0, B0
    return model


def trained(given: Mapping[str, Any], rows: Rows = ROWS, **options: Any) -> Run:
    return layerkit.train(started(given), data={"train": rows}, **options)


def softmax(z: Array) -> Array:
    e = np.exp(z - z.max(axis=1, keepdims=True))
    p: Array = e / e.sum(axis=1, keepdims=True)
    return p


class Reference:
    """Logistic regression by plain SGD; hooks for what a recipe may add."""

    def __init__(self, x: Array, y: Array, weights: Array | None = None, seed: int = 0) -> None:
        self.x, self.y, self.seed = x, y, seed
        self.weights = np.ones(len(x)) if weights is None else weights
        self.W, self.b = W0.copy(), B0.copy()

    def run(
        self,
        epochs: int = 3,
        batch: int = 8,
        rate: Callable[[float], float] = lambda t: 0.5,
        shape: Callable[[Array, Array, Array], tuple[Array, Array]] = lambda W, gW, gb: (gW, gb),
    ) -> list[float]:
        losses = []
        for epoch in range(epochs):
            order = random_stream(self.seed, "shuffle", str(epoch)).permutation(len(self.x))
            total = 0.0
            for start in range(0, len(self.x), batch):
                index = order[start : start + batch]
                x, y, w = self.x[index], self.y[index], self.weights[index]
                p = softmax(x @ self.W + self.b)
                total += float(-(w * np.log(p[np.arange(len(y)), y])).sum())
                d = (p - np.eye(2)[y]) * (w / w.sum())[:, None]
                gW, gb = shape(self.W, x.T @ d, d.sum(axis=0))
                eta = rate(epoch + start / len(self.x))
                self.W, self.b = self.W - eta * gW, self.b - eta * gb
            losses.append(total / float(self.weights.sum()))
        return losses


def agree(run: Run, reference: Reference, losses: list[float] | None = None) -> None:
    layer = run.model.network.layers[0]
    np.testing.assert_allclose(layer.params["W"], reference.W, rtol=1e-11, atol=1e-13)
    np.testing.assert_allclose(layer.params["b"], reference.b, rtol=1e-11, atol=1e-13)
    if losses is not None:
        np.testing.assert_allclose(run.history["loss"], losses, rtol=1e-10)


def test_plain_steps() -> None:
    reference = Reference(X, Y)
    losses = reference.run()
    run = trained(spec())
    agree(run, reference, losses)
    assert (run.epochs, run.steps, run.ended, run.best_epoch) == (3, 9, "finished", None)


@pytest.mark.parametrize("batch", [1, 5, 7, 23, 24, 25, 1000])
def test_batches_that_do_not_divide_the_rows(batch: int) -> None:
    reference = Reference(X, Y)
    losses = reference.run(batch=batch)
    run = trained(spec(batch_size=batch))
    agree(run, reference, losses)
    assert run.steps == 3 * math.ceil(N / batch)


def test_another_seed_another_order() -> None:
    reference = Reference(X, Y, seed=5)
    reference.run()
    agree(trained(spec(seed=5)), reference)


def test_weight_decay_leaves_biases_alone() -> None:
    reference = Reference(X, Y)
    reference.run(shape=lambda W, gW, gb: (gW + 0.1 * W, gb))
    agree(trained(spec(weight_decay=0.1)), reference)


def test_clip_value() -> None:
    reference = Reference(X, Y)
    reference.run(shape=lambda W, gW, gb: (np.clip(gW, -0.05, 0.05), np.clip(gb, -0.05, 0.05)))
    agree(trained(spec(clip_value=0.05)), reference)


def by_norm(limit: float) -> Callable[[Array, Array, Array], tuple[Array, Array]]:
    def shape(W: Array, gW: Array, gb: Array) -> tuple[Array, Array]:
        norm = math.sqrt(float((gW**2).sum() + (gb**2).sum()))
        factor = min(1.0, limit / norm)
        return gW * factor, gb * factor

    return shape


@pytest.mark.parametrize("limit", [0.01, 0.3, 1e6])
def test_clip_norm(limit: float) -> None:
    reference = Reference(X, Y)
    reference.run(shape=by_norm(limit))
    agree(trained(spec(clip_norm=limit)), reference)


def test_decay_then_clip_value_then_clip_norm() -> None:
    def shape(W: Array, gW: Array, gb: Array) -> tuple[Array, Array]:
        gW = np.clip(gW + 0.2 * W, -0.08, 0.08)
        return by_norm(0.1)(W, gW, np.clip(gb, -0.08, 0.08))

    reference = Reference(X, Y)
    reference.run(shape=shape)
    agree(trained(spec(weight_decay=0.2, clip_value=0.08, clip_norm=0.1)), reference)


@pytest.mark.parametrize("size", [1e15, 1e25])
def test_clip_norm_of_gradients_whose_squares_overflow(size: float) -> None:
    """1e25 squared is beyond float32: the direction must survive all the same."""
    given = {
        "layerkit": 1,
        "input": {"shape": [2]},
        "layers": [{"type": "dense", "units": 1, "initializer": "zeros", "use_bias": False}],
        "output": {"targets": ["t"]},
        "train": {"epochs": 1, "batch_size": 1, "loss": {"type": "huber", "delta": 1.0},
                  "clip_norm": 1.0, "optimizer": {"type": "sgd", "learning_rate": 1.0}},
    }  # fmt: skip
    rows = Rows(np.array([[3.0, 4.0]]) * size, labels=np.array([1.0]))
    layer = layerkit.train(given, data={"train": rows}).model.network.layers[0]
    np.testing.assert_allclose(layer.params["W"].ravel(), [0.6, 0.8], rtol=1e-5)


def test_frozen_layers_do_not_count_in_the_norm_and_keep_their_bytes() -> None:
    given = spec(clip_norm=0.05, weight_decay=0.1, optimizer={"type": "adam"})
    given["layers"] = [
        {"type": "dense", "units": 3, "freeze": True, "name": "f", "activation": "tanh"},
        *given["layers"],
    ]
    model = layerkit.build(given)
    before = {k: v.tobytes() for k, (_, v) in model.network.tensors().items()}
    layerkit.train(model, data={"train": ROWS})
    after = {k: v.tobytes() for k, (_, v) in model.network.tensors().items()}
    assert {k for k in before if before[k] == after[k]} == {"f.W", "f.b"}
    frozen = model.network.layers[0]
    x = np.tanh(X @ frozen.params["W"] + frozen.params["b"])
    alone = spec(clip_norm=0.05, weight_decay=0.1, optimizer={"type": "adam"})
    second = layerkit.build(alone)
    start = layerkit.build(given).network.layers[1]
    for name in ("W", "b"):
        second.network.layers[0].params[name][...] = start.params[name]
    layerkit.train(second, data={"train": Rows(x, labels=LABELS)})
    np.testing.assert_allclose(
        second.network.params, model.network.params[model.network.layers[1].span], rtol=1e-9
    )


SCHEDULES: list[tuple[Any, Callable[[float], float]]] = [
    ("constant", lambda t: 1.0),
    ({"type": "step", "every": 1, "decay": 0.5}, lambda t: 0.5 ** math.floor(t)),
    ({"type": "exponential", "decay": 0.8}, lambda t: 0.8**t),
    ({"type": "cosine"}, lambda t: 0.5 * (1 + math.cos(math.pi * t / 3))),
]


@pytest.mark.parametrize(("schedule", "factor"), SCHEDULES)
def test_the_schedule_is_applied_at_every_step(
    schedule: Any, factor: Callable[[float], float]
) -> None:
    reference = Reference(X, Y)
    losses = reference.run(rate=lambda t: 0.5 * factor(t))
    run = trained(spec(schedule=schedule))
    agree(run, reference, losses)
    last = [0.5 * factor(e + 16 / N) for e in range(3)]
    np.testing.assert_allclose(run.history["learning_rate"], last)


def table(weights: Array) -> Rows:
    columns = {"a": X[:, 0], "b": X[:, 1], "c": X[:, 2], "w": weights, "y": LABELS}
    return Rows(columns=columns)


def tabular(**train: Any) -> dict[str, Any]:
    given = spec(**train)
    given["input"] = {"columns": ["a", "b", "c"]}
    given["output"] = {"classes": ["n", "p"], "column": "y"}
    return given


def test_sample_weights() -> None:
    weights = np.random.default_rng(3).uniform(0, 2, N)
    reference = Reference(X, Y, weights)
    losses = reference.run()
    run = trained(tabular(sample_weight="w"), table(weights))
    agree(run, reference, losses)
    assert run.model.contract.input.columns == ("a", "b", "c")


def test_whole_sample_weights_are_repeated_rows() -> None:
    weights = np.random.default_rng(4).integers(0, 4, N)
    one = trained(tabular(sample_weight="w", batch_size=1000), table(weights.astype(float)))
    again = Rows(np.repeat(X, weights, axis=0), labels=np.repeat(LABELS, weights))
    two = trained(spec(batch_size=1000), again)
    np.testing.assert_allclose(
        one.model.network.params, two.model.network.params, rtol=1e-10, atol=1e-13
    )
    np.testing.assert_allclose(one.history["loss"], two.history["loss"], rtol=1e-10)


@pytest.mark.parametrize("choice", [[1, 3], {"p": 3}, {"p": 3, "n": 1}, {"n": 1.0, "p": 3.0}])
def test_class_weights_are_repeated_rows(choice: Any) -> None:
    one = trained(spec(class_weights=choice, batch_size=1000))
    times = np.where(Y == 1, 3, 1)
    again = Rows(np.repeat(X, times, axis=0), labels=np.repeat(LABELS, times))
    two = trained(spec(batch_size=1000), again)
    np.testing.assert_allclose(
        one.model.network.params, two.model.network.params, rtol=1e-10, atol=1e-13
    )


def test_balanced_class_weights() -> None:
    count = np.bincount(Y)
    reference = Reference(X, Y, (N / (2 * count))[Y])
    losses = reference.run()
    agree(trained(spec(class_weights="balanced")), reference, losses)


def test_class_and_sample_weights_multiply() -> None:
    weights = np.random.default_rng(5).uniform(0, 2, N)
    reference = Reference(X, Y, weights * np.where(Y == 1, 4.0, 1.0))
    losses = reference.run()
    given = tabular(sample_weight="w", class_weights={"p": 4})
    agree(trained(given, table(weights)), reference, losses)


@pytest.mark.parametrize("loss", ["sigmoid_cross_entropy", "softmax_cross_entropy"])
def test_class_weights_with_every_loss_of_classes(loss: str) -> None:
    one = trained(spec(loss=loss, class_weights=[1, 2], batch_size=1000))
    times = np.where(Y == 1, 2, 1)
    again = Rows(np.repeat(X, times, axis=0), labels=np.repeat(LABELS, times))
    two = trained(spec(loss=loss, batch_size=1000), again)
    np.testing.assert_allclose(one.model.network.params, two.model.network.params, rtol=1e-10)


def test_a_batch_of_weight_zero_changes_nothing() -> None:
    """Batches of one: only the one row that weighs anything moves the weights."""
    weights = np.zeros(N)
    weights[0] = 1
    run = trained(tabular(sample_weight="w", batch_size=1, epochs=1), table(weights))
    alone = table(np.ones(N))
    only = layerkit.Rows(
        columns={name: column[:1] for name, column in (alone.columns or {}).items()}
    )
    # Both contracts are fitted to their own rows, so the scale has to be off.
    one = trained(tabular(sample_weight="w", batch_size=1, epochs=1), only)
    np.testing.assert_array_equal(
        run.model.network.layers[0].params["W"], one.model.network.layers[0].params["W"]
    )
    assert run.history["loss"].tolist() == one.history["loss"].tolist()


def test_weights_of_nothing_at_all_are_refused() -> None:
    with pytest.raises(DataError, match="the weights of all rows are zero"):
        trained(tabular(sample_weight="w"), table(np.zeros(N)))


@pytest.mark.parametrize(
    ("choice", "word"),
    [([1, 2, 3], "expected 2 numbers"), ({"q": 1}, "'q' is not one of the classes")],
)
def test_class_weights_of_other_classes(choice: Any, word: str) -> None:
    with pytest.raises(SpecError, match=word) as caught:
        trained(spec(class_weights=choice))
    assert caught.value.location == "train.class_weights"


@pytest.mark.parametrize("weights", [np.full(N, -1.0), np.full(N, np.nan), np.full(N, np.inf)])
def test_sample_weights_that_are_none(weights: Array) -> None:
    with pytest.raises(DataError, match="sample weight"):
        trained(tabular(sample_weight="w"), table(weights))


def test_a_sample_weight_column_that_is_missing() -> None:
    with pytest.raises(SpecError) as caught:
        trained(tabular(sample_weight="v"), table(np.ones(N)))
    assert caught.value.location == "train.sample_weight"
    with pytest.raises(SpecError):
        trained(spec(sample_weight="w"))


# ---- histories, metrics, validation


def test_histories_have_one_number_an_epoch() -> None:
    run = trained(spec(validation=0.25, metrics=["accuracy", "log_loss"], epochs=4))
    names = ["loss", "accuracy", "log_loss", "learning_rate"]
    names += ["val_loss", "val_accuracy", "val_log_loss"]
    assert list(run.history) == names
    for series in run.history.values():
        assert series.shape == (4,)
        assert series.dtype == np.float64
        assert np.isfinite(series).all()
    assert sorted(run.metrics) == sorted(
        f"{split}_{m}" for split in ("train", "val") for m in ("loss", "accuracy", "log_loss")
    )


def test_validation_numbers_are_those_of_the_weights_after_the_epoch() -> None:
    val = Rows(X[:5], labels=LABELS[:5])
    run = trained(spec(), validation_data=val)
    assert layerkit.evaluate(run.model, val) == {
        "loss": pytest.approx(run.history["val_loss"][-1], rel=1e-12),
        "accuracy": run.history["val_accuracy"][-1],
    }
    assert run.metrics["val_loss"] == run.history["val_loss"][-1]


def test_final_metrics_are_those_of_the_final_weights() -> None:
    run = trained(spec())
    found = layerkit.evaluate(run.model, ROWS)
    assert run.metrics["train_loss"] == pytest.approx(found["loss"], rel=1e-12)
    assert run.metrics["train_accuracy"] == found["accuracy"]
    p = softmax(
        X @ run.model.network.layers[0].params["W"] + run.model.network.layers[0].params["b"]
    )
    assert found["loss"] == pytest.approx(-np.log(p[np.arange(N), Y]).mean(), rel=1e-10)
    assert found["accuracy"] == (p.argmax(axis=1) == Y).mean()


def test_the_accuracy_of_an_epoch_is_taken_while_it_is_trained() -> None:
    run = trained(spec(batch_size=1000, epochs=2))
    p = softmax(X @ W0 + B0)
    assert run.history["accuracy"][0] == (p.argmax(axis=1) == Y).mean()


class Eyes(Listener):
    def __init__(self, stop_after: int | None = None) -> None:
        self.seen: list[Any] = []
        self.batches = 0
        self.stop_after = stop_after

    def begin(self, name: str, *, seed: int, epochs: int, rows: int) -> None:
        self.seen.append(("begin", name, seed, epochs, rows))

    def batch(self, done: int, rows: int) -> None:
        self.batches += 1
        self.seen.append(("batch", done, rows))

    def epoch(self, epoch: int, values: Mapping[str, float]) -> None:
        self.seen.append(("epoch", epoch, sorted(values)))

    def end(self, seconds: float) -> None:
        self.seen.append(("end", seconds >= 0))

    def stop(self) -> bool:
        return self.stop_after is not None and self.batches >= self.stop_after


def test_a_listener_is_told_everything_in_order() -> None:
    eyes = Eyes()
    trained(spec(epochs=2, batch_size=10, seed=3), listener=eyes)
    batches = [("batch", 10, N), ("batch", 20, N), ("batch", 24, N)]
    told = ["accuracy", "learning_rate", "loss"]
    assert eyes.seen == [
        ("begin", "model", 3, 2, N), *batches, ("epoch", 1, told), *batches, ("epoch", 2, told),
        ("end", True),
    ]  # fmt: skip


@pytest.mark.parametrize(("after", "epochs"), [(1, 0), (3, 1), (4, 1), (5, 1), (6, 2)])
def test_a_listener_may_stop_after_any_batch(after: int, epochs: int) -> None:
    """An epoch that is cut short is undone: the model stands where an epoch ended."""
    run = trained(spec(epochs=5), listener=Eyes(after))
    assert (run.ended, run.epochs, run.steps) == ("interrupted", epochs, 3 * epochs)
    assert {len(s) for s in run.history.values()} <= {epochs}
    reference = Reference(X, Y)
    reference.run(epochs=epochs)
    agree(run, reference)


# ---- validation splits


class Sizes(Listener):
    rows = 0

    def begin(self, name: str, *, seed: int, epochs: int, rows: int) -> None:
        self.rows = rows


@pytest.mark.parametrize(
    ("n", "fraction", "kept"), [(24, 0.25, 18), (24, 0.1, 22), (10, 0.01, 9), (10, 0.99, 2)]
)
def test_the_size_of_a_validation_split(n: int, fraction: float, kept: int) -> None:
    sizes = Sizes()
    trained(spec(validation=fraction), Rows(X[:n], labels=LABELS[:n]), listener=sizes)
    assert sizes.rows == kept


@pytest.mark.parametrize("declared", [True, False])
def test_a_validation_split_keeps_the_proportions_of_the_classes(declared: bool) -> None:
    from layerkit.training.prepare import prepare
    from layerkit.training.recipe import Recipe

    labels = np.array(["a"] * 80 + ["b"] * 16 + ["c"] * 4)
    rows = Rows(np.arange(100.0)[:, None], labels=labels)
    given = spec(validation=0.25)
    given["input"], given["layers"] = {"shape": [1]}, [{"type": "dense", "units": 3}]
    given["output"] = {"classes": ["a", "b", "c"]} if declared else {}
    for seed in range(5):
        model = layerkit.build(given)
        loss = Recipe.of(model.spec).loss
        found = prepare(model, {"train": rows}, loss, seed=seed)
        assert found.validation is not None
        assert np.bincount(found.validation.y).tolist() == [20, 4, 1]
        assert np.bincount(found.train.y).tolist() == [60, 12, 3]
        both = np.concatenate([found.train.x, found.validation.x])
        assert sorted(both.ravel().tolist()) == list(range(100))


def test_test_rows_do_not_depend_on_the_seed() -> None:
    from layerkit.training.prepare import test_split

    def split(splits: dict[str, Rows], fraction: float | None) -> tuple[Rows, Rows | None]:
        return test_split(splits, layerkit.build(spec(test=fraction)).spec)

    rows = Rows(np.arange(50.0)[:, None])
    one, two = split({"train": rows}, 0.2)[1], split({"train": rows}, 0.2)[1]
    assert one is not None
    assert two is not None
    np.testing.assert_array_equal(one.values, two.values)
    assert len(one) == 10
    rest, none = split({"train": rows}, None)
    assert (len(rest), none) == (50, None)
    own = Rows(np.zeros((3, 1)))
    assert split({"train": rows, "test": own}, 0.5)[1] is own


def test_statistics_come_from_the_training_rows_alone() -> None:
    from layerkit.training.prepare import prepare
    from layerkit.training.recipe import Recipe

    given = spec(validation=0.5, test=0.25)
    given["input"]["scale"] = "standardize"
    model = layerkit.build(given)
    found = prepare(model, {"train": ROWS}, Recipe.of(model.spec).loss, seed=0)
    np.testing.assert_allclose(found.train.x.mean(axis=0), 0, atol=1e-12)
    np.testing.assert_allclose(found.train.x.std(axis=0), 1, atol=1e-12)
    assert found.validation is not None
    assert found.test is not None
    assert (len(found.train), len(found.validation), len(found.test)) == (9, 9, 6)
    assert np.abs(found.validation.x.mean(axis=0)).max() > 1e-3


def test_no_rows() -> None:
    with pytest.raises(DataError, match="no rows to train on"):
        trained(spec(), ROWS.take(slice(0, 0)))
    with pytest.raises(DataError):
        trained(spec(validation=0.5), ROWS.take(slice(0, 1)))


def test_splits_without_training_rows() -> None:
    with pytest.raises(DataError, match="'train'"):
        layerkit.train(spec(), data={"test": ROWS})


# ---- the first batch, seeds, continuing


def test_equal_seeds_give_equal_bits_and_others_do_not() -> None:
    given = spec(validation=0.25, optimizer={"type": "adam"})

    def params(seed: int) -> bytes:
        run = layerkit.train(given, data={"train": ROWS}, seed=seed)
        assert run.seed == seed
        return run.model.network.params.tobytes()

    assert params(3) == params(3)
    assert params(3) != params(4)


def test_train_seeds_are_single_runs() -> None:
    given = spec(seed=7)
    runs = layerkit.train_seeds(given, seeds=3, data={"train": ROWS})
    assert [r.seed for r in runs] == [7, 8, 9]
    for run in runs:
        alone = layerkit.train(given, data={"train": ROWS}, seed=run.seed)
        assert alone.model.network.params.tobytes() == run.model.network.params.tobytes()
    assert len({r.model.network.params.tobytes() for r in runs}) == 3


def test_training_goes_on_from_the_present_weights() -> None:
    model = started(spec())
    layerkit.train(model, data={"train": ROWS})
    layerkit.train(model, data={"train": ROWS})
    reference = Reference(X, Y)
    losses = reference.run() + reference.run()
    np.testing.assert_allclose(model.network.layers[0].params["W"], reference.W, rtol=1e-10)
    np.testing.assert_allclose(model.history["loss"], losses, rtol=1e-10)


def test_training_goes_on_under_the_same_contract() -> None:
    given = spec()
    given["input"]["scale"] = "standardize"
    model = layerkit.train(given, data={"train": ROWS}).model
    contract = model.contract
    layerkit.train(model, data={"train": Rows(X * 10 + 3, labels=LABELS)})
    assert model.contract == contract


def test_histories_of_continued_trainings_stay_aligned() -> None:
    model = layerkit.train(spec(validation=0.25), data={"train": ROWS}).model
    model.spec = model.spec.with_train(validation=0.0, epochs=2)
    layerkit.train(model, data={"train": ROWS})
    model.spec = model.spec.with_train(validation=0.25, epochs=1)
    layerkit.train(model, data={"train": ROWS})
    assert {name: len(s) for name, s in model.history.items()} == dict.fromkeys(model.history, 6)
    missing = np.isnan(model.history["val_loss"])
    assert missing.tolist() == [False] * 3 + [True] * 2 + [False]


def test_a_series_that_begins_later_is_padded() -> None:
    model = layerkit.train(spec(), data={"train": ROWS}).model
    model.spec = model.spec.with_train(validation=0.25, epochs=2)
    layerkit.train(model, data={"train": ROWS})
    assert np.isnan(model.history["val_loss"]).tolist() == [True] * 3 + [False] * 2
    assert np.isfinite(model.history["loss"]).all()
    assert len(model.history["loss"]) == 5


def test_overrides_and_seeds() -> None:
    run = layerkit.train(spec(), data={"train": ROWS}, settings=["train.epochs=1"], seed=9)
    assert (run.epochs, run.seed) == (1, 9)
    with pytest.raises(ValueError, match="settings"):
        layerkit.train(run.model, data={"train": ROWS}, settings=["train.epochs=1"])


def test_a_spec_without_a_recipe_cannot_be_trained() -> None:
    given = spec()
    del given["train"]
    with pytest.raises(SpecError, match="no 'train' section"):
        layerkit.train(given, data={"train": ROWS})
    with pytest.raises(SpecError, match="no 'train' section"):
        layerkit.train_seeds(given, seeds=2, data={"train": ROWS})


def test_freezing_a_layer_between_two_trainings() -> None:
    given = spec()
    given["layers"] = [{"type": "dense", "units": 3}, *given["layers"]]
    model = layerkit.train(given, data={"train": ROWS}).model
    first, second = model.network.layers
    kept, moved = first.params["W"].tobytes(), second.params["W"].tobytes()
    first.freeze = True
    layerkit.train(model, data={"train": ROWS})
    assert first.params["W"].tobytes() == kept
    assert second.params["W"].tobytes() != moved


def test_float32_stays_float32() -> None:
    given = spec(
        weight_decay=0.1,
        clip_norm=1.0,
        clip_value=0.5,
        class_weights="balanced",
        schedule="cosine",
        optimizer="adam",
    )
    given["dtype"] = "float32"
    given["layers"] = [{"type": "highway", "activation": "gelu"}, *given["layers"]]
    model = layerkit.build(given)
    seen: list[Any] = []
    for layer in model.network.layers:
        _spied(layer, seen)
    layerkit.train(model, data={"train": ROWS})
    assert set(seen) == {np.dtype(np.float32)}
    assert model.network.grads is not None
    assert model.network.params.dtype == model.network.grads.dtype == np.float32


def _spied(layer: Any, seen: list[Any]) -> None:
    feed, backprop = layer.feed, layer.backprop

    def spied_feed(x: Array, ctx: Any) -> Array:
        y: Array = feed(x, ctx)
        seen.extend([x.dtype, y.dtype])
        return y

    def spied_backprop(dy: Array, ctx: Any) -> Array:
        dx: Array = backprop(dy, ctx)
        seen.extend([dy.dtype, dx.dtype])
        return dx

    layer.feed, layer.backprop = spied_feed, spied_backprop


def test_a_layer_may_use_chance_and_only_its_own(register: Register) -> None:
    class Noisy(layerkit.Layer):
        type_name = "test.noisy"
        drawn: list[float] = []  # noqa: RUF012  # a note of the test

        def plan(self, in_shape: layerkit.Shape) -> layerkit.Plan:
            return layerkit.Plan(in_shape)

        def feed(self, x: Array, ctx: layerkit.Context) -> Array:
            if ctx.training:
                self.drawn.append(float(ctx.rng.random()))
            return x

        def backprop(self, dy: Array, ctx: layerkit.Context) -> Array:
            return dy

    register(Noisy)
    given = spec(epochs=2)
    given["layers"] = [{"type": "test.noisy", "repeat": 2}, *given["layers"]]
    layerkit.train(given, data={"train": ROWS})
    first = list(Noisy.drawn)
    assert len(set(first)) == len(first) == 12
    Noisy.drawn.clear()
    given["layers"].insert(1, {"type": "highway"})
    layerkit.train(given, data={"train": ROWS})
    assert Noisy.drawn == first


# ---- divergence


def diverging(**train: Any) -> dict[str, Any]:
    return spec(loss="mse", metrics=["mae"], **train) | {"output": {"targets": ["a", "b"]}}


BIG = Rows(X * 1e3, labels=np.stack([X[:, 0], X[:, 1]], axis=1))


def test_divergence_names_epoch_and_batch_and_keeps_the_last_good_state() -> None:
    given = diverging(optimizer={"type": "sgd", "learning_rate": 1e4}, epochs=30)
    model = started(given)
    with pytest.raises(TrainingDivergedError) as caught:
        layerkit.train(model, data={"train": BIG})
    error = caught.value
    assert error.epoch > 1
    assert 1 <= error.batch <= 3
    assert f"epoch {error.epoch}" in str(error)
    assert "learning_rate" in str(error)
    assert error.last_good is model
    assert np.isfinite(model.network.params).all()
    assert {len(s) for s in model.history.values()} == {error.epoch - 1}
    shorter = started(given)
    shorter.spec = shorter.spec.with_train(epochs=error.epoch - 1)
    layerkit.train(shorter, data={"train": BIG})
    assert shorter.network.params.tobytes() == model.network.params.tobytes()


def test_divergence_in_the_first_epoch_leaves_the_start() -> None:
    model = started(diverging(optimizer={"type": "sgd", "learning_rate": 1e200}))
    before = model.network.params.copy()
    with pytest.raises(TrainingDivergedError) as caught:
        layerkit.train(model, data={"train": BIG})
    assert (caught.value.epoch, caught.value.last_good) == (1, None)
    np.testing.assert_array_equal(model.network.params, before)


def test_divergence_does_not_delete_the_history_of_earlier_trainings() -> None:
    model = layerkit.train(spec(), data={"train": ROWS}).model
    kept = {name: series.copy() for name, series in model.history.items()}
    before = model.network.params.copy()
    model.spec = model.spec.with_train(optimizer={"type": "sgd", "learning_rate": 1e306})
    with pytest.raises(TrainingDivergedError):
        layerkit.train(model, data={"train": Rows(X * 1e10, labels=LABELS)})
    np.testing.assert_array_equal(model.network.params, before)
    for name, series in kept.items():
        np.testing.assert_array_equal(model.history[name], series)


def test_divergence_in_the_very_last_step_is_noticed() -> None:
    given = diverging(optimizer={"type": "sgd", "learning_rate": 1e308}, epochs=1, batch_size=1000)
    model = started(given)
    with pytest.raises(TrainingDivergedError):
        layerkit.train(model, data={"train": BIG})
    assert np.isfinite(model.network.params).all()


def test_no_warning_reaches_the_user() -> None:
    with pytest.raises(TrainingDivergedError):
        trained(diverging(optimizer={"type": "sgd", "learning_rate": 1e100}), BIG)


# ---- evaluate


def test_evaluate_without_a_recipe() -> None:
    given = spec()
    del given["train"]
    found = layerkit.evaluate(started(given), ROWS)
    p = softmax(X @ W0 + B0)
    assert found["loss"] == pytest.approx(-np.log(p[np.arange(N), Y]).mean())
    assert set(found) == {"loss", "accuracy"}


def test_evaluate_in_raw_units() -> None:
    targets = np.stack([X @ [1.0, 2.0, 3.0] * 100 + 7, X[:, 0]], axis=1)
    given = diverging(epochs=1) | {"output": {"targets": ["a", "b"], "scale": "standardize"}}
    rows = Rows(X, labels=targets)
    model = layerkit.train(given, data={"train": rows}).model
    found = layerkit.evaluate(model, rows)
    wanted = np.abs(model.predict(X) - targets).mean()
    assert found["mae"] == pytest.approx(wanted)
    assert found["mae"] > 1


def test_evaluate_many_rows_in_batches() -> None:
    x = np.random.default_rng(0).standard_normal((3000, 3))
    labels = np.where(x[:, 0] > 0, "p", "n")
    model = started(spec())
    found = layerkit.evaluate(model, Rows(x, labels=labels))
    p = softmax(x @ W0 + B0)
    y = (labels == "p").astype(int)
    assert found["loss"] == pytest.approx(-np.log(p[np.arange(3000), y]).mean(), rel=1e-12)


def test_evaluate_needs_labels() -> None:
    with pytest.raises(DataError, match="no labels"):
        layerkit.evaluate(started(spec()), Rows(X))
    with pytest.raises(DataError, match="expected one of 2 classes, got 'q'"):
        layerkit.evaluate(started(spec()), Rows(X[:1], labels=np.array(["q"])))


def test_balanced_weights_by_hand() -> None:
    from layerkit.training.row_weights import class_weights

    y = np.array([0, 0, 0, 2])
    weights = class_weights("balanced", ("a", "b", "c"), y)
    np.testing.assert_allclose(weights, [4 / 9, 4 / 9, 4 / 9, 4 / 3])
    assert class_weights({"c": 5}, ("a", "b", "c"), y).tolist() == [1, 1, 1, 5]
    half = {"type": "effective_number", "beta": 0.5}  # (1 - b) / (1 - b^rows) of 2, 1 and 1 rows
    found = class_weights(half, ("a", "b", "c"), np.array([0, 0, 1, 2]))
    np.testing.assert_allclose(found, np.array([2 / 3, 2 / 3, 1, 1]) * 3 / (2 / 3 + 2), rtol=1e-15)
    none = class_weights({**half, "beta": 0}, ("a", "b"), np.array([0, 0, 1]))
    assert none.tolist() == [1, 1, 1]
    near = class_weights({**half, "beta": 1 - 1e-9}, ("a", "b"), np.array([0, 0, 0, 1]))
    np.testing.assert_allclose(near[3] / near[0], 3, rtol=1e-6)
    assert class_weights([1, 2, 3], ("a", "b", "c"), y).tolist() == [1, 1, 1, 3]
    assert class_weights({"7": 5}, (3, 7), np.array([0, 1])).tolist() == [1, 5]
