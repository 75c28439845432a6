"""How much of a difference between float32 and float64 is rounding, and no fault of the layer."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from layerkit.core.context import Array
from layerkit.testing.layer_trial import LayerTrial

_EPSILON = float(np.finfo(np.float32).eps)


def effect_of_rounding(
    wide: LayerTrial, x: Array, compute: Callable[[Array], Array], *words: object
) -> float:
    """The largest change of compute(x) when x and the parameters are rounded as in float32.

    The layer computes in float64, so nothing else is rounded: what moves much here is a difference
    of large numbers, or a division by small ones, whichever way it is written.
    """
    draws, params = wide.subject.rng("rounding", *words), wide.network.params
    kept, exact, moved = params.copy(), compute(x), 0.0
    for _ in range(3):
        params[...] = kept * (1 + _EPSILON * draws.uniform(-1, 1, kept.shape))
        nearby = compute(wide.moved(x, x * (1 + _EPSILON * draws.uniform(-1, 1, x.shape))))
        moved = max(moved, float(np.abs(nearby - exact).max(initial=0)))
    params[...] = kept
    return moved
