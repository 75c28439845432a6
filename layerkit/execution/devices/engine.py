"""A device as an engine: NumPy arrays in and out. So forms have the trials of all engines."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

import numpy as np

from layerkit.core.context import Array
from layerkit.core.network import Network
from layerkit.core.optimizer import Optimizer
from layerkit.core.planning import PlannedLayer
from layerkit.errors import DeviceError, LayerkitError
from layerkit.execution.devices.device import Device
from layerkit.execution.devices.elementwise import NotOnDeviceError
from layerkit.execution.devices.forms import LayerForm, LossForm, RuleForm
from layerkit.execution.engine import Engine, LossStage, RecordedLayer, Rule, Stage
from layerkit.execution.runner import recordings_of
from layerkit.execution.trial import trials_of
from layerkit.recording.arrays import NotRecorded
from layerkit.recording.record import Recording

_FEW = 2  # rows, of forms that are made to see whether there is one


class OnDevice(Engine):
    """Runs recordings on ``device``."""

    type_name = "device"
    has_rules = True

    def __init__(self, device: Device) -> None:
        self.device = device

    def trouble(self) -> str:
        """Nothing: ``Device.require`` was called before."""
        return ""

    def versions(self) -> Mapping[str, str]:
        """None."""
        return {}

    def refuses(self, recording: Recording, planned: PlannedLayer | None = None) -> str:
        """Why a layer or a loss has no form on the device; empty if it has."""
        key = OnDevice, self.device
        if key not in recording.forms:
            make = LossForm.of if planned is None else LayerForm.of
            with failures_of(self.device):
                recording.forms[key] = _refusal(partial(make, recording, _FEW, self.device))
        refused: str = recording.forms[key]
        return refused

    def stage(
        self, network: Network, layers: Sequence[RecordedLayer], *, keeps: bool, wants_dx: bool
    ) -> Stage:
        """Neighbouring layers with their parameters moved in each call."""
        return _Stage(network, layers, self.device, wants_dx=wants_dx)

    def loss(self, recording: Recording) -> LossStage:
        """A loss."""
        return _Loss(recording, self.device)

    def rule(self, optimizer: Optimizer, recording: Recording) -> Rule | None:
        """An optimizer's rule; None if it has no form on the device."""
        if _refusal(partial(RuleForm.of, recording, _FEW, self.device)):
            return None
        return partial(_step, self.device, recording, optimizer.slot_names)


def _refusal(make: Callable[[], object]) -> str:
    try:
        make()
    except NotOnDeviceError as refusal:
        return f"{refusal.line}: {refusal}" if refusal.line else str(refusal)
    return ""


class _Stage:
    """The layers of a stage, one after the other."""

    streams: Mapping[str, np.random.Generator]

    def __init__(
        self, network: Network, layers: Sequence[RecordedLayer], device: Device, *, wants_dx: bool
    ) -> None:
        self.network, self.layers, self.device, self.wants_dx = network, layers, device, wants_dx
        self._fed: list[tuple[PlannedLayer, LayerForm, list[Any]]] = []

    def feed(self, x: Array) -> Array:
        """Outputs (n, *out) for x (n, *in)."""
        device, self._fed = self.device, []
        given = device.put(x)
        for i, (p, recording) in enumerate(self.layers):
            form = LayerForm.of(recording, len(x), device, wants_dx=self.wants_dx or i > 0)
            values = form.host.values(len(x), {}, self.streams, p.name)
            drawn = [device.put(value) for value in values]
            params, state = (
                {name: device.put(np.asarray(array)) for name, array in arrays.items()}
                for arrays in (p.layer.params, p.layer.state)
            )
            given, new, saved = form.feed(given, params, state, drawn)
            for name, value in new.items():
                p.layer.state[name] = device.get(value)
            if recording.keeps:
                self._fed.append((p, form, saved))
        return device.get(given)

    def backprop(self, dy: Array) -> Array:
        """dL/dx (n, *in), or dy where it is not wanted; fills the gradients."""
        self.network.allocate_grads()
        given = self.device.put(dy)
        for p, form, saved in reversed(self._fed):
            given, grads = form.backprop(saved, given)
            for name, value in grads.items():
                p.layer.grads[name] = self.device.get(value)
        return dy if given is None else self.device.get(given)


