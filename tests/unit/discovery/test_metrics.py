"""Metrics: hand-computed values, weights, ties, empty classes, constant targets."""

from __future__ import annotations

import inspect
import math
import warnings
from typing import Any

import numpy as np
import pytest

from layerkit import Array, Metric
from layerkit.discovery.registry import REGISTRIES

NAMES = REGISTRIES["metrics"].names()
PAIRS = [(name, target) for name in NAMES for target in REGISTRIES["metrics"][name].target]


def make(config: str | dict[str, Any]) -> Metric:
    part: Metric = REGISTRIES["metrics"].create(config)
    return part


def value(config: str | dict[str, Any], p: Any, t: Any, w: Any = None) -> float:
    weights = None if w is None else np.asarray(w, float)
    return make(config).value(np.asarray(p), np.asarray(t), weights)


P = [[0.7, 0.2, 0.1], [0.1, 0.6, 0.3], [0.5, 0.3, 0.2], [0.2, 0.2, 0.6]]
T = [0, 1, 1, 2]
FP, FT = [[0.9, 0.2], [0.4, 0.8]], [[1, 1], [0, 1]]


@pytest.mark.parametrize(
    ("config", "p", "t", "w", "want"),
    [
        ("accuracy", P, T, None, 3 / 4),
        ("accuracy", P, T, [1, 1, 2, 0], 2 / 4),
        ("accuracy", [[0.5, 0.5]], [0], None, 1),
        ("accuracy", FP, FT, None, 3 / 4),
        ("accuracy", FP, FT, [3, 1], (3 * 0.5 + 1) / 4),
        ("accuracy", [[0.5]], [[0]], None, 1),
        ("top_k", P, T, None, 1),
        ({"type": "top_k", "k": 1}, P, T, None, 3 / 4),
        ({"type": "top_k", "k": 2}, P, [2, 2, 2, 1], None, 1 / 4),
        ({"type": "top_k", "k": 2}, P, [2, 2, 2, 1], [0, 1, 1, 2], 1 / 4),
        ("log_loss", P, T, None, -math.log(0.7 * 0.6 * 0.3 * 0.6) / 4),
        ("log_loss", P, T, [0, 0, 1, 1], -math.log(0.3 * 0.6) / 2),
        ("log_loss", FP, FT, None, -math.log(0.9 * 0.2 * 0.6 * 0.8) / 4),
        ("macro_f1", P, T, None, (2 / 3 + 2 / 3 + 1) / 3),
        ("macro_f1", P, T, [1, 1, 2, 1], (2 / 4 + 2 / 4 + 1) / 3),
        ("macro_f1", FP, FT, None, (1 + 2 / 3) / 2),
        ("precision", P, T, None, (1 / 2 + 1 + 1) / 3),
        ("precision", P, T, [1, 1, 2, 1], (1 / 3 + 1 + 1) / 3),
        ({"type": "precision", "average": "weighted"}, P, T, None, (1 / 2 + 2 * 1 + 1) / 4),
        ("precision", FP, FT, None, (1 + 1) / 2),
        ("precision", [[0.9], [0.9], [0.2]], [[1], [0], [1]], None, 1 / 2),
        ("recall", P, T, None, (1 + 1 / 2 + 1) / 3),
        ("recall", P, T, [1, 1, 2, 1], (1 + 1 / 3 + 1) / 3),
        ({"type": "recall", "average": "weighted"}, P, T, None, 3 / 4),
        ("recall", FP, FT, None, (1 + 1 / 2) / 2),
        ("recall", [[0.9], [0.9], [0.2], [0.1]], [[1], [0], [1], [1]], None, 1 / 3),
        ("balanced_accuracy", P, T, None, (1 + 1 / 2 + 1) / 3),
        ("balanced_accuracy", P, T, [1, 1, 2, 1], (1 + 1 / 3 + 1) / 3),
        ("balanced_accuracy", [[0.9], [0.9], [0.2], [0.1]], [[1], [0], [1], [1]], None, 1 / 6),
        ("balanced_accuracy", FP, FT, None, ((1 + 1) / 2 + 1 / 2) / 2),
        ("auc", P, [1, 1, 0, 2], None, (2 / 3 + 2.5 / 4 + 1) / 3),
        ({"type": "auc", "average": "weighted"}, P, [1, 1, 0, 2], None, (2 / 3 + 2.5 / 2 + 1) / 4),
        ("auc", [[0.1], [0.4], [0.4], [0.8]], [[0], [0], [1], [1]], None, 3.5 / 4),
        ("auc", [[0.1], [0.4], [0.4], [0.8]], [[0], [0], [1], [1]], [1, 2, 1, 1], 5 / 6),
        ("calibration_error", P, T, None, (0.3 + 0.5 + 2 * 0.4) / 4),
        ("calibration_error", P, T, [1, 1, 2, 0], (0.3 + 2 * 0.5 + 0.4) / 4),
        ({"type": "calibration_error", "bins": 1}, P, T, None, abs(3 - 2.4) / 4),
        ("calibration_error", FP, FT, None, ((0.1 + 0.4) / 2 + (0.8 + 0.2) / 2) / 2),
        ("mse", [[1.0, 2], [3, 4]], [[1, 4], [0, 4]], None, (2 + 4.5) / 2),
        ("mse", [[1.0, 2], [3, 4]], [[1, 4], [0, 4]], [3, 1], (6 + 4.5) / 4),
        ("mae", [[1.0, 2], [3, 4]], [[1, 4], [0, 4]], None, (1 + 1.5) / 2),
        ("mae", [[1.0, 2], [3, 4]], [[1, 4], [0, 4]], [3, 1], (3 + 1.5) / 4),
        ("pinball", [[1.0, 2], [3, 4]], [[1, 4], [0, 4]], [3, 1], (3 + 1.5) / 8),
        ({"type": "pinball", "quantile": 0.9}, [[1.0], [3.0]], [[3], [2]], None, (1.8 + 0.1) / 2),
        ("r2", [[1.0], [2], [4]], [[1], [2], [3]], None, 1 - 1 / 2),
        ("r2", [[1.0], [2], [4]], [[1], [2], [3]], [1, 1, 2], 1 - 2 / 2.75),
        ("r2", [[1.0, 0], [2, 0], [4, 0]], [[1, 0], [2, 1], [3, 2]], None, (0.5 - 1.5) / 2),
    ],
)
def test_by_hand(config: str | dict[str, Any], p: Any, t: Any, w: Any, want: float) -> None:
    assert value(config, p, t, w) == pytest.approx(want, rel=1e-14)


