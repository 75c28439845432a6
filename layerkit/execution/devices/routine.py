"""A part of a graph as calls over the arrays of a device."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from layerkit.core.context import Array
from layerkit.core.rng import stream_of
from layerkit.execution.devices.device import Device, DeviceArray
from layerkit.execution.devices.elementwise import NotOnDeviceError
from layerkit.execution.devices.operations import constant, operation
from layerkit.recording.graph import LEAVES, VIEWS, Graph, Node, at, in_order, substituted


class Routine:
    """Computes ``results`` from the values of the nodes ``known``, for ``n`` rows.

    Raises NotOnDeviceError if an operation has no form on the device.
    """

    def __init__(
        self, known: Sequence[Node], results: Sequence[Node], n: int, device: Device
    ) -> None:
        places = {id(node): i for i, node in enumerate(known)}
        needed = in_order(results, known)
        leaves = [node for node in needed if node.op in ("const", "arange")]
        computed = [node for node in needed if node.op not in LEAVES]
        for node in (*leaves, *computed):
            places[id(node)] = len(places)
        self._fixed = [constant(node, n, device) for node in leaves]
        self._first = len(known) + len(leaves)
        self._results = [places[id(node)] for node in results]
        last = {places[id(arg)]: node for node in computed for arg in node.inputs()}
        kept = {*self._results, *range(self._first)}
        self._steps = []
        for node in computed:
            inputs = [places[id(arg)] for arg in node.inputs()]
            done = [i for i in set(inputs) if last[i] is node and i not in kept]
            self._steps.append((operation(node, n, device), inputs, done))

    def __call__(self, given: Iterable[DeviceArray]) -> list[DeviceArray]:
        """The results, in their order."""
        values = [*given, *self._fixed]
        for fn, inputs, done in self._steps:
            values.append(fn(*[values[i] for i in inputs]))
            for i in done:
                values[i] = None  # memory is given back as soon as it can be
        return [values[i] for i in self._results]


class Host:
    """The nodes of a graph whose values NumPy computes: random draws, and arithmetic of numbers.

    ``nodes`` are those that the device reads. Raises NotOnDeviceError if one depends on an array.
    """

    def __init__(self, graph: Graph) -> None:
        nodes = graph.nodes()
        self._own = [node for node in nodes if _is_host(node)]
        own = {id(node) for node in self._own}
        for node in self._own:
            if any(id(arg) not in own for arg in node.inputs()):
                raise NotOnDeviceError(node, "a random draw depends on an array")
        read = {id(arg) for node in nodes if id(node) not in own for arg in node.inputs()}
        read |= {id(node) for node in graph.outputs() if node not in graph.draws}
        self.nodes = [node for node in self._own if id(node) in read]

    def values(
        self, n: int, numbers: Mapping[str, float], streams: Mapping[str, Any], name: str
    ) -> list[Array]:
        """The values of ``nodes``; streams of the layer called ``name`` move as in its own run."""
        found: dict[int, Any] = {}

        def value(arg: Any) -> Any:
            return at(substituted(arg, lambda node: found[id(node)]), n)

        for node in self._own:
            if node.op == "number":
                made: Any = numbers[node.args[0]]
            elif node.op == "random":
                method, args, words, _, path = node.args
                draw = getattr(stream_of(streams, name + path), method)
                made = draw(*value(args), **{k: value(v) for k, v in words})
            else:
                assert node.fn is not None  # noqa: S101  # only leaves have none
                made = node.fn(*value(node.args))
            found[id(node)] = made
        return [
            np.asarray(found[id(node)], np.float64 if node.dtype is None else node.dtype)
            for node in self.nodes
        ]


def _is_host(node: Node) -> bool:
    return node.op in ("random", "number") or (node.dtype is None and node.op != "const")


def leaves_of(graph: Graph) -> list[Node]:
    """The inputs, parameters and states that a graph reads, without dy."""
    named = ("input", "param", "state")
    return [n for n in graph.nodes() if n.op in named and n.args != ("dy",)]


def is_given(node: Node) -> bool:
    """Whether a value is an array that was given, or shows a part of one."""
    while node.op in (*VIEWS, "copy"):
        node = node.args[0]
    return node.op in LEAVES
