"""A layer that its module registers, as in the documentation."""

from __future__ import annotations

import layerkit
from tests.kit.sound import Carry


@layerkit.register
class Registering(Carry):
    """y = x * w.

    y  = w x
    dw = sum over rows of dy x,  dx = w dy

    Source: own work.
    """

    type_name = "kit.registering"
