"""Layers that run as one compiled program, where they belong to one (``Layer.program``).

Most of the time of a small network goes into the calls between its operations. A program has none:
one call runs a batch through all its layers, or back, without the interpreter and its lock. A
``Chain`` is a network in such stages: runs of layers that share a program, and the others between
them, layer by layer.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import groupby
from typing import NamedTuple, Protocol

import numpy as np

from layerkit.layer import Array, Context
from layerkit.network import Network
from layerkit.parts import Link
from layerkit.planning import Planned
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
    """The program of all layers of ``network``, if there is one."""
    stages = _stages(network)
    return stages[0] if len(stages) == 1 and not isinstance(stages[0], list) else None


def _stages(network: Network) -> list[Program | list[Planned]]:
    """The programs of ``network`` and the layers between them, in order."""
    stages: list[Program | list[Planned]] = []
    fits = network.dtype == np.float32

    def maker(p: Planned) -> Maker | None:
        found = p.layer.program() if fits and len(p.in_shape) == 1 else None
        return None if found is None else found[0]

    for make, group in groupby(network.planned, maker):
        planned = list(group)
        program = None if make is None else make([_line(p) for p in planned])
        if program is not None:
            stages.append(program)
        elif stages and isinstance(stages[-1], list):
            stages[-1] += planned
        else:
            stages.append(planned)
    return stages


def _line(p: Planned) -> Line:
    found = p.layer.program()
    assert found is not None  # noqa: S101  # the same question as before
    return Line(found[1], p.layer.span.start, p.in_shape[0], p.plan.out_shape[0])


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
        for found in _stages(network) if fast else [network.planned]:
            wants_dx = wants_dx or bool(self._stages)
            if isinstance(found, list):
                part = network.part(found)
                contexts = part.contexts(training=training, keeps=keeps, wants_dx=wants_dx)
                self.contexts |= {p.name: c for p, c in zip(found, contexts, strict=True)}
                self._stages.append(_Layers(part, contexts))
            else:
                self._stages.append(_Compiled(network, found.make_pass(keeps=keeps), wants_dx))

    @property
    def compiled(self) -> bool:
        """Whether one program is all there is."""
        return len(self._stages) == 1 and isinstance(self._stages[0], _Compiled)

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

    def feed(self, x: Array) -> Array:
        return self.network.feed(x, self.contexts)

    def backprop(self, dy: Array) -> Array:
        return self.network.backprop(dy, self.contexts)


class _Compiled(NamedTuple):
    network: Network
    memory: Pass
    wants_dx: bool

    def feed(self, x: Array) -> Array:
        return self.memory.feed(self.network.params, x)

    def backprop(self, dy: Array) -> Array:
        network = self.network
        return self.memory.backprop(
            network.params, dy, network.allocate_grads(), wants_dx=self.wants_dx
        )
