"""Whether compiled kernels are used, and what holds with and without them."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

import layerkit
from layerkit import Context
from layerkit.discovery import engines as choice
from layerkit.discovery.registry import LAYERS

needs_llvm = pytest.mark.skipif(
    importlib.util.find_spec("llvmlite") is None,
    reason="llvmlite, the extra `fast`, is not installed",
)
either = pytest.mark.parametrize("accelerated", [False, pytest.param(True, marks=needs_llvm)])


def training_spec(dtype: str = "float32") -> dict[str, Any]:
    return {
        "layerkit": 1,
        "dtype": dtype,
        "input": {"shape": [8]},
        "layers": [
            {"type": "dense", "units": 12, "activation": "relu"},
            {"type": "highway", "activation": "tanh", "repeat": 3},
            {"type": "projection", "units": 6, "carry_initializer": "mean"},
            {"type": "dense", "units": 3},
        ],
        "train": {"epochs": 10, "batch_size": 10, "optimizer": {"type": "momentum"}},
    }


@pytest.mark.parametrize("compiled", ["0", pytest.param("1", marks=needs_llvm)])
def test_float32_follows_float64_for_100_steps(
    compiled: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LAYERKIT_FAST", compiled)
    rng = np.random.default_rng(3)
    x, y = rng.standard_normal((100, 8)), rng.integers(0, 3, 100)
    start = layerkit.build(training_spec("float64")).network.params.copy()
    trained = {}
    for dtype in ("float32", "float64"):
        run = layerkit.train(training_spec(dtype), data=(x, y))
        trained[dtype] = run.model.network.params
    moved = np.abs(trained["float64"] - start).max()
    assert moved > 0.01
    np.testing.assert_allclose(trained["float32"], trained["float64"], atol=1e-4 * moved)


def built(spec: dict[str, Any], accelerated: bool) -> layerkit.Model:
    model = layerkit.build(spec)
    return model.accelerate() if accelerated else model


@either
def test_a_row_is_held_to_the_contract(accelerated: bool) -> None:
    model = built(training_spec() | {"output": {"classes": list("abc")}}, accelerated)
    for odd in (np.nan, np.inf, -np.inf):
        row = np.ones((1, 8), np.float32)
        row[0, 3] = odd
        for ask in (model.predict, model.scores):
            with pytest.raises(layerkit.DataError, match="column 3"):
                ask(row)
    model.network.planned[-1].layer.params["W"][...] = 3e38
    model.network.planned[-1].layer.params["b"][...] = np.inf
    with pytest.warns(RuntimeWarning, match="invalid value"):
        assert np.isnan(model.predict(np.ones((1, 8), np.float32))).all()


@either
@pytest.mark.parametrize("output", [{}, {"classes": list("abc")}, {"link": "sigmoid"}])
def test_a_row_with_each_link(output: dict[str, Any], accelerated: bool, tmp_path: Any) -> None:
    model = built(training_spec() | {"output": output}, accelerated)
    row = np.random.default_rng(5).standard_normal((1, 8)).astype(np.float32)
    layers = model.network.feed(row, model.network.contexts())
    np.testing.assert_allclose(model.scores(row), layers, rtol=1e-6, atol=1e-7)
    first = model.predict(row)
    assert first.flags.owndata
    assert not np.shares_memory(first, model.predict(row))
    row.flags.writeable = False
    np.testing.assert_array_equal(model.predict(row), first)
    layerkit.save(model, tmp_path / "m.layerkit")
    mapped = layerkit.load(tmp_path / "m.layerkit", mmap=True).accelerate(on=accelerated)
    np.testing.assert_array_equal(mapped.predict(row), first)
    model.network.params[:] *= 0.5
    halved = model.predict(row)
    assert np.abs(halved - first).max() > 1e-3
    np.testing.assert_allclose(halved, model.accelerate(on=False).predict(row), rtol=1e-5)


@either
@pytest.mark.parametrize("size", [1e2, 1e4, 1e30])
def test_extreme_inputs_saturate(size: float, accelerated: bool) -> None:
    highway = {"type": "highway", "activation": "tanh"}
    spec = {"layerkit": 1, "input": {"shape": [5]}, "layers": [highway]}
    model = built(spec, accelerated)
    x = size * np.array([[1, -1, 1, -1, 1], [-1, -1, -1, -1, -1]], np.float32)
    p = {name: array.astype(np.float64) for name, array in model.network.layers[0].params.items()}
    with np.errstate(over="ignore"):
        T = 1 / (1 + np.exp(-(x @ p["WT"] + p["bT"])))
    y = T * np.tanh(x @ p["WH"] + p["bH"]) + (1 - T) * x
    np.testing.assert_allclose(model.scores(x), y, rtol=1e-5, atol=1e-6 * size)
    np.testing.assert_allclose(model.scores(x[:1]), y[:1], rtol=1e-5, atol=1e-6 * size)


@either
def test_rows_in_many_threads(accelerated: bool) -> None:
    model = built(training_spec(), accelerated)
    rows = np.random.default_rng(6).standard_normal((8, 1, 8)).astype(np.float32)
    model.predict(rows[0])  # the first row runs as it is written: other last digits
    wanted = [model.predict(row) for row in rows]
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda i: model.predict(rows[i % 8]), range(400)))
    for i, out in enumerate(found):
        np.testing.assert_array_equal(out, wanted[i % 8])


@needs_llvm
def test_a_strangers_layer_runs_beside_others(monkeypatch: pytest.MonkeyPatch) -> None:
    @layerkit.register
    class Negative(layerkit.Layer):
        type_name = "test.negative"

        def plan(self, in_shape: layerkit.Shape) -> layerkit.Plan:
            return layerkit.Plan(in_shape)

        def feed(self, x: Any, ctx: Context) -> Any:
            return -x

        def backprop(self, dy: Any, ctx: Context) -> Any:
            return -dy

    try:
        spec = training_spec()
        spec["layers"].insert(1, {"type": "test.negative"})
        rows = np.random.default_rng(4).standard_normal((30, 8)), np.arange(30) % 3
        monkeypatch.setenv("LAYERKIT_FAST", "1")
        trained = layerkit.train(spec, data=rows).model
        assert trained.accelerated
        one = trained.predict(rows[0][:1])
        np.testing.assert_allclose(
            one, trained.accelerate(on=False).predict(rows[0][:1]), rtol=1e-5
        )
    finally:
        LAYERS.unregister("test.negative")


def test_the_word_is_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAYERKIT_FAST", "yes")
    with pytest.raises(layerkit.LayerkitError, match=r"LAYERKIT_FAST: expected .* got 'yes'"):
        choice.compiled_for_training()


def run_python(code: str, **environment: str) -> str:
    """What ``code`` prints in a process of its own, in which no warning is forgiven."""
    inherited = {k: v for k, v in os.environ.items() if not k.startswith("LAYERKIT_")}
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        env=inherited | environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


WITHOUT = """
import sys, warnings
sys.modules["llvmlite"] = None  # import llvmlite raises ImportError
import numpy as np, layerkit
from layerkit.discovery import engines as choice
spec = {spec!r}
rows = np.ones((30, 8)), np.arange(30) % 3
with warnings.catch_warnings(record=True) as told:
    warnings.simplefilter("always")
    {run}
