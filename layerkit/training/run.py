"""One run: a spec or model trained on a data set, judged, with its history."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from layerkit.errors import SpecError
from layerkit.layer import Array
from layerkit.model import Model, as_spec, build
from layerkit.parts import Rows
from layerkit.spec import Spec
from layerkit.store import load, save
from layerkit.training.listen import Listener
from layerkit.training.prepare import prepare
from layerkit.training.recipe import Recipe
from layerkit.training.rows import DataLike, Pair, labelled_rows, splits_of
from layerkit.training.session import Ended, Session

__all__ = ["Run", "resume", "train", "train_seeds"]


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
    ended: Ended
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
    validation_data: str | os.PathLike[str] | Rows | Pair | None = None,
    settings: Sequence[str] = (),
    seed: int | None = None,
    listener: Listener | None = None,
    checkpoint: str | os.PathLike[str] | None = None,
    every: float = 30.0,
) -> Run:
    """Train a spec from the start, or a model from its present weights.

    Parameters
    ----------
    spec
        Path of a JSON spec, the parsed object, a resolved ``Spec``, or a ``Model``, which is
        changed in place.
    data
        Path of the data; a pair (x, y) of rows and labels; a table with named columns, the labels
        among them; any of these by split ("train", perhaps "test"); or None for what the recipe
        names.
    validation_data
        Rows to validate on, in place of the recipe's fraction.
    settings
        Overrides such as ``"train.epochs=5"``; not for a Model.
    seed
        In place of the recipe's.
    listener
        Told of progress, and asked whether to stop.
    checkpoint
        A model file to save to after an epoch, when ``every`` seconds have passed.

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
    model = _model(spec, settings, seed)
    recipe = Recipe.of(model.spec)
    splits = splits_of(model.spec, data)
    rows = None if validation_data is None else labelled_rows(model.spec, validation_data)
    prepared = prepare(model, splits, recipe.loss, seed=recipe.seed, validation_rows=rows)
    listener = listener or Listener()
    return _ended(Session(model, recipe, prepared, listener, _saver(checkpoint), every))


def resume(
    model: str | os.PathLike[str] | Model,
    *,
    data: DataLike = None,
    validation_data: str | os.PathLike[str] | Rows | Pair | None = None,
    epochs: int | None = None,
    listener: Listener | None = None,
    checkpoint: str | os.PathLike[str] | None = None,
    every: float = 30.0,
) -> Run:
    """Go on with a training that was interrupted, to the very bits it would have reached.

    Parameters
    ----------
    model
        A model file with training state, or the model loaded from it, which is changed in place.
    data, validation_data
        The same rows as before; None for what the recipe names.
    epochs
        A new total in place of the recipe's.
    listener, checkpoint, every
        As for ``train``.

    Raises
    ------
    SpecError
        If the model holds no training state, or the rows are others.
    ModelFileError, DataError, DataSourceError, TrainingDivergedError
        As ``load`` and ``train``.
    """
    loaded = model if isinstance(model, Model) else load(model)
    if epochs is not None:
        loaded.spec = loaded.spec.with_train(epochs=epochs)
    recipe = Recipe.of(loaded.spec)
    splits = splits_of(loaded.spec, data)
    rows = None if validation_data is None else labelled_rows(loaded.spec, validation_data)
    prepared = prepare(loaded, splits, recipe.loss, seed=recipe.seed, validation_rows=rows)
    listener = listener or Listener()
    session = Session(loaded, recipe, prepared, listener, _saver(checkpoint), every)
    session.take_up()
    if epochs is not None and epochs <= session.done:
        raise SpecError(
            f"{session.done} epochs are done and {recipe.epochs} wanted: nothing is left to do",
            location="train.epochs",
            hint=f"give a new total above {session.done}: --epochs, or epochs=",
        )
    return _ended(session)


def train_seeds(
    spec: str | Path | Mapping[str, Any] | Spec,
    *,
    seeds: int,
    data: DataLike = None,
    settings: Sequence[str] = (),
    listener: Listener | None = None,
    **options: Any,
) -> list[Run]:
    """Train a spec ``seeds`` times, from its own seed upwards.

    Parameters
    ----------
    spec, data, settings, listener
        As for ``train``; the data are read once.
    seeds
        How many runs.
    options
        Further arguments of ``train``.

    Returns
    -------
    list of Run
        In the order of the seeds.

    Raises
    ------
    LayerkitError
        As ``train``.
    """
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


def _ended(session: Session) -> Run:
    """Run ``session`` and tell what came of it."""
    model, recipe = session.model, session.recipe
    rows = len(session.prepared.train)
    session.listener.begin(model.name, seed=recipe.seed, epochs=recipe.epochs, rows=rows)
    for text in session.prepared.notices:
        session.listener.notice(text)
    ended = session.run()
    session.listener.end(session.loop.seconds)
    stopper, loop = session.stopper, session.loop
    best = None if stopper is None or stopper.kept is None else stopper.best_epoch + 1
    return Run(model, recipe.seed, loop.seconds, session.done, recipe.rule.steps, ended, best)


def _saver(path: str | os.PathLike[str] | None) -> Callable[[Model], None] | None:
    if path is None:
        return None
    return lambda model: (save(model, path), None)[1]
