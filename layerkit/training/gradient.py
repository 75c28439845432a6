"""What is done to the gradient of a batch before the update: decay, then clipping."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from layerkit.core.context import Array
from layerkit.training.recipe import Recipe


def shape_gradient(
    recipe: Recipe, params: Array, grads: Array, decayed: Array, spans: Sequence[slice]
) -> None:
    """L2 decay where ``decayed`` is 1, then clipping by value, then by norm, in place.

    The vectors have one number for each parameter; those in ``spans`` are trained.
    """
    for span in spans:
        if recipe.weight_decay:
            grads[span] += recipe.weight_decay * decayed[span] * params[span]
        if recipe.clip_value is not None:
            np.clip(grads[span], -recipe.clip_value, recipe.clip_value, out=grads[span])
    if recipe.clip_norm is not None:
        norm = _norm(grads, spans)
        if norm > recipe.clip_norm:
            for span in spans:
                grads[span] *= recipe.clip_norm / norm


def _norm(grads: Array, spans: Sequence[slice]) -> float:
    """Euclidean norm of the spans together; in float64 if squares overflow the dtype."""
    norm = math.sqrt(sum(float(grads[s] @ grads[s]) for s in spans))
    if math.isfinite(norm):
        return norm
    return math.sqrt(sum(float(np.sum(np.square(grads[s], dtype=np.float64))) for s in spans))
