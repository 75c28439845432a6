"""What a model makes of the rows: its loss and metrics, whole and row by row."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from layerkit.layer import Array, Context
from layerkit.links import apply_link
from layerkit.model import Model
from layerkit.network import random_stream
from layerkit.parts import Loss, Metric
from layerkit.training.measure import decoded, metric_value
from layerkit.training.prepare import Arrays

__all__ = ["Judged", "judge", "resampled", "row_values"]

RESAMPLES = 2000
_CHUNK = 1 << 20  # weights drawn at once, to bound memory


@dataclass(frozen=True)
class Judged:
    """One model on the judged rows.

    Attributes
    ----------
    predictions, targets
        (n, k) and what ``Metric.value`` compares with.
    values
        "loss" and each metric.
    losses
        (n,) the loss of each row.
    """

    predictions: Array
    targets: Array
    values: dict[str, float]
    losses: Array

    def __len__(self) -> int:
        return len(self.losses)


def judge(model: Model, arrays: Arrays, loss: Loss, metrics: Mapping[str, Metric]) -> Judged:
    """Feed ``arrays`` and take the loss and every metric; the same numbers as ``evaluate``."""
    with np.errstate(all="ignore"):  # numbers that are not finite are told, once, in the report
        scores, targets = model.scores_of(arrays.x), arrays.truth
        losses = np.array(loss.feed(scores, arrays.y, Context(scores.dtype)), np.float64)
        predictions = decoded(model.contract, loss, apply_link(model.spec.link, scores))
        values = {"loss": float(losses.mean()) if len(losses) else math.nan}
        values |= {name: metric_value(m, predictions, targets) for name, m in metrics.items()}
    return Judged(predictions, targets, values, losses)


def row_values(judged: Sequence[Judged], name: str, metric: Metric | None) -> Array | None:
    """The metric of each row alone, (models, n); None if it is no mean over rows.

    ``metric`` is None for the loss. A metric is a mean over rows (accuracy, absolute error) if its
    value for all, and for either half, is the mean of its values for the rows one by one; macro-F1
    and R2 are not.
    """
    if metric is None:
        return np.stack([j.losses for j in judged])
    found = []
    for j in judged:
        rows = _one_by_one(j, metric)
        if rows is None or not np.isclose(rows.mean(), j.values[name], rtol=1e-5, atol=1e-9):
            return None
        found.append(rows)
    return np.stack(found)


def _one_by_one(j: Judged, metric: Metric) -> Array | None:
    n = len(j)
    parts = [slice(0, n // 2), slice(n // 2, n)] if n > 1 else []
    with np.errstate(all="ignore"):
        rows = np.array([_value(metric, j, slice(i, i + 1)) for i in range(n)], np.float64)
        for part in parts:
            if not np.isclose(rows[part].mean(), _value(metric, j, part), rtol=1e-5, atol=1e-9):
                return None
    return rows


def _value(metric: Metric, j: Judged, part: slice) -> float:
    return metric_value(metric, j.predictions[part], j.targets[part])


def resampled(judged: Sequence[Judged], rows: Array | None, metric: Metric | None) -> Array:
    """The metric of each model on rows drawn again with replacement: (models, resamples).

    All models see the same draws, so that their differences are paired. ``rows`` are their
    ``row_values``, or None: then ``metric`` is asked again for each draw, rows weighted by how
    often they were drawn.
    """
    n = len(judged[0])
    stream = random_stream(0, "comparison", "rows")
    out = np.empty((len(judged), RESAMPLES))
    step = max(1, _CHUNK // n)
    for start in range(0, RESAMPLES, step):
        stop = min(start + step, RESAMPLES)
        draws = stream.integers(0, n, (stop - start, n))
        weights = np.stack([np.bincount(draw, minlength=n) for draw in draws]).astype(np.float64)
        if rows is not None:
            out[:, start:stop] = rows @ weights.T / n
        elif metric is not None:
            out[:, start:stop] = [[_weighted(metric, j, w) for w in weights] for j in judged]
    return out


def _weighted(metric: Metric, j: Judged, weights: Any) -> float:
    with np.errstate(all="ignore"):
        return metric_value(metric, j.predictions, j.targets, weights)
