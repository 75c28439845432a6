"""How far parameters have moved since they started at one number, as the biases of gates do.

No layer says which of its parameters is the bias of its gate: of those that start at one number,
the lens takes the ones that a setting of the layer starts (``gate_bias``), and all if none does.
"""

from __future__ import annotations

import numpy as np

from layerkit.core.planning import PlannedLayer
from layerkit.health.settings import starting
from layerkit.lens.results import Drift


def drift_of(p: PlannedLayer) -> list[Drift]:
    """The drift of a layer's own parameters, without those of layers inside it."""
    own = {
        name: float(param.init)
        for name, param in p.plan.own.params.items()
        if isinstance(param.init, (int, float)) and param.size
    }
    set_by = [name for name in own if starting(p, name) is not None]
    return [_drift(p, name, own[name]) for name in set_by or own]


def _drift(p: PlannedLayer, name: str, start: float) -> Drift:
    moved = np.asarray(p.layer.params[name], np.float64) - start
    low, high = float(moved.min()), float(moved.max())
    return Drift(name, start, float(moved.mean()), low, high, float((moved < 0).mean()))
