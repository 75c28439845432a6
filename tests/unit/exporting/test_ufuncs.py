"""Every elementwise function that NumPy has for floats is exported, with its numbers."""

from __future__ import annotations

import shutil
from typing import Any

import numpy as np
import pytest

import layerkit
from layerkit import Array, Context, Layer, Plan, Shape
from layerkit.discovery.registry import EXPORTERS, LAYERS
from layerkit.exporting import program_of

# of whole numbers, of matrices, or of the bits of a float: refused by name
REFUSED = {"ldexp", "matmul", "matvec", "nextafter", "spacing", "vecdot", "vecmat"}
UFUNCS = sorted(
    name
    for name in dir(np)
    if isinstance(ufunc := getattr(np, name), np.ufunc)
    and name == ufunc.__name__
    and ufunc.nout == 1
    and any("d" in kinds.split("->")[0] for kinds in ufunc.types)
    and name not in REFUSED
)
NUMBERS = [0.0, -0.0, 1.0, -1.0, 0.3, -0.7, 2.5, -3.0, 20.0, -90.0, 1e-9, -1e-4]
NUMBERS += [1e12, -1e30, np.inf, -np.inf, np.nan]


class Applied(Layer):
    """One function of the two numbers of a row."""

    type_name = "kit.applied"
    ufunc: Any = np.hypot

    def plan(self, in_shape: Shape) -> Plan:
        return Plan((1,))

    def feed(self, x: Array, ctx: Context) -> Array:
        ufunc = type(self).ufunc
        y = ufunc(x[:, :1], x[:, 1:]) if ufunc.nin == 2 else ufunc(x[:, :1])
        numbers: Array = y.astype(x.dtype)
        return numbers

    def backprop(self, dy: Array, ctx: Context) -> Array:
        raise NotImplementedError


def built(name: str, dtype: str, monkeypatch: pytest.MonkeyPatch) -> layerkit.Model:
    kind = type("Applied", (Applied,), {"ufunc": getattr(np, name), "__doc__": name})
    monkeypatch.setitem(LAYERS._local, "kit.applied", kind)
    layers = [{"type": "kit.applied"}]
    return layerkit.build(
        {"layerkit": 1, "name": "net", "dtype": dtype, "input": {"shape": [2]}, "layers": layers}
    )


@pytest.mark.filterwarnings("ignore:.*encountered:RuntimeWarning")
@pytest.mark.parametrize("name", UFUNCS)
@pytest.mark.parametrize("form", ["onnx", "c", "python"])
def test_numbers_are_numpys(form: str, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if form == "onnx":
        pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
    if form == "c" and shutil.which("cc") is None:
        pytest.skip("there is no C compiler")
    part: Any = EXPORTERS.create(form)
    drawn = np.random.default_rng(0).normal(size=(40, 2)) * 3
    pairs = np.array([(a, b) for a in NUMBERS for b in NUMBERS])
    for dtype in ("float32", "float64"):
        rows = np.concatenate([drawn, pairs]).astype(dtype)
        model = built(name, dtype, monkeypatch)
        (layer,) = model.network.layers
        expected = layer.feed(rows, Context())  # the data contract lets no NaN through
        found = part.run(part.content(program_of(model)), rows).astype(dtype)
        share = 2e-6 if dtype == "float32" else 1e-12
        same = np.isclose(found, expected, rtol=share, atol=share, equal_nan=True).ravel()
        assert same.all(), (rows[~same], found[~same], expected[~same])
