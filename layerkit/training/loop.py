"""The training loop: epochs of shuffled batches, each with feed, loss, backprop, update.

Every random choice of epoch e comes from streams named after e, so that a run can be resumed at any
epoch without saving the state of a generator.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from layerkit.core.context import Array
from layerkit.core.history import History
from layerkit.core.network import Network
from layerkit.core.parts import Schedule
from layerkit.core.rng import random_stream
from layerkit.discovery.engines import engines
from layerkit.errors import PluginLoadError, PluginProblem, TrainingDivergedError
from layerkit.execution.engine import Engine
from layerkit.execution.rules import compiled_rule
from layerkit.training.advice import advice_of
from layerkit.training.callbacks import Callbacks
from layerkit.training.gradient import shape_gradient
from layerkit.training.kernel_choice import kernels_pay
from layerkit.training.learner import Learner
from layerkit.training.prepare import Arrays
from layerkit.training.recipe import Recipe

_CALM = "lower train.optimizer.learning_rate, set train.clip_norm (1.0, say), or scale the input"
_SCALE = (  # before the first step, which no rate and no clipping has affected
    'scale the input, input.scale: "standardize", or the targets, output.scale: "standardize"'
)

Judge = Callable[[Array, Array], dict[str, float]]
"""From scores and the rows' ``truth`` to metric values."""


