"""One training step on a device: rows, feed, loss, backprop, update, without leaving it.

Parameters, slots and states stay on the device, and all rows are moved there once. A step reads
what changes from arrays that stay (which rows, their weights, random draws, the numbers of the
rule), so that a device may capture it. Parameters lie there one after the other, each on its own:
``Layout`` says from where in the network's flat vector.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from layerkit.core.context import Array, Shape
from layerkit.core.network import Network
from layerkit.core.optimizer import Optimizer
from layerkit.core.steps import without_padding
from layerkit.core.vector_views import views_of
from layerkit.execution.devices.device import Device, DeviceArray
from layerkit.execution.devices.forms import LayerForm, LossForm, RuleForm
from layerkit.execution.engine import RecordedLayer
from layerkit.recording.record import Recording


class Shaping(NamedTuple):
    """What is done to gradients before the update, as in the recipe; None for nothing."""

    weight_decay: float
    clip_value: float | None
    clip_norm: float | None


class Layout:
    """Where each parameter lies in the device's vectors, by layer and name: span and shape."""

    def __init__(self, network: Network) -> None:
        self.layers: dict[str, dict[str, tuple[slice, Shape]]] = {}
        numbers, orders = np.arange(network.size), [np.empty(0, np.int64)]
        start = 0
        for p in network.planned:
            own = self.layers[p.name] = {}
            places, _ = views_of(numbers[start : start + p.size], p.plan)
            for name in p.plan.params:
                array = places[name]
                own[name] = slice(start, start + array.size), array.shape
                orders.append(array.ravel())
                start += array.size
        self.order: Array = np.concatenate(orders)
        self.all = {f"{p}.{name}": at for p, own in self.layers.items() for name, at in own.items()}

    def views(self, xp: Any, vector: DeviceArray, layer: str) -> dict[str, DeviceArray]:
        """The parameters of a layer."""
        own = self.layers[layer].items()
        return {name: xp.reshape(vector[span], shape) for name, (span, shape) in own}

    def turned(self, xp: Any, vector: DeviceArray, name: str, *, transposed: bool) -> DeviceArray:
        """A parameter as a vector, transposed before where it is tied so."""
        span, shape = self.all[name]
        if not transposed:
            return vector[span]
        return xp.reshape(xp.matrix_transpose(xp.reshape(vector[span], shape)), (-1,))


class Training:
    """The training of one network on a device.

    ``x`` (rows, *in) and ``targets`` are all rows; outputs per step have targets (rows, ...) or
    (rows, ..., k), and weights (n, ...). ``spans`` are trained; they lie in the device's vectors as
    in the network's, since layers follow one another in both.
    """

    def __init__(
        self,
        network: Network,
        layers: Sequence[RecordedLayer],
        loss: Recording,
        rule: tuple[Optimizer, Recording],
        shaping: Shaping,
        device: Device,
        x: Array,
        targets: Array,
        decay: Array,
        spans: Sequence[slice],
    ) -> None:
        self.network, self.layers, self.loss, self.device = network, layers, loss, device
        self.optimizer, self.rule = rule
        self.shaping, self.spans = shaping, spans
        self.layout = Layout(network)
        self.x, self.targets = device.put(x), device.put(without_padding(targets))
        self.steps = network.planned[-1].plan.out_shape[:-1] if network.planned else ()
        self.decay = device.put(decay[self.layout.order])
        self.vectors = {name: device.put(array) for name, array in self._on_host().items()}
        self.grads = device.put(np.zeros(network.size, network.dtype))
        self.states = [
            {name: device.put(array) for name, array in p.layer.state.items()} for p, _ in layers
        ]
        self._steps: dict[int, _Step] = {}

    def _on_host(self) -> dict[str, Array]:
        """The network's parameters and the optimizer's slots, as the device has them."""
        order = self.layout.order
        slots = {f"slot:{name}": slot[order] for name, slot in self.optimizer.slots.items()}
        return {"p": self.network.params[order], **slots}

    def load(self) -> None:
        """Take over parameters, slots and states from the host."""
        for name, array in self._on_host().items():
            self.device.write(self.vectors[name], array)
        for (p, _), states in zip(self.layers, self.states, strict=True):
            for name, array in p.layer.state.items():
                self.device.write(states[name], array)

    def store(self) -> None:
        """Give them back."""
        order, get = self.layout.order, self.device.get
        self.network.params[order] = get(self.vectors["p"])
        for name, slot in self.optimizer.slots.items():
            slot[order] = get(self.vectors[f"slot:{name}"])
        for (p, _), states in zip(self.layers, self.states, strict=True):
            for name, array in p.layer.state.items():
                array[...] = get(states[name])

    def step(
        self,
        rows: DeviceArray,
        weights: DeviceArray,
        streams: Mapping[str, np.random.Generator],
    ) -> tuple[DeviceArray, DeviceArray]:
        """Train on the rows with these numbers; their scores and loss, valid until the next step.

        The rate and the number of the step are the optimizer's.
        """
        n = rows.shape[0]
        if n not in self._steps:
            self._steps[n] = _Step(self, n)
        scores, loss = self._steps[n](rows, weights, streams)
        return scores, loss


