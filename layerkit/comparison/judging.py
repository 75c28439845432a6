"""One model on the judged rows: its loss and metrics, as a whole, by row and on resamples."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from layerkit.comparison.class_answers import ClassAnswers
from layerkit.comparison.contestants import Entry
from layerkit.comparison.data import ComparisonData
from layerkit.core.context import Array
from layerkit.core.parts import Metric
from layerkit.datacontract.answers import answer_numbers
from layerkit.discovery.registry import METRICS, split_config
from layerkit.runs.answers import Evaluation, evaluate_on
from layerkit.statistics.resampling import GROUPS, resample_weights, row_groups
from layerkit.training.recipe import loss_and_metrics

_JACKKNIFE = 256  # groups left out one by one, each of which computes the metric again


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


def class_answers(
    entries: Sequence[Entry],
    evaluations: Sequence[Evaluations],
    rows: Array | None,
) -> ClassAnswers | None:
    """From the evaluations of each entry's models on the same rows, whose numbers are ``rows``.

    None if they do not answer one class for each row.
    """
    classes: tuple[str, ...] | None = None
    truth: Array | None = None
    guesses: dict[str, Array] = {}
    for entry, by_seed in zip(entries, evaluations, strict=True):
        found = []
        for seed, evaluation in by_seed.items():
            output = entry.models[seed].contract.output
            known = None if output is None or output.classes is None else output.classes
            one_each = evaluation.rows is None and evaluation.targets.size == len(evaluation)
            if known is None or not one_each:
                return None
            names = tuple(map(str, known))
            classes = names if classes is None else classes
            place = np.array([classes.index(name) for name in names])
            numbers = answer_numbers(output, evaluation.predictions)
            if numbers.shape[1] != len(names):
                return None
            truth = place[evaluation.targets.reshape(-1).astype(np.intp)]
            found.append(place[numbers.argmax(axis=1)])
        if found:
            guesses[entry.name] = np.stack(found)
    if classes is None or truth is None:
        return None
    return ClassAnswers(classes, truth, guesses, np.arange(len(truth)) if rows is None else rows)
