"""No split takes the last row of a class from training, whatever the fraction and the labels."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import layerkit
from layerkit.core.rows import Rows
from layerkit.data import split_rows
from layerkit.errors import DataError
from layerkit.training import Listener


@given(
    counts=st.lists(st.integers(1, 6), min_size=1, max_size=6),
    fraction=st.floats(0.01, 0.99),
    seed=st.integers(0, 99),
    stratified=st.booleans(),
)
def test_each_class_keeps_a_row(
    counts: list[int], fraction: float, seed: int, stratified: bool
) -> None:
    labels = np.repeat(np.arange(len(counts)), counts)
    rows = Rows(np.arange(len(labels))[:, None], labels=labels)

    def draw(spare: Any) -> tuple[Rows, Rows]:
        rng = np.random.default_rng(seed)
        strata = labels if stratified else None
        return split_rows(rows, fraction, rng, stratify=strata, spare=spare)

    if len(labels) < 2 or max(counts) == 1:
        with pytest.raises(DataError):
            draw(labels)
        return
    rest, part = draw(labels)
    assert rest.labels is not None
    assert set(rest.labels.tolist()) == set(labels.tolist())
    assert rest.values is not None
    assert part.values is not None
    together = np.concatenate([rest.values, part.values])
    assert sorted(together.ravel().tolist()) == list(range(len(labels)))
    plain = draw(None)
    assert plain[0].values is not None
    assert plain[0].labels is not None
    if set(plain[0].labels.tolist()) == set(labels.tolist()):  # nothing to mend: the same draw
        assert rest.values.tolist() == plain[0].values.tolist()
    else:  # as many rows as wanted, if there are that many to spare
        assert len(part) == min(len(plain[1]), len(labels) - len(counts))


class Told(Listener):
    def __init__(self) -> None:
        self.notices: list[str] = []

    def notice(self, text: str) -> None:
        self.notices.append(text)


def spec(units: int, **train: Any) -> dict[str, Any]:
    return {
        "layerkit": 1,
        "input": {"columns": ["x"]},
        "layers": [{"type": "dense", "units": units}],
        "output": {"column": "kind"},
        "train": {"epochs": 1, **train},
    }


def table(kinds: str) -> dict[str, Any]:
    return {"x": np.arange(len(kinds), dtype=float), "kind": list(kinds)}


@pytest.mark.parametrize("share", [{"test": 0.4}, {"validation": 0.4}, {"test": 0.5, "seed": 3}])
@pytest.mark.parametrize("kinds", ["abac", "aabbbbbbc", "cab" + 9 * "a"])
def test_a_single_row_is_trained_on_and_said(share: dict[str, Any], kinds: str) -> None:
    told = Told()
    run = layerkit.train(spec(3, **share), data=table(kinds), listener=told)
    assert run.model.classes == ("a", "b", "c")
    assert [text for text in told.notices if "'c'" in text and "used for training" in text]


@pytest.mark.parametrize("units", [2, 3])
def test_a_class_that_a_column_leaves_to_the_test_rows(units: int) -> None:
    data = {**table("ababc"), "part": ["one", "one", "one", "one", "two"]}
    given = spec(units, test={"column": "part", "values": ["two"]})
    with pytest.raises(DataError, match="all rows of class 'c' are test rows") as caught:
        layerkit.train(given, data=data)
    assert "units" not in str(caught.value)


def test_a_class_that_only_other_files_have() -> None:
    splits = {"train": table("abab"), "test": table("abcd")}
    with pytest.raises(DataError, match="all rows of classes 'c', 'd' are test rows"):
        layerkit.train(spec(2), data=splits)
    rows = Rows(columns=table("ac"), source="held")
    with pytest.raises(DataError, match="all rows of class 'c' are validation rows"):
        layerkit.train(spec(2), data={"train": table("abab")}, validation_data=rows)


def test_numbers_are_split_as_ever() -> None:
    given = spec(1, test=0.5)
    given["output"] = {"targets": ["y"]}
    told = Told()
    run = layerkit.train(given, data={"x": np.arange(4.0), "y": np.arange(4.0)}, listener=told)
    assert not [text for text in told.notices if "used for training" in text]
    assert "test_mae" in run.metrics