class _Step:
    """The step for ``n`` rows."""

    def __init__(self, training: Training, n: int) -> None:
        self.all, self.n, self.device = training, n, training.device
        device, kind = self.device, training.network.dtype
        self.rows = device.put(np.zeros(n, np.int64))
        self.weights = device.put(np.zeros((n, *training.steps), kind))
        self.layers = [
            LayerForm.of(recording, n, device, wants_dx=i > 0)
            for i, (_, recording) in enumerate(training.layers)
        ]
        self.judged = math.prod((n, *training.steps))  # rows of the loss
        self.loss = LossForm.of(training.loss, self.judged, device)
        self.rules = [
            RuleForm.of(training.rule, span.stop - span.start, device) for span in training.spans
        ]
        self.told: list[list[DeviceArray]] = []  # values of NumPy: of each layer, then of the rule
        self._run: Any = None

    def __call__(
        self,
        rows: DeviceArray,
        weights: DeviceArray,
        streams: Mapping[str, np.random.Generator],
    ) -> tuple[DeviceArray, ...]:
        self.rows[...] = rows
        self.weights[...] = weights
        values = [
            form.host.values(self.n, {}, streams, p.name)
            for form, (p, _) in zip(self.layers, self.all.layers, strict=True)
        ]
        optimizer = self.all.optimizer
        values.append(self.rules[0].numbers(optimizer.rate, optimizer.steps) if self.rules else [])
        if self._run is None:
            self.told = [[self.device.put(value) for value in group] for group in values]
            self._run = self.device.captured(self._work)
        else:
            for targets, group in zip(self.told, values, strict=True):
                for target, value in zip(targets, group, strict=True):
                    self.device.write(target, value)
        found: tuple[DeviceArray, ...] = self._run()
        return found

    def _work(self) -> tuple[DeviceArray, ...]:
        """All calls of the step; what it changes is written last."""
        own, xp = self.all, self.device.xp
        p = own.vectors["p"]
        params = [own.layout.views(xp, p, planned.name) for planned, _ in own.layers]
        x, saved, states = xp.take(own.x, self.rows, axis=0), [], []
        for i, form in enumerate(self.layers):
            x, new, kept = form.feed(x, params[i], own.states[i], self.told[i])
            saved.append(kept)
            states.append(new)
        scores, targets = x, xp.take(own.targets, self.rows, axis=0)
        lost, dy = self._learn(scores, targets)
        pairs = zip(own.layers, self.layers, saved, strict=True)
        for (planned, _), form, kept in reversed(list(pairs)):
            dy, grads = form.backprop(kept, dy)
            for name, value in grads.items():
                span, _ = own.layout.layers[planned.name][name]
                own.grads[span] = xp.reshape(value, (-1,))
        self._add_ties()
        self._update(own.grads)
        self._spread_ties()
        for live, new in zip(own.states, states, strict=True):
            for name, value in new.items():
                live[name][...] = value
        return scores, lost

    def _learn(self, scores: DeviceArray, targets: DeviceArray) -> tuple[DeviceArray, DeviceArray]:
        """The loss and dL/dscores; steps are rows to it, as in ``core.steps.as_rows``."""
        if not self.all.steps:
            return self.loss.learn(scores, targets, self.weights)
        reshape, m = self.device.xp.reshape, self.judged
        last = () if targets.ndim < scores.ndim else targets.shape[-1:]
        given = reshape(scores, (m, scores.shape[-1])), reshape(targets, (m, *last))
        lost, dy = self.loss.learn(*given, reshape(self.weights, (m,)))
        return lost, reshape(dy, scores.shape)

    def _add_ties(self) -> None:
        """Add the gradients of tied parameters to their owners', as ``Network.add_ties``."""
        grads, layout, xp = self.all.grads, self.all.layout, self.device.xp
        for tie in self.all.network.ties:
            span, _ = layout.all[tie.owner]
            added = layout.turned(xp, grads, tie.name, transposed=tie.transposed)
            grads[span] = grads[span] + added
            grads[layout.all[tie.name][0]] = 0.0

    def _spread_ties(self) -> None:
        """Copy the parameters that others are tied to, as ``Network.spread_ties``."""
        p, layout, xp = self.all.vectors["p"], self.all.layout, self.device.xp
        for tie in self.all.network.ties:
            span, _ = layout.all[tie.name]
            p[span] = layout.turned(xp, p, tie.owner, transposed=tie.transposed)

    def _update(self, g: DeviceArray) -> None:
        """Shape the gradient, then let the rule change the parameters that are trained."""
        own = self.all
        g = _shaped(self.device.xp, g, own.vectors["p"], own.decay, own.shaping, own.spans)
        for span, form in zip(own.spans, self.rules, strict=True):
            vectors = {name: vector[span] for name, vector in own.vectors.items()}
            vectors |= {"g": g[span], "decay": own.decay[span]}
            new, slots = form.step(vectors, self.told[-1])
            own.vectors["p"][span] = new
            for name, value in slots.items():
                own.vectors[f"slot:{name}"][span] = value


def _shaped(
    xp: Any,
    g: DeviceArray,
    p: DeviceArray,
    decay: DeviceArray,
    how: Shaping,
    spans: Sequence[slice],
) -> DeviceArray:
    """L2 decay, then clipping by value, then by norm, as ``shape_gradient`` does it."""
    if how.weight_decay:
        g = g + how.weight_decay * decay * p
    if how.clip_value is not None:
        g = xp.minimum(xp.maximum(g, -how.clip_value), how.clip_value)
    if how.clip_norm is not None and spans:
        squares = [xp.sum(xp.square(xp.astype(g[span], xp.float64))) for span in spans]
        norm = xp.sqrt(sum(squares[1:], squares[0]))
        factor = xp.where(norm > how.clip_norm, how.clip_norm / norm, xp.ones_like(norm))
        g = g * xp.astype(factor, g.dtype)
    return g
