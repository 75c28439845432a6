"""Reports against scikit-learn and NumPy: ties, absent classes, one row, many classes."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pytest

import layerkit
from layerkit import Array, EvaluationReport, Model
from layerkit.discovery.registry import METRICS
from layerkit.evaluation.results import ClassScores

FEATURES = 4


def model(units: int, loss: str, x: Array, labels: Any, **output: Any) -> Model:
    """A model of one layer, trained for an epoch."""
    spec = {
        "layerkit": 1,
        "name": "one",
        "input": {"shape": [FEATURES]},
        "layers": [{"type": "dense", "units": units}],
        "output": output,
        "train": {"loss": loss, "epochs": 1, "batch_size": 16},
    }
    return layerkit.train(spec, data=(x, labels)).model


def classifier(k: int, n: int = 400) -> tuple[Model, Array, Array]:
    """A model of k classes, rows and labels; rows come in equal pairs, which makes ties."""
    rng = np.random.default_rng(k)
    t = np.arange(n) % k
    x = np.round(rng.normal(size=(n, FEATURES)) + rng.normal(size=(k, FEATURES))[t])
    return model(k, "softmax_cross_entropy", x, t), x, t


def class_part(report: EvaluationReport) -> ClassScores:
    assert report.classes is not None
    return report.classes


@pytest.mark.parametrize(("k", "n"), [(2, 60), (3, 400), (26, 2000), (1000, 4000)])
def test_classes_are_those_of_sklearn(k: int, n: int) -> None:
    skm = pytest.importorskip("sklearn.metrics", reason="scikit-learn is not installed")
    net, x, t = classifier(k, n)
    found = layerkit.report(net, (x, t))
    c = class_part(found)
    p = net.predict(x)
    guess = p.argmax(axis=1)
    scores = skm.precision_recall_fscore_support(t, guess, zero_division=np.nan)
    for got, want in zip((c.precision, c.recall, c.f1, c.support), scores, strict=True):
        np.testing.assert_allclose(got, want, rtol=1e-14)
    np.testing.assert_array_equal(c.confusion_matrix, skm.confusion_matrix(t, guess))
    np.testing.assert_array_equal(c.guessed, np.bincount(guess, minlength=k))
    for j in range(0, k, max(1, k // 30)):
        assert c.auc[j] == pytest.approx(skm.roc_auc_score(t == j, p[:, j]), rel=1e-12)
    assert c.accuracy == skm.accuracy_score(t, guess)
    assert c.balanced_accuracy == pytest.approx(skm.balanced_accuracy_score(t, guess))
    for name, metric in {"precision": "precision", "recall": "recall", "f1": "macro_f1"}.items():
        want = METRICS.create(metric).value(p, t)
        assert c.means[name] == pytest.approx(want, rel=1e-12)
    assert c.means["auc"] == pytest.approx(METRICS.create("auc").value(p, t), rel=1e-12)
    error = METRICS.create("calibration_error").value(p, t)
    assert c.calibration.error == pytest.approx(error, rel=1e-12)
    assert c.calibration.rows.sum() == n
    assert found.metrics == layerkit.evaluate(net, (x, t))


@pytest.mark.parametrize("k", [3, 26])
def test_worst_confusions_are_the_cells_of_the_matrix(k: int) -> None:
    net, x, t = classifier(k)
    c = class_part(layerkit.report(net, (x, t)))
    matrix = c.confusion_matrix
    found = c.worst_confusions()
    assert sum(one.rows for one in found) == matrix.sum() - np.trace(matrix)
    assert [one.rows for one in found] == sorted((one.rows for one in found), reverse=True)
    for one in found:
        i, j = c.names.index(one.true), c.names.index(one.guessed)
        assert i != j
        assert one.rows == matrix[i, j]
        assert one.share == pytest.approx(matrix[i, j] / matrix[i].sum())
    assert c.worst_confusions(2) == found[:2]


def test_two_classes_of_one_output() -> None:
    skm = pytest.importorskip("sklearn.metrics", reason="scikit-learn is not installed")
    curves = pytest.importorskip("sklearn.calibration")
    rng = np.random.default_rng(0)
    x = np.round(rng.normal(size=(500, FEATURES)), 1)
    t = np.where(x[:, 0] + rng.normal(size=500) > 1, "yes", "no")
    net = model(1, "sigmoid_cross_entropy", x, t)
    found = layerkit.report(net, (x, t), metrics=["auc", "calibration_error"])
    c = class_part(found)
    p = net.predict(x)[:, 0]
    guess = np.where(p > 0.5, "yes", "no")
    np.testing.assert_array_equal(c.confusion_matrix, skm.confusion_matrix(t, guess))
    scores = skm.precision_recall_fscore_support(t, guess)
    for got, want in zip((c.precision, c.recall, c.f1, c.support), scores, strict=True):
        np.testing.assert_allclose(got, want)
    area = skm.roc_auc_score(t, p)
    np.testing.assert_allclose(c.auc, [area, area], rtol=1e-14)
    assert found.metrics["auc"] == pytest.approx(area)
    assert (c.majority, c.majority_share) == ("no", np.mean(t == "no"))
    observed, predicted = curves.calibration_curve(t == "yes", p, n_bins=10)
    some = c.calibration.rows > 0
    assert c.calibration.of == "yes"
    np.testing.assert_allclose(c.calibration.observed[some], observed)
    np.testing.assert_allclose(c.calibration.predicted[some], predicted, rtol=1e-6)
    assert c.calibration.error == pytest.approx(found.metrics["calibration_error"])


def test_named_classes_of_several_flags_are_one_class_each() -> None:
    net, x, t = classifier(3)
    names = np.array(["a", "b", "c"])[t]
    net = model(3, "sigmoid_cross_entropy", x, names, classes=["a", "b", "c"])
    found = layerkit.report(net, (x, names))
    c = class_part(found)
    assert found.task == "classes"
    assert c.accuracy == np.mean(net.classify(x) == names)
    assert c.confusion_matrix.sum() == len(x)


def test_yes_or_no_answers() -> None:
    skm = pytest.importorskip("sklearn.metrics", reason="scikit-learn is not installed")
    rng = np.random.default_rng(1)
    x = np.round(rng.normal(size=(300, FEATURES)), 1)
    t = (x[:, :3] + rng.normal(size=(300, 3)) > [0, 1, 2]).astype(float)
    net = model(3, "sigmoid_cross_entropy", x, t, targets=["p", "q", "r"])
    found = layerkit.report(net, (x, t))
    c = class_part(found)
    p = net.predict(x)
    guess = p > 0.5
    assert (found.task, c.several, c.names, c.truth) == ("flags", True, ("p", "q", "r"), None)
    scores = skm.precision_recall_fscore_support(t, guess, zero_division=np.nan)
    for got, want in zip((c.precision, c.recall, c.f1, c.support), scores, strict=True):
        np.testing.assert_allclose(got, want)
    np.testing.assert_allclose(c.auc, skm.roc_auc_score(t, p, average=None))
    assert c.accuracy == found.metrics["accuracy"]
    assert c.majority_share == pytest.approx(np.mean([max(f, 1 - f) for f in t.mean(axis=0)]))
    assert c.worst_confusions() == []


def test_classes_without_rows_and_one_class_only() -> None:
    net, x, t = classifier(5)
    c = class_part(layerkit.report(net, (x[t < 2], t[t < 2])))
    assert np.isnan(c.recall[2:]).all()
    assert np.isnan(c.auc[2:]).all()
    assert c.balanced_accuracy == pytest.approx(c.recall[:2].mean())
    one = class_part(layerkit.report(net, (x[t == 3], t[t == 3])))
    assert np.isnan(one.auc).all()
    assert one.majority_share == 1
    assert one.balanced_accuracy == one.accuracy


@pytest.mark.parametrize("k", [2, 26])
def test_one_row(k: int) -> None:
    net, x, t = classifier(k)
    found = layerkit.report(net, (x[:1], t[:1]))
    c = class_part(found)
    assert c.accuracy == c.balanced_accuracy == found.metrics["accuracy"]
    assert c.calibration.rows.sum() == 1
    assert json.loads(json.dumps(found.to_json(), allow_nan=False))["rows"] == 1


def regression(n: int = 300, k: int = 2, **output: Any) -> tuple[Model, Array, Array]:
    rng = np.random.default_rng(k)
    x = rng.normal(size=(n, FEATURES))
    y = x @ rng.normal(size=(FEATURES, k)) + rng.normal(size=(n, k))
    names = [f"y{j}" for j in range(k)]
    return model(k, "mse", x, y, targets=names, **output), x, y


def test_residuals() -> None:
    net, x, y = regression(scale="standardize")
    found = layerkit.report(net, (x, y), metrics=["mse"])
    r = net.predict(x) - y
    assert [one.name for one in found.residuals] == ["y0", "y1"]
    assert found.classes is None
    for j, one in enumerate(found.residuals):
        assert one.bias == pytest.approx(r[:, j].mean())
        assert one.spread == pytest.approx(np.std(r[:, j], ddof=1))
        assert one.target_spread == pytest.approx(np.std(y[:, j], ddof=1))
        for share, value in one.quantiles.items():
            assert value == pytest.approx(np.quantile(r[:, j], share))
        order = np.argsort(-np.abs(r[:, j]))[:5]
        assert [w.row for w in one.worst] == order.tolist()
        assert [w.residual for w in one.worst] == pytest.approx(r[order, j].tolist())
        assert one.worst[0].predicted - one.worst[0].true == pytest.approx(one.worst[0].residual)
        assert sum(band.rows for band in one.bands) == len(x)
        weighed = sum(band.rows * (band.predicted - band.true) for band in one.bands)
        assert weighed / len(x) == pytest.approx(one.bias, abs=1e-9)
    mse = sum(one.bias**2 + one.spread**2 * (len(x) - 1) / len(x) for one in found.residuals) / 2
    assert found.metrics["mse"] == pytest.approx(mse)


def test_worst_rows_are_numbered_as_at_their_source() -> None:
    net, x, y = regression()
    rows = layerkit.Rows(x, labels=y, source="all")
    whole = layerkit.report(net, rows).residuals[0].worst[0]
    some = rows.take(np.array([7, whole.row, 3]))
    assert layerkit.report(net, some).residuals[0].worst[0] == whole


def test_one_row_of_numbers_has_no_spread() -> None:
    net, x, y = regression()
    (one, _) = layerkit.report(net, (x[:1], y[:1])).residuals
    assert math.isnan(one.spread)
    assert one.bias == one.worst[0].residual
    assert len(one.bands) == 1


def test_json_holds_all_numbers_and_no_nan() -> None:
    net, x, t = classifier(5)
    found = layerkit.report(net, (x[t < 2], t[t < 2]), split="test")
    told = json.loads(json.dumps(found.to_json(), allow_nan=False))
    assert (told["split"], told["task"], told["rows"]) == ("test", "classes", 160)
    assert told["classes"][4]["recall"] is None
    assert sum(map(sum, told["confusion_matrix"])) == 160
    assert told["balanced_accuracy"] == class_part(found).balanced_accuracy
    assert len(told["calibration"]["curve"]) == 10
    net, x, t = classifier(1000, 3000)
    told = layerkit.report(net, (x, t)).to_json()
    assert told["confusion_matrix"] is None
    assert len(told["confusions"]) == 1000
    net, x, y = regression()
    (first, _) = layerkit.report(net, (x, y)).to_json()["residuals"]
    assert list(first["quantiles"]) == ["0", "0.05", "0.25", "0.5", "0.75", "0.95", "1"]
    assert len(first["worst"]) == 5


def test_metrics_asked_for_come_once_each() -> None:
    net, x, t = classifier(5)
    top = METRICS.create({"type": "top_k", "k": 2})
    asked: list[Any] = ["accuracy", "auc", {"type": "top_k", "k": 3}, top, "auc"]
    found = layerkit.report(net, (x, t), metrics=asked)
    assert list(found.metrics) == ["loss", "accuracy", "auc", "top_k", "top_k_4"]
    p = net.predict(x)
    assert found.metrics["top_k_4"] == top.value(p, t)
    assert found.higher_is_better["loss"] is False
    assert found.higher_is_better["auc"] is True


@pytest.mark.parametrize(
    ("metric", "error", "words"),
    [
        ("aux", layerkit.UnknownTypeError, "did you mean 'auc'"),
        ("r2", layerkit.SpecError, "'r2' needs real targets, but the model's are class targets"),
        ({"type": "top_k", "k": 0}, layerkit.SpecError, "expected an integer >= 1, got 0"),
        (5, layerkit.SpecError, "got 5"),
    ],
    ids=["unknown", "other targets", "setting", "number"],
)
def test_a_metric_that_cannot_be_used(metric: Any, error: type[Exception], words: str) -> None:
    net, x, t = classifier(3)
    with pytest.raises(error, match="metrics") as caught:
        layerkit.report(net, (x, t), metrics=[metric])
    assert words in str(caught.value)


def test_labels_that_the_model_does_not_know() -> None:
    net, x, t = classifier(3)
    with pytest.raises(layerkit.DataError, match="expected one of 3 classes, got 3"):
        layerkit.report(net, (x, t + 1))


def test_a_metric_asked_for_takes_the_quantile_of_the_loss() -> None:
    x = np.random.default_rng(0).normal(size=(60, 2))
    spec = {
        "layerkit": 1,
        "input": {"shape": [2]},
        "layers": [{"type": "dense", "units": 1}],
        "train": {"epochs": 1, "loss": {"type": "quantile", "quantile": 0.9}},
    }
    rows = (x, x[:, 0])
    net = layerkit.train(spec, data=rows).model

    def value(metric: Any) -> float:
        return layerkit.report(net, rows, metrics=[metric]).metrics["pinball"]

    assert value("pinball") == value({"type": "pinball", "quantile": 0.9})
    assert value("pinball") != value({"type": "pinball", "quantile": 0.5})
