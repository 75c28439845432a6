"""The answers of one model on some rows: its loss and metrics, as a whole and row by row.

``packed`` makes a NumPy file of them, one record per answer, so that any metric, its interval, and
the rows on which models disagree can be had later without the model.
"""

from __future__ import annotations

import io
import math
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from layerkit.core.context import Array, Context
from layerkit.core.output_functions import apply_link
from layerkit.core.parts import Loss, Metric
from layerkit.core.steps import known_rows, known_steps
from layerkit.model import Model
from layerkit.training.evaluation import decoded, metric_value
from layerkit.training.prepare import Arrays

_MOST_BYTES = 8 * 2**20  # of a file of answers


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

    def by_row(self, values: Array) -> Array:
        """A value of each row (n,) from those of the answers; the mean stays the same."""
        return _by_row(values, self.rows, len(self))


def _by_row(values: Array, rows: Array | None, count: int) -> Array:
    """A value of each of ``count`` rows; ``rows`` is the row of each value, None if its own."""
    if rows is None:
        return values
    return np.asarray(np.bincount(rows, values, count) * (count / max(1, len(values))))


def evaluate_on(
    arrays: Arrays, model: Model, loss: Loss, metrics: Mapping[str, Metric]
) -> Evaluation:
    """The loss and every metric on ``arrays``; the same numbers as ``evaluate``."""
    with np.errstate(all="ignore"):  # the report says which numbers are not finite
        outputs = model.scores_of(arrays.x)
    return evaluate_scores(outputs, arrays.y, arrays.truth, model, loss, metrics)


def evaluate_scores(
    outputs: Array, y: Array, truth: Array, model: Model, loss: Loss, metrics: Mapping[str, Metric]
) -> Evaluation:
    """The loss and every metric of scores (n, *out), which a part of ``model`` may have given."""
    with np.errstate(all="ignore"):
        scores, y = known_rows(outputs, y)
        losses = np.array(loss.feed(scores, y, Context(scores.dtype, keeps=False)), np.float64)
        found = decoded(model.contract, loss, apply_link(model.spec.link, outputs))
        predictions, targets = known_rows(found, truth)
        values = {"loss": float(losses.mean()) if len(losses) else math.nan}
        values |= {name: metric_value(m, predictions, targets) for name, m in metrics.items()}
    steps = outputs.ndim - 2
    rows = np.nonzero(known_steps(truth, steps))[0] if steps > 0 else None
    by_row = _by_row(losses, rows, len(outputs))
    return Evaluation(predictions, targets, values, by_row, rows)


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


def is_right_or_wrong(rows: Array | None) -> bool:
    """Whether every row is simply right (1) or wrong (0)."""
    return rows is not None and bool(np.all((rows == 0) | (rows == 1)))


def packed(model: Evaluation) -> bytes | None:
    """A ``.npy`` file of records (prediction, truth, loss, and row if answers are per step).

    The loss is that of the row. None if it would be large.
    """
    rows = np.arange(len(model)) if model.rows is None else model.rows
    fields = {
        "prediction": model.predictions,
        "truth": model.targets,
        "loss": model.losses[rows],
        **({} if model.rows is None else {"row": rows.astype(np.int32)}),
    }
    table = np.empty(
        len(rows), [(name, each.dtype.str, each.shape[1:]) for name, each in fields.items()]
    )
    if table.nbytes > _MOST_BYTES:
        return None
    for name, each in fields.items():
        table[name] = each
    buffer = io.BytesIO()
    np.save(buffer, table, allow_pickle=False)
    return buffer.getvalue()


def read_packed(path: Path, values: Mapping[str, float], count: int) -> Evaluation | None:
    """The answers in a file for ``count`` rows, with these ``values``; None if there are none."""
    with suppress(OSError, ValueError, TypeError, IndexError, EOFError):
        table = np.load(path, allow_pickle=False)
        rows = table["row"] if "row" in table.dtype.names else None
        losses = np.zeros(count)
        losses[np.arange(count) if rows is None else rows] = table["loss"]
        return Evaluation(table["prediction"], table["truth"], dict(values), losses, rows)
    return None
