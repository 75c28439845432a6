"""Scores of each class, from probabilities and true classes."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import numpy as np

from layerkit.core.context import Array
from layerkit.datacontract import OutputContract
from layerkit.discovery.registry import METRICS
from layerkit.evaluation.results import Calibration, ClassScores, Label

_BINS = 10


def class_scores(output: OutputContract, p: Array, truth: Array) -> ClassScores:
    """The scores of a classifier with classes, for one row or more.

    ``p`` (n, k) are probabilities, ``truth`` class numbers (n,) or flags (n, k); one column of both
    stands for two classes.
    """
    assert output.classes is not None  # noqa: S101  # by contract
    names: tuple[Label, ...] = output.classes
    t = truth if truth.ndim == 1 else truth.argmax(axis=1)
    k = len(names)
    if p.shape[1] == 1:
        t, guess = (truth[:, 0] > 0.5).astype(np.int64), (p[:, 0] > 0.5).astype(np.int64)
        auc = np.repeat(_areas(p, truth.T), 2)
        calibration = _calibration(p[:, 0], t, names[1])
    else:
        guess = p.argmax(axis=1)  # a tie goes to the first class, as in metrics
        auc = _areas(p, (t == c for c in range(k)))
        calibration = _calibration(p.max(axis=1), t == guess, None)
    support, guessed = np.bincount(t, minlength=k), np.bincount(guess, minlength=k)
    hits = np.bincount(t[t == guess], minlength=k)
    series = _series(hits, support, guessed, auc)
    most = int(support.argmax())
    return _scores(
        *(names, support, guessed, series),
        truth=t,
        guess=guess,
        accuracy=float(np.mean(t == guess)),
        balanced_accuracy=_mean(series["recall"]),
        majority=names[most],
        majority_share=float(support[most] / len(t)),
        calibration=calibration,
    )


def _scores(
    names: tuple[Label, ...],
    support: Array,
    guessed: Array,
    series: dict[str, Array],
    **others: Any,
) -> ClassScores:
    """The scores with the columns of ``series``, which both kinds of classes have."""
    return ClassScores(
        names=names,
        support=support,
        guessed=guessed,
        precision=series["precision"],
        recall=series["recall"],
        f1=series["f1"],
        auc=series["auc"],
        means=_means(series),
        **others,
    )


def flag_scores(names: tuple[str, ...], p: Array, truth: Array) -> ClassScores:
    """The scores of ``names``, yes-or-no answers: probabilities and flags (n, k), n at least 1."""
    flags, guess = truth > 0.5, p > 0.5
    support, guessed = flags.sum(axis=0), guess.sum(axis=0)
    series = _series((flags & guess).sum(axis=0), support, guessed, _areas(p, flags.T))
    return _scores(
        *(names, support, guessed, series),
        truth=None,
        guess=None,
        accuracy=float(np.mean(flags == guess)),
        balanced_accuracy=METRICS.create("balanced_accuracy").value(p, truth),
        majority=None,
        majority_share=float(np.maximum(support, len(p) - support).mean() / len(p)),
        calibration=_calibration(p.reshape(-1), flags.reshape(-1), None),
        several=True,
    )


def _series(hits: Array, support: Array, guessed: Array, auc: Array) -> dict[str, Array]:
    """The scores (k,) of each class; NaN where no row measures them."""
    return {
        "precision": _ratio(hits, guessed),
        "recall": _ratio(hits, support),
        "f1": _ratio(2 * hits, support + guessed),
        "auc": auc,
    }


def _means(series: dict[str, Array]) -> dict[str, float]:
    """Means over the classes; the precision of one that has rows and is never guessed is 0."""
    occurs = np.isfinite(series["f1"])
    guesses = np.where(occurs, np.nan_to_num(series["precision"]), np.nan)
    return {name: _mean(values) for name, values in {**series, "precision": guesses}.items()}


def _mean(values: Array) -> float:
    """The mean of those that are defined; NaN without any."""
    defined = values[np.isfinite(values)]
    return float(defined.mean()) if len(defined) else math.nan


def _ratio(part: Array, whole: Array) -> Array:
    """(k,) part / whole, NaN where whole is 0."""
    ratio: Array = np.divide(part, whole, out=np.full(len(part), np.nan), where=whole > 0)
    return ratio


def _areas(p: Array, flags: Iterable[Array]) -> Array:
    """(k,) the area under the ROC curve of each column; ``flags`` (n,) say which rows are of it."""
    auc = METRICS.create("auc")
    columns = enumerate(flags)
    return np.array([auc.value(p[:, [c]], yes[:, np.newaxis]) for c, yes in columns], np.float64)


def _calibration(q: Array, right: Array, of: Label | None) -> Calibration:
    """From probabilities and whether they came true, (n,) each."""
    q = q.astype(np.float64)
    edges = np.linspace(0, 1, _BINS + 1)
    number = np.searchsorted(edges[1:-1], q)
    rows = np.bincount(number, minlength=_BINS)
    predicted = _ratio(np.bincount(number, q, minlength=_BINS), rows)
    observed = _ratio(np.bincount(number, right, minlength=_BINS), rows)
    gaps = np.abs(predicted - observed)[rows > 0]
    return Calibration(of, edges, rows, predicted, observed, float(gaps @ rows[rows > 0] / len(q)))
