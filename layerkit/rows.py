"""Single rows: most of their time would go into the calls between the operations.

So a network whose layers all can (``Layer.row_feed``) runs a row as a vector through functions that
have everything bound.
"""

from __future__ import annotations

import numpy as np

from layerkit.layer import Array
from layerkit.links import link_row
from layerkit.network import Network
from layerkit.parts import Link

__all__ = ["RowChain"]


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

    def __call__(self, x: Array, link: Link) -> Array:
        """Predictions (1, k) for x (1, i), a new array."""
        row = x[0]
        with np.errstate(all="ignore"):
            for step in self.steps:
                row = step(row)
            return link_row(link, row)
