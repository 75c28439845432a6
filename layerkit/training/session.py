"""A training under way: its epochs, what it watches, and when it ends."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from layerkit.core.layer import Array
from layerkit.datacontract.fitted_rows import Fit, kernels_used
from layerkit.errors import PluginLoadError, SpecError, TrainingDivergedError
from layerkit.file.check_savable import check_savable
from layerkit.file.selftest import make_selftest
from layerkit.model import FileLeftovers, Model
from layerkit.threads import single_blas, thread_count
from layerkit.training.listen import Listener
from layerkit.training.loop import Loop
from layerkit.training.measure import mean_loss, metric_values
from layerkit.training.prepare import Arrays, Prepared
from layerkit.training.recipe import Recipe
from layerkit.training.state import Position, Snapshot, fingerprint_of, read_state, write_state

__all__ = ["Ended", "Session"]

Ended = Literal["finished", "early", "interrupted"]


@dataclass
class Stopper:
    """Watches one validation number and keeps what training had reached in its best epoch."""

    metric: str
    patience: int
    min_delta: float
    higher_is_better: bool
    best: float = math.nan
    best_epoch: int = -1
    kept: Snapshot | None = None

    def see(self, epoch: int, value: float, now: Snapshot) -> None:
        """Note the value of ``epoch``, counted from 0."""
        gain = value - self.best if self.higher_is_better else self.best - value
        if self.kept is None or math.isnan(self.best) or gain > self.min_delta:
            self.best, self.best_epoch, self.kept = value, epoch, now

    def over(self, epochs: int) -> bool:
        """Whether patience has run out after ``epochs`` completed ones."""
        return self.kept is not None and epochs - 1 - self.best_epoch >= self.patience


@dataclass
class Session:
    """Trains ``model`` in place, epoch by epoch.

    ``fast`` says whether compiled kernels are used, by default where they pay. ``done`` epochs are
    complete, ``began`` of them by an earlier run; ``checkpoint`` is called with the model, ready to
    be saved, after an epoch when ``every`` seconds have passed since the last time.
    """

    model: Model
    recipe: Recipe
    prepared: Prepared
    listener: Listener
    checkpoint: Callable[[Model], object] | None = None
    every: float = 30.0
    fast: bool | None = None
    began: int = 0
    done: int = 0
    series: dict[str, list[float]] = field(default_factory=dict)
    _earlier: dict[str, Array] = field(default_factory=dict)

    def __post_init__(self) -> None:
        recipe = self.recipe
        if recipe.stopping is not None and self.prepared.validation is None:
            raise SpecError(
                "early stopping watches validation rows, and there are none: set train.validation "
                "(0.1, say) or give validation data",
                location="train.early_stopping",
            )
        self.model.contract = self.prepared.contract
        check_savable(self.model)
        self._check_layers()
        if self.model.carried.aliases:
            names = list(self.model.carried.aliases)
            tied = ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")
            self.listener.notice(f"tied weights are trained apart and saved apart: {tied}")
        train = self.prepared.train
        self.loop = Loop(self.model.network, recipe, train, self.listener, self._judge, self.fast)
        self.rows = fingerprint_of(self.prepared)
        earlier, fitted = self.model.fit, self.prepared.fitted
        self.fit = Fit(
            kernels_used(fast=bool(self.loop.fast)),
            fitted if earlier is None else earlier.rows | fitted,
        )
        self.stopper = None
        if recipe.stopping is not None:
            higher = recipe.higher_is_better
            self.stopper = Stopper(**recipe.stopping, higher_is_better=higher)
        self._earlier = dict(self.model.history)

    def _check_layers(self) -> None:
        """Find a layer of which no file could be made: before the first batch, not after the last.

        Raises
        ------
        PluginLoadError
            If there is one and this training is to be saved; otherwise it is told.
        """
        try:
            make_selftest(self.model)
        except PluginLoadError as error:
            if self.checkpoint is not None:
                raise
            self.listener.notice(f"this model can be trained but not saved: {error.message}")

    def take_up(self) -> None:
        """Go on from the training state that the model was loaded with.

        Raises
        ------
        SpecError
            If it has none, or that of another training.
        """
        rule, network = self.recipe.rule, self.model.network
        position = read_state(self.model, rule, self.rows)
        if self.stopper is not None and position.watched is not None:
            self.stopper.kept = Snapshot.of(network, rule)
            self.stopper.best, self.stopper.best_epoch = position.watched
        position.now.restore(network, rule)
        self.done = self.began = position.epoch
        self.loop.since = position.since

    def over(self) -> str:
        """Why there is nothing left to train; empty if there is."""
        if self.done and self.done >= self.recipe.epochs:
            return f"all {self.recipe.epochs} epochs are done"
        stopper = self.stopper
        if stopper is None or not stopper.over(self.done):
            return ""
        return (
            f"early stopping ended this training after epoch {self.done}: {stopper.metric} has not "
            f"improved since epoch {stopper.best_epoch + 1} (patience {stopper.patience})"
        )

    def run(self) -> Ended:
        """Train until the recipe's epochs are done, patience runs out or the listener stops it.

        A listener that stops inside an epoch has that epoch undone, so that the model stands where
        an epoch ended and can be resumed to the same bits.

        Raises
        ------
        TrainingDivergedError
            If the loss or a parameter is no longer finite; ``last_good`` is the model as it was
            after the epoch before.
        """
        network, rule, recipe = self.model.network, self.recipe.rule, self.recipe
        ended: Ended = "finished"
        saved_at = time.monotonic()
        # What is not finite is found and told once, so NumPy need not warn.
        thread_count()  # a word that is no number is told before the work, not in it
        with single_blas(), np.errstate(all="ignore"):
            while self.done < recipe.epochs:
                if self.stopper is not None and self.stopper.over(self.done):
                    ended = "early"
                    break
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
                    ended = "finished" if self.done == recipe.epochs else "interrupted"
                    break
                if self.checkpoint and time.monotonic() - saved_at >= self.every:
                    self._save_checkpoint()
                    saved_at = time.monotonic()
            self._publish(finished=True)
        return ended

    def _save_checkpoint(self) -> None:
        """Save the model as it is to be resumed; whatever goes wrong must not end the training."""
        assert self.checkpoint is not None  # noqa: S101  # asked before
        now: Snapshot | None = None
        try:
            now = Snapshot.of(self.model.network, self.recipe.rule)
            self._publish(finished=False)
            self.checkpoint(self.model)
        except Exception as error:  # noqa: BLE001  # a full disk, a limit, no memory, a plugin
            told = str(error) or type(error).__name__
            self.listener.notice(
                f"the checkpoint after epoch {self.done} could not be saved ({told}); the one "
                "before is untouched, and training goes on"
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
            self.stopper.see(number, values[f"val_{self.stopper.metric}"], now)
        self.listener.epoch(number + 1, values)
        return True

    def _publish(self, *, finished: bool) -> Snapshot:
        """Make the model what it shall be saved as; returns where training stands.

        Under early stopping that is the best epoch's weights. Only a finished model is judged on
        all splits.
        """
        network, rule = self.model.network, self.recipe.rule
        now = Snapshot.of(network, rule)
        watched = None
        if self.stopper is not None and self.stopper.kept is not None:
            self.stopper.kept.restore(network)
            watched = (self.stopper.best, self.stopper.best_epoch)
        self.model.metrics = self._all_metrics() if finished else {}
        self.model.history = _continued(self._earlier, self.series)
        if self.done:
            self.model.fit = self.fit
        position = Position(self.done, now, watched, self.loop.since)
        self.model.carried = (
            write_state(self.model, rule, position, self.rows) if self.done else FileLeftovers()
        )
        return now

    def _all_metrics(self) -> dict[str, float]:
        p = self.prepared
        return {
            **self._judged("train", p.train),
            **self._judged("val", p.validation),
            **self._judged("test", p.test),
        }

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
