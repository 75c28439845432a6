"""Layers that name checks they do not pass, rightly and wrongly; maths as in tests/kit/sound.py.

y = T * H + (1 - T) * A, dx as there. Source: own work.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import numpy as np

from layerkit import Array, Context
from tests.kit.sound import Carry


class Together(Carry):
    """Rows centred together in inference."""

    type_name = "kit.together"
    conformance_exceptions: ClassVar[Mapping[str, str]] = {
        "batch.split": "rows are centred together, on purpose",
        "state.settles": "training does not centre them",
    }

    def feed(self, x: Array, ctx: Context) -> Array:
        y = super().feed(x, ctx)
        return y if ctx.training or not len(y) else y - np.mean(y, axis=0)

    def backprop(self, dy: Array, ctx: Context) -> Array:
        dy = dy if ctx.training or not len(dy) else dy - np.mean(dy, axis=0)
        return super().backprop(dy, ctx)


class Excused(Carry):
    type_name = "kit.excused"
    conformance_exceptions: ClassVar[Mapping[str, str]] = {
        "batch.split": "nobody remembers why this is here",
    }
