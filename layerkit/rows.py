"""Single rows through a whole network in one compiled call, where all its layers can."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Self

import numpy as np

from layerkit.layer import Array
from layerkit.network import Network

__all__ = ["RowProgram"]


@dataclass(frozen=True)
class RowProgram:
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
