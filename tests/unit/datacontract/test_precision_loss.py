"""Columns that lose their values on the way to the model are named; ordinary ones never are."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import layerkit
from layerkit.core.rows import Rows
from layerkit.datacontract import InputContract, OutputContract
from layerkit.datacontract.precision_loss import input_precision_loss, target_precision_loss
from layerkit.training import Listener

RNG = np.random.default_rng(0)
UNIT = RNG.uniform(-1, 1, 600)
SHARED = Path(__file__).resolve().parents[4] / "shared" / "data"


def told(column: Any, **choice: Any) -> str | None:
    rows = Rows(columns={"a": np.asarray(column), "b": UNIT[: len(column)]})
    return input_precision_loss(InputContract.fit(rows, **choice), rows)


@pytest.mark.parametrize(
    ("column", "choice", "words"),
    [
        (1.7e9 + 50 * UNIT, {}, 'set input.scale to "standardize"'),
        (1.7e9 + 50 * UNIT, {"scale": {"divide": 2}}, '"float64"'),
        (1e12 + 1e-3 * UNIT, {}, "(17 distinct values become 1)"),
        (np.r_[UNIT[1:], 1e30], {"scale": "standardize"}, '"float64"'),
        (np.r_[UNIT[1:], 1e30], {"scale": "standardize", "dtype": "float64"}, "outliers"),
        (2**60 + np.arange(600), {"scale": "standardize"}, "(600 distinct values become"),
        (2**60 + np.arange(600), {"scale": "standardize", "dtype": "float64"}, "remove an offset"),
        (np.array([20_000_000, 20_000_001] * 300), {}, "(2 distinct values become 1)"),
    ],
)
def test_blurred_columns_are_named(column: Any, choice: dict[str, Any], words: str) -> None:
    text = told(column, **choice)
    assert text is not None
    assert "input column 'a' (" in text
    assert words in text


@pytest.mark.parametrize(
    ("column", "choice"),
    [
        (1.7e9 + 50 * UNIT, {"scale": "standardize"}),
        (1.7e9 + 50 * UNIT, {"dtype": "float64"}),
        (1e12 + 1e-3 * UNIT, {"scale": "standardize"}),
        (np.full(600, 1.7e9), {"scale": "standardize"}),
        (np.full(600, 0.1), {}),
        (np.array([0.3, 0.1 + 0.2, 0.5] * 200), {}),
        (RNG.integers(0, 256, 600), {"scale": {"divide": 255}}),
        (RNG.integers(0, 2, 600), {"scale": "standardize"}),
        (RNG.lognormal(0, 3, 600), {"scale": "standardize"}),
        (np.cumsum(RNG.normal(size=600)) * 1e3, {}),
        (1.6e9 + np.arange(600) * 86400.0, {}),
        (2**60 + 2**40 * np.arange(600), {"scale": "minmax"}),
        (UNIT[:1], {"scale": "standardize"}),
    ],
)
def test_no_alarm_without_a_cause(column: Any, choice: dict[str, Any]) -> None:
    assert told(column, **choice) is None


@pytest.mark.parametrize(("scale", "blurred"), [(None, True), ("standardize", False)])
def test_targets(scale: Any, blurred: bool) -> None:
    raw = (1.7e9 + 30 * UNIT)[:, None]
    contract = OutputContract.fit(
        Rows(raw, labels=raw), shape=(1,), target="real", targets=["t"], scale=scale
    )
    text = target_precision_loss(contract, raw, contract.scaled(raw))
    assert (text is not None) == blurred
    assert text is None or "target column 't' (600 distinct values become" in text


def test_training_tells_it() -> None:
    notices: list[str] = []

    class Ears(Listener):
        def notice(self, text: str) -> None:
            notices.append(text)

    spec = {"layerkit": 1, "layers": [{"type": "dense", "units": 2}], "train": {"epochs": 1}}
    data = ((1.7e9 + 50 * UNIT)[:, None], UNIT > 0)
    layerkit.train({**spec, "input": {"shape": [1]}}, data=data, listener=Ears())
    (told,) = (text for text in notices if "cannot be told apart" in text)
    assert "input column 0 (" in told


@pytest.mark.skipif(not SHARED.is_dir(), reason="there is no ../shared/data beside the checkout")
@pytest.mark.parametrize(
    "name", ["california-housing/housing.csv", "digits/digits.csv.gz", "iris/iris.csv"]
)
def test_no_alarm_on_tables_of_the_world(name: str) -> None:
    rows = layerkit.read_rows(SHARED / name)
    columns = rows.columns or {}
    names = [k for k, v in columns.items() if v.dtype.kind == "f"] or None
    for scale in (None, "standardize"):
        fitted = InputContract.fit(rows, columns=names, scale=scale, missing="mean")
        assert input_precision_loss(fitted, rows) is None
