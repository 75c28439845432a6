"""Parts of strangers that some of the nets here are planted with."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.unit.health.planted import Negative, Valve


@pytest.fixture(autouse=True)
def planted_parts(register: Callable[[Any], Any]) -> None:
    register(Negative)
    register(Valve)
