"""Outputs per step: the same numbers as for rows of one axis, padding left out."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest

import layerkit
from layerkit import Array, DataError, Rows
from layerkit.evaluation import report

N, STEPS, FEATURES = 24, 5, 3
RNG = np.random.default_rng(0)
X = RNG.normal(size=(N, STEPS, FEATURES))
LABELS = RNG.integers(0, 3, (N, STEPS))
PADDED = np.where(RNG.random((N, STEPS)) < 0.3, -1, LABELS)
KNOWN = PADDED >= 0
NUMBERS = X @ [[1.0, 0], [2, 1], [-1, 3]] + RNG.normal(size=(N, STEPS, 2))


def spec(shape: list[int], units: int = 3, output: Any = None, **train: Any) -> dict[str, Any]:
    """A net without memory: its steps are as good as rows."""
    recipe = {"epochs": 3, "batch_size": 1000, "optimizer": {"type": "sgd", "learning_rate": 0.2}}
    return {
        "layerkit": 1,
        "dtype": "float64",
        "input": {"shape": shape},
        "layers": [
            {"type": "dense", "units": 4, "activation": "tanh"},
            {"type": "dense", "units": units},
        ],
        "output": output or {},
        "train": {**recipe, **train},
    }


def both(
    labels: Array, known: Array, weights: Array | None = None, **more: Any
) -> tuple[layerkit.Model, layerkit.Model]:
    """Trained on rows of steps, and on the known steps as rows."""
    each = None if weights is None else np.broadcast_to(weights[:, None], known.shape)[known]
    y = labels[known]
    steps = layerkit.train(
        spec([STEPS, FEATURES], **more), data=(X, labels), sample_weight=weights
    ).model
    rows = layerkit.train(spec([FEATURES], **more), data=(X[known], y), sample_weight=each).model
    return steps, rows


def same(steps: layerkit.Model, rows: layerkit.Model, labels: Array, known: Array) -> None:
    for name, value in rows.tensors().items():
        np.testing.assert_allclose(steps.tensors()[name], value, rtol=1e-12, atol=1e-13)
    predicted = steps.predict(X)
    assert predicted.shape[:2] == (N, STEPS)
    np.testing.assert_allclose(predicted[known], rows.predict(X[known]), rtol=1e-12)
    wanted = layerkit.evaluate(rows, (X[known], labels[known]))
    assert layerkit.evaluate(steps, (X, labels)) == pytest.approx(wanted, rel=1e-12)
    assert steps.metrics == pytest.approx(rows.metrics, rel=1e-12)
    assert steps.history["loss"] == pytest.approx(rows.history["loss"], rel=1e-12)


@pytest.mark.parametrize("weights", [None, RNG.random(N)], ids=["alike", "weighted"])
@pytest.mark.parametrize("class_weights", [None, "balanced", [1, 0.5, 3]])
@pytest.mark.parametrize("padded", [False, True])
def test_classes(weights: Any, class_weights: Any, *, padded: bool) -> None:
    labels = PADDED if padded else LABELS
    known = labels >= 0
    metrics = ["accuracy", "macro_f1", "auc"]
    found = both(labels, known, weights, class_weights=class_weights, metrics=metrics)
    same(*found, labels, known)
    assert found[0].classes == (0, 1, 2)
    assert found[0].classify(X).shape == (N, STEPS)


def test_two_classes_for_one_output() -> None:
    labels = np.where(KNOWN, np.array(["no", "yes", "yes"])[LABELS], "")
    found = both(labels, KNOWN, units=1, loss="sigmoid_cross_entropy", class_weights="balanced")
    same(*found, labels, KNOWN)
    assert set(found[0].classify(X).ravel().tolist()) <= {"no", "yes"}


@pytest.mark.parametrize("units", [1, 2])
def test_numbers(units: int) -> None:
    names = ["a", "b"][:units]
    labels = np.where(KNOWN[..., None], NUMBERS, np.nan)[..., :units]
    output = {"targets": names, "scale": "standardize"}
    weights = RNG.random(N)
    more: dict[str, Any] = {"units": units, "output": output, "metrics": ["mae", "r2"]}
    same(*both(labels, KNOWN, weights, **more), labels, KNOWN)


def test_flags() -> None:
    labels = np.where(KNOWN[..., None], NUMBERS > 0, np.nan)
    more: dict[str, Any] = {
        "units": 2,
        "loss": "sigmoid_cross_entropy",
        "output": {"targets": ["a", "b"]},
    }
    same(*both(labels, KNOWN, **more), labels, KNOWN)


@pytest.mark.parametrize("last", ["gru", "dense"])
def test_compiled_training_gives_the_same(last: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """With ``gru`` all layers are compiled, and the batch is cut into halves."""
    end = {"type": last, "units": 3} | ({"sequence": True} if last == "gru" else {})
    layers = [{"type": "gru", "units": 48, "sequence": True}, end]
    x, y = np.tile(X, (80, 1, 1)), np.tile(PADDED, (80, 1))
    train = {"epochs": 2, "batch_size": 1920, "optimizer": "sgd"}
    given = {**spec([STEPS, FEATURES]), "dtype": "float32", "layers": layers, "train": train}
    found = []
    for switch, value in (("LAYERKIT_EAGER", "1"), ("LAYERKIT_FAST", "1"), ("LAYERKIT_FAST", "0")):
        with monkeypatch.context() as patch:
            patch.setenv(switch, value)
            found.append(layerkit.train(given, data=(x, y)).model.tensors())
    for other in found[1:]:
        for name, tensor in found[0].items():
            np.testing.assert_allclose(other[name], tensor, rtol=1e-4, atol=1e-6)


def test_minus_one_is_a_class_where_it_is_named() -> None:
    labels = np.where(KNOWN, LABELS % 2, -1)
    output = {"classes": [-1, 0, 1]}
    model = layerkit.train(spec([STEPS, FEATURES], output=output), data=(X, labels)).model
    judged = report(model, (X, labels))
    assert judged.steps == N * STEPS
    assert layerkit.train(spec([STEPS, FEATURES], 2), data=(X, labels)).model.classes == (0, 1)


@pytest.mark.parametrize("missing", [None, np.nan, "", "NA"])
def test_what_is_missing_is_padding(missing: Any) -> None:
    cells = LABELS.astype(object)
    cells[~KNOWN] = missing
    given = spec([STEPS, FEATURES])
    given["input"]["missing_values"] = ["NA"]
    model = layerkit.train(given, data=(X, cells)).model
    wanted = layerkit.train(given, data=(X, PADDED)).model
    assert model.classes == (0, 1, 2)
    for name, value in wanted.tensors().items():
        np.testing.assert_array_equal(model.tensors()[name], value)


def one_wrong(labels: Array) -> Array:
    found = labels.copy()
    found[5, 4] = 7
    return found


@pytest.mark.parametrize(
    ("labels", "said"),
    [
        (LABELS[:, 0], "an answer for each of 5 steps: expected labels of shape [n, 5], got [24]"),
        (LABELS[:, :4], "expected labels of shape [n, 5], got [24, 4]"),
        (np.where(np.arange(STEPS) == 3, 7, LABELS), "row 0, column 'step 3': expected one of"),
        (one_wrong(PADDED), "row 5, column 'step 4': expected one of"),  # counted with padding
        (np.full((N, STEPS), -1), "all labels are missing"),
    ],
)
def test_labels_that_do_not_fit(labels: Array, said: str) -> None:
    given = spec([STEPS, FEATURES], output={"classes": [0, 1, 2]})
    with pytest.raises(DataError) as caught:
        layerkit.train(given, data=(X, labels))
    assert said in str(caught.value)


def test_numbers_that_do_not_fit() -> None:
    given = spec([STEPS, FEATURES], 2, output={"targets": ["a", "b"]})
    for labels, said in (
        (NUMBERS[..., 0], "expected labels of shape [n, 5, 2], got [24, 5]"),
        (np.where([True, False], NUMBERS, np.nan), "column 'step 0, b': the target is missing"),
    ):
        with pytest.raises(DataError) as caught:
            layerkit.train(given, data=(X, labels))
        assert said in str(caught.value)


@pytest.mark.parametrize(("names", "column"), [(["a", "b"], "'step 4, b'"), (None, "'step 4, 1'")])
def test_a_number_that_the_loss_refuses_is_named_with_its_step(names: Any, column: str) -> None:
    given = spec([STEPS, FEATURES], 2, output={"targets": names} if names else {}, loss="poisson")
    wrong = np.abs(NUMBERS)
    wrong[3, 4, 1] = -1
    with pytest.raises(DataError, match=f"row 3, column {column}: expected a number >= 0"):
        layerkit.train(given, data=(X, wrong))
    wrong[3, 4, 1] = np.inf
    with pytest.raises(DataError, match=f"row 3, column {column}: the target is infinite"):
        layerkit.train(given, data=(X, wrong))


def test_labels_per_step_for_one_answer_per_row() -> None:
    given = spec([STEPS, FEATURES], output={"classes": [0, 1, 2]})
    given["layers"] = [{"type": "gru", "units": 3}]
    with pytest.raises(DataError) as caught:
        layerkit.train(given, data=(X, LABELS))
    assert "expected one class per row" in str(caught.value)


@pytest.mark.parametrize("kind", ["gru", "highway_rnn"])
def test_a_resumed_training_gives_the_same_bytes(kind: str) -> None:
    given = spec([STEPS, FEATURES], validation=0.25, batch_size=7, optimizer="adam", epochs=4)
    given["layers"] = [{"type": kind, "units": 6, "sequence": True}, {"type": "dense", "units": 3}]
    data = {"train": Rows(X, labels=PADDED)}

    def saved(model: layerkit.Model) -> bytes:
        out = io.BytesIO()
        layerkit.save(model, out)
        return out.getvalue()

    whole = saved(layerkit.train(given, data=data).model)
    half = saved(layerkit.train(given, settings=["train.epochs=2"], data=data).model)
    again = layerkit.load(io.BytesIO(half))
    rest = layerkit.resume(again, data=data, epochs=4).model
    assert saved(rest) == whole
    np.testing.assert_array_equal(layerkit.load(io.BytesIO(whole)).predict(X), rest.predict(X))


def test_a_table_has_one_answer_per_row() -> None:
    model = layerkit.train(spec([STEPS, FEATURES]), data=(X, LABELS)).model
    with pytest.raises(DataError, match="one for each step"):
        model.predict(X, to="pandas")
