"""One run: a spec or model trained on a data set, judged, with its history."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from layerkit.errors import SpecError, TrainingDivergedError
from layerkit.layer import Array
from layerkit.model import Carried, Model, as_spec, build
from layerkit.parts import Rows
from layerkit.spec import Spec
from layerkit.threads import blas_threads, threads_for
from layerkit.training.listen import Listener
from layerkit.training.loop import Loop, Stopper, put_back, snapshot
from layerkit.training.measure import mean_loss, metric_values, scores_of
from layerkit.training.prepare import Arrays, Prepared, prepare
from layerkit.training.recipe import Recipe
from layerkit.training.rows import DataLike, labelled_rows, splits_of

__all__ = ["Run", "train", "train_seeds"]


@dataclass(frozen=True)
class Run:
    """One training and what came of it.

    Attributes
    ----------
    model
        Trained; its ``history`` and ``metrics`` are those of this run.
    seconds
        Of training alone, without reading data and judging; not in the model file, which holds
        nothing that differs between equal runs.
    epochs, steps
        Completed.
    ended
        "finished"; "early", with the best epoch restored; or "interrupted" by the listener.
    best_epoch
        Counted from 1, under early stopping.
    """

    model: Model
    seed: int
    seconds: float
    epochs: int
    steps: int
    ended: Literal["finished", "early", "interrupted"]
    best_epoch: int | None

    @property
    def metrics(self) -> dict[str, float]:
        """Final values by name, such as "test_accuracy"."""
        return self.model.metrics

    @property
    def history(self) -> dict[str, Array]:
        """Series name to one float64 an epoch."""
        return self.model.history


def train(
    spec: str | Path | Mapping[str, Any] | Spec | Model,
    *,
    data: DataLike = None,
    validation_data: str | os.PathLike[str] | Rows | None = None,
    settings: Sequence[str] = (),
    seed: int | None = None,
    listener: Listener | None = None,
) -> Run:
    """Train a spec from the start, or a model from its present weights.

    Parameters
    ----------
    spec
        Path of a JSON spec, the parsed object, a resolved ``Spec``, or a ``Model``, which is
        changed in place.
    data
        Path of the data or splits by name ("train", perhaps "test"); None for what the recipe
        names.
    validation_data
        Rows to validate on, in place of the recipe's fraction.
    settings
        Overrides such as ``"train.epochs=5"``; not for a Model.
    seed
        In place of the recipe's.
    listener
        Told of progress, and asked whether to stop.

    Returns
    -------
    Run
        Equal seeds give equal bits on one machine.

    Raises
    ------
    SpecError, PluginError
        If the spec is wrong or a part cannot be used.
    DataError, DataSourceError
        If the rows do not keep the contract, or cannot be read.
    TrainingDivergedError
        If the loss is no longer finite; ``last_good`` is the model as it was an epoch before.
    """
    listener = listener or Listener()
    model = _model(spec, settings, seed)
    recipe = Recipe.of(model.spec)
    splits = splits_of(model.spec, data)
    rows = None if validation_data is None else labelled_rows(model.spec, validation_data)
    prepared = prepare(model, splits, recipe.loss, seed=recipe.seed, validation_rows=rows)
    if recipe.stopping is not None and prepared.validation is None:
        raise SpecError(
            "early stopping watches validation rows, and there are none: set train.validation "
            "(0.1, say) or give validation data",
            location="train.early_stopping",
        )
    model.contract = prepared.contract
    return _run(model, recipe, prepared, listener)


def train_seeds(
    spec: str | Path | Mapping[str, Any] | Spec,
    *,
    seeds: int,
    data: DataLike = None,
    settings: Sequence[str] = (),
    listener: Listener | None = None,
    **options: Any,
) -> list[Run]:
    """Train a spec ``seeds`` times, from its own seed upwards; otherwise as ``train``."""
    resolved = as_spec(spec, settings)
    first = Recipe.of(resolved).seed
    splits = splits_of(resolved, data)
    return [
        train(resolved, data=splits, seed=first + k, listener=listener, **options)
        for k in range(seeds)
    ]


def _model(
    spec: str | Path | Mapping[str, Any] | Spec | Model, settings: Sequence[str], seed: int | None
) -> Model:
    if isinstance(spec, Model):
        if settings:
            raise ValueError("settings change a spec; this is a model")
        if seed is not None:
            spec.spec = spec.spec.with_train(seed=seed)
        return spec
    resolved = as_spec(spec, settings)
    if seed is not None and resolved.train is not None:
        resolved = resolved.with_train(seed=seed)
    return build(resolved)


def _run(model: Model, recipe: Recipe, prepared: Prepared, listener: Listener) -> Run:
    network = model.network

    def judge(scores: Array, y: Array) -> dict[str, float]:
        return metric_values(
            recipe.metrics, recipe.loss, prepared.contract, model.spec.link, scores, y
        )

    loop = Loop(network, recipe, prepared.train, listener, judge)
    stopper = None
    if recipe.stopping is not None:
        stopper = Stopper(network, **recipe.stopping, higher_is_better=recipe.higher_is_better)
    listener.begin(model.name, seed=recipe.seed, epochs=recipe.epochs, rows=len(prepared.train))
    series: dict[str, list[float]] = {}
    ended: Literal["finished", "early", "interrupted"] = "finished"
    largest = max((p.plan.macs for p in network.planned), default=0)
    threads = threads_for(largest, recipe.batch_size)
    with (
        blas_threads(threads),
        np.errstate(all="ignore"),
    ):  # a loss that is not finite is found and told, once
        for number in range(recipe.epochs):
            good = snapshot(network)
            try:
                values = loop.epoch(number)
            except TrainingDivergedError as error:
                put_back(network, good)
                _finish(model, recipe, prepared, series, judge)
                error.last_good = model if number > 0 else None
                raise
            values |= _judged("val", network, recipe, prepared.validation, judge)
            for name, value in values.items():
                series.setdefault(name, []).append(value)
            listener.epoch(number + 1, values)
            if loop.interrupted:
                ended = "interrupted"
                break
            if stopper is not None and stopper.see(number, values[f"val_{stopper.metric}"]):
                ended = "early"
                break
        if stopper is not None:
            stopper.restore()
        _finish(model, recipe, prepared, series, judge)
    listener.end(loop.seconds)
    epochs = len(series["loss"])
    best = None if stopper is None else stopper.best_epoch + 1
    return Run(model, recipe.seed, loop.seconds, epochs, loop.steps, ended, best)


def _judged(
    prefix: str, network: Any, recipe: Recipe, arrays: Arrays | None, judge: Any
) -> dict[str, float]:
    """Loss and metrics on ``arrays``, their names prefixed; nothing for None."""
    if arrays is None:
        return {}
    scores = scores_of(network, arrays, network.contexts())
    values = {"loss": mean_loss(recipe.loss, scores, arrays.y), **judge(scores, arrays.y)}
    return {f"{prefix}_{name}": value for name, value in values.items()}


def _finish(
    model: Model, recipe: Recipe, prepared: Prepared, series: Mapping[str, list[float]], judge: Any
) -> None:
    """Judge the final weights on every split and put history and metrics into the model."""
    metrics: dict[str, float] = {}
    for prefix in ("train", "validation", "test"):
        arrays = getattr(prepared, prefix)
        short = "val" if prefix == "validation" else prefix
        metrics |= _judged(short, model.network, recipe, arrays, judge)
    model.metrics = metrics
    model.history = _continued(model.history, series)
    model.carried = Carried()


def _continued(earlier: Mapping[str, Array], series: Mapping[str, list[float]]) -> dict[str, Array]:
    """History with this run's epochs after the earlier ones; NaN where nothing was measured."""
    before = max((len(values) for values in earlier.values()), default=0)
    now = max((len(values) for values in series.values()), default=0)
    return {
        name: np.concatenate(
            [
                earlier.get(name, np.full(before, np.nan)),
                np.array(series.get(name, [np.nan] * now), np.float64),
            ]
        )
        for name in [*earlier, *(name for name in series if name not in earlier)]
    }
