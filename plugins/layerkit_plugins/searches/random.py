"""random: each trial draws every field anew, whatever the others have found.

The trials of a random search are draws from one distribution, so the expected best of fewer trials
can be computed from them; and they can all run at once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from layerkit import Dimension, Search, Trial

__all__ = ["Random"]


class Random(Search):
    """Uniform in each choice and range, or in the logarithm of a range.

    Source: Bergstra, Bengio, "Random Search for Hyper-Parameter Optimization" (JMLR 13, 2012).
    """

    type_name = "random"

    def suggest(
        self,
        space: Mapping[str, Dimension],
        trials: Sequence[Trial],
        rng: np.random.Generator,
    ) -> Mapping[str, Any]:
        """Draws in the order of the fields' names, so that the order in a file does not matter."""
        return {name: space[name].at(rng.random()) for name in sorted(space)}
