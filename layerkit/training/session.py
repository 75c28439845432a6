"""A training session: its epochs, checkpoints, and the run it gives."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from layerkit.core.context import Array
from layerkit.datacontract.fitted_rows import Fit, kernels_used
from layerkit.errors import PluginLoadError, SpecError, TrainingDivergedError
from layerkit.file.check_savable import check_savable
from layerkit.file.selftest import make_selftest
from layerkit.model import FileLeftovers, Model
from layerkit.threads import single_blas, thread_count
from layerkit.training.early_stopping import Stopper
from layerkit.training.evaluation import mean_loss, metric_values
from layerkit.training.kernel_choice import kernels_to_resume
from layerkit.training.listener import Listener
from layerkit.training.loop import Loop
from layerkit.training.prepare import Arrays, Prepared
from layerkit.training.recipe import Recipe
from layerkit.training.resume_state import (
    Position,
    Snapshot,
    prepared_rows_digest,
    read_state,
    write_state,
)

Outcome = Literal["finished", "early", "interrupted"]


@dataclass(frozen=True)
class Run:
    """The result of one training.

    Attributes
    ----------
    model
        Trained; its ``history`` and ``metrics`` are those of this run.
    seconds
        Of training alone, without reading data, loading kernels and evaluating. Not in the model
        file, which holds nothing that differs between equal runs.
    epochs, steps
        Completed.
    ended
        "finished"; "early", with the best epoch restored; or "interrupted" by the listener.
    best_epoch
        Counted from 1; None without early stopping.
    preparing
        Seconds that loading compiled kernels took, including compiling them the first time on a
        machine; 0.0 where NumPy alone was used.
    """

    model: Model
    seed: int
    seconds: float
    epochs: int
    steps: int
    ended: Outcome
    best_epoch: int | None
    preparing: float = 0.0

    @property
    def metrics(self) -> dict[str, float]:
        """Final values by name, such as "test_accuracy"."""
        return self.model.metrics

    @property
    def history(self) -> dict[str, Array]:
        """Series name to one float64 per epoch."""
        return self.model.history


@dataclass
class Session:
    """Trains ``model`` in place, epoch by epoch.

    ``checkpoint`` is called with the model, ready to be saved, after an epoch when ``every``
    seconds have passed since the last time. A session that is ``resumed`` begins at the training
    state that the model was loaded with, which must be of the same rows if ``same_rows``. ``done``
    epochs are complete. Raises SpecError if early
    stopping has no validation rows, or a resumed model holds no training state or that of another
    training.
    """

    model: Model
    recipe: Recipe
    prepared: Prepared
    listener: Listener
    checkpoint: Callable[[Model], object] | None = None
    every: float = 30.0
    resumed: bool = False
    done: int = 0
    same_rows: bool = True
    series: dict[str, list[float]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        model, recipe, train = self.model, self.recipe, self.prepared.train
        if recipe.stopping is not None and self.prepared.validation is None:
            raise SpecError(
                "early stopping needs validation rows: set train.validation (0.1, say) or give "
                "validation data",
                location="train.early_stopping",
            )
        model.contract = self.prepared.contract
        check_savable(model)
        self._check_layers()
        if model.leftovers.aliases:
            names = list(model.leftovers.aliases)
            tied = ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")
            self.listener.notice(f"tied weights are trained and saved separately: {tied}")
        fast = kernels_to_resume(model, recipe, len(train)) if self.resumed else None
        self.loop = Loop(model.network, recipe, train, self.listener, self._judge, fast)
        self.rows = prepared_rows_digest(self.prepared)
        fitted = self.prepared.fitted
        self.fit = Fit(
            kernels_used(fast=bool(self.loop.fast)),
            fitted if model.fit is None else model.fit.rows | fitted,
        )
        self.stopper = None
        if recipe.stopping is not None:
            higher = recipe.higher_is_better
            self.stopper = Stopper(**recipe.stopping, higher_is_better=higher)
        self._earlier = dict(model.history)
        if self.resumed:
            self._restore()

    def _check_layers(self) -> None:
        """Find a layer that no file can hold before the first batch, not after the last.

        Such a layer is an error if this training has checkpoints, else a notice.
        """
        try:
            make_selftest(self.model)
        except PluginLoadError as error:
            if self.checkpoint is not None:
                raise
            self.listener.notice(f"this model can be trained but not saved: {error.message}")

    def _restore(self) -> None:
        """Continue from the training state that the model was loaded with."""
        rule, network = self.recipe.rule, self.model.network
        position = read_state(self.model, rule, self.rows if self.same_rows else None)
        if self.stopper is not None and position.watched is not None:
            self.stopper.kept = Snapshot.of(network, rule)
            self.stopper.best, self.stopper.best_epoch = position.watched
        position.now.restore(network, rule)
        self.done = position.epoch
        self.loop.since = position.since

    def over(self) -> str:
        """Why there is nothing left to train, and what to do; empty if there is."""
        total, stopper = self.recipe.epochs, self.stopper
        if self.done and self.done >= total:
            return (
                f"all {total} epochs are done, so nothing is trained; to continue, give a new "
                "total: --epochs, or epochs="
            )
        if stopper is None or not stopper.over(self.done):
            return ""
        return (
            f"early stopping ended this training after epoch {self.done}: {stopper.metric} has not "
            f"improved since epoch {stopper.best_epoch + 1} (patience {stopper.patience}), so "
            "nothing is trained; layerkit train MODEL trains it on from its weights"
        )

    def run(self) -> Run:
        """Train until the recipe's epochs are done, patience runs out or the listener stops it.

        Raises TrainingDivergedError if the loss or a parameter is no longer finite; ``last_good``
        is the model as it was after the epoch before.
        """
        recipe, rows = self.recipe, len(self.prepared.train)
        self.listener.begin(self.model.name, seed=recipe.seed, epochs=recipe.epochs, rows=rows)
        for text in self.prepared.notices:
            self.listener.notice(text)
        # Non-finite values are found and reported once, so NumPy need not warn.
        thread_count()  # reports a bad LAYERKIT_THREADS before the work begins
        with single_blas(), np.errstate(all="ignore"):
            ended = self._train()
            self._publish(finished=True)
        self.listener.end(self.loop.seconds)
        return self.result(ended)

    def result(self, ended: Outcome) -> Run:
        """What the session has reached."""
        stopper, loop, recipe = self.stopper, self.loop, self.recipe
        return Run(
            self.model,
            recipe.seed,
            loop.seconds,
            self.done,
            recipe.rule.steps,
            ended,
            None if stopper is None or stopper.kept is None else stopper.best_epoch + 1,
            loop.preparing,
        )

    def _train(self) -> Outcome:
        """The epochs. One that the listener stops is undone: the model is as after an epoch."""
        network, rule, epochs = self.model.network, self.recipe.rule, self.recipe.epochs
        saved_at = time.monotonic()
        while self.done < epochs:
            if self.stopper is not None and self.stopper.over(self.done):
                return "early"
            before = Snapshot.of(network, rule)
            try:
                complete = self._epoch()
            except TrainingDivergedError as error:
                before.restore(network, rule)
                self._publish(finished=True)
                error.last_good = self.model if self.done > 0 else None
                raise
            if not complete:
                before.restore(network, rule)
            if self.loop.interrupted:
                return "finished" if self.done == epochs else "interrupted"
            if self.checkpoint and time.monotonic() - saved_at >= self.every:
                self._save_checkpoint(self.checkpoint)
                saved_at = time.monotonic()
        return "finished"

    def _save_checkpoint(self, save: Callable[[Model], object]) -> None:
        """Save the model in a state to resume from; no error ends the training."""
        now: Snapshot | None = None
        try:
            now = Snapshot.of(self.model.network, self.recipe.rule)
            self._publish(finished=False)
            save(self.model)
        except Exception as error:  # noqa: BLE001  # a full disk, a limit, no memory, a plugin
            self.listener.notice(
                f"the checkpoint after epoch {self.done} could not be saved "
                f"({str(error) or type(error).__name__}); the previous one is untouched, and "
                "training continues"
            )
        finally:
            if now is not None:
                now.restore(self.model.network)

    def _epoch(self) -> bool:
        """One epoch; False if the listener stopped it before its end."""
        number = self.done
        values = self.loop.epoch(number)
        if values is None:
            return False
        values |= self._judged("val", self.prepared.validation)
        for name, value in values.items():
            self.series.setdefault(name, []).append(value)
        self.done += 1
        if self.stopper is not None:
            now = Snapshot.of(self.model.network, self.recipe.rule)
            self.stopper.record(number, values[f"val_{self.stopper.metric}"], now)
        self.listener.epoch(number + 1, values)
        return True

    def _publish(self, *, finished: bool) -> None:
        """Give the model what is saved: weights, metrics, history, training state.

        With early stopping the weights are those of the best epoch. Only a finished model is
        evaluated on all splits.
        """
        now = Snapshot.of(self.model.network, self.recipe.rule)
        watched = None
        if self.stopper is not None and self.stopper.kept is not None:
            self.stopper.kept.restore(self.model.network)
            watched = (self.stopper.best, self.stopper.best_epoch)
        self.model.metrics = self._all_metrics() if finished else {}
        self.model.history = _joined(self._earlier, self.series)
        if self.done:
            self.model.fit = self.fit
        position = Position(self.done, now, watched, self.loop.since)
        self.model.leftovers = (
            write_state(self.model, position, self.rows) if self.done else FileLeftovers()
        )

    def _all_metrics(self) -> dict[str, float]:
        data = self.prepared
        splits = (("train", data.train), ("val", data.validation), ("test", data.test))
        return {k: v for name, arrays in splits for k, v in self._judged(name, arrays).items()}

    def _judged(self, prefix: str, arrays: Arrays | None) -> dict[str, float]:
        """Loss and metrics on ``arrays``, their names prefixed; nothing for None."""
        if arrays is None:
            return {}
        scores = self.model.scores_of(arrays.x)
        loss = mean_loss(self.recipe.loss, scores, arrays.y)
        values = {"loss": loss, **self._judge(scores, arrays.truth)}
        return {f"{prefix}_{name}": value for name, value in values.items()}

    def _judge(self, scores: Array, truth: Array) -> dict[str, float]:
        recipe, link = self.recipe, self.model.spec.link
        contract = self.prepared.contract
        return metric_values(recipe.metrics, recipe.loss, contract, link, scores, truth)


def _joined(earlier: Mapping[str, Array], series: Mapping[str, list[float]]) -> dict[str, Array]:
    """The earlier history followed by this run's; NaN where nothing was measured."""
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
