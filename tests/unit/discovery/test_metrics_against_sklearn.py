"""The classification metrics against scikit-learn: ties, weights, absent classes, many classes."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest

from layerkit import Array
from layerkit.discovery.registry import METRICS

skm = pytest.importorskip("sklearn.metrics", reason="scikit-learn is not installed")

CASES = {  # rows, classes, classes that occur
    "two": (200, 2, [0, 1]),
    "three": (60, 3, [0, 1, 2]),
    "absent": (60, 5, [0, 2, 3]),
    "26": (500, 26, list(range(26))),
    "1000": (3000, 1000, list(range(0, 1000, 3))),
    "one class": (9, 3, [1]),
    "one row": (1, 3, [2]),
}


def rows(name: str) -> tuple[Array, Array, Array]:
    """Predictions with many ties, targets, and weights of which some are 0."""
    n, k, occur = CASES[name]
    rng = np.random.default_rng(n)
    t = rng.choice(occur, n)
    p = np.round(rng.random((n, k)) + 0.5 * np.eye(k)[t], 1) + 0.01
    w = np.where(rng.random(n) < 0.1, 0.0, rng.random(n)) if n > 1 else np.ones(1)
    return p / p.sum(axis=1, keepdims=True), t, w


def value(config: Any, p: Array, t: Array, w: Array | None) -> float:
    found: float = METRICS.create(config).value(p, t, w)
    return found


@pytest.mark.parametrize("weighted", [False, True], ids=["plain", "weighted"])
@pytest.mark.parametrize("name", CASES)
@pytest.mark.filterwarnings("ignore:y_pred contains classes not in y_true")
@pytest.mark.filterwarnings("ignore:A single label was found")
class TestClasses:
    def test_precision_and_recall(self, name: str, weighted: bool) -> None:
        p, t, w = rows(name)
        given = w if weighted else None
        counts = w > 0 if weighted else np.ones(len(t), np.bool_)
        guess = p.argmax(axis=1)
        for average in ("macro", "weighted"):
            known: dict[str, Any] = {"average": average}
            p_want = skm.precision_score(
                t[counts],
                guess[counts],
                sample_weight=None if given is None else given[counts],
                zero_division=0,
                **known,
            )
            r_want = skm.recall_score(
                t, guess, sample_weight=given, zero_division=np.nan, labels=np.unique(t), **known
            )
            assert value({"type": "precision", **known}, p, t, given) == pytest.approx(p_want)
            assert value({"type": "recall", **known}, p, t, given) == pytest.approx(r_want)

    def test_balanced_accuracy(self, name: str, weighted: bool) -> None:
        p, t, w = rows(name)
        given = w if weighted else None
        want = skm.balanced_accuracy_score(t, p.argmax(axis=1), sample_weight=given)
        assert value("balanced_accuracy", p, t, given) == pytest.approx(want)

    def test_auc(self, name: str, weighted: bool) -> None:
        p, t, w = rows(name)
        given = w if weighted else None
        areas, shares = [], []
        counts = np.ones(len(t)) if given is None else given
        for c in np.unique(t[counts > 0]).tolist():
            if counts[t != c].any():
                areas.append(skm.roc_auc_score(t == c, p[:, c], sample_weight=given))
                shares.append(counts[t == c].sum())
        got, weighed = (
            value({"type": "auc", "average": a}, p, t, given) for a in ("macro", "weighted")
        )
        if not areas:
            assert np.isnan([got, weighed]).all()
            return
        assert got == pytest.approx(np.mean(areas))
        assert weighed == pytest.approx(np.average(areas, weights=shares))


@pytest.mark.parametrize("average", ["macro", "weighted"])
def test_auc_of_all_classes_at_once(average: str) -> None:
    for name in ("three", "26"):
        p, t, _ = rows(name)
        want = skm.roc_auc_score(t, p, multi_class="ovr", average=average)
        assert value({"type": "auc", "average": average}, p, t, None) == pytest.approx(want)


@pytest.mark.parametrize("weighted", [False, True], ids=["plain", "weighted"])
def test_flags(weighted: bool) -> None:
    rng = np.random.default_rng(4)
    t = (rng.random((300, 4)) < [0.5, 0.1, 0.9, 0.3]).astype(float)
    p = np.round(0.3 * t + 0.7 * rng.random(t.shape), 1) + 0.001
    w = rng.random(300) if weighted else None
    guess = p > 0.5
    known: dict[str, Any] = {"average": "macro", "sample_weight": w}
    with warnings.catch_warnings():
        assert value("precision", p, t, w) == pytest.approx(skm.precision_score(t, guess, **known))
        assert value("recall", p, t, w) == pytest.approx(skm.recall_score(t, guess, **known))
        assert value("auc", p, t, w) == pytest.approx(skm.roc_auc_score(t, p, **known))
    balanced = [
        skm.balanced_accuracy_score(t[:, c], guess[:, c], sample_weight=w) for c in range(4)
    ]
    assert value("balanced_accuracy", p, t, w) == pytest.approx(np.mean(balanced))


def test_calibration_error() -> None:
    calibration = pytest.importorskip("sklearn.calibration")
    rng = np.random.default_rng(5)
    p = np.round(rng.random((400, 1)), 2)
    t = (rng.random((400, 1)) < p**2).astype(float)
    for bins in (1, 5, 10):
        share, mean = calibration.calibration_curve(t[:, 0], p[:, 0], n_bins=bins)
        number = np.searchsorted(np.linspace(0, 1, bins + 1)[1:-1], p[:, 0])
        counts = np.bincount(number, minlength=bins)
        want = np.abs(share - mean) @ counts[counts > 0] / 400
        got = value({"type": "calibration_error", "bins": bins}, p, t, None)
        assert got == pytest.approx(want, rel=1e-12)


@pytest.mark.parametrize("weighted", [False, True], ids=["plain", "weighted"])
@pytest.mark.parametrize("quantile", [0.1, 0.5, 0.9])
def test_pinball(quantile: float, weighted: bool) -> None:
    rng = np.random.default_rng(0)
    p, t = rng.normal(size=(2, 30, 3))
    w = rng.random(30) if weighted else None
    want = skm.mean_pinball_loss(t, p, alpha=quantile, sample_weight=w)
    found = value({"type": "pinball", "quantile": quantile}, p, t, w)
    assert found == pytest.approx(want, rel=1e-13)
