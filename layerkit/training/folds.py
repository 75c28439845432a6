"""Cross-validation: one training per fold, judged on the rows of that fold.

The training rows are dealt into folds; the test rows of the data are never touched. Each fold's
data contract is fitted anew to the rows of the other folds, so nothing of a row that is judged is
known in training. Trainings share most of their rows, so the interval of a mean is widened after
Nadeau and Bengio: see ``layerkit.statistics.estimates``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from layerkit.core.callback import Listener
from layerkit.core.context import Array
from layerkit.core.rng import random_stream
from layerkit.core.rows import Rows
from layerkit.display import jsonable
from layerkit.errors import DataError, TrainingDivergedError
from layerkit.reporting.numbers import is_share
from layerkit.specs import Spec, as_spec
from layerkit.statistics.estimates import estimate_from_validation
from layerkit.training.prepare import test_split
from layerkit.training.rare_classes import class_labels
from layerkit.training.recipe import Recipe
from layerkit.training.run import ValidationData, train
from layerkit.training.run_result import Run
from layerkit.training.training_data import DataLike, splits_of

_NAME = 40  # characters of the spec's name in that of a fold, for listeners; names have up to 64


@dataclass(frozen=True)
class Fold:
    """One training: its ``metrics`` on the rows that were held out.

    ``trained`` and ``held`` count rows. A training that diverged has no metrics but a ``failure``.
    """

    number: int
    trained: int
    held: int
    metrics: Mapping[str, float]
    epochs: int
    seconds: float
    failure: str | None = None


@dataclass(frozen=True)
class FoldSummary:
    """One metric over the folds that have it.

    Attributes
    ----------
    mean, sd
        Over folds; ``sd`` (n - 1) is None for a single one.
    low, high
        The corrected interval of the mean, at the confidence of the cross-validation; None for a
        single fold or values that are all equal.
    """

    mean: float
    sd: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True)
class CrossValidation:
    """The result of ``cross_validate``.

    Attributes
    ----------
    name, seed
        Of the spec.
    planned
        Number of folds.
    folds
        Those that finished or diverged; fewer than planned if the listener stopped one.
    summaries
        By metric, "loss" first.
    majority
        The class of most rows and its share of them, the accuracy of always guessing it; None for
        a regression.
    rows, untouched
        Training rows that were dealt into folds, and test rows that were left alone.
    confidence
        Of the intervals.
    """

    name: str
    seed: int
    planned: int
    folds: tuple[Fold, ...]
    summaries: Mapping[str, FoldSummary]
    majority: tuple[str | int, float] | None
    rows: int
    untouched: int
    confidence: float

    @property
    def unfinished(self) -> list[int]:
        """Numbers of the folds that were stopped or not begun."""
        return list(range(len(self.folds) + 1, self.planned + 1))

    def to_json(self) -> dict[str, Any]:
        """Everything as JSON values; numbers that are not finite are None."""
        values = {**asdict(self), "unfinished": self.unfinished}
        if self.majority is not None:
            values["majority"] = {"class": self.majority[0], "accuracy": self.majority[1]}
        found: dict[str, Any] = jsonable(values)
        return found


def cross_validate(
    spec: str | Path | Mapping[str, Any] | Spec,
    *,
    folds: int = 5,
    data: DataLike = None,
    validation_data: ValidationData = None,
    settings: Sequence[str] = (),
    seed: int | None = None,
    listener: Listener | None = None,
    confidence: float = 0.95,
) -> CrossValidation:
    """Train a spec once per fold of the training rows, and judge each on the rows held out.

    Parameters
    ----------
    spec, data, validation_data, settings, listener
        Same as for ``train``. What the recipe holds out for validation comes from the rows that a
        fold trains on.
    folds
        How many, at least 2. Classes are spread evenly; a class with a single row is always
        trained on.
    seed
        Of the trainings and of the folds; None for the recipe's.
    confidence
        Of the intervals.

    Returns
    -------
    CrossValidation
        No model: ``train`` makes one from all training rows.

    Raises
    ------
    ValueError
        If ``folds`` is below 2, or ``confidence`` not between 0 and 1.
    DataError
        If there are fewer rows than folds; and for the reasons of ``train``.
    SpecError, PluginError, DataSourceError
        Same as for ``train``.
    TrainingDivergedError
        If every fold diverged.
    """
    if folds < 2:
        raise ValueError(f"folds: expected at least 2, got {folds}")
    if not 0 < confidence < 1:
        raise ValueError(f"confidence: expected a number between 0 and 1, got {confidence}")
    resolved = as_spec(spec, settings)
    seed = Recipe.of(resolved).seed if seed is None else seed
    rows, test = test_split(splits_of(resolved, data), resolved)
    found = class_labels(resolved, rows)
    parts = deal(rows, folds, seed, None if found is None else found[1])
    done: list[Fold] = []
    failures: list[TrainingDivergedError] = []
    for number in range(1, folds + 1):
        named = replace(resolved, name=f"{resolved.name[:_NAME]}-fold-{number}-of-{folds}")
        # The rows held out are its test rows, which nothing in training looks at.
        kept, held = (rows.take(np.flatnonzero(p)) for p in (parts != number, parts == number))
        split = {"train": kept, "test": held}
        try:
            run = train(
                named, data=split, validation_data=validation_data, seed=seed, listener=listener
            )
        except TrainingDivergedError as error:
            failures.append(error)
            epochs = error.epoch - 1
            done.append(Fold(number, len(kept), len(held), {}, epochs, 0.0, error.message))
            continue
        if run.ended == "interrupted":
            break
        metrics = _held_metrics(run)
        done.append(Fold(number, len(kept), len(held), metrics, run.epochs, run.seconds))
    if len(failures) == folds:
        raise failures[0]
    return CrossValidation(
        name=resolved.name,
        seed=seed,
        planned=folds,
        folds=tuple(done),
        summaries=_summaries(done, confidence),
        majority=None if found is None else _majority(*found),
        rows=len(rows),
        untouched=0 if test is None else len(test),
        confidence=confidence,
    )


def deal(rows: Rows, folds: int, seed: int, classes: Array | None) -> Array:
    """(n,) the fold of each row, from 1; 0 for a row that is never held out.

    Sizes differ by at most one, and so do the counts of each of ``classes`` (n,) in the folds.
    Raises DataError if a fold would get no row.
    """
    order = random_stream(seed, "folds").permutation(len(rows))
    part = np.zeros(len(rows), np.int64)
    if classes is not None:
        several = np.bincount(classes) > 1
        order = order[np.argsort(classes[order], kind="stable")]
        order = order[several[classes[order]]]
    if len(order) < folds:
        lone = "" if len(order) == len(rows) else f" of classes with several rows ({len(rows)})"
        raise DataError(
            f"expected at least {folds} rows{lone} for {folds} folds, got {len(order)}",
            source=rows.source,
            hint="ask for fewer folds, or give more rows",
        )
    part[order] = np.arange(len(order)) % folds + 1
    return part


def _held_metrics(run: Run) -> dict[str, float]:
    """The metrics of the rows held out, the loss first."""
    found = {k[5:]: v for k, v in run.metrics.items() if k.startswith("test_")}
    return {name: found[name] for name in sorted(found, key=lambda name: name != "loss")}


def _summaries(folds: Sequence[Fold], confidence: float) -> dict[str, FoldSummary]:
    """Each metric over the folds that did not diverge, the loss first."""
    finished = [fold for fold in folds if fold.failure is None]
    if not finished:
        return {}
    held = sum(fold.held for fold in finished) / len(finished)
    ratio = held / (sum(fold.trained for fold in finished) / len(finished))
    found = {}
    for name in finished[0].metrics:
        values = np.array([fold.metrics[name] for fold in finished], np.float64)
        estimate = estimate_from_validation(
            values, int(held), ratio, share=is_share(name), single=True
        )
        bounds = estimate.over_both(confidence) if estimate.covers_both else (None, None)
        sd = float(values.std(ddof=1)) if len(values) > 1 else None
        found[name] = FoldSummary(estimate.mean, sd, *bounds)
    return found


def _majority(names: Sequence[str | int], numbers: Array) -> tuple[str | int, float]:
    """The class of most rows, and its share of them."""
    counts = np.bincount(numbers)
    most = int(counts.argmax())
    return names[most], float(counts[most] / len(numbers))
