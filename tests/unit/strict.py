"""A device on the CPU whose arrays know nothing but the array API standard."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from layerkit.execution.devices.device import Device

xp = pytest.importorskip("array_api_strict")


class Strict(Device):
    """``array_api_strict``; refuses to move arrays or to wait inside of a step."""

    type_name = "strict"
    inside = False
    steps = 0

    def require(self) -> None:
        pass

    @property
    def xp(self) -> Any:
        return xp

    def put(self, array: Any) -> Any:
        assert not self.inside, "a step moves an array"
        assert isinstance(array, (np.ndarray, np.generic))
        return xp.asarray(np.array(array))

    def get(self, array: Any) -> Any:
        assert not self.inside, "a step waits"
        assert isinstance(array, type(xp.asarray(0)))
        return np.array(array)

    def captured(self, step: Callable[[], Any]) -> Callable[[], Any]:
        def run() -> Any:
            Strict.steps += 1
            self.inside = True
            try:
                return step()
            finally:
                self.inside = False

        return run
