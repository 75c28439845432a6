"""A training session: its epochs, checkpoints, and the run it gives."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from layerkit.core.callback import Outcome
from layerkit.core.context import Array
from layerkit.core.history import History, growing
from layerkit.core.network import Network
from layerkit.datacontract.fitted_rows import Fit, kernels_used
from layerkit.errors import CallbackError, PluginLoadError, SpecError, TrainingDivergedError
from layerkit.file.check_savable import check_savable
from layerkit.file.save import save
from layerkit.file.selftest import make_selftest
from layerkit.health.subject import spread
from layerkit.model import FileLeftovers, Model
from layerkit.specs import Spec
from layerkit.threads import single_blas, thread_count
from layerkit.training.callbacks import Callbacks, check_watched
from layerkit.training.evaluation import mean_loss, metric_values
from layerkit.training.kernel_choice import kernels_to_resume
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
from layerkit.training.run_result import Run, joined_series

if TYPE_CHECKING:
    from layerkit.execution.devices.engine import OnDevice
    from layerkit.training.guide import Guide

FirstLook = Callable[[Network, Array, Mapping[str, float]], Iterable[str]]
"""What there is to say of a network after its first epoch, from up to 256 rows (n, *shape) and the
epoch's values; it changes nothing."""

_LOOKED_AT = 256  # rows


def _loop_on(engine: OnDevice | None, guide: Guide | None) -> Callable[..., Loop]:
    """The loop for a device, or beside a teacher; most trainings spare the import of these."""
    if engine is not None:
        from layerkit.training.device_loop import DeviceLoop

        return partial(DeviceLoop, engine=engine)
    if guide is not None:
        from layerkit.training.guided_loop import GuidedLoop

        return partial(GuidedLoop, guide=guide)
    return Loop


