"""Counts: the loss poisson and the output function exp, from the data to every form of a model."""

from __future__ import annotations

import io
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import layerkit
from layerkit import DataError, Model, SpecError
from layerkit.core.output_functions import apply_link, link_row

rng = np.random.default_rng(0)
X = rng.normal(size=(300, 2))
COUNTS = rng.poisson(np.exp(0.5 * X[:, 0] + 1))


def spec(**changes: Any) -> dict[str, Any]:
    return {
        "layerkit": 1,
        "input": {"shape": [2]},
        "output": {"targets": ["visits"], **changes},
        "layers": [{"type": "dense", "units": 1}],
        "train": {
            "loss": "poisson",
            "epochs": 60,
            "optimizer": {"type": "adam", "learning_rate": 0.02},
        },
    }


@pytest.fixture(scope="module")
def model() -> Model:
    return layerkit.train(spec(), data=(X, COUNTS)).model


def test_the_logarithm_of_the_rate_is_learned(model: Model) -> None:
    W, b = model.network.layers[0].params.values()
    np.testing.assert_allclose([*W[:, 0], *b], [0.5, 0, 1], atol=0.1)


def test_predictions_are_rates_in_every_way_to_ask(model: Model) -> None:
    want = np.exp(model.scores(X))
    np.testing.assert_allclose(model.predict(X), want, rtol=1e-6)
    for row, rate in zip(X[:3], want[:3], strict=True):
        np.testing.assert_allclose(model.predict(row[None]), [rate], rtol=1e-6)
    stream = io.BytesIO()
    layerkit.save(model, stream)
    stream.seek(0)
    again = layerkit.load(stream)
    assert again.spec.link == "exp"
    np.testing.assert_array_equal(again.predict(X), model.predict(X))


@pytest.mark.parametrize("form", ["python", "onnx"])
def test_exported_models_give_rates(model: Model, form: str, tmp_path: Path) -> None:
    if form == "onnx":
        pytest.importorskip("onnxruntime", reason="what runs ONNX files is optional")
    done = layerkit.export(model, tmp_path / f"m.{form}", to=form, verify=X)
    assert done.verified is not None
    assert done.verified.rows == len(X)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_function_exp(dtype: Any) -> None:
    scores = np.array([[0.0, 1.0], [-1e4, 1e4]], dtype)
    with np.errstate(all="raise", under="ignore"):
        found = apply_link("exp", scores)
    np.testing.assert_allclose(found, [[1, math.e], [0, np.inf]], rtol=1e-6)
    assert found.dtype == dtype
    assert link_row("exp", scores[0]).tolist() == found[:1].tolist()


@pytest.mark.parametrize("split", ["train", "validation"])
def test_a_target_below_zero_is_refused_with_its_place(split: str) -> None:
    bad = COUNTS.astype(float)
    bad[7] = -0.5
    given: dict[str, Any] = {"data": (X, bad)}
    if split == "validation":
        given = {"data": (X, COUNTS), "validation_data": (X, bad)}
    with pytest.raises(DataError, match=r"expected a number >= 0, .* got -0\.5") as caught:
        layerkit.train(spec(), **given)
    assert (caught.value.row, caught.value.column) == (7, "visits")


def test_rates_are_not_scaled() -> None:
    with pytest.raises(SpecError, match="are not scaled") as caught:
        layerkit.build(spec(scale="standardize"))
    assert caught.value.location == "output.scale"


def test_an_estimator_leaves_counts_as_they_are() -> None:
    pytest.importorskip("sklearn", reason="scikit-learn is not installed")
    from layerkit.sklearn import LayerkitRegressor

    estimator = LayerkitRegressor([3], loss="poisson", epochs=2).fit(X, COUNTS)
    assert estimator.model_.spec.output["scale"] is None
    assert (estimator.predict(X) > 0).all()
