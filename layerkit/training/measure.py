"""How good a model is on rows whose answers are known."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from layerkit.contract import DataContract, at_source
from layerkit.layer import Array, Context
from layerkit.links import apply_link
from layerkit.model import Model
from layerkit.network import Network
from layerkit.parts import Link, Loss, Metric, Rows
from layerkit.training.prepare import Arrays, encode_targets
from layerkit.training.recipe import loss_and_metrics
from layerkit.training.rows import Pair, Table, given_rows

__all__ = ["evaluate", "mean_loss", "metric_values", "scores_of"]

_BATCH = 1024


def evaluate(model: Model, rows: Rows | Pair | Table) -> dict[str, float]:
    """The loss and the metrics of the model's recipe on labelled rows.

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
        "loss", in the units it was trained in, and each metric, in the units of the raw data.

    Raises
    ------
    DataError
        If the rows or their labels do not keep the data contract.
    PluginError
        If the loss or a metric is not installed.
    """
    rows = given_rows(rows)
    loss, metrics = loss_and_metrics(model.spec)
    output = model.contract.output
    assert output is not None  # noqa: S101  # build always declares one
    with at_source(rows):
        y = encode_targets(output, rows, loss)
        scores = model.scores(rows)
    value = mean_loss(loss, scores, y)
    return {
        "loss": value,
        **metric_values(metrics, loss, model.contract, model.spec.link, scores, y),
    }


def scores_of(network: Network, arrays: Arrays, contexts: list[Context]) -> Array:
    """Scores (n, *out) for all rows, fed in batches."""
    parts = [
        network.feed(arrays.x[i : i + _BATCH], contexts).copy()
        for i in range(0, len(arrays), _BATCH)
    ]
    return np.concatenate(parts) if parts else network.feed(arrays.x, contexts).copy()


def mean_loss(loss: Loss, scores: Array, y: Array) -> float:
    """Mean loss of the rows, in float64; NaN for none."""
    if len(scores) == 0:
        return float("nan")
    total = 0.0
    ctx = Context(scores.dtype)
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
    y: Array,
) -> dict[str, float]:
    """Each metric of the predictions that ``scores`` stand for, against encoded targets ``y``."""
    if not metrics:
        return {}
    predictions = apply_link(link, scores)
    output = contract.output
    if loss.target == "real" and output is not None:
        predictions, y = output.decode(predictions), output.decode(y)
    return {name: metric.value(predictions, y) for name, metric in metrics.items()}
