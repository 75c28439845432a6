"""The spec that a table starts from is valid and trains, whatever the table holds."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import layerkit
from layerkit.cli.spec_init import spec_text
from layerkit.errors import DataError

WORDS = ["a", "b", "C c", "d=1", "?", "", "NA", "1", "01", "2.0", "true", "No", "é", "nan", "-9"]
NUMBERS = st.floats(-1e6, 1e6, allow_nan=False).map(lambda value: f"{value:.3g}")

Cells = st.one_of(
    st.lists(st.sampled_from(WORDS), min_size=60, max_size=60),
    st.lists(st.sampled_from(WORDS[:3]), min_size=60, max_size=60),
    st.lists(st.integers(-3, 40).map(str), min_size=60, max_size=60),
    st.lists(st.integers(0, 3).map(str), min_size=60, max_size=60),
    st.lists(NUMBERS, min_size=60, max_size=60),
    st.lists(st.one_of(NUMBERS, st.sampled_from(["", "NA", "inf"])), min_size=60, max_size=60),
    st.just([str(i) for i in range(60)]),
    st.just([f"2024-01-{1 + i % 28:02}" for i in range(60)]),
)


@st.composite
def tables(draw: st.DrawFn) -> dict[str, list[str]]:
    count = draw(st.integers(1, 60))
    names = draw(st.lists(st.text("ab=_0 é", max_size=4), min_size=2, max_size=5, unique=True))
    return {name: draw(Cells)[:count] for name in names}


Outcome = dict[str, Any] | None


def begun(data: Any) -> Outcome:
    """The starting spec, None if the table is refused."""
    try:
        return layerkit.spec_init(data)
    except DataError:
        return None


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(table=tables(), header=st.booleans(), delimiter=st.sampled_from(",;"))
def test_a_spec_is_refused_or_trains(
    table: dict[str, list[str]], header: bool, delimiter: str, tmp_path: Path
) -> None:
    path = tmp_path / "t.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, delimiter=delimiter)
        if header:
            writer.writerow(table)
        writer.writerows(zip(*table.values(), strict=True))
    document = begun(path)
    if document is None:
        return
    assert begun(path) == document
    read_again = json.loads(spec_text(document))
    assert read_again == document
    run = layerkit.train(read_again, settings=["train.epochs=1"])
    assert run.epochs == 1


@settings(max_examples=40)
@given(table=tables())
def test_a_spec_of_rows_is_refused_or_trains(table: dict[str, list[str]]) -> None:
    document = begun(table)
    if document is not None:
        assert layerkit.train(document, data=table, settings=["train.epochs=1"]).epochs == 1


@pytest.mark.parametrize("width", [1, 30])
def test_not_every_table_is_refused(width: int) -> None:
    table = {f"c{i}": [f"{(7 * i + 3 * j) % 11}" for j in range(60)] for i in range(width)}
    assert begun({**table, "y": ["a", "b"] * 30}) is not None
