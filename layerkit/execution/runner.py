"""Running a network for one thread: layer by layer, or as compiled programs.

Most of the time of a small network goes into the calls between its operations. A program
(``Layer.program``) has none: one call runs a batch through all its layers, or back, without the
interpreter and its lock. A ``Chain`` runs neighbours that share a program by it, and the other
layers one by one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from itertools import groupby
from typing import NamedTuple, Protocol

import numpy as np

from layerkit.core.context import Array, Context
from layerkit.core.network import Network
from layerkit.core.parts import Link as Link
from layerkit.core.planning import PlannedLayer, unusable
from layerkit.errors import LayerkitError
from layerkit.threads import blas_symbol as blas_symbol

# ``X as X`` exports a name: the makers of compiled programs import from this internal module only.


class Line(NamedTuple):
    """One layer of a program."""

    codes: tuple[int, ...]  # what the layer is, as numbers that the program understands
    start: int  # of its parameters in the network's flat vector
    width_in: int
    width_out: int


class Pass(Protocol):
    """A program with memory for one thread; all arrays are float32."""

    def feed(self, params: Array, x: Array) -> Array:
        """Scores (n, k) for x (n, i), valid until the next feed; ``params`` are the network's."""

    def backprop(self, params: Array, dy: Array, grads: Array, *, wants_dx: bool) -> Array:
        """Gradient for x (n, i), if ``wants_dx``, for dy (n, k); fills its part of ``grads``.

        ``params`` and x are those of the last feed.
        """


class Program(Protocol):
    """Neighbouring layers as one compiled program.

    The output for a row depends on that row and the parameters alone: the halves of a large batch
    are trained side by side.
    """

    def make_pass(self, *, keeps: bool) -> Pass:
        """Memory for one thread; without ``keeps`` there can be no ``backprop``."""

    def row(self, params: Array, x: Array, link: Link) -> Array | None:
        """Predictions (1, k), a new array, for x (1, i).

        None if a number in between is not finite: the layers then run one by one, with NumPy's
        warnings.
        """


Maker = Callable[[Sequence[Line]], Program | None]


def program_of(network: Network) -> Program | None:
    """The program of all layers of ``network``, if there is one.

    Raises PluginLoadError, which names the layers, if their code raises.
    """
    stages = _stages(network)
    return stages[0][1] if len(stages) == 1 else None


_Stage = tuple[list[PlannedLayer], Program | None]


def _stages(network: Network) -> list[_Stage]:
    """Layers grouped in order: neighbours that share a program, and those without one."""
    stages: list[_Stage] = []
    fits = network.dtype == np.float32
    offers = [(p, _program_offer(p) if fits else None) for p in network.planned]
    for make, group in groupby(offers, lambda pair: None if pair[1] is None else pair[1][0]):
        found = list(group)
        planned, program = [p for p, _ in found], None
        if make is not None:
            lines = [
                Line(offer[1], p.layer.span.start, p.in_shape[0], p.plan.out_shape[0])
                for p, offer in found
                if offer is not None
            ]
            with _naming(planned, "program"):
                program = make(lines)
        if program is None and stages and stages[-1][1] is None:
            stages[-1][0].extend(planned)
        else:
            stages.append((planned, program))
    return stages


def _program_offer(p: PlannedLayer) -> tuple[Maker, tuple[int, ...]] | None:
    if len(p.in_shape) != 1 or len(p.plan.out_shape) != 1:
        return None
    with _naming([p], "program"):
        return p.layer.program()


@contextmanager
def _naming(planned: list[PlannedLayer], step: str) -> Iterator[None]:
    """Turn an exception of a plugin's code into a PluginLoadError that names the layers."""
    try:
        yield
    except (LayerkitError, MemoryError):
        raise
    except Exception as cause:
        first, last = planned[0], planned[-1]
        to = "" if first is last else f" (of the layers to {last.name!r})"
        reason = f"{step}{to} raised {type(cause).__name__}: {cause}"
        raise unusable(first.name, first.layer, reason) from cause


class Chain:
    """A network with memory for one thread, run as compiled programs where ``fast``.

    The network's parameters, and its gradients where ``keeps``, stay where they are; ``training``,
    ``keeps`` and ``wants_dx`` are those of ``Network.contexts``. ``feed`` gives scores (n, *out)
    for x (n, *in), valid until the next feed. ``backprop`` fills the network's gradients for dy
    (n, *out) and gives dL/dx (n, *in), valid only if ``wants_dx``. ``contexts`` holds, by layer
    name, those of the layers that run one by one.
    """

    feed: Callable[[Array], Array]
    backprop: Callable[[Array], Array]

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
        self._programs: list[_Compiled] = []
        feeds: list[Callable[[Array], Array]] = []
        backprops: list[Callable[[Array], Array]] = []
        for planned, program in _stages(network) if fast else [(network.planned, None)]:
            wants_dx = wants_dx or bool(feeds)
            if program is None:
                part = network.part(planned)
                contexts = part.contexts(training=training, keeps=keeps, wants_dx=wants_dx)
                self.contexts |= {p.name: c for p, c in zip(planned, contexts, strict=True)}
                feeds.append(partial(part.feed, contexts=contexts))
                backprops.append(partial(part.backprop, contexts=contexts))
            else:
                compiled = _Compiled(network, planned, program.make_pass(keeps=keeps), wants_dx)
                self._programs.append(compiled)
                feeds.append(compiled.feed)
                backprops.append(compiled.backprop)
        self.compiled = len(feeds) == len(self._programs) == 1  # whether one program is all
        self.feed, self.backprop = _in_turn(feeds), _in_turn(backprops[::-1])

    def warm(self, rows: int) -> None:
        """Run each program once over ``rows`` rows of zeros: it is compiled or loaded then."""
        for program in self._programs:
            program.warm(rows)


def _in_turn(steps: list[Callable[[Array], Array]]) -> Callable[[Array], Array]:
    """One function for ``steps``, each of which takes the result of the one before."""
    return steps[0] if len(steps) == 1 else partial(_run, steps)


def _run(steps: list[Callable[[Array], Array]], x: Array) -> Array:
    for step in steps:
        x = step(x)
    return x


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
