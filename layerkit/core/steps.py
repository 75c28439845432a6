"""Outputs per step: scores (n, ..., k), one answer for each step of a row, as rows of one axis.

Losses and metrics know (m, k) only: steps are made rows here, once, outside of them. A step without
a label is padding: its class number is -1, its flags or numbers are NaN. It counts nothing.
"""

from __future__ import annotations

import numpy as np

from layerkit.core.context import Array


def as_rows(scores: Array, targets: Array, weights: Array) -> tuple[Array, Array, Array]:
    """Scores (n, ..., k), targets (n, ...) or (n, ..., k) and weights (n, ...) with m rows each.

    Padding, whose weights are 0, gets targets of 0: a loss may look classes up.
    """
    if scores.ndim == 2:
        return scores, targets, weights
    y = without_padding(_flat(scores, targets))
    return scores.reshape(-1, scores.shape[-1]), y, weights.reshape(-1)


def without_padding(targets: Array) -> Array:
    """Targets with 0 where a step has no label."""
    return np.where(_is_known(targets), targets, targets.dtype.type(0))


def known_rows(scores: Array, targets: Array) -> tuple[Array, Array]:
    """The same without padding and weights; scores may be predictions."""
    if scores.ndim == 2:
        return scores, targets
    y = _flat(scores, targets)
    known = known_steps(y, 0)
    return scores.reshape(-1, scores.shape[-1])[known], y[known]


def known_steps(targets: Array, steps: int) -> Array:
    """(n, ...) which of the steps, on the first ``steps`` axes of a row, have a label."""
    known: Array = np.logical_and.reduce(
        _is_known(targets), axis=tuple(range(1 + steps, targets.ndim))
    )
    return known


def _flat(scores: Array, targets: Array) -> Array:
    """Targets (m,) or (m, k)."""
    classes = targets.ndim < scores.ndim
    return targets.reshape(-1) if classes else targets.reshape(-1, targets.shape[-1])


def _is_known(targets: Array) -> Array:
    return targets >= 0 if targets.dtype.kind == "i" else ~np.isnan(targets)
