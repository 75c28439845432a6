"""One run: a spec or model trained on a data set, judged, with its history."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from layerkit.core.layer import Array
from layerkit.core.rows import Rows
from layerkit.display import quoted
from layerkit.errors import SpecError
from layerkit.file.load import load
from layerkit.file.save import save
from layerkit.model import Model, as_spec, build
from layerkit.specs import Spec
from layerkit.training.kernels import changed_kernels, choose_again
from layerkit.training.listen import Listener
from layerkit.training.prepare import prepare
from layerkit.training.recipe import Recipe
from layerkit.training.rows import DataLike, Pair, labelled_rows, splits_of
from layerkit.training.session import Ended, Session
from layerkit.training.totals import OnNewTotal, go_on

__all__ = ["Run", "resume", "train", "train_seeds"]

Checkpoint = str | os.PathLike[str] | Callable[[Model], object]
"""A model file to save to, or a function that saves."""


@dataclass(frozen=True)
class Run:
    """One training and what came of it.

    Attributes
    ----------
    model
        Trained; its ``history`` and ``metrics`` are those of this run.
    seconds
        Of training alone, without reading data, loading kernels and judging; not in the model file,
        which holds nothing that differs between equal runs.
    epochs, steps
        Completed.
    ended
        "finished"; "early", with the best epoch restored; or "interrupted" by the listener.
    best_epoch
        Counted from 1, under early stopping.
    preparing
        Seconds that loading compiled kernels took, and compiling them the first time on a machine;
        0.0 where NumPy alone was used.
    """

    model: Model
    seed: int
    seconds: float
    epochs: int
    steps: int
    ended: Ended
    best_epoch: int | None
    preparing: float = 0.0

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
    checkpoint: Checkpoint | None = None,
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
        A model file to save to after an epoch, when ``every`` seconds have passed; or a function
        that is called with the model then.

    Returns
    -------
    Run
        Equal seeds give equal bits for equal kernels, versions and kind of processor.

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
    return go_through(Session(model, recipe, prepared, listener, _saver(checkpoint), every))


def resume(
    model: str | os.PathLike[str] | Model,
    *,
    data: DataLike = None,
    validation_data: str | os.PathLike[str] | Rows | Pair | None = None,
    epochs: int | None = None,
    schedule: OnNewTotal | None = None,
    listener: Listener | None = None,
    checkpoint: Checkpoint | None = None,
    every: float = 30.0,
) -> Run:
    """Go on with a training that was interrupted, to the very bits it would have reached.

    That is promised for the total of epochs that the training began with, the same rows, kernels,
    versions and kind of processor. For another total it holds where the schedule's rates so far do
    not depend on the total (those of ``cosine`` do).

    Parameters
    ----------
    model
        A model file with training state, or the model loaded from it, which is changed in place.
    data, validation_data
        The same rows as before; None for what the recipe names.
    epochs
        A new total in place of the recipe's.
    schedule
        With a new total: "continue", the learning rate goes on as the schedule of the new total has
        it for the epochs that follow; or "restart", the schedule begins anew for the epochs that
        are left. Must be chosen where the rates so far were others than those of the new total.
    listener, checkpoint, every
        As for ``train``.

    Raises
    ------
    SpecError
        If the model holds no training state, the rows are others, nothing is left to do for a new
        total, or ``schedule`` must be chosen.
    ModelFileError, DataError, DataSourceError, TrainingDivergedError
        As ``load`` and ``train``.
    """
    session = take_up(
        model if isinstance(model, Model) else load(model),
        data=data,
        validation_data=validation_data,
        epochs=epochs,
        schedule=schedule,
        listener=listener,
        checkpoint=checkpoint,
        every=every,
    )
    over = session.over()
    if over:
        session.listener.notice(f"{over}, so nothing is trained; {_way_on(session)}")
    return go_through(session)


def take_up(
    loaded: Model,
    *,
    data: DataLike = None,
    validation_data: str | os.PathLike[str] | Rows | Pair | None = None,
    epochs: int | None = None,
    schedule: OnNewTotal | None = None,
    listener: Listener | None = None,
    checkpoint: Checkpoint | None = None,
    every: float = 30.0,
) -> Session:
    """A training that stands where the one of ``loaded`` stood; see ``resume``.

    Raises
    ------
    SpecError, DataError, DataSourceError
        As ``resume``.
    """
    before = Recipe.of(loaded.spec).epochs
    if epochs is not None:
        loaded.spec = loaded.spec.with_train(epochs=_bounded("epochs", epochs, 1))
    recipe = Recipe.of(loaded.spec)
    splits = splits_of(loaded.spec, data)
    rows = None if validation_data is None else labelled_rows(loaded.spec, validation_data)
    prepared = prepare(loaded, splits, recipe.loss, seed=recipe.seed, validation_rows=rows)
    listener = listener or Listener()
    fast = choose_again(loaded, recipe, len(prepared.train))
    told = changed_kernels(loaded, fast=fast)
    session = Session(loaded, recipe, prepared, listener, _saver(checkpoint), every, fast)
    session.take_up()
    if epochs is not None and epochs <= session.done:
        raise SpecError(
            f"{session.done} epochs are done and {recipe.epochs} wanted: nothing is left to do",
            location="train.epochs",
            hint=f"give a new total above {session.done}: --epochs, or epochs=",
        )
    go_on(session, before, schedule)
    if told and not session.over():
        listener.notice(told)
    return session


def _way_on(session: Session) -> str:
    """What to do where a training is over."""
    if session.done >= session.recipe.epochs:
        return "a new total goes on: --epochs, or epochs="
    return "layerkit train MODEL trains it on from its weights"


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
        In the order of the seeds; up to the first that the listener stopped.

    Raises
    ------
    LayerkitError
        As ``train``.
    """
    resolved = as_spec(spec, settings)
    first = Recipe.of(resolved).seed
    splits = splits_of(resolved, data)
    runs: list[Run] = []
    for k in range(seeds):
        runs.append(train(resolved, data=splits, seed=first + k, listener=listener, **options))
        if runs[-1].ended == "interrupted":
            break
    return runs


