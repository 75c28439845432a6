"""Weights that come with the rows: an array given to a training, or held by ``Rows``."""

from __future__ import annotations

import io
import re
from typing import Any

import numpy as np
import pytest

import layerkit
from layerkit import Array, DataError, Listener, Rows, SpecError
from layerkit.datacontract.scaling import fit_scaler, min_and_max

rng = np.random.default_rng(2)
N = 40
X = rng.normal(3, 2, (N, 3))
LABELS = np.where(X[:, 0] + X[:, 1] > 6, "p", "n")
TARGETS = X @ [1.0, -2.0, 0.5] + 100
ADAM = {"type": "adam", "learning_rate": 0.05}
TIMES = rng.integers(0, 4, N)


def spec(**train: Any) -> dict[str, Any]:
    return {
        "layerkit": 1,
        "dtype": "float64",
        "input": {"shape": [3], "scale": "standardize"},
        "layers": [
            {"type": "dense", "units": 4, "activation": "tanh"},
            {"type": "dense", "units": 2},
        ],
        "train": {"epochs": 10, "batch_size": 1000, "optimizer": ADAM, **train},
    }


def regression() -> dict[str, Any]:
    given = spec()
    given["layers"][-1] = {"type": "dense", "units": 1}
    given["output"] = {"targets": ["y"], "scale": "standardize"}
    return given


def params(run: layerkit.Run) -> Array:
    return run.model.network.params.copy()


@pytest.mark.parametrize(
    ("given", "labels"), [(spec(), LABELS), (regression(), TARGETS)], ids=["classes", "numbers"]
)
def test_whole_weights_are_repeated_rows_also_for_the_scalers(given: Any, labels: Array) -> None:
    one = layerkit.train(given, data=(X, labels), sample_weight=TIMES)
    two = layerkit.train(given, data=(np.repeat(X, TIMES, axis=0), np.repeat(labels, TIMES)))
    np.testing.assert_allclose(params(one), params(two), rtol=1e-9, atol=1e-12)
    for half in ("input", "output"):
        a, b = (getattr(run.model.contract, half) for run in (one, two))
        if a.scale is not None:
            np.testing.assert_allclose(a.center, b.center, rtol=1e-13)
            np.testing.assert_allclose(a.scale, b.scale, rtol=1e-13)


