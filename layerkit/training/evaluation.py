"""Evaluation of a model on labelled rows: loss and metrics."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from layerkit.core.context import Array, Context
from layerkit.core.output_functions import apply_link
from layerkit.core.parts import Link, Loss, Metric, Target
from layerkit.core.rows import Rows
from layerkit.core.steps import known_rows, known_steps
from layerkit.datacontract import DataContract, at_source
from layerkit.model import Model
from layerkit.training.prepare import encode_targets
from layerkit.training.recipe import loss_and_metrics
from layerkit.training.training_data import Pair, Table, given_rows

_BATCH = 1024


def evaluate(model: Model, rows: Rows | Pair | Table) -> dict[str, float]:
    """Compute the loss and the metrics of the model's recipe on labelled rows.

    Parameters
    ----------
    model
        With a data contract for its output.
    rows
        ``Rows`` with labels; a pair (x, y) of rows (n, *shape) and labels (n,) or (n, k); or a
        table with the labels among its columns.

    Returns
    -------
    dict
        "loss" in the units of training, and each metric in the units of the raw data.

    Raises
    ------
    DataError
        If the rows or their labels do not keep the data contract.
    PluginError
        If the loss or a metric is not installed.
    """
    judged = judge(model, rows)
    return {"loss": judged.loss, **judged.values(judged.metrics)}


@dataclass(frozen=True)
class Judged:
    """A model's answers to labelled rows.

    ``predictions`` (n, k) are those of ``Model.predict``, ``truth`` is what metrics compare them
    with: class numbers (n,), flags (n, k) or raw numbers (n, k). For outputs per step both are of
    the m steps with a label, and ``places`` (m,) the numbers of their rows.
    """

    rows: Rows
    target: Target
    loss: float
    metrics: Mapping[str, Metric]  # of the recipe
    predictions: Array
    truth: Array
    places: Array

    def values(self, metrics: Mapping[str, Metric]) -> dict[str, float]:
        """Each of ``metrics``; NaN if it is not defined."""
        return {n: metric_value(m, self.predictions, self.truth) for n, m in metrics.items()}


def judge(model: Model, rows: Rows | Pair | Table) -> Judged:
    """The answers of ``model`` to labelled rows; raises the errors of ``evaluate``."""
    rows = given_rows(rows)
    loss, metrics = loss_and_metrics(model.spec)
    output = model.contract.output
    assert output is not None  # noqa: S101  # build always declares one
    with at_source(rows):
        y, truth = encode_targets(output, rows, loss)
        scores = model.scores(rows)
    value = mean_loss(loss, scores, y)
    predictions = decoded(model.contract, loss, apply_link(model.spec.link, scores))
    places = np.arange(len(rows)) if rows.index is None else rows.index
    if scores.ndim > 2:
        places = places[np.nonzero(known_steps(truth, scores.ndim - 2))[0]]
    return Judged(rows, loss.target, value, metrics, *known_rows(predictions, truth), places)


def mean_loss(loss: Loss, scores: Array, y: Array) -> float:
    """Mean loss of the rows, or of all steps with a label, in float64; NaN without any."""
    scores, y = known_rows(scores, y)
    if len(scores) == 0:
        return float("nan")
    total = 0.0
    ctx = Context(scores.dtype, keeps=False)
    for i in range(0, len(scores), _BATCH):
        total += float(
            np.sum(loss.feed(scores[i : i + _BATCH], y[i : i + _BATCH], ctx), dtype=np.float64)
        )
    return total / len(scores)


def metric_values(
    metrics: Mapping[str, Metric],
    loss: Loss,
    contract: DataContract,
    link: Link,
    scores: Array,
    truth: Array,
) -> dict[str, float]:
    """Each metric of the predictions that follow from ``scores``, against ``Arrays.truth``.

    Predictions are in the units of ``Model.predict``. A metric that is not defined is NaN.
    """
    if not metrics:
        return {}
    predictions = decoded(contract, loss, apply_link(link, scores))
    predictions, truth = known_rows(predictions, truth)
    return {name: metric_value(metric, predictions, truth) for name, metric in metrics.items()}


def decoded(contract: DataContract, loss: Loss, predictions: Array) -> Array:
    """Predictions as ``Model.predict`` returns them: numbers in raw units."""
    output = contract.output
    return (
        output.decode(predictions) if loss.target == "real" and output is not None else predictions
    )


def metric_value(
    metric: Metric, predictions: Array, truth: Array, weights: Array | None = None
) -> float:
    """The metric; NaN if it is not defined, as without rows or if all weights are 0."""
    if len(predictions) == 0 or (weights is not None and not np.any(weights)):
        return math.nan
    return float(metric.value(predictions, truth, weights))
