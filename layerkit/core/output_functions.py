"""Output functions that turn scores into predictions: softmax, sigmoid, identity, exp.

They are part of the core, so that a saved model predicts without the loss it was trained with.
"""

from __future__ import annotations

import numpy as np

from layerkit.core.context import Array
from layerkit.core.parts import Link


def apply_link(link: Link, scores: Array, *, in_place: bool = False) -> Array:
    """Predictions (n, k) for scores (n, k), a new array in C order or ``scores`` itself.

    softmax: p_j = exp(s_j - max s) / sum_k exp(s_k - max s); sigmoid: p = (1 + tanh(s / 2)) / 2,
    which is 1 / (1 + exp(-s)) without overflow; identity: s; exp: exp(s), infinite for scores whose
    rate the dtype cannot hold.
    """
    out: Array = scores if in_place else scores.copy()
    if link == "softmax":
        with np.errstate(over="ignore"):  # a difference may overflow to -inf; its exp is 0
            out -= np.maximum.reduce(out, -1, keepdims=True)
        np.exp(out, out)
        out /= np.add.reduce(out, -1, keepdims=True)
    elif link == "sigmoid":
        out *= 0.5
        np.tanh(out, out=out)
        out += 1
        out *= 0.5
    elif link == "exp":
        with np.errstate(over="ignore"):
            np.exp(out, out)
    return out


def link_row(link: Link, scores: Array) -> Array:
    """``apply_link`` for one row (k,): (1, k), a new array, the same bits in half the time.

    The caller turns NumPy's floating-point warnings off.
    """
    if link != "softmax":
        return apply_link(link, scores[None])
    out: Array = scores[None] - scores[scores.argmax()]  # a third of the time of a reduction
    np.exp(out, out)
    out /= np.add.reduce(out[0])
    return out
