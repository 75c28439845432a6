"""Training runs: ``train`` a spec or a model, ``resume`` a training, ``train_seeds``."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from layerkit.core.context import Array
from layerkit.core.rows import Rows
from layerkit.display import quoted
from layerkit.errors import SpecError
from layerkit.file.load import load
from layerkit.file.save import save
from layerkit.health.first_look import first_look
from layerkit.model import Model, build
from layerkit.specs import Spec, as_spec
from layerkit.training.callbacks import Callbacks, Listeners
from layerkit.training.kernel_choice import kernels_changed
from layerkit.training.learned_categories import explicit_spec
from layerkit.training.new_total import OnNewTotal, settle_schedule
from layerkit.training.prepare import prepare
from layerkit.training.recipe import Recipe
from layerkit.training.row_weights import with_weights
from layerkit.training.run_result import Run
from layerkit.training.session import Session
from layerkit.training.training_data import DataLike, Pair, labelled_rows, splits_of

ValidationData = str | os.PathLike[str] | Rows | Pair | None

Weights = Array | Sequence[float] | Any
"""One number per row: an array, a list, a column of a table; None for equal weights."""

Checkpoint = str | os.PathLike[str] | Callable[[Model], object]
"""A model file to save to, or a function that saves."""


def train(
    spec: str | Path | Mapping[str, Any] | Spec | Model,
    *,
    data: DataLike = None,
    validation_data: ValidationData = None,
    sample_weight: Weights = None,
    settings: Sequence[str] = (),
    seed: int | None = None,
    listener: Listeners = None,
    checkpoint: Checkpoint | None = None,
    every: float = 30.0,
    device: str | None = None,
) -> Run:
    """Train a spec from the start, or a model from its present weights.

    Parameters
    ----------
    spec
        Path of a JSON spec, name of a ready one, the parsed object, a resolved ``Spec``, or a
        ``Model``, which is changed in place.
    data
        Path of the data; a pair (x, y) of rows and labels; a table with named columns, the labels
        among them; any of these by split ("train", perhaps "test"); or None for what the recipe
        names.
    validation_data
        Rows to validate on instead of the recipe's fraction.
    sample_weight
        (n,) finite numbers >= 0, one per row of the split "train" before others are split off: in
        the training loss and in statistics of ``standardize`` a row of weight 2 counts twice. They
        are multiplied with those that ``train.sample_weight`` names. Metrics, validation losses and
        fill values count all rows equally.
    settings
        Overrides such as ``"train.epochs=5"``; not for a Model.
    seed
        Instead of the recipe's.
    listener
        A Listener or Callback, or a list of them: they get the progress, and may stop the training.
        They are called in this order, before those in ``train.callbacks``.
    checkpoint
        A model file to save to after an epoch when ``every`` seconds have passed, or a function
        that is called with the model then.
    device
        Where to train, such as "cuda"; the run's model stays there (see ``Model.to``). None: on the
        CPU, or where a given model is.

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
    CallbackError
        If a callback or listener raises; ``run`` is what the training has reached.
    MissingExtraError, DeviceError
        If the device cannot be used here, or a layer, the loss or the optimizer cannot run on it.
    """
    if seed is not None:
        _check("seed", seed, 0)
    if isinstance(spec, Model):
        model = spec
        if settings:
            raise ValueError("settings change a spec; this is a model")
        if seed is not None:
            model.spec = model.spec.with_train(seed=seed)
    else:
        resolved = as_spec(spec, settings)
        if seed is not None and resolved.train is not None:
            resolved = resolved.with_train(seed=seed)
        if resolved.learns:
            data = splits_of(resolved, data)
            if validation_data is not None:
                validation_data = labelled_rows(resolved, validation_data)
            resolved = explicit_spec(resolved, data, validation_rows=validation_data)
        model = build(resolved)
    session = _session(
        model,
        data=data,
        validation_data=validation_data,
        sample_weight=sample_weight,
        listener=listener,
        checkpoint=checkpoint,
        every=every,
        device=device,
    )
    return session.run()


def resume(
    model: str | os.PathLike[str] | Model,
    *,
    data: DataLike = None,
    validation_data: ValidationData = None,
    sample_weight: Weights = None,
    epochs: int | None = None,
    schedule: OnNewTotal | None = None,
    listener: Listeners = None,
    checkpoint: Checkpoint | None = None,
    every: float = 30.0,
    device: str | None = None,
) -> Run:
    """Resume an interrupted training; it ends with the bits it would have reached.

    This holds for the total of epochs that the training began with, the same rows, kernels,
    versions and kind of processor. For another total it holds if the schedule's rates so far do not
    depend on the total (those of ``cosine`` do).

    Parameters
    ----------
    model
        A model file with training state, or the model loaded from it, which is changed in place.
    data, validation_data, sample_weight
        The same rows and weights as before; None for what the recipe names.
    epochs
        A new total instead of the recipe's.
    schedule
        With a new total: "continue" follows the schedule of the new total from here; "restart"
        starts the schedule again for the epochs that are left. It must be chosen if the rates so
        far differ from those of the new total.
    listener, checkpoint, every, device
        Same as for ``train``. A training may continue on another device; rounding then differs.

    Raises
    ------
    SpecError
        If the model holds no training state, the rows are others, a new total leaves nothing to do,
        or ``schedule`` must be chosen.
    ModelFileError, DataError, DataSourceError, TrainingDivergedError, CallbackError
        Same as ``load`` and ``train``, as MissingExtraError and DeviceError are.
    """
    session = resumed_session(
        model if isinstance(model, Model) else load(model),
        data=data,
        validation_data=validation_data,
        sample_weight=sample_weight,
        epochs=epochs,
        schedule=schedule,
        listener=listener,
        checkpoint=checkpoint,
        every=every,
        device=device,
    )
    if over := session.over():
        session.notice(over)
    return session.run()


def resumed_session(
    model: Model,
    *,
    epochs: int | None = None,
    schedule: OnNewTotal | None = None,
    **options: Any,
) -> Session:
    """The session of ``resume``, not yet running; ``options`` are its further arguments.

    Raises SpecError if the model holds no training state or a new total cannot be used.
    """
    before = Recipe.of(model.spec).epochs
    if epochs is not None:
        _check("epochs", epochs, 1)
        model.spec = model.spec.with_train(epochs=epochs)
    session = _session(model, resumed=True, **options)
    if epochs is not None and epochs <= session.done:
        raise SpecError(
            f"expected a total above the {session.done} epochs done, got {epochs}",
            location="train.epochs",
            hint=f"give a new total above {session.done}: --epochs, or epochs=",
        )
    settle_schedule(session, before, schedule)
    changed = kernels_changed(model, fast=bool(session.loop.fast))
    if changed and not session.over():
        session.notice(changed)
    return session


def train_seeds(
    spec: str | Path | Mapping[str, Any] | Spec,
    *,
    seeds: int,
    data: DataLike = None,
    settings: Sequence[str] = (),
    listener: Listeners = None,
    **options: Any,
) -> list[Run]:
    """Train a spec ``seeds`` times, with its own seed and those that follow it.

    Parameters
    ----------
    spec, data, settings, listener
        Same as for ``train``; the data are read once.
    seeds
        Number of runs.
    options
        Further arguments of ``train``.

    Returns
    -------
    list of Run
        In the order of the seeds; up to the first that the listener stopped.

    Raises
    ------
    LayerkitError
        Same as ``train``.
    """
    resolved = as_spec(spec, settings)
    first = Recipe.of(resolved).seed
    splits = splits_of(resolved, data)
    runs: list[Run] = []
    for seed in range(first, first + seeds):
        runs.append(train(resolved, data=splits, seed=seed, listener=listener, **options))
        if runs[-1].ended == "interrupted":
            break
    return runs


def _session(
    model: Model,
    *,
    data: DataLike = None,
    validation_data: ValidationData = None,
    sample_weight: Weights = None,
    listener: Listeners = None,
    checkpoint: Checkpoint | None = None,
    every: float = 30.0,
    device: str | None = None,
    resumed: bool = False,
) -> Session:
    """Read and prepare the rows for ``model``, and make the session that trains it on them."""
    model.check_whole("trained")
    if device is not None:
        model.to(device)
    recipe = Recipe.of(model.spec)
    splits = splits_of(model.spec, data)
    if sample_weight is not None:
        splits = with_weights(splits, sample_weight)
    held = None if validation_data is None else labelled_rows(model.spec, validation_data)
    if isinstance(checkpoint, (str, os.PathLike)):
        checkpoint = partial(save, target=checkpoint)
    with model.spec.placing():
        prepared = prepare(model, splits, recipe.loss, seed=recipe.seed, validation_rows=held)
        told = Callbacks(listener, recipe.callbacks)
    look = partial(first_look, model.spec)
    guide = None
    if prepared.rows is not None:
        from layerkit.training.teacher import guide_of  # a training without one spares it

        guide = guide_of(model, recipe, prepared.contract, prepared.rows)
        notices = (*prepared.notices, *guide.notices)
        prepared = replace(prepared, rows=None, notices=notices)  # the teacher has answered
    session = Session(
        model, recipe, prepared, told, checkpoint, every, resumed, first_look=look, guide=guide
    )
    if guide is not None and guide.alone(recipe.epochs - 1):
        session.notice(
            f"train.hints: nothing but a hint is learned in all {recipe.epochs} epochs, because it "
            "is 'alone': set its until_epoch to fewer"
        )
    return session


def _check(field: str, value: int, least: int) -> None:
    """Raise SpecError for a value that a spec could not hold in this field of the recipe."""
    if type(value) is not int or not least <= value < 2**63:
        raise SpecError(
            f"expected an integer >= {least} and below {2**63}, got {quoted(value)}",
            location=f"train.{field}",
        )
