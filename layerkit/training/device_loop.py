"""The training loop on another device: an epoch is begun there, and waited for at its end.

Order of rows, weights, rates and random draws are those of ``Loop``. Losses and scores are read
once an epoch, so a loss that is not finite is found at its end; the epoch is undone all the same.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from layerkit.core.context import Array
from layerkit.core.history import History
from layerkit.core.layer import Layer
from layerkit.core.steps import as_rows
from layerkit.errors import DeviceError
from layerkit.execution.devices.device import DeviceArray
from layerkit.execution.devices.engine import OnDevice, failures_of, layers_on, try_layers
from layerkit.execution.devices.training import Shaping, Training
from layerkit.execution.engine import LossStage
from layerkit.execution.rules import compiled_rule
from layerkit.execution.trial import trials_of
from layerkit.recording.arrays import NotRecorded
from layerkit.recording.record import Recording, record_loss, record_rule
from layerkit.training.advice import advice_of
from layerkit.training.loop import Loop


@dataclass
class _Epoch:
    """What an epoch needs, and gives, in the order of its rows; arrays of the device.

    ``shares`` are the sums of the rows' weights by batch, on the host.
    """

    rows: DeviceArray
    weights: DeviceArray
    shares: Array
    streams: Mapping[str, np.random.Generator]
    losses: list[DeviceArray] = field(default_factory=list)
    scores: DeviceArray = None


@dataclass
class DeviceLoop(Loop):
    """The training of one network on the device of ``engine``.

    Raises DeviceError, which names the layer, loss or rule, if one cannot run there.
    """

    engine: OnDevice | None = None

    def __post_init__(self) -> None:
        began = time.perf_counter()
        assert self.engine is not None  # noqa: S101  # a field after those with defaults
        self.fast = False
        network, recipe, data = self.network, self.recipe, self.data
        self.grads = network.allocate_grads()
        self.mask = network.decay_mask()
        recipe.rule.bind(network.params, self.grads, self.mask)
        spans = [run for run in network.runs() if isinstance(run, slice)]
        self._check_updates()
        self._device = self.engine.device
        self._layers = layers_on(network, self.engine, training=True)
        loss, rule = self._recorded()
        self._loss = self.engine.loss(loss)
        with failures_of(self._device):
            self.training = Training(
                network,
                self._layers,
                loss,
                (recipe.rule, rule),
                Shaping(recipe.weight_decay, recipe.clip_value, recipe.clip_norm),
                self._device,
                data.x,
                data.y,
                self.mask,
                spans,
            )
        self._tried: set[int] = set()
        self.preparing = time.perf_counter() - began

    def _check_updates(self) -> None:
        for run in self.network.runs():
            if isinstance(run, Layer):
                name = next(one.name for one in self.network.nested() if one.layer is run)
                raise self._refused(f"layer {name!r}", "it has an update of its own")

    def _recorded(self) -> tuple[Recording, Recording]:
        """The recordings of the loss and of the optimizer's rule, which agree with both."""
        assert self.engine is not None  # noqa: S101
        recipe, dtype, y = self.recipe, self.network.dtype, self.data.y
        planned = self.network.planned
        out_shape = planned[-1].plan.out_shape if planned else self.data.x.shape[1:]
        loss_name, rule_name = (f"{part.type_name!r}" for part in (recipe.loss, recipe.rule))
        try:
            shape = y.shape[len(out_shape) :]  # steps are rows to the loss
            loss = record_loss(recipe.loss, out_shape[-1:], dtype, shape, y.dtype)
        except NotRecorded as refusal:
            raise self._refused(f"the loss {loss_name}", str(refusal)) from None
        if refused := self.engine.refuses(loss):
            raise self._refused(f"the loss {loss_name}", refused)
        try:
            rule = record_rule(recipe.rule, dtype)
        except NotRecorded as refusal:
            raise self._refused(f"the optimizer {rule_name}", str(refusal)) from None
        if compiled_rule(recipe.rule, [self.engine], dtype) is None:
            raise self._refused(
                f"the optimizer {rule_name}", "its rule has no form there, or one that differs"
            )
        return loss, rule

    def _refused(self, what: str, reason: str) -> DeviceError:
        assert self.engine is not None  # noqa: S101
        return DeviceError(
            f"{what} cannot run on the device {self.engine.device.type_name!r}: {reason}",
            hint="train this model on the CPU",
        )

    def epoch(self, number: int, history: History | None = None) -> dict[str, float] | None:
        """Train epoch ``number``, counted from 0; same as ``Loop.epoch``."""
        with failures_of(self._device):
            return super().epoch(number, history)

    def _begin(self, number: int, order: Array) -> None:
        size, put = self.recipe.batch_size, self._device.put
        pairs = [self._weights(order[at : at + size]) for at in range(0, len(order), size)]
        drawing = [inner.name for p, one in self._layers if one.graph.draws for inner in p.nested()]
        self._epoch = _Epoch(
            put(order),
            put(np.concatenate([weights for weights, _ in pairs])),
            np.array([share for _, share in pairs]),
            {name: self._stream(number, name) for name in drawing},
        )
        self.training.load()

    def _step(self, number: int, start: int, rows: Array, history: History | None) -> None:
        epoch, part = self._epoch, slice(start, start + len(rows))
        self._try(rows, epoch.streams)
        self.recipe.rule.begin(self._rate(number, start, history))
        given = epoch.rows[part], epoch.weights[part, ...]
        scores, loss = self.training.step(*given, epoch.streams)
        if epoch.scores is None:
            shape = len(self.data), *scores.shape[1:]
            epoch.scores = self._device.xp.zeros(shape, dtype=scores.dtype)
        epoch.scores[part, ...] = scores
        epoch.losses.append(loss + 0)  # a copy: the step may give the same array again
        self._try_loss(rows, scores, loss)
        self._advise(rows)

    def _end(self, number: int) -> tuple[Array, float]:
        epoch, get = self._epoch, self._device.get
        del self._epoch  # memory of the device
        lost = get(self._device.xp.stack(epoch.losses)).astype(float)
        for i, loss in enumerate(lost.tolist()):
            if not math.isfinite(loss):
                fault = f"the loss became {loss}"
                raise self._diverged(fault, number, i * self.recipe.batch_size)
        self.training.store()
        total = float(epoch.shares.sum())
        return get(epoch.scores), float(lost @ epoch.shares) / total if total else 0.0

    def _advise(self, rows: Array) -> None:
        """Tell the advice of the layers after the first step, as ``Loop`` does."""
        advises = any(type(p.layer).advice is not Layer.advice for p in self.network.planned)
        if self.recipe.rule.steps == 1 and advises:
            self.training.store()
            for text in advice_of(self.network, {}, self.data.x[rows]):
                self.told.notice(text)

    def _try(self, rows: Array, streams: Mapping[str, np.random.Generator]) -> None:
        """Try all layers on the first batch of each size; DeviceError if one differs."""
        if len(rows) not in self._tried:
            assert self.engine is not None  # noqa: S101
            x = self.data.x[rows]
            try_layers(self.network, self._layers, self.engine, x, streams, training=True)

    def _try_loss(self, rows: Array, scores: Array, loss: Array) -> None:
        """Try the loss on the first finite scores of each size of batch."""
        if len(rows) in self._tried or not math.isfinite(float(self._device.get(loss))):
            return
        self._tried.add(len(rows))
        given = self._device.get(scores)
        weights, _ = self._weights(rows)
        form: LossStage = self._loss
        rows_of_loss = as_rows(given, self.data.y[rows], weights)
        passed = trials_of(self.network).loss(self.recipe.loss, form, *rows_of_loss)
        if not passed:
            name = self.recipe.loss.type_name
            raise self._refused(f"the loss {name!r}", "it gives other numbers there")
