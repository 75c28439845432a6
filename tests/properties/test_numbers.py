"""Numbers that are told are those of the model's own answers and the raw data, whatever their size.

Truth is computed here from ``predict`` and the raw targets, in float64, less a whole offset.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import layerkit
from layerkit.core.rows import Rows
from layerkit.datacontract import InputContract

OFFSETS = st.sampled_from([0.0, 1.0, -3e4, 1.7e9, -1e12, 1e12])
SPREADS = st.sampled_from([1e-6, 1e-3, 1.0, 30.0, 1e6])
N = 40


def truth(p: np.ndarray, y: np.ndarray) -> dict[str, float]:
    off = y - y.min(axis=0)
    tot = np.square(off - off.mean(axis=0)).sum(axis=0)
    error = p - y
    kept = tot > 0
    r2 = 1 - np.square(error).sum(axis=0)[kept] / tot[kept]
    return {
        "mae": float(np.abs(error).mean()),
        "mse": float(np.square(error).mean()),
        "r2": float(r2.mean()) if kept.any() else math.nan,
    }


@settings(max_examples=25, deadline=None)
@given(
    offset=OFFSETS,
    spread=SPREADS,
    dtype=st.sampled_from(["float32", "float64"]),
    scale=st.sampled_from([None, "standardize"]),
    outputs=st.integers(1, 2),
)
def test_metrics_are_those_of_the_answers(
    offset: float, spread: float, dtype: str, scale: str | None, outputs: int
) -> None:
    rng = np.random.default_rng(0)
    x = offset + spread * rng.uniform(-1, 1, (N, 2))
    y = offset + spread * rng.uniform(-1, 1, (N, outputs))
    spec = {
        "layerkit": 1,
        "dtype": dtype,
        "input": {"shape": [2], "scale": "standardize"},
        "layers": [{"type": "dense", "units": outputs}],
        "output": {"targets": ["u", "v"][:outputs], "scale": scale},
        "train": {
            "epochs": 1,
            "validation": 0.2,
            "metrics": ["mae", "mse", "r2"],
            "optimizer": {"type": "sgd", "learning_rate": 1e-30 if scale is None else 0.1},
        },
    }
    data = (x, y)
    run = layerkit.train(spec, data={"train": data, "test": data})
    model = run.model
    predicted = model.predict(x)
    assert predicted.dtype == (np.dtype(dtype) if scale is None else np.float64)
    wanted = truth(predicted.astype(np.float64), y)
    judged = layerkit.evaluate(model, data)
    for name, value in wanted.items():
        for told in (run.metrics[f"test_{name}"], judged[name]):
            assert told == pytest.approx(value, rel=1e-6, abs=1e-300, nan_ok=True), name


@given(
    offset=st.floats(-1e12, 1e12),
    spread=st.floats(1e-6, 1e6),
    scale=st.sampled_from(["standardize", "minmax"]),
)
def test_scaling_keeps_what_float64_tells_apart(offset: float, spread: float, scale: Any) -> None:
    share = np.random.default_rng(1).uniform(0, 1, 200)
    x = offset + spread * share
    contract = InputContract.fit(Rows(x[:, None]), scale=scale)
    got = contract.scale_rows(contract.matrix(x[:, None]))[:, 0]
    off = x - x.min()
    span = np.ptp(x)
    if span == 0:
        assert not got.any()
        return
    wanted = off / span
    if scale == "standardize":
        wanted = (wanted - wanted.mean()) / wanted.std()
    rounding = 2 * np.spacing(np.abs(x).max()) / span  # of the center
    np.testing.assert_allclose(got, wanted, rtol=1e-6, atol=1e-6 + 4 * rounding)
    for row in (0, 100):  # alone, in a batch, and in float64 it is the same row
        np.testing.assert_array_equal(
            contract.scale_rows(contract.matrix(x[row : row + 1, None])), [[got[row]]]
        )


@given(
    st.lists(st.text(min_size=1, max_size=6), min_size=2, max_size=8, unique=True),
    st.sampled_from(["list", "array", "object"]),
)
def test_labels_come_back_as_they_were_written(labels: list[str], form: str) -> None:
    there = [t for t in labels if t.strip().lower() not in ("", "?", "nan", "+nan", "-nan")]
    there = [t for t in there if form != "array" or not t.endswith("\0")]  # NumPy drops it
    if len(there) < 2:
        return
    given = {"list": there, "array": np.array(there), "object": np.array(there, object)}[form]
    rows = layerkit.training.training_data.given_rows((np.zeros((len(there), 1)), given))
    contract = layerkit.datacontract.OutputContract.fit(rows, shape=(len(there),))
    assert sorted(contract.classes or ()) == sorted(there)
    assert contract.decode(contract.encoded(rows)).tolist() == there
