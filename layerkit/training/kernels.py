"""Which kernels a training uses, and having them ready before its clock starts.

Compiled kernels save some microseconds a layer, a parameter and an element in every step, and take
half a second to load. Which pays is told from the sizes of the training alone, never from measured
times: the same spec and rows give the same bits.
"""

from __future__ import annotations

import copy
import math

import numpy as np

from layerkit.core.layer import Array, Layer
from layerkit.core.network import Network
from layerkit.core.optimizer import Optimizer
from layerkit.datacontract.fitted_rows import kernels_used
from layerkit.execution.kernels import asked, kernels_for_training
from layerkit.model import Model
from layerkit.training.recipe import Recipe

__all__ = ["changed_kernels", "choose", "choose_again", "warm_rule"]

# Seconds that kernels save, measured on nets of 1 to 10 layers with 20 to 100,000 parameters.
_A_LAYER, _A_PARAMETER, _AN_OUTPUT = 14e-6, 1e-9, 3e-9


def choose(network: Network, recipe: Recipe, rows: int) -> bool:
    """Whether a training of ``network`` on ``rows`` rows from the start uses compiled kernels.

    Raises
    ------
    LayerkitError
        If ``LAYERKIT_FAST`` is neither 0 nor 1.
    """
    step = _A_PARAMETER * network.size
    if network.dtype == np.float32:  # there are no programs for others
        batch = min(recipe.batch_size, rows)
        for p in network.planned:
            if type(p.layer).program is not Layer.program:
                step += _A_LAYER + _AN_OUTPUT * batch * math.prod(p.plan.out_shape)
    steps = recipe.epochs * -(-rows // recipe.batch_size)
    return kernels_for_training(steps * step)


def choose_again(model: Model, recipe: Recipe, rows: int) -> bool:
    """Whether a training that goes on uses compiled kernels: as it did so far, if it can.

    Raises
    ------
    LayerkitError
        If ``LAYERKIT_FAST`` is neither 0 nor 1.
    """
    if asked() is not None or model.fit is None:
        return choose(model.network, recipe, rows)
    return "numba" in model.fit.kernels and kernels_for_training()


def changed_kernels(model: Model, *, fast: bool) -> str:
    """What to tell where a training goes on with other kernels than it began with; else empty."""
    if model.fit is None or kernels_used(fast=fast) == model.fit.kernels:
        return ""
    before, now = (
        " and ".join(f"{name} {version}" for name, version in kernels.items())
        for kernels in (model.fit.kernels, kernels_used(fast=fast))
    )
    return (
        f"the training so far used {before} and goes on with {now}: the result may differ in the "
        "last digits from that of one training in one go"
    )


def warm_rule(rule: Optimizer, mask: Array) -> None:
    """Run the compiled rule once, on a copy over vectors of zeros."""
    twin = copy.copy(rule)
    some = mask[:64].copy()
    twin.bind(np.zeros_like(some), np.zeros_like(some), some)
    twin.begin(rule.learning_rate)
    with np.errstate(all="ignore"):
        twin.apply(slice(0, len(some)))
