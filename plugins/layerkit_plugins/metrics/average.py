"""The weighted mean of the rows' values, as the metrics take it."""

from __future__ import annotations

import math

import numpy as np

from layerkit import Array

__all__ = ["mean"]


def mean(values: Array, weights: Array | None) -> float:
    """sum_i w_i v_i / sum_i w_i in float64; NaN, not defined, where no row has a weight.

    Parameters
    ----------
    values
        (n,).
    weights
        (n,), or None: 1 each.
    """
    if len(values) == 0 or (weights is not None and not np.any(weights)):
        return math.nan
    return float(np.average(values.astype(np.float64), weights=weights))