def test_macro_f1_leaves_out_classes_that_nobody_names() -> None:
    four = [[*row, 0.0] for row in P]
    assert value("macro_f1", four, T) == value("macro_f1", P, T)
    assert value("macro_f1", four, [0, 1, 1, 3]) < value("macro_f1", P, T)
    assert value("macro_f1", [[0.1]], [[0]]) == 1
    assert value("macro_f1", [[0.9]], [[0]]) == 0


def test_what_no_row_measures_is_left_out_and_a_class_never_guessed_is_not() -> None:
    four = [[*row, 0.0] for row in P]
    for name in ("precision", "recall", "balanced_accuracy", "auc"):
        assert value(name, four, T) == value(name, P, T)
    assert value("precision", four, [0, 1, 1, 3]) == pytest.approx((1 / 2 + 1 + 0 + 0) / 4)
    assert value("recall", four, [0, 1, 1, 3]) == pytest.approx((1 + 1 / 2 + 0) / 3)
    assert math.isnan(value("auc", P, [1, 1, 1, 1]))  # there is no rest
    assert math.isnan(value("recall", [[0.9]], [[0]]))
    assert value("precision", [[0.9]], [[0]]) == 0
    assert math.isnan(value("precision", [[0.1]], [[0]]))
    assert value("balanced_accuracy", [[0.1]], [[0]]) == 1


def test_probabilities_of_0_and_1_have_an_interval_of_their_own() -> None:
    assert value("calibration_error", [[0.0], [1.0]], [[0], [1]]) == 0
    assert value("calibration_error", [[0.0], [1.0]], [[1], [0]]) == 1


def test_ties_go_to_the_lowest_class() -> None:
    tied = [[0.25] * 4]
    for k in range(1, 5):
        hits = [value({"type": "top_k", "k": k}, tied, [c]) for c in range(4)]
        assert hits == [1] * k + [0] * (4 - k)


def test_top_1_is_accuracy_and_too_many_are_all() -> None:
    rng = np.random.default_rng(0)
    p, t = rng.random((50, 6)).round(1), rng.integers(0, 6, 50)
    assert value({"type": "top_k", "k": 1}, p, t) == value("accuracy", p, t)
    assert value({"type": "top_k", "k": 9}, p, t) == 1


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_log_loss_of_certain_mistakes_is_finite(dtype: Any) -> None:
    with np.errstate(all="raise"):
        wrong = value("log_loss", np.array([[1, 0]], dtype), [1])
        flags = value("log_loss", np.array([[1, 0]], dtype), [[0, 1]])
        right = value("log_loss", np.array([[1, 0]], dtype), [0])
    worst = -math.log(np.finfo(dtype).eps)
    assert wrong == pytest.approx(worst)
    assert flags == pytest.approx(worst, rel=1e-3)
    assert 0 <= right < 2e-7


