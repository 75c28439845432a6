"""What a model makes of the rows: its loss and metrics, whole and row by row."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from layerkit.comparison.resampling import GROUPS, row_groups, weights_of
from layerkit.core.layer import Array, Context
from layerkit.core.output_functions import apply_link
from layerkit.core.parts import Loss, Metric
from layerkit.model import Model
from layerkit.training.evaluation import decoded, metric_value
from layerkit.training.prepare import Arrays

__all__ = ["Judged", "judge", "resampled", "row_values"]

_FEW = 256  # draws left out one by one, where each asks the metric again


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


def resampled(judged: Judged, metric: Metric) -> tuple[Array, Array]:
    """A metric that is no mean over rows, on rows drawn again (b,) and with groups left out (g,).

    ``metric`` is asked each time, rows weighted by how often they were drawn. All models see the
    same draws.
    """
    n = len(judged)
    with np.errstate(all="ignore"):
        drawn = _asked(judged, metric, weights_of(min(n, GROUPS)), row_groups(n))
        left = _asked(judged, metric, 1.0 - np.eye(min(n, _FEW)), row_groups(n, _FEW))
    return drawn, left


def _asked(judged: Judged, metric: Metric, weights: Array, groups: Array | None) -> Array:
    """The metric under each of ``weights`` (b, groups), which every row of a group carries."""
    found = []
    for w in weights.astype(np.float64):
        each = w if groups is None else w[groups]
        found.append(metric_value(metric, judged.predictions, judged.targets, each))
    return np.array(found)