@dataclass
class Session:
    """Trains ``model`` in place, epoch by epoch; a ``Training`` as callbacks see it.

    ``checkpoint`` is called with the model, ready to be saved, after an epoch when ``every``
    seconds have passed since the last time. A session that is ``resumed`` begins at the training
    state that the model was loaded with, which must be of the same rows if ``same_rows``. ``done``
    epochs are complete; ``guide`` is what the model learns of a teacher. Raises SpecError if a
    callback needs a value that this training will not have, or a resumed model holds no training
    state or that of another training.
    """

    model: Model
    recipe: Recipe
    prepared: Prepared
    told: Callbacks
    checkpoint: Callable[[Model], object] | None = None
    every: float = 30.0
    resumed: bool = False
    first_look: FirstLook | None = None
    guide: Guide | None = None
    done: int = 0
    same_rows: bool = True
    outcome: str = ""
    reason: str = ""
    series: dict[str, list[float]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        model, recipe, train = self.model, self.recipe, self.prepared.train
        measured, held_out = ["loss", *recipe.metrics], self.prepared.validation is not None
        schedule = recipe.schedule
        with model.spec.placing():
            self.told.check_watched(measured, held_out=held_out)
            check_watched(
                schedule, schedule.type_name, "train.schedule", measured, held_out=held_out
            )
        model.contract = self.prepared.contract
        check_savable(model)
        self._check_layers()
        shared = model.network.tied
        if names := [name for name in model.leftovers.aliases if name not in shared]:
            tied = ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")
            self.notice(f"tied weights are trained and saved separately: {tied}")
        fast = kernels_to_resume(model, recipe, len(train)) if self.resumed else None
        # What is trained: the model's network, perhaps with more parameters behind its own.
        self.network = model.network if self.guide is None else self.guide.network
        loop = _loop_on(model.on_device, self.guide)
        self.loop = loop(self.network, recipe, train, self.told, self._judge, fast)
        self._digest = prepared_rows_digest(self.prepared)
        fitted = self.prepared.fitted
        self.fit = Fit(
            kernels_used(fast=bool(self.loop.fast)),
            fitted if model.fit is None else model.fit.rows | fitted,
        )
        self._kept: tuple[int, Snapshot] | None = None  # epochs done then, and the weights
        self._to_save: list[tuple[str, Callable[[], object] | None]] = []
        self._earlier = dict(model.history)
        # The series of this training, also of the epochs before it was resumed.
        self._so_far: dict[str, list[float]] = {name: [] for name in schedule.watched}
        if self.resumed:
            self._restore()
        else:
            self.told.restore(self, {})

    @property
    def spec(self) -> Spec:
        """The resolved spec."""
        return self.model.spec

    @property
    def seed(self) -> int:
        """The run's seed."""
        return self.recipe.seed

    @property
    def epochs(self) -> int:
        """Total number of epochs."""
        return self.recipe.epochs

    @property
    def rows(self) -> int:
        """Number of training rows."""
        return len(self.prepared.train)

    def notice(self, text: str) -> None:
        """Tell the user ``text``."""
        self.told.notice(text)

    def so_far(self) -> History:
        """The series of this training's finished epochs, those before it was resumed too."""
        rising = [name for name in self._so_far if self.rises(name)]
        return growing(self._so_far, rising, self.done)

    def rises(self, name: str) -> bool:
        """Whether the value called ``name`` is better if it is higher."""
        metric = self.recipe.metrics.get(name.removeprefix("val_"))
        return metric is not None and metric.higher_is_better

    def keep(self, epoch: int | None = None) -> None:
        """Let the training end with the weights of now, which are those of ``epoch``."""
        now = Snapshot.of(self.network, self.recipe.rule)
        self._kept = self.done if epoch is None else epoch, now

    def save(self, path: str, *, then: Callable[[], object] | None = None) -> None:
        """Save the model once all callbacks have seen this epoch."""
        self._to_save.append((path, then))

    def _check_layers(self) -> None:
        """Find a layer that no file can hold before the first batch, not after the last.

        Such a layer is an error if this training has checkpoints, else a notice.
        """
        try:
            make_selftest(self.model)
        except PluginLoadError as error:
            if self.checkpoint is not None:
                raise
            self.notice(f"this model can be trained but not saved: {error.message}")

    def _restore(self) -> None:
        """Continue from the training state that the model was loaded with."""
        rule, network = self.recipe.rule, self.network
        position = read_state(self.model, network, rule, self._digest if self.same_rows else None)
        self.done = position.epoch
        for name, values in self._earlier.items():
            self._so_far[name] = values[max(0, len(values) - self.done) :].tolist()
        for name in self.recipe.schedule.watched:
            if len(self._so_far[name]) < self.done:
                raise SpecError(
                    f"the model has no history of {name} for all of the {self.done} epochs done, "
                    "which the schedule needs",
                    location="train.schedule",
                )
        (position.kept or position.now).restore(network)
        self.told.restore(self, position.states)  # which may keep these weights
        position.now.restore(network, rule)
        self.loop.since, self.loop.slowed = position.since, position.slowed

    def over(self) -> str:
        """Why there is nothing left to train, and what to do; empty if there is."""
        if self.done and self.done >= self.epochs:
            return (
                f"all {self.epochs} epochs are done, so nothing is trained; to continue, give a "
                "new total: --epochs, or epochs="
            )
        reason = self.told.over()
        return reason and (
            f"{reason}, so nothing is trained; layerkit train MODEL trains it on from its weights"
        )

    def run(self) -> Run:
        """Train until the recipe's epochs are done, a callback says so, or a listener stops it.

        Raises TrainingDivergedError if the loss or a parameter is no longer finite; ``last_good``
        is the model as it was after the epoch before. Raises CallbackError if a callback raises;
        ``run`` is what was reached.
        """
        self.told.begin(self.model.name, seed=self.seed, epochs=self.epochs, rows=self.rows)
        thread_count()  # reports a bad LAYERKIT_THREADS before the work begins
        # Non-finite values are found and reported once, so NumPy need not warn.
        with single_blas(), np.errstate(all="ignore"):
            try:
                for text in self.prepared.notices:
                    self.notice(text)
                ended = self._train()
                self._end(ended)
            except TrainingDivergedError as error:
                self._end_badly("diverged")
                error.last_good = self.model if self.done > 0 else None
                raise
            except CallbackError as error:
                if not self.outcome:
                    self._end_badly("failed")
                error.run = self.result("interrupted" if self.outcome == "failed" else ended)
                raise
        return self.result(ended)

    def result(self, ended: Outcome) -> Run:
        """What the session has reached."""
        loop, steps = self.loop, self.recipe.rule.steps
        best = None if self._kept is None else self._kept[0]
        return Run(
            self.model, self.seed, loop.seconds, self.done, steps, ended, best, loop.preparing,
            self.reason,
        )  # fmt: skip

    def _train(self) -> Outcome:
        """The epochs. One that ends before its last batch is undone."""
        saved_at = time.monotonic()
        while self.done < self.epochs:
            self.reason = self.told.over()
            if self.reason:
                return "early"
            values = self._epoch()
            if values is not None:
                self._complete(values)
            if self.loop.interrupted and self.done < self.epochs:
                self.reason = self.told.over()
                return "early" if self.reason else "interrupted"
            if self.checkpoint and time.monotonic() - saved_at >= self.every:
                self._save(self.checkpoint)
                saved_at = time.monotonic()
        return "finished"

    def _epoch(self) -> dict[str, float] | None:
        """The values of one epoch; None if it has been undone: stopped, or to be trained again."""
        network, rule = self.network, self.recipe.rule
        before = Snapshot.of(network, rule)
        try:
            values, diverged = self._trained()
            slower = values and self.told.retry(self.done + 1, values)
        except CallbackError:
            before.restore(network, rule)
            raise
        if not values or diverged or slower:
            before.restore(network, rule)
        if slower:
            self.loop.slowed *= slower
            return None
        if diverged:
            raise diverged
        return values

    def _trained(self) -> tuple[dict[str, float] | None, TrainingDivergedError | None]:
        """The values of one more epoch, None if it was stopped; and the error if it diverged."""
        try:
            values = self.loop.epoch(self.done, self.so_far())
        except TrainingDivergedError as error:
            return {"loss": math.nan}, error
        if values is not None:
            values |= self._judged("val", self.prepared.validation)
        return values, None

    def _complete(self, values: dict[str, float]) -> None:
        """Count a completed epoch, and tell of it."""
        for name, value in values.items():
            self.series.setdefault(name, []).append(value)
            self._so_far.setdefault(name, [math.nan] * self.done)
        for name, held in self._so_far.items():
            held.append(values.get(name, math.nan))
        self.done += 1
        if self.first_look is not None and self.done == 1 and not self.resumed:
            # A copy: a layer may write into its input.
            rows = spread(self.prepared.train.x, _LOOKED_AT).copy()
            for text in self.first_look(self.model.network, rows, values):
                self.notice(text)
        self.told.epoch(self.done, values)
        self._save_asked()

    def _end(self, outcome: str) -> None:
        """Give the model what is saved, and tell that the training has ended."""
        self.outcome = outcome
        self._publish(finished=True)
        self.told.end(self.loop.seconds)
        self._save_asked()

    def _end_badly(self, outcome: str) -> None:
        """``_end`` where an error is on its way, which no other may replace."""
        with suppress(CallbackError):
            self._end(outcome)

    def _save_asked(self) -> None:
        """Save where callbacks have asked for it."""
        asked, self._to_save = self._to_save, []
        for path, then in asked:
            self._save(partial(save, target=path), then, of_now=True)

    def _save(
        self,
        save: Callable[[Model], object],
        then: Callable[[], object] | None = None,
        *,
        of_now: bool = False,
    ) -> None:
        """Save the model in a state to resume from; no error ends the training.

        Its weights are those that were kept, or those ``of_now``.
        """
        now: Snapshot | None = None
        try:
            if not self.outcome:
                now = Snapshot.of(self.network, self.recipe.rule)
                self._publish(finished=False, of_now=of_now)
            save(self.model)
            if then is not None:
                then()
        except Exception as error:  # noqa: BLE001  # a full disk, a limit, no memory, a plugin
            self.notice(
                f"the checkpoint after epoch {self.done} could not be saved "
                f"({str(error) or type(error).__name__}); the previous one is untouched, and "
                "training continues"
            )
        finally:
            if now is not None:
                now.restore(self.network)

    def _publish(self, *, finished: bool, of_now: bool = False) -> None:
        """Give the model what is saved: weights, metrics, history, training state.

        Its weights are those that a callback has kept, unless ``of_now``. Only a finished model is
        evaluated on all splits.
        """
        now = Snapshot.of(self.network, self.recipe.rule)
        kept = None if self._kept is None else self._kept[1]
        if kept is not None and not of_now:
            kept.restore(self.network)
        self.model.metrics = self._all_metrics() if finished else {}
        self.model.history = joined_series(self._earlier, self.series)
        if self.done:
            self.model.fit = self.fit
        loop, states = self.loop, self.told.states(self.notice)
        position = Position(self.done, now, kept, states, loop.since, loop.slowed)
        self.model.leftovers = (
            write_state(self.model, position, self._digest) if self.done else FileLeftovers()
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
