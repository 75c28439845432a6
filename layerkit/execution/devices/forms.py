"""Layers, losses and rules on a device, each from its recording for a number of rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Self

from layerkit.core.context import Array
from layerkit.execution.devices.device import Device, DeviceArray
from layerkit.execution.devices.elementwise import NotOnDeviceError
from layerkit.execution.devices.routine import Host, Routine, is_given, leaves_of
from layerkit.recording.graph import Graph, Node, in_order
from layerkit.recording.record import Recording

Named = Mapping[str, DeviceArray]


class _Form:
    """What all forms share: made once for a recording, a number of rows and a device."""

    def __init__(self, recording: Recording, n: int, device: Device) -> None:
        self.graph: Graph = recording.graph
        self.n, self.device = n, device
        self.host = Host(self.graph)
        self.leaves = leaves_of(self.graph)

    @classmethod
    def of(cls, recording: Recording, n: int, device: Device, **how: bool) -> Self:
        """The form, kept with the recording; raises NotOnDeviceError if there is none."""
        key = cls, n, device, *how.values()
        if key not in recording.forms:
            recording.forms[key] = cls(recording, n, device, **how)
        found: Self = recording.forms[key]
        return found

    def _given(self, drawn: Sequence[DeviceArray], **arrays: Named) -> list[DeviceArray]:
        """The values of the leaves, then of what NumPy has computed."""
        return [*(arrays[node.op][node.args[0]] for node in self.leaves), *drawn]

    def _apart(self, nodes: Mapping[str, Node], values: Sequence[DeviceArray]) -> Named:
        """Results by name that can be written over what was given: copies where they show it."""
        copied = self.device.xp.asarray
        return {
            name: copied(value, copy=True) if is_given(node) else value
            for (name, node), value in zip(nodes.items(), values, strict=True)
        }


class LayerForm(_Form):
    """A layer: feed, and backprop where the recording keeps."""

    def __init__(
        self, recording: Recording, n: int, device: Device, *, wants_dx: bool = True
    ) -> None:
        super().__init__(recording, n, device)
        graph = self.graph
        known = [*self.leaves, *self.host.nodes]
        first = [graph.y, *graph.state.values()]
        back = [*([] if graph.dx is None or not wants_dx else [graph.dx]), *graph.grads.values()]
        kept = _read_later(first, back) if recording.keeps else []
        kept = [node for node in kept if all(node is not other for other in known)]
        self._results = len(first)
        self._feed = Routine(known, [*first, *kept], n, device)
        self.gives_dx = len(back) > len(graph.grads)
        dy = [node for node in graph.nodes() if node.op == "input" and node.args == ("dy",)]
        self._back = Routine([*known, *kept, *dy], back, n, device) if recording.keeps else None
        self._reads_dy = bool(dy)

    def feed(
        self, x: DeviceArray, params: Named, state: Named, drawn: Sequence[DeviceArray]
    ) -> tuple[DeviceArray, Named, list[DeviceArray]]:
        """Outputs, the new states, and what ``backprop`` needs."""
        given = self._given(drawn, input={"x": x}, param=params, state=state)
        y, *others = self._feed(given)
        states, kept = others[: self._results - 1], others[self._results - 1 :]
        return y, self._apart(self.graph.state, states), [*given, *kept]

    def backprop(self, saved: list[DeviceArray], dy: DeviceArray) -> tuple[DeviceArray, Named]:
        """dL/dx, None where it is not wanted or there is none, and the gradients."""
        assert self._back is not None  # noqa: S101  # only recordings that keep are trained
        found = self._back([*saved, *([dy] if self._reads_dy else [])])
        dx = found.pop(0) if self.gives_dx else None
        return dx, dict(zip(self.graph.grads, found, strict=True))


def _read_later(first: Sequence[Node], back: Sequence[Node]) -> list[Node]:
    """What the nodes for ``first`` compute that those for ``back`` read."""
    computed = in_order(first)
    own = {id(node) for node in computed if node.op not in ("const", "arange")}
    read = [*back, *(arg for node in in_order(back, computed) for arg in node.inputs())]
    return list({id(node): node for node in read if id(node) in own}.values())


class LossForm(_Form):
    """A loss: its mean by weights, and the gradient of the scores."""

    def __init__(self, recording: Recording, n: int, device: Device) -> None:
        super().__init__(recording, n, device)
        if self.graph.draws:
            raise NotOnDeviceError(self.graph.draws[0], "the loss draws random numbers")
        assert self.graph.dx is not None  # noqa: S101  # a loss has one
        self._learn = Routine(self.leaves, [self.graph.y, self.graph.dx], n, device)

    def learn(
        self, scores: DeviceArray, targets: DeviceArray, weights: DeviceArray
    ) -> tuple[DeviceArray, DeviceArray]:
        """The weighted sum of the rows' losses, of shape (), and dL/dscores."""
        arrays = {"x": scores, "targets": targets, "weights": weights}
        lost, dx = self._learn(self._given((), input=arrays))
        return self.device.xp.sum(lost * weights), dx


class RuleForm(_Form):
    """An optimizer's rule on vectors of ``n`` parameters."""

    def __init__(self, recording: Recording, n: int, device: Device) -> None:
        super().__init__(recording, n, device)
        known = [*self.leaves, *self.host.nodes]
        self._rule = Routine(known, [self.graph.y, *self.graph.state.values()], n, device)

    def numbers(self, rate: float, steps: int) -> list[Array]:
        """What the rule computes from the rate and the number of the step, for ``step``."""
        return self.host.values(self.n, {"rate": rate, "steps": steps}, {}, "")

    def step(self, vectors: Named, numbers: Sequence[DeviceArray]) -> tuple[DeviceArray, Named]:
        """New parameters and new slots from the vectors p, g, decay, slot:NAME."""
        p, *slots = self._rule(self._given(numbers, input=vectors))
        return p, self._apart(self.graph.state, slots)
