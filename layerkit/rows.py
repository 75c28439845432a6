"""Single rows: most of their time would go into the calls between the operations.

So a network whose layers all can (``Layer.row_feed``) runs a row as a vector through functions that
have everything bound; and in one compiled call (``Layer.row_program``) where that is wanted.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, Self

import numpy as np

from layerkit.layer import Array
from layerkit.network import Network

__all__ = ["RowChain", "RowProgram"]


class RowChain:
    """The layers of one network as functions of one row, for one thread.

    ``whole`` says whether all layers have such a function; ``mapped`` is that of the network when
    they were bound, since training a mapped model moves its parameters.
    """

    def __init__(self, network: Network) -> None:
        self.mapped = network.mapped
        found = [p.layer.row_feed() for p in network.planned]
        self.steps = [step for step in found if step is not None]
        self.whole = bool(found) and len(self.steps) == len(found)

    def __call__(self, x: Array) -> Array:
        """Scores (1, k) for x (1, i), a new array."""
        row = x[0]
        with np.errstate(all="ignore"):
            for step in self.steps:
                row = step(row)
        scores: Array = row[None].copy()
        return scores


class RowProgram(NamedTuple):
    """A compiled program and the table that tells it what the layers of one network are.

    ``table`` is (L, 6) int64: three numbers of the layer's own, where its parameters start in the
    flat vector, width of its input, width of its output.
    """

    run: Callable[..., None]
    table: Array
    width: int

    @classmethod
    def of(cls, network: Network) -> Self | None:
        """The program of ``network``; None if a layer has none, or they name different ones."""
        lines = []
        programs: set[Callable[..., None]] = set()
        for p in network.planned:
            found = p.layer.row_program()
            if found is None or len(p.in_shape) != 1 or len(p.plan.out_shape) != 1:
                return None
            programs.add(found[0])
            lines.append([*found[1], p.layer.span.start, p.in_shape[0], p.plan.out_shape[0]])
        if len(programs) != 1 or network.dtype != np.float32:
            return None
        table = np.array(lines, np.int64)
        return cls(programs.pop(), table, int(table[:, 4:].max()))

    def __call__(self, network: Network, x: Array) -> Array:
        """Scores (1, k) for x (1, i), both float32."""
        z, h = np.empty(3 * self.width, np.float32), np.empty(2 * self.width, np.float32)
        out: Array = np.empty((1, int(self.table[-1, 5])), np.float32)
        self.run(self.table, network.params, np.ascontiguousarray(x[0]), z, h, out[0])
        return out