class _Loss:
    def __init__(self, recording: Recording, device: Device) -> None:
        self.recording, self.device = recording, device

    def learn(self, scores: Array, targets: Array, weights: Array) -> tuple[float, Array]:
        device, form = self.device, LossForm.of(self.recording, len(scores), self.device)
        lost, dx = form.learn(*(device.put(a) for a in (scores, targets, weights)))
        return float(device.get(lost)), device.get(dx)


def _step(
    device: Device,
    recording: Recording,
    names: Sequence[str],
    p: Array,
    g: Array,
    slots: Sequence[Array],
    numbers: Mapping[str, float],
    decay: Array | None,
) -> None:
    """``Optimizer.kernel`` on a device."""
    form = RuleForm.of(recording, len(p), device)
    vectors = {"p": p, "g": g, "decay": np.ones_like(p) if decay is None else decay}
    own = {f"slot:{name}": slot for name, slot in zip(names, slots, strict=True)}
    moved = {name: device.put(array) for name, array in (vectors | own).items()}
    told = [device.put(v) for v in form.numbers(numbers["rate"], int(numbers["steps"]))]
    new, changed = form.step(moved, told)
    p[...] = device.get(new)
    for name, value in changed.items():
        own[f"slot:{name}"][...] = device.get(value)


@contextmanager
def failures_of(device: Device) -> Iterator[None]:
    """Any error of the device's library becomes a DeviceError; a lack of memory stays what it is.

    Raises DeviceError.
    """
    try:
        yield
    except (LayerkitError, MemoryError):
        raise
    except Exception as error:
        raise DeviceError(
            f"the device {device.type_name!r} failed: {type(error).__name__}: {error}"
        ) from error


def layers_on(network: Network, engine: OnDevice, *, training: bool) -> list[RecordedLayer]:
    """All layers with their recordings; raises DeviceError, which names a layer that has none."""
    found = []
    for p in network.planned:
        got = recordings_of(network).get(p, training=training, keeps=training)
        refused = str(got) if isinstance(got, NotRecorded) else engine.refuses(got, p)
        if isinstance(got, NotRecorded) or refused:
            raise DeviceError(
                f"layer {p.name!r} cannot run on the device {engine.device.type_name!r}: {refused}",
                hint="run this model on the CPU, or write the layer with operations that the "
                "device has",
            )
        found.append((p, got))
    return found


def try_layers(
    network: Network,
    layers: Sequence[RecordedLayer],
    engine: OnDevice,
    x: Array,
    streams: Mapping[str, np.random.Generator],
    *,
    training: bool,
) -> None:
    """Try all layers on batches like x; raises DeviceError if one gives other numbers."""
    trials = trials_of(network)
    before = len(trials.remarks)
    chosen = trials.choose(network, layers, [engine], x, streams, keeps=training, wants_dx=False)
    if None in chosen:
        name = layers[chosen.index(None)][0].name
        said = trials.remarks[before:] or [f"{name}: the form failed its trial"]
        raise DeviceError(f"the device {engine.device.type_name!r} cannot be used: {said[0]}")


class OnDeviceChain:
    """A network for inference on a device; raises DeviceError if a layer has no form there."""

    def __init__(self, network: Network, engine: OnDevice) -> None:
        self.network, self.engine = network, engine
        self._layers = layers_on(network, engine, training=False)
        self._tried: set[int] = set()
        self._stage = engine.stage(network, self._layers, keeps=False, wants_dx=False)
        self._stage.streams = {}

    def feed(self, x: Array) -> Array:
        """Scores (n, *out) for x (n, *in), with the parameters as they are now."""
        if len(x) not in self._tried:
            try_layers(self.network, self._layers, self.engine, x, {}, training=False)
            self._tried.add(len(x))
        with failures_of(self.engine.device):
            return self._stage.feed(x)