def test_r2_of_equal_targets_is_not_defined() -> None:
    assert math.isnan(value("r2", [[2.0], [2]], [[2], [2]]))
    assert math.isnan(value("r2", [[3.0]], [[2]]))
    assert math.isnan(value("r2", [[1.0], [2], [3]], [[1], [1], [2]], [1, 1, 0]))
    assert value("r2", [[1.0, 5], [2, 5], [4, 5]], [[1, 7], [2, 7], [3, 7]]) == 1 - 1 / 2


def test_r2_of_far_targets_has_its_digits() -> None:
    t = np.arange(8.0).reshape(8, 1)
    near = value("r2", t + 0.5, t)
    assert value("r2", t + 0.5 + 1e12, t + 1e12) == pytest.approx(near, rel=1e-12)
    assert value("r2", (t + 0.5) / 64 + 1e12, t / 64 + 1e12) == pytest.approx(near, rel=1e-12)


@pytest.mark.parametrize("name", NAMES)
def test_without_rows_nothing_is_defined(name: str) -> None:
    real = name in ("mae", "mse", "r2", "pinball")
    t = np.zeros((2, 3)) if real else np.zeros(2, np.int64)
    metric = make(name)
    with warnings.catch_warnings(action="error"):
        assert math.isnan(metric.value(np.zeros((0, 3)), t[:0]))
        assert math.isnan(metric.value(np.full((2, 3), 0.3), t, np.zeros(2)))


def sample(target: str, n: int = 40, k: int = 3) -> tuple[Array, Array]:
    """Predictions and targets, the predictions right for most rows."""
    rng = np.random.default_rng(2)
    if target == "class":
        t = rng.integers(0, k, n)
        p = rng.random((n, k)) + 0.7 * np.eye(k)[t]
        return (p / p.sum(axis=1, keepdims=True)).astype(np.float32), t
    y: Array = rng.integers(0, 2, (n, k)) if target == "binary" else rng.normal(size=(n, k))
    return (0.6 * y + 0.4 * rng.random((n, k))).astype(np.float32), y


@pytest.mark.parametrize(("name", "target"), PAIRS)
class TestContract:
    def test_a_weight_of_two_is_a_row_twice(self, name: str, target: str) -> None:
        metric, (p, t) = make(name), sample(target)
        w = np.random.default_rng(0).integers(0, 3, len(p))
        weighted = metric.value(p, t, w)
        assert weighted == pytest.approx(metric.value(p.repeat(w, 0), t.repeat(w, 0)), rel=1e-6)
        assert weighted == pytest.approx(metric.value(p, t, w * 0.5), rel=1e-6)
        assert metric.value(p, t) == pytest.approx(metric.value(p, t, np.ones(len(p))), rel=1e-6)

    def test_better_predictions_score_better(self, name: str, target: str) -> None:
        metric = make({"type": name, "k": 1} if name == "top_k" else name)
        p, t = sample(target)
        best = np.eye(3)[t] if target == "class" else t.astype(float)
        worst = best[::-1] if target == "real" else (1 - best)
        scores = [metric.value(q, t) for q in (worst, p, best)]
        assert scores == sorted(scores, reverse=not metric.higher_is_better)
        assert scores[0] != scores[2]
        assert all(type(s) is float for s in scores)

    def test_inputs_stay_and_memory_order_does_not_matter(self, name: str, target: str) -> None:
        metric, (p, t) = make(name), sample(target)
        w, p0, t0 = np.linspace(0, 1, len(p)), p.copy(), t.copy()
        got = metric.value(np.asfortranarray(p), np.asfortranarray(t), w)
        assert got == pytest.approx(metric.value(p, t, w), rel=1e-6)
        np.testing.assert_array_equal(p, p0)
        np.testing.assert_array_equal(t, t0)


@pytest.mark.parametrize("name", NAMES)
def test_settings_and_documentation(name: str) -> None:
    part = make(name)
    cls = type(part)
    assert cls(**part.config).config == part.config
    text = inspect.getdoc(inspect.getmodule(cls)) or ""
    assert "value" in text
    assert " = " in text
    assert "Source: " in text
    assert ("higher is better" if part.higher_is_better else "lower is better") in text