for one in told:
    print(one.category.__name__, one.message)
"""


def test_without_llvmlite_one_notice_and_numpy() -> None:
    run = (
        "model = layerkit.train(spec, data=rows).model\n"
        "    model.predict(rows[0]); model.predict(rows[0][:1]); model.predict(rows[0][:1])\n"
        "    layerkit.train(spec, data=rows)\n"
        "    assert not model.accelerated and list(model.fit.kernels) == ['numpy']"
    )
    told = run_python(WITHOUT.format(spec=training_spec(), run=run), LAYERKIT_FAST="1")
    assert told.startswith("UserWarning LAYERKIT_FAST=1, but llvmlite is not installed; NumPy")
    assert "pip install 'layerkit[fast]'" in told
    assert len(told.splitlines()) == 1
    assert run_python(WITHOUT.format(spec=training_spec(), run=run)) == ""  # nobody asked for it


def test_without_llvmlite_accelerate_says_what_to_install() -> None:
    run = (
        "try: layerkit.build(spec).accelerate()\n"
        "    except layerkit.MissingExtraError as error: print(error)"
    )
    told = run_python(WITHOUT.format(spec=training_spec(), run=run))
    assert "llvmlite is not installed" in told
    assert "layerkit[fast]" in told


@pytest.mark.parametrize("word", ["", "0"])
def test_a_prediction_does_not_import_llvmlite_unless_asked(word: str) -> None:
    code = (
        "import sys, numpy as np, layerkit\n"
        "m = layerkit.build({'layerkit': 1, 'input': {'shape': [2]},"
        " 'layers': [{'type': 'dense', 'units': 2}]})\n"
        "for rows in 1, 1, 3: m.predict(np.ones((rows, 2)))\n"
        "print('llvmlite' in sys.modules)"
    )
    assert run_python(code, LAYERKIT_FAST=word) == "False"


def test_the_first_single_row_is_not_recorded() -> None:
    """A process that predicts one row and ends imports no recorder and no engine."""
    code = (
        "import sys, numpy as np, layerkit\n"
        "m = layerkit.build({'layerkit': 1, 'input': {'shape': [2]},"
        " 'layers': [{'type': 'highway'}, {'type': 'dense', 'units': 2}]})\n"
        "for _ in range(2):\n"
        "    m.predict(np.ones((1, 2)))\n"
        "    print(any(m.startswith(('layerkit.recording', 'layerkit.execution.planned',"
        " 'llvmlite', 'layerkit_plugins.compiled')) for m in list(sys.modules)))"
    )
    assert run_python(code).split() == ["False", "True"]


@needs_llvm
def test_training_uses_the_kernels_where_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LAYERKIT_FAST")
    assert choice.compiled_for_training()
    assert not choice.compiled_for_inference()


@either
def test_a_subclass_with_its_own_maths_runs_by_them(accelerated: bool) -> None:
    dense = LAYERS["dense"]

    class Doubled(dense):  # type: ignore[misc, valid-type]
        type_name = "test.doubled"

        def feed(self, x: Any, ctx: Context) -> Any:
            return 2 * super().feed(x, ctx)

        def backprop(self, dy: Any, ctx: Context) -> Any:
            return super().backprop(2 * dy, ctx)

    layerkit.register(Doubled)
    try:
        layers = [{"type": "test.doubled", "units": 3}]
        model = built({"layerkit": 1, "input": {"shape": [2]}, "layers": layers}, accelerated)
        rows = np.array([[1.0, 2.0], [3.0, 4.0]])
        contexts = model.network.contexts()
        wanted = 2 * (rows.astype(np.float32) @ model.network.layers[0].params["W"])
        np.testing.assert_allclose(model.network.feed(rows.astype(np.float32), contexts), wanted)
        np.testing.assert_allclose(model.scores(rows[:1]), wanted[:1])
        np.testing.assert_allclose(model.scores(rows), wanted)
    finally:
        LAYERS.unregister("test.doubled")
