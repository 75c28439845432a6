"""Layers of several axes, of windows and of statistics pass: the kit asks for nothing special."""

from __future__ import annotations

import pytest

from layerkit import Layer
from layerkit.testing import check_layer
from tests.kit.wide import Flatten, Norm, Slide, Steps


@pytest.mark.parametrize("layer", [Flatten, Steps, Norm, Slide], ids=lambda c: c.__name__)
def test_it_conforms(layer: type[Layer]) -> None:
    check_layer(layer).raise_if_failed()
