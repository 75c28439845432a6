"""Values row by row, and resampling, on predictions small enough to check by hand."""

from __future__ import annotations

import numpy as np
import pytest

from layerkit.comparison.judging import resample_metric
from layerkit.comparison.metric_runs import metric_runs
from layerkit.core.context import Array
from layerkit.core.rows import Rows
from layerkit.discovery.registry import METRICS
from layerkit.model import build
from layerkit.runs.answers import Evaluation, evaluate_on, row_values
from layerkit.statistics.resampling import RESAMPLES
from layerkit.training import evaluate
from layerkit.training.prepare import to_arrays
from layerkit.training.recipe import loss_and_metrics

ACCURACY, MACRO_F1 = METRICS.create("accuracy"), METRICS.create("macro_f1")


def judged(predicted: list[int], truth: list[int]) -> Evaluation:
    predictions: Array = np.eye(3)[predicted]
    targets = np.array(truth)
    values = {
        name: METRICS.create(name).value(predictions, targets) for name in ("accuracy", "macro_f1")
    }
    return Evaluation(predictions, targets, values, np.zeros(len(truth)))


SOME = judged([0, 1, 2, 0], [0, 1, 1, 2])


def test_accuracy_is_a_mean_over_rows() -> None:
    rows = row_values(SOME, "accuracy", ACCURACY)
    assert rows is not None
    assert rows.tolist() == [1, 1, 0, 0]


def test_macro_f1_is_none() -> None:
    assert row_values(SOME, "macro_f1", MACRO_F1) is None


def test_every_model_must_be_a_mean_over_rows() -> None:
    right = judged([0, 1, 2, 0], [0, 1, 2, 0])  # macro-F1 is 1, as is each row's
    assert row_values(right, "macro_f1", MACRO_F1) is not None
    for runs in metric_runs([{0: right}, {0: SOME}], [(), ()], "macro_f1", MACRO_F1):
        assert runs is not None
        assert runs.rows is None
        assert runs.resamples is not None


def test_a_metric_that_is_a_mean_by_coincidence_is_found_out() -> None:
    lucky = judged([0, 0, 0, 1], [0, 1, 1, 1])  # macro-F1 is 0.5, as is the mean of its rows
    assert lucky.values["macro_f1"] == lucky.values["accuracy"] == 0.5
    assert row_values(lucky, "macro_f1", MACRO_F1) is None


def test_resamples_of_a_mean_spread_as_its_rows_do() -> None:
    drawn, left = resample_metric(SOME, ACCURACY)
    assert (drawn.shape, left.tolist()) == ((RESAMPLES,), [1 / 3, 1 / 3, 2 / 3, 2 / 3])
    assert drawn.std() == pytest.approx(0.25, abs=0.02)  # sqrt(0.5 * 0.5 / 4)


def test_models_share_the_draws() -> None:
    first, second = (resample_metric(SOME, MACRO_F1)[0] for _ in range(2))
    np.testing.assert_array_equal(first, second)
    assert np.ptp(first) > 0


def test_judging_gives_what_evaluate_gives() -> None:
    model = build(
        {
            "layerkit": 1,
            "input": {"shape": [2]},
            "layers": [{"type": "dense", "units": 3}],
            "output": {"classes": ["a", "b", "c"]},
        }
    )
    rows = Rows(
        values=np.random.default_rng(0).normal(size=(30, 2)), labels=np.array(["a", "c"] * 15)
    )
    loss, metrics = loss_and_metrics(model.spec)
    found = evaluate_on(to_arrays(model.contract, rows, loss), model, loss, metrics)
    assert found.values == pytest.approx(evaluate(model, rows))
    assert found.losses.mean() == pytest.approx(found.values["loss"])
