"""From the scores of a network to the loss and metrics of its recipe, with intervals over rows.

The loss is a mean over rows; so is a metric that counts right rows. Their intervals are those of
``layerkit.statistics``: for the score alone, and for its difference to the whole model on the same
rows. Answers per step count in their row: the steps of one row are not independent of each other.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from layerkit.core.context import Array
from layerkit.core.rows import Rows
from layerkit.datacontract import at_source
from layerkit.lens.results import Score, Scores
from layerkit.model import Model
from layerkit.runs.answers import evaluate_scores
from layerkit.statistics.estimates import Estimate, estimate_from_rows, estimate_from_shares
from layerkit.training.evaluation import metric_value
from layerkit.training.prepare import encode_targets
from layerkit.training.recipe import loss_and_metrics

_CONFIDENCE = 0.95
_ALONE = 50  # rows that a metric is computed for one by one, to see whether it counts right rows


@dataclass(frozen=True)
class Answers:
    """The values of a model on all rows, and those of each row that are known: (n,) by name."""

    values: dict[str, float]
    rows: dict[str, Array]


class Judge:
    """Judges scores on labelled rows; DataError if the labels do not keep the data contract.

    ``truth`` are class numbers (n,) where each row has one class, else None.
    """

    def __init__(self, model: Model, rows: Rows) -> None:
        output = model.contract.output
        assert output is not None  # noqa: S101  # build always declares one
        self.model, self.count = model, len(rows)
        self.loss, self.metrics = loss_and_metrics(model.spec)
        with at_source(rows):
            self._y, self._truth = encode_targets(output, rows, self.loss)
        self._per_step = bool(output.steps)
        one_class = output.classes is not None and not self._per_step
        self.truth = _class_numbers(self._truth) if one_class else None
        self._counts_right: set[str] | None = None  # metrics, known from the first answers

    def answers(self, scores: Array) -> Answers:
        """The loss and metrics of scores (n, *out); of the whole model first."""
        found = evaluate_scores(scores, self._y, self._truth, self.model, self.loss, self.metrics)
        rows = {"loss": found.losses}
        if self.loss.target != "real" and len(found.targets):
            right = _right(found.predictions, found.targets)
            if self._counts_right is None:
                with np.errstate(all="ignore"):
                    self._counts_right = self._counting(found.predictions, found.targets, right)
            rows |= dict.fromkeys(self._counts_right, found.by_row(right))
        return Answers(found.values, rows)

    def scores(self, answers: Answers, whole: Answers) -> Scores:
        """Each value with its intervals, and its difference to that of ``whole``."""
        return {name: self._score(name, answers, whole) for name in answers.values}

    def _score(self, name: str, answers: Answers, whole: Answers) -> Score:
        value = answers.values[name]
        gap = value - whole.values[name]
        rows = answers.rows.get(name)
        if rows is None or not len(rows) or not np.isfinite(rows).all():
            return Score(value, gap=gap)
        low, high = self._interval(name, rows, single=True)
        if answers is whole:
            return Score(value, low, high)
        gap_low, gap_high = self._interval(name, rows - whole.rows[name], single=False)
        return Score(value, low, high, gap, gap_low, gap_high)

    def _interval(
        self, name: str, rows: Array, *, single: bool
    ) -> tuple[float, float] | tuple[None, None]:
        table = rows[np.newaxis]
        estimate: Estimate
        if name != "loss" and not self._per_step:
            estimate = estimate_from_shares(table, single=single)
        else:
            estimate = estimate_from_rows(table)
        return (None, None) if estimate.row_bounds is None else estimate.over_rows(_CONFIDENCE)

    def _counting(self, predictions: Array, truth: Array, right: Array) -> set[str]:
        """The metrics that are the share of right rows: on all, on halves, and on single rows."""
        n = len(truth)
        ones = [slice(i, i + 1) for i in range(min(n, _ALONE))]
        parts = [slice(0, n), slice(0, n // 2), slice(n // 2, n), *ones]
        return {
            name
            for name, metric in self.metrics.items()
            if all(
                np.isclose(metric_value(metric, predictions[p], truth[p]), right[p].mean())
                for p in parts
                if len(right[p])
            )
        }


def _class_numbers(truth: Array) -> Array:
    """(n,) class numbers for those, or for flags (n, k), of which one alone says yes or no."""
    if truth.ndim == 1:
        return truth
    numbers: Array = truth.argmax(axis=1) if truth.shape[1] > 1 else truth[:, 0].astype(np.int64)
    return numbers


def _right(predictions: Array, truth: Array) -> Array:
    """(m,) 1 where the most probable class is the true one, or the share of flags that are."""
    if truth.ndim == 1:
        guessed: Array = predictions.argmax(axis=-1)
        return np.asarray(guessed == truth, np.float64)
    right: Array = ((predictions > 0.5) == (truth > 0.5)).mean(axis=1)
    return right
