"""The recipe that a table starts with, by its number of rows."""

from __future__ import annotations

import math
from typing import Any

import pytest

from layerkit.profile.columns import profile_rows
from layerkit.profile.recipe import recipe
from layerkit.profile.target import Target


def of_rows(rows: int, classes: dict[str | int, int] | None = None) -> dict[str, Any]:
    column = profile_rows({"y": ["a", "b"]})["y"]
    return recipe(rows, Target(column, "classes", "", classes or {"a": 1, "b": 1}))


@pytest.mark.parametrize(
    ("rows", "test", "validation", "batch"),
    [(19, 0, 0, 32), (20, 0.2, 0, 32), (999, 0.2, 0, 32), (1000, 0.2, 0.1, 32),
     (2000, 0.2, 0.1, 32), (2001, 0.2, 0.1, 64), (50_000, 0.2, 0.1, 64),
     (200_000, 0.2, 0.1, 128), (10**7, 0.2, 0.1, 256)],
)  # fmt: skip
def test_rows_decide(rows: int, test: float, validation: float, batch: int) -> None:
    found = of_rows(rows)
    assert found.get("test", 0) == test
    assert found.get("validation", 0) == validation
    assert ("early_stopping" in found) == (validation > 0)
    assert found["batch_size"] == batch


@pytest.mark.parametrize(("rows", "left"), [(10**6, 720_000), (1000, 720), (50, 40), (10, 10)])
def test_the_decay_is_the_same_over_a_whole_training(rows: int, left: int) -> None:
    found = of_rows(rows)
    optimizer, epochs = found["optimizer"], found["epochs"]
    steps = epochs * math.ceil(left / found["batch_size"])
    rates = [
        optimizer["learning_rate"] * (1 + math.cos(math.pi * i / steps)) / 2 for i in range(steps)
    ]
    shrunk = math.prod(1 - rate * optimizer["weight_decay"] for rate in rates)
    assert shrunk == pytest.approx(math.exp(-1.5), rel=0.12)


def test_skewed_classes_have_a_metric_beside_accuracy() -> None:
    assert "metrics" not in of_rows(100, {"a": 60, "b": 40})
    assert of_rows(100, {"a": 61, "b": 39})["metrics"] == ["accuracy", "macro_f1"]
