"""Schedules: hand-computed factors, and what every schedule must give."""

from __future__ import annotations

import inspect
import math
from typing import Any

import numpy as np
import pytest

from layerkit import History, Schedule
from layerkit.core.history import growing
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


def drops(losses: Any, rising: bool = False, **settings: Any) -> list[float]:
    """The factors that plateau gives before each epoch and after the last."""
    found, name = make({"type": "plateau", **settings}), settings.get("monitor", "val_loss")
    known = [History({name: losses[:e]}, [name] * rising) for e in range(len(losses) + 1)]
    return [found.factor_after(e + 0.5, 99, history) for e, history in enumerate(known)]


@pytest.mark.parametrize(
    ("losses", "settings", "want"),
    [
        ([3, 2, 2, 2, 2, 2], {"patience": 2}, [1, 1, 1, 1, 0.1, 0.1, 0.01]),
        ([3, 2, 2, 2, 1, 1], {"patience": 2, "decay": 0.5}, [1, 1, 1, 1, 0.5, 0.5, 0.5]),
        ([3, 2.9, 2.8, 2.7], {"patience": 2, "min_delta": 0.5}, [1, 1, 1, 0.1, 0.1]),
        ([3, 3, 3, 3, 3], {"patience": 1, "cooldown": 2}, [1, 1, 0.1, 0.1, 0.1, 0.01]),
        ([3, 3, 3], {"patience": 1, "min_factor": 0.05}, [1, 1, 0.1, 0.05]),
        ([math.nan, 3, math.nan, 3], {"patience": 2}, [1, 1, 1, 1, 0.1]),
        ([math.nan] * 3, {"patience": 2}, [1, 1, 0.1, 0.1]),
    ],
    ids=str,
)
def test_plateau_by_hand(losses: Any, settings: Any, want: list[float]) -> None:
    assert drops(losses, **settings) == pytest.approx(want, abs=1e-15)


def test_plateau_knows_what_rises() -> None:
    assert drops([1, 2, 3], patience=1, rising=True) == [1, 1, 1, 1]
    assert drops([1, 2, 3], patience=1) == pytest.approx([1, 1, 0.1, 0.01])


@pytest.mark.parametrize("rising", [False, True])
@pytest.mark.parametrize("patience", [1, 2, 4])
@pytest.mark.parametrize("cooldown", [0, 1, 3])
def test_plateau_against_pytorch(rising: bool, patience: int, cooldown: int) -> None:
    torch = pytest.importorskip("torch")
    values = np.random.default_rng(patience).normal(size=60).cumsum()
    weight = torch.zeros(1, requires_grad=True)
    optimizer = torch.optim.SGD([weight], lr=1.0)
    reference = torch.optim.lr_scheduler.ReduceLROnPlateau(
        optimizer,
        mode="max" if rising else "min",
        factor=0.5,
        patience=patience - 1,
        threshold=0.25,
        threshold_mode="abs",
        cooldown=cooldown,
        min_lr=0.01,
        eps=0,
    )
    want = [1.0]
    for value in values:
        reference.step(float(value))
        want.append(optimizer.param_groups[0]["lr"])
    assert len(set(want)) > 3
    settings = {"decay": 0.5, "patience": patience, "min_delta": 0.25, "cooldown": cooldown}
    assert drops(list(values), rising, min_factor=0.01, **settings) == want


def test_warmup_shows_the_plateau_the_epochs_after_it() -> None:
    flat = {"type": "plateau", "patience": 2}
    both = make({"type": "warmup", "epochs": 3, "start": 0.5, "then": flat})
    assert both.watched == ("val_loss",)
    found = [both.factor_after(e, 9, History({"val_loss": [1.0] * e})) for e in range(9)]
    assert found == pytest.approx([0.5, 2 / 3, 5 / 6, 1, 1, 1, 0.1, 0.1, 0.01])
    assert [both.factor(e, 9) for e in (0, 3, 8)] == [0.5, 1, 1]


def test_a_history_cannot_be_changed() -> None:
    given = [3.0, 2.0, 1.0]
    history = History({"loss": given}, ["loss"])
    given[0] = 9
    assert history["loss"] == (3, 2, 1)
    assert history.between(1)["loss"] == (2, 1)
    assert history.between(0, 1)["loss"] == (3,)
    assert history.between(1).rises("loss")
    assert not history.rises("val_loss")
    assert (len(history), list(history)) == (1, ["loss"])


def test_a_history_of_lists_that_grow_stays_as_it_was() -> None:
    losses = [4.0, 3.0, 2.0]
    history = growing({"loss": losses}, (), 3)
    later = history.between(1)
    losses.append(1.0)
    assert history["loss"] == (4, 3, 2)
    assert later["loss"] == (3, 2)
    assert later.between(1, 5)["loss"] == (2,)
    assert later.between(0, 1)["loss"] == (3,)
