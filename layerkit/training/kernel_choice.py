"""Choice of NumPy or compiled kernels for a training.

Compiled kernels save some microseconds per layer, parameter and element in every step, but must be
loaded first. The choice depends on the sizes of the training alone, never on measured
times: the same spec and rows give the same bits.
"""

from __future__ import annotations

import math

import numpy as np

from layerkit.core.network import Network
from layerkit.datacontract.fitted_rows import COMPILERS, kernels_used
from layerkit.discovery.engines import compiled_for_training, fast_setting
from layerkit.model import Model
from layerkit.training.recipe import Recipe

# Seconds that kernels save, measured on nets of 1 to 10 layers with 20 to 100,000 parameters.
_PER_LAYER, _PER_PARAMETER, _PER_OUTPUT = 14e-6, 1e-9, 3e-9


def kernels_pay(network: Network, recipe: Recipe, rows: int) -> bool:
    """Whether a training of ``network`` on ``rows`` rows uses compiled kernels."""
    step = _PER_PARAMETER * network.size
    if network.dtype == np.float32:  # the only dtype of compiled layers
        batch = min(recipe.batch_size, rows)
        for p in network.planned:
            if not p.eager:
                step += _PER_LAYER + _PER_OUTPUT * batch * math.prod(p.plan.out_shape)
    steps = recipe.epochs * -(-rows // recipe.batch_size)
    return compiled_for_training(steps * step)


def kernels_to_resume(model: Model, recipe: Recipe, rows: int) -> bool:
    """Whether a resumed training uses compiled kernels: as before, if possible."""
    if fast_setting() is not None or model.fit is None:
        return kernels_pay(model.network, recipe, rows)
    return any(name in model.fit.kernels for name in COMPILERS) and compiled_for_training()


def kernels_changed(model: Model, *, fast: bool) -> str:
    """A notice if a resumed training uses other kernels than before, else empty."""
    if model.fit is None or kernels_used(fast=fast) == model.fit.kernels:
        return ""
    before, now = (
        " and ".join(f"{name} {version}" for name, version in kernels.items())
        for kernels in (model.fit.kernels, kernels_used(fast=fast))
    )
    return (
        f"the training used {before} so far and continues with {now}: the result may differ from "
        "that of an uninterrupted training in the last digits"
    )
