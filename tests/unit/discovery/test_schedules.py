"""Schedules: hand-computed factors, and what every schedule must give."""

from __future__ import annotations

import inspect
from typing import Any

import pytest

from layerkit import Schedule
from layerkit.discovery.registry import REGISTRIES

NAMES = REGISTRIES["schedules"].names()
SETTINGS: list[str | dict[str, Any]] = [
    *NAMES,
    {"type": "cosine", "final": 0.2},
    {"type": "warmup", "epochs": 3, "start": 0.01, "then": "cosine"},
    {"type": "warmup", "then": {"type": "step", "every": 2}},
]


def make(config: str | dict[str, Any]) -> Schedule:
    part: Schedule = REGISTRIES["schedules"].create(config)
    return part


@pytest.mark.parametrize(
    ("config", "at", "want"),
    [
        ("constant", 3.7, 1),
        ({"type": "exponential", "decay": 0.5}, 0, 1),
        ({"type": "exponential", "decay": 0.5}, 1, 0.5),
        ({"type": "exponential", "decay": 0.25}, 1.5, 0.125),
        ({"type": "step", "every": 3}, 2.99, 1),
        ({"type": "step", "every": 3}, 3, 0.1),
        ({"type": "step", "every": 3, "decay": 0.5}, 6, 0.25),
        ("cosine", 0, 1),
        ("cosine", 2.5, (1 + 0.5**0.5) / 2),
        ("cosine", 5, 0.5),
        ("cosine", 10, 0),
        ("cosine", 11, 0),
        ({"type": "cosine", "final": 0.2}, 5, 0.6),
        ({"type": "cosine", "final": 0.2}, 10, 0.2),
        ({"type": "warmup", "epochs": 2}, 0, 0.1),
        ({"type": "warmup", "epochs": 2}, 1, 0.55),
        ({"type": "warmup", "epochs": 2, "start": 0.5}, 1, 0.75),
        ({"type": "warmup", "epochs": 2}, 2, 1),
        ({"type": "warmup", "epochs": 2}, 9, 1),
        ({"type": "warmup", "epochs": 2, "then": "cosine"}, 6, 0.5),
        ({"type": "warmup", "epochs": 2, "then": "cosine"}, 10, 0),
        ({"type": "warmup", "epochs": 2, "then": {"type": "step", "every": 1}}, 3.5, 0.1),
        ({"type": "warmup", "epochs": 20}, 10, 0.55),
    ],
    ids=str,
)
def test_by_hand(config: str | dict[str, Any], at: float, want: float) -> None:
    assert make(config).factor(at, 10) == pytest.approx(want, abs=1e-15)


@pytest.mark.parametrize("config", SETTINGS, ids=str)
@pytest.mark.parametrize("epochs", [1, 2, 30])
def test_stays_between_0_and_1_and_the_first_step_counts(
    config: str | dict[str, Any], epochs: int
) -> None:
    schedule = make(config)
    factors = [schedule.factor(epochs * i / 50, epochs) for i in range(51)]
    assert all(isinstance(f, float) and 0 <= f <= 1 for f in factors)
    assert factors[0] > 0


def test_warmup_meets_the_schedule_that_follows() -> None:
    schedule = make({"type": "warmup", "epochs": 2, "then": "cosine"})
    before, after = schedule.factor(2 - 1e-9, 10), schedule.factor(2, 10)
    assert before == pytest.approx(after, abs=1e-8)


@pytest.mark.parametrize("config", SETTINGS, ids=str)
def test_settings_and_documentation(config: str | dict[str, Any]) -> None:
    part = make(config)
    cls = type(part)
    assert cls(**part.config).config == part.config
    text = inspect.getdoc(inspect.getmodule(cls)) or ""
    assert "factor = " in text
    assert "Source: " in text
