"""Predictions as tables of pandas, polars and pyarrow."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

import layerkit
from layerkit import DataError, Model

FRAME = pd.DataFrame({"a": [0.0, 1.0, 2.0, 3.0], "b": [1.0, 0.0, 1.0, 0.0]}, index=[7, 5, 3, 1])
TYPES = {"pandas": pd.DataFrame, "polars": pl.DataFrame, "pyarrow": pa.Table}


def trained(output: dict[str, Any], units: int, **more: Any) -> Model:
    spec = {
        "layerkit": 1,
        "input": {"columns": ["a", "b"]},
        "layers": [{"type": "dense", "units": units}],
        "output": output,
        "train": {"epochs": 1, **more},
    }
    table = FRAME.assign(y=["u", "v", "u", "v"], s=[1.5, 2.0, -1.0, 0.0], t=[0.0, 1.0, 2.0, 3.0])
    return layerkit.train(spec, data=table).model


def cells(frame: Any) -> dict[str, list[Any]]:
    found = frame.to_pydict() if isinstance(frame, pa.Table) else frame
    return {str(name): list(found[name]) for name in getattr(found, "columns", found)}


@pytest.mark.parametrize("to", TYPES)
def test_classes(to: Any) -> None:
    model = trained({"column": "y"}, 2)
    frame = model.predict(FRAME, to=to)
    assert isinstance(frame, TYPES[to])
    p = model.predict(FRAME)
    assert cells(frame) == {
        "class": model.classify(FRAME).tolist(),
        "p_u": p[:, 0].tolist(),
        "p_v": p[:, 1].tolist(),
    }


@pytest.mark.parametrize("to", TYPES)
def test_targets(to: Any) -> None:
    model = trained({"targets": ["s", "t"], "scale": "standardize"}, 2)
    y = model.predict(FRAME)
    expected = {"s": y[:, 0].tolist(), "t": y[:, 1].tolist()}
    assert cells(model.predict(FRAME, to=to)) == expected


def test_one_sigmoid_unit_gives_both_probabilities() -> None:
    model = trained({"column": "y"}, 1, loss="sigmoid_cross_entropy")
    frame = model.predict(FRAME, to="pandas")
    p = model.predict(FRAME)[:, 0]
    np.testing.assert_array_equal(frame["p_v"], p)
    np.testing.assert_array_equal(frame["p_u"], 1 - p)
    assert frame["class"].tolist() == model.classify(FRAME).tolist()


def test_pandas_keeps_its_index() -> None:
    model = trained({"column": "y"}, 2)
    assert model.predict(FRAME, to="pandas").index.tolist() == [7, 5, 3, 1]
    other: Any = pl.from_pandas(FRAME)
    assert model.predict(other, to="pandas").index.tolist() == [0, 1, 2, 3]
    assert model.predict(FRAME.iloc[0], to="pandas").shape == (1, 3)
    assert model.predict(FRAME.iloc[:0], to="pandas").shape == (0, 3)


def test_other_libraries(monkeypatch: pytest.MonkeyPatch) -> None:
    model = trained({"column": "y"}, 2)
    to: Any = "panda"
    with pytest.raises(DataError, match="pandas, polars or pyarrow, got 'panda'; did you mean"):
        model.predict(FRAME, to=to)
    monkeypatch.setattr("layerkit.datacontract.answers.find_spec", lambda name: None)
    with pytest.raises(DataError, match="python -m pip install polars"):
        model.predict(FRAME, to="polars")


def test_nothing_is_imported_that_is_not_asked_for() -> None:
    import subprocess

    code = (
        "import sys, layerkit; m = layerkit.build({'layerkit': 1, 'input': {'shape': [2]}, "
        "'layers': [{'type': 'dense', 'units': 2}]}); m.predict([[1.0, 2.0]]); "
        "print({'pandas', 'polars', 'pyarrow', 'narwhals'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
