"""One model on the judged rows: its loss and metrics, as a whole, by row and on resamples."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from layerkit.comparison.contestants import Entry
from layerkit.comparison.data import ComparisonData
from layerkit.core.context import Array, Context
from layerkit.core.output_functions import apply_link
from layerkit.core.parts import Loss, Metric
from layerkit.core.steps import known_rows, known_steps
from layerkit.discovery.registry import METRICS, split_config
from layerkit.model import Model
from layerkit.statistics.resampling import GROUPS, resample_weights, row_groups
from layerkit.training.evaluation import decoded, metric_value
from layerkit.training.prepare import Arrays
from layerkit.training.recipe import loss_and_metrics

_JACKKNIFE = 256  # groups left out one by one, each of which computes the metric again


@dataclass(frozen=True)
class Evaluation:
    """One model on the judged rows.

    Answers per step are those of all steps with a label, row after row. Rows stay the unit of
    chance: the steps of one row are not independent of each other.
    """

    predictions: Array  # (n, k)
    targets: Array  # what Metric.value compares them with
    values: dict[str, float]  # "loss" and each metric
    losses: Array  # (n,) float64, whose mean is the loss
    rows: Array | None = None  # (m,) the row of each answer, ascending, if they are per step

    def __len__(self) -> int:
        return len(self.losses)

    def value(self, metric: Metric, part: slice) -> float:
        """The metric of some of the rows."""
        if self.rows is not None:
            part = slice(*np.searchsorted(self.rows, (part.start, part.stop)).tolist())
        return metric_value(metric, self.predictions[part], self.targets[part])

    def weighted(self, metric: Metric, weights: Array) -> float:
        """The metric of all rows with weights (n,)."""
        each = weights if self.rows is None else weights[self.rows]
        return metric_value(metric, self.predictions, self.targets, each)


Evaluations = Mapping[int | None, Evaluation]
"""Those of one contestant's models, by seed."""


def shared_metrics(entries: Sequence[Entry]) -> dict[str, Metric]:
    """Every metric that a contestant's recipe names and that applies to all contestants."""
    configs: dict[str, Any] = {}
    kinds = []
    for e in entries:
        loss, defaults = loss_and_metrics(e.spec)
        kinds.append(loss.target)
        for config in e.spec.train["metrics"] if e.spec.train else list(defaults):
            configs.setdefault(json.dumps(split_config(config), sort_keys=True), config)
    metrics: dict[str, Metric] = {}
    for config in configs.values():
        metric = METRICS.create(config)
        if all(kind in metric.target for kind in kinds):
            name = split_config(config)[0]
            metrics[name if name not in metrics else f"{name}_{len(metrics) + 1}"] = metric
    return metrics


def judge(entry: Entry, data: ComparisonData, metrics: Mapping[str, Metric]) -> Evaluations:
    """Each of the contestant's models on the judged rows."""
    loss, _ = loss_and_metrics(entry.spec)
    return {
        seed: evaluate_on(data.arrays(model, seed, loss), model, loss, metrics)
        for seed, model in entry.models.items()
    }


def evaluate_on(
    arrays: Arrays, model: Model, loss: Loss, metrics: Mapping[str, Metric]
) -> Evaluation:
    """The loss and every metric on ``arrays``; the same numbers as ``evaluate``."""
    with np.errstate(all="ignore"):  # the report says which numbers are not finite
        outputs = model.scores_of(arrays.x)
        scores, y = known_rows(outputs, arrays.y)
        losses = np.array(loss.feed(scores, y, Context(scores.dtype, keeps=False)), np.float64)
        found = decoded(model.contract, loss, apply_link(model.spec.link, outputs))
        predictions, targets = known_rows(found, arrays.truth)
        values = {"loss": float(losses.mean()) if len(losses) else math.nan}
        values |= {name: metric_value(m, predictions, targets) for name, m in metrics.items()}
        rows = None
        if outputs.ndim > 2:
            rows = np.nonzero(known_steps(arrays.truth, outputs.ndim - 2))[0]
            count = len(outputs)
            losses = np.asarray(np.bincount(rows, losses, count) * (count / max(1, len(rows))))
    return Evaluation(predictions, targets, values, losses, rows)


def row_values(model: Evaluation, name: str, metric: Metric | None) -> Array | None:
    """The metric of each row alone, (n,); None if it is no mean over rows.

    ``metric`` is None for the loss. A metric is a mean over rows (accuracy, absolute error) if its
    value for all rows, and for either half, is the mean of its values for single rows; macro-F1
    and R2 are not.
    """
    if metric is None:
        return model.losses
    n = len(model)
    with np.errstate(all="ignore"):
        rows = np.array([model.value(metric, slice(i, i + 1)) for i in range(n)], np.float64)
        for half in (slice(0, n // 2), slice(n // 2, n)) if n > 1 else ():
            if not _close(rows[half].mean(), model.value(metric, half)):
                return None
    return rows if _close(rows.mean(), model.values[name]) else None


def _close(mean: float, value: float) -> bool:
    return bool(np.isclose(mean, value, rtol=1e-5, atol=1e-9))


def resample_metric(model: Evaluation, metric: Metric) -> tuple[Array, Array]:
    """A metric that is no mean over rows, on rows drawn again (b,) and with groups left out (g,).

    Rows are weighted by how often they were drawn. All models see the same draws.
    """
    n = len(model)
    left_out = 1.0 - np.eye(min(n, _JACKKNIFE))
    with np.errstate(all="ignore"):
        resamples = _weighted(model, metric, resample_weights(min(n, GROUPS)), row_groups(n))
        jackknife = _weighted(model, metric, left_out, row_groups(n, _JACKKNIFE))
    return resamples, jackknife


def _weighted(model: Evaluation, metric: Metric, weights: Array, groups: Array | None) -> Array:
    """The metric under each of ``weights`` (b, groups), one weight per group of rows."""
    values = []
    for w in weights.astype(np.float64):
        each = w if groups is None else w[groups]
        values.append(model.weighted(metric, each))
    return np.array(values)
