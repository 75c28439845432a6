"""Engines: what runs recorded layers, losses and rules, in forms made from their graphs."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, ClassVar, Protocol

import numpy as np

from layerkit.core.context import Array
from layerkit.core.network import Network
from layerkit.core.optimizer import Optimizer
from layerkit.core.parts import Link, Part
from layerkit.core.planning import PlannedLayer
from layerkit.threads import blas_symbol as blas_symbol  # engines import it from here

if TYPE_CHECKING:
    from layerkit.recording.record import Recording  # a process that records nothing spares it

RecordedLayer = tuple[PlannedLayer, "Recording"]
"""A layer with what was recorded of it; layers of equal structure share the recording."""


class Stage(Protocol):
    """Neighbouring layers of a network, run as one by one thread.

    State is written at the end of ``feed``. ``streams`` holds, by layer name, the random streams of
    layers that draw.
    """

    streams: Mapping[str, np.random.Generator]

    def feed(self, x: Array) -> Array:
        """Outputs (n, *out) for x (n, *in), valid until the next feed."""

    def backprop(self, dy: Array) -> Array:
        """dL/dx (n, *in), where the stage was made with ``wants_dx``; fills the gradients."""


class LossStage(Protocol):
    """A loss, run by one thread."""

    def learn(self, scores: Array, targets: Array, weights: Array) -> tuple[float, Array]:
        """The weighted sum of the rows' losses and dL/dscores (n, k), valid until the next call."""


Row = Callable[[Array], "Array | None"]
"""From one row x (1, *in) to its predictions (1, *out), a new array.

None where a number is not finite: the layers then run as they are written, with NumPy's warnings.
An engine whose forms find that out themselves says so: ``checks_rows``.
"""

Rule = Callable[..., None]
"""A compiled rule of an optimizer: see ``Optimizer.kernel``."""


class Engine(Part):
    """Makes forms of recorded layers; registered in the group ``layerkit.engines``.

    Every form is tried on its first batch against the methods as they are written before it is
    used, and gives what they give, up to rounding.
    """

    releases_the_lock: ClassVar[bool] = False
    """Whether a batch runs without the interpreter's lock, so that two threads gain by halves."""

    has_rules: ClassVar[bool] = False
    """Whether there are forms of optimizers' rules."""

    checks_rows: ClassVar[bool] = False
    """Whether forms of a single row give None where a number of the row or result is not finite."""

    @abstractmethod
    def trouble(self) -> str:
        """Why the engine cannot be used on this machine; empty if it can."""

    @abstractmethod
    def versions(self) -> Mapping[str, str]:
        """Names and versions of what decides the bits of results, beside NumPy."""

    @abstractmethod
    def refuses(self, recording: Recording, planned: PlannedLayer | None = None) -> str:
        """Why a layer, or a loss where ``planned`` is None, has no form here; empty if it has."""

    @abstractmethod
    def stage(
        self, network: Network, layers: Sequence[RecordedLayer], *, keeps: bool, wants_dx: bool
    ) -> Stage:
        """The form of neighbouring layers; without ``keeps`` there can be no backprop."""

    @abstractmethod
    def loss(self, recording: Recording) -> LossStage:
        """The form of a loss."""

    def row(self, network: Network, layers: Sequence[RecordedLayer], link: Link) -> Row | None:
        """The whole network for a single row, with the output function; None if there is none."""
        return None

    def rule(self, optimizer: Optimizer, recording: Recording) -> Rule | None:
        """The form of an optimizer's rule; None if there is none."""
        return None

    def learn(
        self, stage: Stage, loss: LossStage, x: Array, targets: Array, weights: Array
    ) -> tuple[Array, float] | None:
        """Feed, loss and backprop in one call: scores and weighted loss; None if there is no such.

        Backprop is left out if the loss is not finite.
        """
        return None
