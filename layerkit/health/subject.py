"""Subject: a network with a sample of its rows, as the checks of layers look at it."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from layerkit.core.context import Array, Context
from layerkit.core.network import Network
from layerkit.core.planning import PlannedLayer
from layerkit.health.inside import Inside, Scalar, look_into
from layerkit.health.settle import settled
from layerkit.specs import Spec

SAMPLE = 256  # rows: a unit that is active on 1 % of all rows is seen with a chance of 92 %


@dataclass(frozen=True, eq=False)
class Sight:
    """What one layer does with the sample: from x to y, and z of each activation and gate."""

    planned: PlannedLayer
    inside: Inside | None
    x: Array
    y: Array
    z: tuple[tuple[Scalar, Array], ...]


@dataclass(eq=False)
class Subject:
    """A network as it is now, and rows as it gets them; neither is changed.

    Parameters
    ----------
    spec
        Of the network.
    network
        With any weights; looked at with running figures that have settled on the sample.
    x
        (n, *in) scaled rows; 256 of them are looked at.
    resolved
        Whether fields are named as in the document of a model, where layers are written out, or as
        in the spec that the user wrote.
    """

    spec: Spec
    network: Network
    x: Array
    resolved: bool = False
    steps: int = 0
    until: float = 0.0

    def __post_init__(self) -> None:
        self.x = spread(self.x, SAMPLE)
        self.network = settled(self.network, self.x)

    @property
    def may_search(self) -> bool:
        """Whether there is time left to look for values that help."""
        return time.monotonic() < self.until

    @cached_property
    def insides(self) -> list[Inside | None]:
        """Each layer, looked into."""
        return look_into(self.network)

    @cached_property
    def sights(self) -> list[Sight]:
        """What each layer does with the sample."""
        found, x = [], self.x
        with np.errstate(all="ignore"):
            for inside, planned in zip(self.insides, self.network.planned, strict=True):
                z: tuple[tuple[Scalar, Array], ...] = ()
                if inside is None:
                    alone = self.network.part([planned])
                    y = alone.feed(x, [Context(self.network.dtype, keeps=False)])
                else:
                    nodes = {str(i): one.z for i, one in enumerate(inside.scalars)}
                    values = inside.values(x, {**nodes, "y": inside.recording.graph.y})
                    y = values.pop("y")
                    z = tuple(zip(inside.scalars, values.values(), strict=True))
                found.append(Sight(planned, inside, x, y, z))
                x = y
        return found

    @cached_property
    def gradients(self) -> Array:
        """(layers,) root mean square of the gradient that reaches each layer's output.

        Backprop starts from random numbers of mean square 1 at the last layer, so that what the
        layers do to a gradient is seen apart from the loss.
        """
        twin = self.network.twin()
        contexts = twin.contexts(wants_dx=True)
        y = twin.feed(self.x, contexts)
        twin.allocate_grads()
        dy = np.random.default_rng(0).standard_normal(y.shape).astype(y.dtype)
        sizes = []
        with np.errstate(all="ignore"):
            for planned, ctx in zip(twin.planned[::-1], contexts[::-1], strict=True):
                sizes.append(root_mean_square(dy))
                dy = twin.part([planned]).backprop(dy, [ctx])
        return np.array(sizes[::-1])

    def place(self, index: int) -> str:
        """The path of the settings of layer ``index`` in the spec."""
        record = self.spec.layers[index]
        return f"layers.{index}.config" if self.resolved else record.place

    def paths(self, indices: Iterable[int], setting: str) -> list[str]:
        """The paths of ``setting`` of layers, each once."""
        return list(dict.fromkeys(f"{self.place(i)}.{setting}" for i in sorted(indices)))

    def groups(self, chosen: Mapping[int, float]) -> list[dict[int, float]]:
        """``chosen``, by layer, in groups of those that one entry of the spec stands for."""
        found: dict[str, dict[int, float]] = {}
        for index, value in chosen.items():
            found.setdefault(f"layers.{self.spec.layers[index].origin}", {})[index] = value
        return list(found.values())


def spread(x: Array, most: int) -> Array:
    """At most ``most`` rows, from all parts of x: rows are often sorted by their class."""
    if len(x) <= most:
        return x
    return x[np.linspace(0, len(x) - 1, most).astype(np.int64)]


def root_mean_square(x: Array) -> float:
    """Root mean square in float64; 0 for no numbers."""
    return float(np.sqrt(np.mean(np.square(x, dtype=np.float64)))) if x.size else 0.0
