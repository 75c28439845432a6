"""Gates by unit, step and class, and the size of each block's change, in blocks of rows."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np

from layerkit.core.context import Array
from layerkit.core.inside import Seen, carried, has_carry, seen
from layerkit.core.network import Network
from layerkit.core.planning import PlannedLayer
from layerkit.lens.results import Change, Gates

_NUMBERS = 1 << 22  # of the widest layer at once: 32 MB of float64
_CLASS_UNITS = 40  # classes; of more, units are not kept apart


def row_blocks(n: int, numbers: int, limit: int = _NUMBERS) -> Iterator[slice]:
    """Slices of ``n`` rows, each a power of two and at most ``limit`` numbers of so many a row."""
    most = max(1, limit // max(1, numbers))
    size = 1 << (most.bit_length() - 1)
    yield from (slice(at, min(at + size, n)) for at in range(0, n, size))


def look_inside(
    network: Network, x: Array, names: Sequence[str], truth: Array | None, classes: Sequence[str]
) -> dict[str, tuple[Gates | None, Change | None]]:
    """Gates and change of each named layer, from one pass of x (n, *in).

    ``truth`` (n,) are the class numbers of the rows.
    """
    found = {p.name: _Tally(network, p, classes) for p in network.nested() if p.name in names}
    widest = max(math.prod(p.plan.out_shape) for p in network.planned)
    for rows in row_blocks(len(x), 4 * widest):
        for one in seen(network, x[rows], names):
            found[one.planned.name].add(one, None if truth is None else truth[rows])
    return {name: (found[name].gates(), found[name].change()) for name in names}


def by_step_and_unit(p: PlannedLayer, gate: Array) -> Array:
    """A gate (n, ...) of a layer as (n, steps, units); one step where rows are no sequences.

    A layer of images (channels, height, width) has a unit for each channel: the mean of its pixels.
    Of a layer of sequences (steps, features) the first axis of a gate is the steps.
    """
    n, *axes = gate.shape
    if len(p.in_shape) == len(axes) == 3:
        pixels: Array = gate.mean(axis=(2, 3), dtype=np.float64)
        return pixels[:, np.newaxis]
    steps = axes[0] if _has_steps(p, gate) else 1
    found: Array = gate.astype(np.float64).reshape(n, steps, math.prod(axes) // max(1, steps))
    return found


def _has_steps(p: PlannedLayer, gate: Array) -> bool:
    return len(p.in_shape) == 2 and gate.ndim > 2 and gate.shape[1] == p.in_shape[0]


class _Tally:
    """Sums over the rows that one layer has seen so far."""

    def __init__(self, network: Network, p: PlannedLayer, classes: Sequence[str]) -> None:
        self.network, self.p, self.classes = network, p, classes
        self.rows = 0
        self.steps = False
        self.sums: Array | None = None  # (steps, units)
        self.of_class: Array = np.zeros((len(classes), 0))  # (classes, units)
        self.counts = np.zeros(len(classes))
        self.changes: list[Array] = []

    def add(self, one: Seen, truth: Array | None) -> None:
        """Count the rows of one pass."""
        gate = one.shown.get("gate")
        if gate is not None:
            values = by_step_and_unit(self.p, gate)
            if self.sums is None:
                self.sums = np.zeros(values.shape[1:])
                self.of_class = np.zeros((len(self.classes), values.shape[2]))
                self.steps = _has_steps(self.p, gate)
            self.sums += values.sum(axis=0)
            self.rows += len(values)
            if truth is not None:
                np.add.at(self.of_class, truth, values.mean(axis=1))
                self.counts += np.bincount(truth, minlength=len(self.classes))
        if has_carry(self.p):
            self.changes.append(relative_change(one.y, carried(self.network, self.p, one.x)))

    def gates(self) -> Gates | None:
        """The means; None if the layer showed no gate of any row."""
        if self.sums is None or not self.rows:
            return None
        means = self.sums / self.rows
        units = means.mean(axis=0)
        there = [i for i in range(len(self.classes)) if self.counts[i]]
        of_class = {self.classes[i]: self.of_class[i] / self.counts[i] for i in there}
        return Gates(
            mean=float(units.mean()),
            spread=float(units.std()),
            units=units.tolist(),
            steps=means.mean(axis=1).tolist() if self.steps else [],
            classes={name: float(mean.mean()) for name, mean in of_class.items()},
            class_units={name: (mean - units).tolist() for name, mean in of_class.items()}
            if len(of_class) <= _CLASS_UNITS
            else {},
        )

    def change(self) -> Change | None:
        """The quartiles of the rows that carry something; None without any, or without a carry."""
        if not self.changes:
            return None
        values = np.concatenate(self.changes)
        values = values[np.isfinite(values)]
        if not len(values):
            return None
        return Change(*np.quantile(values, (0.25, 0.5, 0.75)).tolist())


def relative_change(y: Array, kept: Array) -> Array:
    """(n,) the size of the change of each row, relative to what is carried."""
    moved, size = (
        np.linalg.norm(a.reshape(len(a), -1).astype(np.float64), axis=1) for a in (y - kept, kept)
    )
    with np.errstate(divide="ignore", invalid="ignore"):
        found: Array = moved / size
    return found
