"""Trial: a short training on a copy, to see what a recipe does to a network in its first steps."""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from layerkit.core.context import Array
from layerkit.core.network import Network
from layerkit.errors import TrainingDivergedError
from layerkit.model import Model
from layerkit.threads import single_blas
from layerkit.training import Listener
from layerkit.training.callbacks import Callbacks
from layerkit.training.evaluation import mean_loss
from layerkit.training.loop import Loop
from layerkit.training.prepare import Arrays, Prepared
from layerkit.training.recipe import Recipe

STEPS = 200
_JUDGED = 1024  # training rows on which the loss is compared
_WATCHED = 10  # steps, spread over the trial, whose updates are measured


@dataclass(frozen=True)
class Trial:
    """What a short training did.

    ``loss`` and ``error`` are (before, after) on the same rows; ``error`` can be compared between
    specs: the loss of classes, or the share of the targets' variance that is not explained.
    ``updates`` holds, by layer name, the median size of a step as a share of the weights' size.
    """

    model: Model
    steps: int
    seconds: float
    loss: tuple[float, float]
    error: tuple[float, float]
    updates: Mapping[str, float]
    diverged: str = ""

    def compared(self, other: Trial) -> str:
        """What another trial reached instead, which may have gone on for longer."""
        real = Recipe.of(self.model.spec).loss.target == "real"
        what = "the share of variance not explained" if real else "the loss"
        now = self.error[1]
        rather = f"{now:.3g}" if math.isfinite(now) else "no number"
        after = "" if self.steps == other.steps else f" after {self.steps}"
        reached = f"in {other.steps} steps {what} becomes {other.error[1]:.3g}"
        return f"{reached} instead of {rather}{after}"


def try_training(
    model: Model, prepared: Prepared, *, steps: int = STEPS, seconds: float = 10.0
) -> Trial:
    """Train a copy of ``model`` for up to ``steps`` steps or ``seconds``."""
    twin = copy.deepcopy(model)
    twin.contract = prepared.contract
    recipe = Recipe.of(twin.spec)
    steps = min(steps, recipe.epochs * -(-len(prepared.train) // recipe.batch_size))
    watch = _Watch(twin.network, steps, time.monotonic() + seconds)
    judged = _first(prepared.train, _JUDGED)
    diverged = ""
    began = time.monotonic()
    with single_blas(), np.errstate(all="ignore"):
        before = _judge(twin, recipe, judged)
        told = Callbacks(watch)
        loop = Loop(twin.network, recipe, prepared.train, told, lambda *_: {}, fast=False)
        try:
            for number in range(recipe.epochs):
                loop.epoch(number)
                if watch.stop():
                    break
        except TrainingDivergedError as fault:
            diverged = fault.message
        after = (math.inf, math.inf) if diverged else _judge(twin, recipe, judged)
    losses, errors = (before[0], after[0]), (before[1], after[1])
    taken = time.monotonic() - began
    return Trial(twin, watch.done, taken, losses, errors, watch.medians(), diverged)


def _first(arrays: Arrays, most: int) -> Arrays:
    return Arrays(arrays.x[:most], arrays.y[:most], arrays.truth[:most])


def _judge(model: Model, recipe: Recipe, arrays: Arrays) -> tuple[float, float]:
    """(loss, error) as in ``Trial``; infinite where they are no numbers."""
    scores = model.scores_of(arrays.x)
    loss = mean_loss(recipe.loss, scores, arrays.y)
    error = loss
    if recipe.loss.target == "real":
        y = np.asarray(arrays.y, np.float64)
        spread = float(np.square(y - y.mean(axis=0)).sum())
        error = float(np.square(scores - y).sum()) / spread if spread else math.nan
    return _or_infinite(loss), _or_infinite(error)


def _or_infinite(value: float) -> float:
    return value if math.isfinite(value) else math.inf


@dataclass
class _Watch(Listener):
    """Ends the trial, and measures some of its steps."""

    network: Network
    most: int
    deadline: float
    done: int = 0
    _before: Array | None = None
    _shares: dict[str, list[float]] = field(default_factory=dict)

    def batch(self, done: int, rows: int) -> None:
        self.done += 1
        if self._before is not None:
            self._measure(self._before)
        watched = self.done % max(1, self.most // _WATCHED) == 0
        self._before = self.network.params.copy() if watched else None

    def stop(self) -> bool:
        return self.done >= self.most or time.monotonic() > self.deadline

    def notice(self, text: str) -> None:
        """Nothing: it is about this copy."""

    def _measure(self, before: Array) -> None:
        for planned in self.network.planned:
            span = planned.layer.span
            size = float(np.linalg.norm(before[span]))
            if size and not planned.layer.freeze:
                step = float(np.linalg.norm(self.network.params[span] - before[span]))
                self._shares.setdefault(planned.name, []).append(step / size)

    def medians(self) -> dict[str, float]:
        """By layer, the median share of the weights' size that a step changed."""
        return {name: float(np.median(shares)) for name, shares in self._shares.items()}