@dataclass
class Loop:
    """The training of one network; ``epoch`` runs the next epoch.

    ``fast`` says whether compiled kernels are used, by default where they pay; ``since`` is the
    epoch, counted from 0, at which the schedule starts, and ``slowed`` a factor of all its rates.
    ``preparing`` is the time it took to load the kernels, ``seconds`` the time of the epochs so
    far.
    """

    network: Network
    recipe: Recipe
    data: Arrays
    told: Callbacks
    judge: Judge
    fast: bool | None = None
    since: int = 0
    slowed: float = 1.0
    preparing: float = 0.0
    seconds: float = 0.0
    interrupted: bool = False
    prepared: bool = False

    def __post_init__(self) -> None:
        began = time.perf_counter()
        if self.fast is None:
            self.fast = kernels_pay(self.network, self.recipe, len(self.data))
        self.grads = self.network.allocate_grads()
        self.mask = self.network.decay_mask()
        self.recipe.rule.bind(self.network.params, self.grads, self.mask)
        self.spans = self.network.trainable()
        self.runs = self.network.runs()
        rows = min(self.recipe.batch_size, len(self.data))
        self.batch = np.empty((rows, *self.data.x.shape[1:]), self.data.x.dtype)
        used = engines(compiled=self.fast)
        self.learner = self._learner(used)
        self.recipe.rule.kernel = compiled_rule(self.recipe.rule, used, self.network.dtype)
        if self.fast:
            self.preparing = time.perf_counter() - began

    def _learner(self, used: Sequence[Engine]) -> Learner:
        """What computes the gradients of the first epoch, by the engines ``used``."""
        return Learner(self.network, self.recipe.loss, used)

    def epoch(self, number: int, history: History | None = None) -> dict[str, float] | None:
        """Train epoch ``number``, counted from 0, and return its loss and metrics.

        ``history`` of the epochs before is for the schedule; without it a schedule sees no results.
        The values are None if a listener stopped it. The loss is the mean over the batches as they
        were trained, while the weights still change. Raises TrainingDivergedError if it is no
        longer finite.
        """
        size, all_rows, after_batch = self.recipe.batch_size, len(self.data), self.told.after_batch
        order = random_stream(self.recipe.seed, "shuffle", str(number)).permutation(all_rows)
        history = None if history is None else history.between(self.since)
        self._begin(number, order)
        began = time.perf_counter()
        for start in range(0, all_rows, size):
            rows = order[start : start + size]
            self._step(number, start, rows, history)
            done = start + len(rows)
            if after_batch is not None and after_batch(done, all_rows):
                self.interrupted = True
                if done < all_rows:
                    return None
        scores, loss = self._end(number)
        self.seconds += time.perf_counter() - began
        if not np.isfinite(self.network.params).all():
            raise self._diverged("parameters are no longer finite", number, None)
        metrics = self.judge(scores, self.data.truth[order])
        return {"loss": loss, **metrics, "learning_rate": self.recipe.rule.rate}

    def _begin(self, number: int, order: Array) -> None:
        """Begin epoch ``number``, of the rows in ``order``: random streams are those of it."""
        self._tally = _Tally(len(order))
        self.learner.set_streams(partial(self._stream, number))
        if self.fast and not self.prepared:
            self._prepare(order[: self.recipe.batch_size])

    def _step(self, number: int, start: int, rows: Array, history: History | None) -> None:
        """Train on ``rows``, those from ``start`` on in the order of epoch ``number``."""
        weights, share = self._weights(rows)
        # Feed, loss, backprop: the scores and the loss before the update, and the gradients.
        scores, loss = self._learn(rows, weights)
        if not math.isfinite(loss):
            raise self._diverged(f"the loss became {loss}", number, start)
        # Update.
        shape_gradient(self.recipe, self.network.params, self.grads, self.mask, self.spans)
        self.recipe.rule.begin(self._rate(number, start, history))
        self.network.update(self.recipe.rule, self.runs)

        self._tally.add(scores, loss, share)
        self._remark()

    def _learn(self, rows: Array, weights: Array) -> tuple[Array, float]:
        """The scores of ``rows``, with ``weights``, and their loss; computes the gradients."""
        return self.learner.learn(partial(self._x, rows), self.data.y[rows], weights)

    def _end(self, number: int) -> tuple[Array, float]:
        """The scores of the rows in epoch ``number``, in its order, and the mean loss."""
        return self._tally.scores, self._tally.loss

    def _stream(self, number: int, name: str) -> np.random.Generator:
        """The random stream of the layer called ``name`` in epoch ``number``."""
        return random_stream(self.recipe.seed, "layer", name, str(number))

    def _prepare(self, rows: Array) -> None:
        """Compile or load what the first batch needs, apart from the time of training."""
        began = time.perf_counter()
        self.learner.prepare(partial(self._x, rows), len(rows))
        self.preparing += time.perf_counter() - began
        self.prepared = True

    def _x(self, rows: Array, part: slice) -> Array:
        """The rows ``rows[part]``, in memory that is reused: new pages cost 0.1 ms per step."""
        # mode="clip" avoids the copy that "raise" makes to leave ``out`` alone after a bad index.
        return np.take(self.data.x, rows[part], axis=0, out=self.batch[part], mode="clip")

    def _weights(self, rows: Array) -> tuple[Array, float]:
        """(weights (b,) that sum to 1, or to 0 if all are 0; their sum before)."""
        if self.data.weights is None:
            return np.full(len(rows), 1 / len(rows), self.network.dtype), float(len(rows))
        weights = self.data.weights[rows]
        share = float(weights.sum())
        return weights / share if share > 0 else weights, share

    def _rate(self, number: int, start: int, history: History | None) -> float:
        """The rate of the batch at row ``start`` of epoch ``number``.

        The time of the schedule, and ``history``, begin with it.
        """
        time = number - self.since + start / len(self.data)
        schedule, epochs = self.recipe.schedule, self.recipe.epochs - self.since
        try:
            if history is None:
                factor = schedule.factor(time, epochs)
            else:
                factor = schedule.factor_after(time, epochs, history)
        except Exception as error:
            raise _wrong(schedule, f"raised {type(error).__name__}: {error}") from error
        if not 0 <= factor < math.inf:
            raise _wrong(schedule, f"expected a finite factor >= 0, got {factor!r}")
        return self.recipe.rule.learning_rate * factor * self.slowed

    def _remark(self) -> None:
        """Tell, once each, which layers run as written, and after the first step their advice."""
        if self.recipe.rule.steps == 1:
            for text in self._advice():
                self.told.notice(text)
        for text in self.learner.remarks():
            self.told.notice(text)

    def _advice(self) -> Iterable[str]:
        return advice_of(self.network, self.learner.contexts, self.batch)

    def _diverged(self, fault: str, number: int, start: int | None) -> TrainingDivergedError:
        """The error for an epoch that diverged, in the batch at row ``start`` or after the last."""
        size, epoch = self.recipe.batch_size, number + 1
        if start is None:
            batch = -(-len(self.data) // size)
            return TrainingDivergedError(
                f"{fault} after epoch {epoch}", epoch=epoch, batch=batch, hint=_CALM
            )
        batch = start // size + 1
        return TrainingDivergedError(
            f"{fault} in epoch {epoch}, batch {batch}",
            epoch=epoch,
            batch=batch,
            hint=_CALM if number or start else _SCALE,
        )


def _wrong(schedule: Schedule, what: str) -> PluginLoadError:
    name = schedule.type_name
    return PluginLoadError(f"schedule {name!r}: {what}", problems=[PluginProblem(name, what)])


class _Tally:
    """The scores and the loss of an epoch's rows, as they were trained."""

    def __init__(self, rows: int) -> None:
        self.rows = 0
        self.scores: Array = np.empty(0)
        self._of = rows
        self._total = self._weight = 0.0

    def add(self, scores: Array, loss: float, weight: float) -> None:
        """Count a batch: its ``scores`` (b, *out), their mean ``loss``, its ``weight``."""
        if self.rows == 0:
            self.scores = np.empty((self._of, *scores.shape[1:]), scores.dtype)
        self.scores[self.rows : self.rows + len(scores)] = scores
        self.rows += len(scores)
        self._total += loss * weight
        self._weight += weight

    @property
    def loss(self) -> float:
        """The mean over the batches; 0 if all weights are 0."""
        return self._total / self._weight if self._weight else 0.0
