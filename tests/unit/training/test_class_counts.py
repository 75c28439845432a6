"""Rows per class: in one line of at most 80 columns, and a notice where one class has most."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from layerkit import Listener, Rows, train
from layerkit.specs import as_spec
from layerkit.training.class_counts import class_counts, counts_line, skewed_classes


def spec(**fields: Any) -> dict[str, Any]:
    return {
        "layerkit": 1,
        "input": {"shape": [1]},
        "layers": [{"type": "dense", "units": 2}],
        "train": {"epochs": 1, **fields},
    }


def rows(*counts: int) -> Rows:
    labels = np.repeat([f"c{j}" for j in range(len(counts))], counts)
    return Rows(np.zeros((len(labels), 1)), labels=labels)


def test_counts_are_in_the_order_of_the_labels() -> None:
    assert class_counts(as_spec(spec()), rows(3, 5)) == {"c0": 3, "c1": 5}
    real = {**spec(loss="mse"), "output": {"targets": ["a", "b"]}}
    assert class_counts(as_spec(real), rows(3, 5)) is None


@pytest.mark.parametrize(
    ("counts", "line"),
    [
        ({"no": 3668, "yes": 521}, "rows per class: no: 3,668 (88 %), yes: 521 (12 %)"),
        ({7: 1}, "rows per class: 7: 1 (100 %)"),
        (
            {f"class {j}": j + 1 for j in range(1000)},
            "1,000 classes: 1 row of class 0 to 1,000 of class 999",
        ),
        (
            {"x" * 100: 2, "\x1b[31m": 5, "y" * 100: 9, "z" * 9: 3},
            "4 classes: 2 rows of xxxxxxxxxxxxxxxxx... to 9 of yyyyyyyyyyyyyyyyy...",
        ),
    ],
    ids=["two", "number", "many", "long"],
)
def test_one_line(counts: dict[str | int, int], line: str) -> None:
    assert counts_line(counts) == line
    assert len(line) <= 80


@pytest.mark.parametrize(
    ("counts", "fields", "told"),
    [
        ((9, 1), {}, True),
        ((3, 1), {}, True),
        ((74, 26), {}, False),
        ((9, 1), {"class_weights": "balanced"}, False),
        ((9, 1), {"metrics": ["accuracy", "balanced_accuracy"]}, False),
        ((9, 1), {"metrics": ["log_loss"]}, False),
        ((9,), {}, False),
    ],
)
def test_skew_is_told_where_accuracy_would_be_alone(
    counts: tuple[int, ...], fields: dict[str, Any], told: bool
) -> None:
    found = skewed_classes(as_spec(spec(**fields)), rows(*counts))
    assert (found is not None) == told
    if found:
        assert found.startswith(f"{100 * counts[0] / sum(counts):.0f} % of the training rows")


def test_a_training_tells_it() -> None:
    class Watch(Listener):
        def __init__(self) -> None:
            self.told: list[str] = []

        def notice(self, text: str) -> None:
            self.told.append(text)

    watch = Watch()
    train(spec(), data={"train": rows(9, 1)}, listener=watch)
    assert any("of class 'c0', so an accuracy of that size is no skill" in t for t in watch.told)