def _model(
    spec: str | Path | Mapping[str, Any] | Spec | Model, settings: Sequence[str], seed: int | None
) -> Model:
    if isinstance(spec, Model):
        if settings:
            raise ValueError("settings change a spec; this is a model")
        if seed is not None:
            spec.spec = spec.spec.with_train(seed=_bounded("seed", seed, 0))
        return spec
    resolved = as_spec(spec, settings)
    if seed is not None and resolved.train is not None:
        resolved = resolved.with_train(seed=_bounded("seed", seed, 0))
    return build(resolved)


def _bounded(field: str, value: int, least: int) -> int:
    """``value`` for a field of the recipe.

    Raises
    ------
    SpecError
        If a spec could not hold it.
    """
    if type(value) is not int or not least <= value < 2**63:
        raise SpecError(
            f"expected an integer of at least {least} and below {2**63}, got {quoted(value)}",
            location=f"train.{field}",
        )
    return value


def go_through(session: Session) -> Run:
    """Run ``session`` and tell what came of it.

    Raises
    ------
    TrainingDivergedError
        As ``train``.
    """
    model, recipe = session.model, session.recipe
    rows = len(session.prepared.train)
    session.listener.begin(model.name, seed=recipe.seed, epochs=recipe.epochs, rows=rows)
    for text in session.prepared.notices:
        session.listener.notice(text)
    ended = session.run()
    session.listener.end(session.loop.seconds)
    return as_it_stands(session, ended)


def as_it_stands(session: Session, ended: Ended) -> Run:
    """What has come of ``session`` so far."""
    stopper, loop, recipe = session.stopper, session.loop, session.recipe
    best = None if stopper is None or stopper.kept is None else stopper.best_epoch + 1
    steps = recipe.rule.steps
    return Run(
        session.model, recipe.seed, loop.seconds, session.done, steps, ended, best, loop.preparing
    )


def _saver(checkpoint: Checkpoint | None) -> Callable[[Model], object] | None:
    if checkpoint is None or callable(checkpoint):
        return checkpoint
    return lambda model: save(model, checkpoint)
