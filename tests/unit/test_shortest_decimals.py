"""The shortest decimals of many numbers are those that NumPy finds one by one."""

from __future__ import annotations

import numpy as np
import pytest

from layerkit.cli.shortest_decimals import shortest_decimals

_RNG = np.random.default_rng(7)
_N = 20_000


@pytest.mark.parametrize(
    "x",
    [
        pytest.param(_RNG.integers(0, 2**32, _N, np.uint32).view(np.float32), id="bits"),
        pytest.param(_RNG.random(_N, np.float32), id="shares"),
        pytest.param((10 ** _RNG.uniform(-16, 17, _N)).astype(np.float32), id="sizes"),
        pytest.param(np.round(_RNG.normal(0, 1e3, _N), 2).astype(np.float32), id="decimals"),
        pytest.param(_RNG.integers(-(2**26), 2**26, _N).astype(np.float32), id="integers"),
        pytest.param((2.0 ** np.arange(-149, 128)).astype(np.float32), id="powers of two"),
        pytest.param(np.array([0, -0.0, np.nan, np.inf, -np.inf], np.float32), id="special"),
        pytest.param(_RNG.normal(0, 1, 100), id="float64"),
        pytest.param(np.empty(0, np.float32), id="none"),
    ],
)
def test_as_numpy_spells_them(x: np.ndarray) -> None:
    found = [repr(v) for v in shortest_decimals(x).tolist()]
    assert found == [repr(float(v)) for v in x.astype(str).tolist()]
