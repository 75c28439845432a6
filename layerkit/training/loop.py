"""The training loop: epochs of shuffled batches, each with feed, loss, backprop, update.

Every random choice of epoch e comes from streams named after e, so that a run can be resumed at any
epoch without saving the state of a generator.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np

from layerkit.core.context import Array
from layerkit.core.layer import Layer
from layerkit.core.network import Network
from layerkit.core.rng import random_stream
from layerkit.discovery.engines import engines
from layerkit.errors import TrainingDivergedError
from layerkit.execution.rules import compiled_rule
from layerkit.training.kernel_choice import kernels_pay
from layerkit.training.learner import Learner
from layerkit.training.listener import Listener
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
    epoch, counted from 0, at which the schedule starts. ``preparing`` is the time it took to load
    the kernels, ``seconds`` the time of the epochs so far.
    """

    network: Network
    recipe: Recipe
    data: Arrays
    listener: Listener
    judge: Judge
    fast: bool | None = None
    since: int = 0
    preparing: float = 0.0
    seconds: float = 0.0
    interrupted: bool = False
    prepared: bool = False

    def __post_init__(self) -> None:
        began = time.perf_counter()
        if self.fast is None:
            self.fast = kernels_pay(self.network, self.recipe, len(self.data))
        grads = self.network.allocate_grads()
        self.mask = self.network.decay_mask()
        self.recipe.rule.bind(self.network.params, grads, self.mask)
        self.spans = self.network.trainable()
        self.runs = self.network.runs()
        rows = min(self.recipe.batch_size, len(self.data))
        self.batch = np.empty((rows, *self.data.x.shape[1:]), self.data.x.dtype)
        used = engines(compiled=self.fast)
        self.learner = Learner(self.network, self.recipe.loss, used)
        self.recipe.rule.kernel = compiled_rule(self.recipe.rule, used, self.network.dtype)
        if self.fast:
            self.preparing = time.perf_counter() - began

    def epoch(self, number: int) -> dict[str, float] | None:
        """Train epoch ``number``, counted from 0, and return its loss and metrics.

        They are None if the listener stopped it. The loss is the mean over the batches as they were
        trained, while the weights still change. Raises TrainingDivergedError if it is no longer
        finite.
        """
        recipe, data = self.recipe, self.data
        self.learner.set_streams(
            lambda name: random_stream(recipe.seed, "layer", name, str(number))
        )
        order = random_stream(recipe.seed, "shuffle", str(number)).permutation(len(data))
        scores: Array | None = None
        total = weight = 0.0
        done = 0
        if self.fast and not self.prepared:
            self._prepare(order[: recipe.batch_size])
        began = time.perf_counter()
        for start in range(0, len(data), recipe.batch_size):
            index = order[start : start + recipe.batch_size]
            rate = recipe.rule.learning_rate * recipe.schedule.factor(
                number - self.since + start / len(data), recipe.epochs - self.since
            )
            batch_scores, loss, share = self._step(index, rate)
            if not math.isfinite(loss):
                batch = start // recipe.batch_size + 1
                fault = f"the loss became {loss} in epoch {number + 1}, batch {batch}"
                raise _diverged(fault, number, batch, _CALM if number or start else _SCALE)
            if scores is None:
                scores = np.empty((len(data), *batch_scores.shape[1:]), batch_scores.dtype)
            scores[done : done + len(index)] = batch_scores
            done += len(index)
            total += loss * share
            weight += share
            if recipe.rule.steps == 1:
                self._advise()
            self._remark()
            self.listener.batch(done, len(data))
            if self.listener.stop():
                self.interrupted = True
                if done < len(data):
                    return None
        self.seconds += time.perf_counter() - began
        if not np.isfinite(self.network.params).all():
            fault = f"parameters are no longer finite after epoch {number + 1}"
            raise _diverged(fault, number, -(-len(data) // recipe.batch_size), _CALM)
        values = {"loss": total / weight if weight else 0.0}
        if scores is not None:
            values |= self.judge(scores[:done], data.truth[order[:done]])
        values["learning_rate"] = recipe.rule.rate
        return values

    def _prepare(self, index: Array) -> None:
        """Compile or load what the first batch needs, apart from the time of training."""
        began = time.perf_counter()
        self.learner.prepare(partial(self._rows, index), len(index))
        self.preparing += time.perf_counter() - began
        self.prepared = True

    def _step(self, index: Array, rate: float) -> tuple[Array, float, float]:
        """One batch; (scores (b, *out), mean loss before the update, its weight)."""
        weights, share = self._row_weights(index)
        targets = self.data.y[index]
        scores, loss = self.learner.learn(partial(self._rows, index), targets, weights)
        if math.isfinite(loss):
            self._shape_gradient()
            self.recipe.rule.begin(rate)
            self.network.update(self.recipe.rule, self.runs)
        return scores, loss, share

    def _rows(self, index: Array, part: slice) -> Array:
        """The rows at ``index[part]``, in memory that is reused: new pages cost 0.1 ms per step."""
        # mode="clip" avoids the copy that "raise" makes to leave ``out`` alone after a bad index.
        return np.take(self.data.x, index[part], axis=0, out=self.batch[part], mode="clip")

    def _row_weights(self, index: Array) -> tuple[Array, float]:
        """(weights (b,) that sum to 1, or to 0 if all are 0; their sum before)."""
        if self.data.weights is None:
            return np.full(len(index), 1 / len(index), self.network.dtype), float(len(index))
        weights = self.data.weights[index]
        share = float(weights.sum())
        return weights / share if share > 0 else weights, share

    def _shape_gradient(self) -> None:
        """L2 decay, then clipping by value, then by norm, in place."""
        recipe, grads = self.recipe, self.network.grads
        assert grads is not None  # noqa: S101  # allocated at the start
        for span in self.spans:
            if recipe.weight_decay:
                grads[span] += recipe.weight_decay * self.mask[span] * self.network.params[span]
            if recipe.clip_value is not None:
                np.clip(grads[span], -recipe.clip_value, recipe.clip_value, out=grads[span])
        if recipe.clip_norm is not None:
            norm = _norm(grads, self.spans)
            if norm > recipe.clip_norm:
                for span in self.spans:
                    grads[span] *= recipe.clip_norm / norm

    def _remark(self) -> None:
        """Report, once each, which layers run as they are written, and why."""
        for text in self.learner.remarks():
            self.listener.notice(text)

    def _advise(self) -> None:
        """Report the layers' advice; layers that an engine runs are fed again to get it."""
        contexts = self.learner.contexts
        missing = [p for p in self.network.planned if p.name not in contexts]
        if any(type(p.layer).advice is not Layer.advice for p in missing):
            fed = self.network.contexts()
            self.network.feed(self.batch, fed)
            contexts = {p.name: ctx for p, ctx in zip(self.network.planned, fed, strict=True)}
        advice: dict[str, list[str]] = {}
        for planned in self.network.planned:
            if planned.name in contexts:
                for text in planned.layer.advice(contexts[planned.name]):
                    advice.setdefault(text, []).append(planned.name)
        for text, names in advice.items():
            self.listener.notice(f"{', '.join(names)}: {text}")


def _diverged(fault: str, number: int, batch: int, hint: str) -> TrainingDivergedError:
    return TrainingDivergedError(fault, epoch=number + 1, batch=batch, hint=hint)


def _norm(grads: Array, spans: list[slice]) -> float:
    """Euclidean norm of the spans together; in float64 if squares overflow the dtype."""
    norm = math.sqrt(sum(float(grads[s] @ grads[s]) for s in spans))
    if math.isfinite(norm):
        return norm
    return math.sqrt(sum(float(np.sum(np.square(grads[s], dtype=np.float64))) for s in spans))
