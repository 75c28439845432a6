"""Small specs on the digits, and one comparison that the tests of its outcome share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from layerkit.comparison import Comparison, compare

SpecMaker = Callable[..., dict[str, Any]]


def _spec(name: str, *layers: dict[str, Any], **train: Any) -> dict[str, Any]:
    return {
        "layerkit": 1,
        "name": name,
        "input": {"shape": [64], "scale": {"divide": 16}},
        "layers": [*layers, {"type": "dense", "units": 10}],
        "output": {"classes": [str(k) for k in range(10)]},
        "train": {"data": "digits", "epochs": 2, "batch_size": 64, "validation": 0.1, **train},
    }


@pytest.fixture(scope="session")
def spec() -> SpecMaker:
    """A maker of small specs: name, layers before the last, recipe fields."""
    return _spec


@pytest.fixture(scope="session")
def plain() -> dict[str, Any]:
    return _spec("plain", {"type": "dense", "units": 16, "activation": "tanh", "repeat": 3})


@pytest.fixture(scope="session")
def highway() -> dict[str, Any]:
    return _spec(
        "highway",
        {"type": "dense", "units": 16, "activation": "tanh"},
        {"type": "highway", "activation": "tanh", "repeat": 2},
    )


@pytest.fixture(scope="session")
def three(plain: dict[str, Any], highway: dict[str, Any]) -> Comparison:
    """Three contestants, three seeds each."""
    small = _spec("one-layer", metrics=["accuracy", "macro_f1"])
    return compare([plain, highway, small], seeds=3)