def test_weights_of_one_change_no_bit_and_other_weights_do() -> None:
    plain = params(layerkit.train(spec(), data=(X, LABELS)))
    weights = rng.uniform(0.5, 2, N)
    other = params(layerkit.train(spec(), data=(X, LABELS), sample_weight=weights))
    assert np.abs(plain - other).max() > 1e-4
    ones = params(layerkit.train(spec(), data=(X, LABELS), sample_weight=np.ones(N)))
    np.testing.assert_allclose(ones, plain, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("form", ["list", "rows", "column", "split", "frame"])
def test_every_form_of_the_same_weights_gives_the_same_bits(form: str) -> None:
    weights = rng.uniform(0, 2, N)
    wanted = params(layerkit.train(spec(), data=(X, LABELS), sample_weight=weights))
    given: Any = {"data": (X, LABELS), "sample_weight": weights.tolist()}
    chosen = spec()
    if form == "rows":
        given = {"data": Rows(X, labels=LABELS, weights=weights)}
    elif form == "split":
        given = {"data": {"train": (X, LABELS)}, "sample_weight": weights}
    elif form == "column":
        chosen["input"] = {"columns": list("abc"), "scale": "standardize"}
        chosen["output"] = {"column": "y"}
        chosen["train"]["sample_weight"] = "w"
        columns = {**dict(zip("abc", X.T, strict=True)), "y": LABELS, "w": weights}
        given = {"data": columns}
    elif form == "frame":
        pandas = pytest.importorskip("pandas", reason="tables of pandas need it")
        given["sample_weight"] = pandas.Series(weights, index=np.arange(N)[::-1])
    np.testing.assert_array_equal(params(layerkit.train(chosen, **given)), wanted)


def test_weights_go_with_their_rows_through_every_split() -> None:
    """Rows of weight 0 that a split moved elsewhere would change the result."""
    weights = np.where(np.arange(N) % 4 == 0, 0.0, 1.0)
    poisoned = X.copy()
    poisoned[weights == 0] = 1e6
    chosen = spec(test=0.2, validation=0.2)
    chosen["input"]["scale"] = None
    clean = layerkit.train(chosen, data=(X, LABELS), sample_weight=weights)
    other = layerkit.train(chosen, data=(poisoned, LABELS), sample_weight=weights)
    np.testing.assert_array_equal(params(clean), params(other))


def test_columns_of_weight_0_rows_do_not_touch_a_constant_scale() -> None:
    x = np.array([[7.1], [7.1], [-1e9]])
    found = fit_scaler("standardize", x, *min_and_max(x), weights=np.array([1.0, 2.0, 0.0]))
    assert found is not None
    assert found[0].tolist() == [7.1]
    assert found[1].tolist() == [1.0]


@pytest.mark.parametrize("size", [1e-300, 1e300])
def test_only_ratios_of_weights_matter(size: float) -> None:
    weights = rng.uniform(0.5, 2, N)
    given = {**spec(), "dtype": "float32"}
    run = layerkit.train(given, data=(X, LABELS), sample_weight=weights)
    other = layerkit.train(given, data=(X, LABELS), sample_weight=weights * size)
    np.testing.assert_allclose(params(run), params(other), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(run.history["loss"], other.history["loss"], rtol=1e-5)


class _Stop(Listener):
    """Stops after the first epoch."""

    def __init__(self) -> None:
        self.over = False

    def epoch(self, epoch: int, values: Any) -> None:
        self.over = True

    def stop(self) -> bool:
        return self.over


def test_a_resumed_training_needs_the_same_weights() -> None:
    weights = rng.uniform(0, 2, N)
    whole = layerkit.train(spec(), data=(X, LABELS), sample_weight=weights)
    part = layerkit.train(spec(), data=(X, LABELS), sample_weight=weights, listener=_Stop())
    file = io.BytesIO()
    layerkit.save(part.model, file)
    for other in (None, weights + 1):
        with pytest.raises(SpecError, match="not the rows"):
            layerkit.resume(layerkit.load(file.getvalue()), data=(X, LABELS), sample_weight=other)
    same = layerkit.load(file.getvalue())
    rest = layerkit.resume(same, data=(X, LABELS), sample_weight=weights)
    np.testing.assert_array_equal(params(whole), params(rest))


def test_a_comparison_takes_rows_with_weights() -> None:
    rows = Rows(X, labels=LABELS, weights=np.where(LABELS == "p", 0.0, 1.0))
    data = {"train": rows, "test": (X, LABELS)}
    one, two = spec(epochs=40), spec(epochs=40, optimizer="sgd")
    found = layerkit.compare([{**one, "name": "a"}, {**two, "name": "b"}], data=data, seeds=1)
    share = float(np.mean(LABELS == "n"))  # all are taken for the only class that counted
    assert found.contestants[0].metrics["accuracy"].values[0] == share


@pytest.mark.parametrize(
    ("weights", "words"),
    [
        (np.ones(N - 1), r"expected one sample weight per row, shape \[40\], got shape \[39\]"),
        (np.ones((N, 2)), r"got shape \[40, 2\]"),
        (2.0, r"got shape \[\]"),
        ([*np.ones(N - 1), -1.0], "row 39.*expected a finite sample weight >= 0, got -1"),
        ([np.nan, *np.ones(N - 1)], "row 0.*got a missing value"),
        ([*np.ones(N - 1), np.inf], "got inf"),
        (["a"] * N, "row 0, column 'sample_weight': expected a number, got 'a'\n.*weights are num"),
        (np.zeros(N), "the weights of all rows are zero"),
    ],
)
def test_weights_that_are_none(weights: Any, words: str) -> None:
    with pytest.raises(DataError) as caught:
        layerkit.train(spec(), data=(X, LABELS), sample_weight=weights)
    assert re.search(words, str(caught.value)), str(caught.value)


def test_weights_of_classes_that_leave_nothing() -> None:
    weights = np.where(LABELS == "p", 1.0, 0.0)
    with pytest.raises(DataError, match="the weights of all rows are zero"):
        layerkit.train(
            spec(class_weights={"p": 0, "n": 1}), data=(X, LABELS), sample_weight=weights
        )
