"""Layers that run as one compiled program, where they belong to one (``Layer.program``).

Most of the time of a small network goes into the calls between its operations. A program has none:
one call runs a batch through all its layers, or back, without the interpreter and its lock. A
``Chain`` is a network in such stages: runs of layers that share a program, and the others between
them, layer by layer.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import groupby
from typing import NamedTuple, Protocol

import numpy as np

from layerkit.core.layer import Array, Context
from layerkit.core.network import Network
from layerkit.core.parts import Link
from layerkit.core.planning import PlannedLayer, unusable
from layerkit.errors import LayerkitError
from layerkit.threads import blas_symbol

__all__ = ["Chain", "Line", "Link", "Pass", "Program", "blas_symbol", "program_of"]


class Line(NamedTuple):
    """One layer of a program: what it is, in numbers of the program's own, and where."""

    codes: tuple[int, ...]
    start: int  # of its parameters in the network's flat vector
    width_in: int
    width_out: int


class Pass(Protocol):
    """A program with memory for one thread; all arrays are float32."""

    def feed(self, params: Array, x: Array) -> Array:
        """Scores (n, k) for x (n, i), valid until the next feed; ``params`` are the network's."""

    def backprop(self, params: Array, dy: Array, grads: Array, *, wants_dx: bool) -> Array:
        """Gradient for x (n, i), if wanted, for dy (n, k); writes the layers' part of ``grads``.

        ``params`` and x are as ``feed`` was given them.
        """


class Program(Protocol):
    """Layers in a row as one program.

    What it gives for a row follows from that row and the parameters alone: the halves of a large
    batch are trained side by side.
    """

    def make_pass(self, *, keeps: bool) -> Pass:
        """Memory for one thread; without ``keeps`` there can be no ``backprop``."""

    def row(self, params: Array, x: Array, link: Link) -> Array | None:
        """Predictions (1, k), a new array, for x (1, i).

        None if a number on the way is not finite: the long way says then what is wrong, in the
        words and with the warnings of NumPy.
        """


Maker = Callable[[Sequence[Line]], Program | None]


def program_of(network: Network) -> Program | None:
    """The program of all layers of ``network``, if there is one.

    Raises
    ------
    PluginLoadError
        If a layer cannot say whether it has one, or its program cannot be made.
    """
    stages = _stages(network)
    return stages[0][1] if len(stages) == 1 else None


_Stage = tuple[list[PlannedLayer], Program | None]


def _stages(network: Network) -> list[_Stage]:
    """Runs of layers with their programs, and those between them without one, in order."""
    stages: list[_Stage] = []
    fits = network.dtype == np.float32
    asked = [(p, _asked(p) if fits else None) for p in network.planned]
    for make, group in groupby(asked, lambda pair: None if pair[1] is None else pair[1][0]):
        found = list(group)
        planned, program = [p for p, _ in found], None
        if make is not None:
            lines = [
                Line(answer[1], p.layer.span.start, p.in_shape[0], p.plan.out_shape[0])
                for p, answer in found
                if answer is not None
            ]
            with _naming(planned, "program"):
                program = make(lines)
        if program is None and stages and stages[-1][1] is None:
            stages[-1][0].extend(planned)
        else:
            stages.append((planned, program))
    return stages


def _asked(p: PlannedLayer) -> tuple[Maker, tuple[int, ...]] | None:
    if len(p.in_shape) != 1 or len(p.plan.out_shape) != 1:
        return None
    with _naming([p], "program"):
        return p.layer.program()


@contextmanager
def _naming(planned: list[PlannedLayer], step: str) -> Iterator[None]:
    """Name the layers in what a plugin's own code raises."""
    try:
        yield
    except (LayerkitError, MemoryError):
        raise
    except Exception as cause:
        first, last = planned[0], planned[-1]
        to = "" if first is last else f" (of the layers to {last.name!r})"
        told = f"{step}{to} raised {type(cause).__name__}: {cause}"
        raise unusable(first.name, first.layer, told) from cause


class Chain:
    """A network with memory for one thread, in stages where ``fast``.

    Parameters
    ----------
    network
        Its parameters, and its gradients where ``keeps``, stay where they are.
    fast
        Whether compiled programs are used; else there is one stage, layer by layer.
    training, keeps, wants_dx
        As for ``Network.contexts``.

    Attributes
    ----------
    contexts
        By the layer's name, of those that run by themselves.
    """

    def __init__(
        self,
        network: Network,
        *,
        fast: bool,
        training: bool = False,
        keeps: bool = True,
        wants_dx: bool = False,
    ) -> None:
        self.network = network
        if keeps:
            network.allocate_grads()
        self.contexts: dict[str, Context] = {}
        self._stages: list[_Layers | _Compiled] = []
        for planned, program in _stages(network) if fast else [(network.planned, None)]:
            wants_dx = wants_dx or bool(self._stages)
            if program is None:
                part = network.part(planned)
                contexts = part.contexts(training=training, keeps=keeps, wants_dx=wants_dx)
                self.contexts |= {p.name: c for p, c in zip(planned, contexts, strict=True)}
                self._stages.append(_Layers(part, contexts))
            else:
                memory = program.make_pass(keeps=keeps)
                self._stages.append(_Compiled(network, planned, memory, wants_dx))

    @property
    def compiled(self) -> bool:
        """Whether one program is all there is."""
        return len(self._stages) == 1 and isinstance(self._stages[0], _Compiled)

    def warm(self, rows: int) -> None:
        """Run each program once over ``rows`` rows of zeros: it is compiled or loaded then."""
        for stage in self._stages:
            stage.warm(rows)

    def feed(self, x: Array) -> Array:
        """Scores (n, *out) for x (n, *in), valid until the next feed.

        Raises
        ------
        PluginLoadError
            As ``Network.feed``.
        """
        for stage in self._stages:
            x = stage.feed(x)
        return x

    def backprop(self, dy: Array) -> Array:
        """Fill the network's gradients for dy (n, *out); dL/dx (n, *in), of use where wanted.

        Raises
        ------
        PluginLoadError
            As ``Network.backprop``.
        """
        for stage in reversed(self._stages):
            dy = stage.backprop(dy)
        return dy


class _Layers(NamedTuple):
    network: Network
    contexts: list[Context]

    def warm(self, rows: int) -> None:
        pass

    def feed(self, x: Array) -> Array:
        return self.network.feed(x, self.contexts)

    def backprop(self, dy: Array) -> Array:
        return self.network.backprop(dy, self.contexts)


class _Compiled(NamedTuple):
    network: Network
    planned: list[PlannedLayer]
    memory: Pass
    wants_dx: bool

    def warm(self, rows: int) -> None:
        x = np.zeros((rows, *self.planned[0].in_shape), self.network.dtype)
        self.backprop(np.zeros_like(self.feed(x)))

    def feed(self, x: Array) -> Array:
        with _naming(self.planned, "feed"):
            return self.memory.feed(self.network.params, x)

    def backprop(self, dy: Array) -> Array:
        network = self.network
        with _naming(self.planned, "backprop"):
            return self.memory.backprop(
                network.params, dy, network.allocate_grads(), wants_dx=self.wants_dx
            )
