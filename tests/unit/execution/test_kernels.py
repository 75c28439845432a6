"""The compiled kernels: the same numbers as NumPy's lines, chosen as documented."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

import layerkit
from layerkit import Context
from layerkit.discovery.registry import LAYERS, LOSSES, OPTIMIZERS
from layerkit.execution import kernels as fast
from layerkit.execution.runner import Chain, program_of
from layerkit_plugins.compiled import code_of, kernels

needs_numba = pytest.mark.skipif(
    importlib.util.find_spec("numba") is None, reason="numba, the extra `fast`, is not installed"
)
ACTIVATIONS: list[Any] = [
    *("relu", "tanh", "linear", "sigmoid", "elu"),
    *("selu", "leaky_relu", "softplus", "silu", "gelu"),
    {"type": "elu", "alpha": 0.3},
    {"type": "leaky_relu", "slope": 0.2},
    {"type": "leaky_relu", "slope": 0},
]
LAYER_SETTINGS: list[tuple[str, dict[str, Any]]] = [
    *(
        (kind, {**settings, "activation": f, "use_bias": bias})
        for kind, settings in (
            ("dense", {"units": 5}),
            ("highway", {}),
            ("projection", {"units": 5, "carry_activation": "relu"}),
        )
        for f in ACTIVATIONS
        for bias in (True, False)
    ),
    *(("projection", {"units": 5, "carry_activation": f}) for f in ACTIVATIONS),
]


def compiled(kind: str, settings: dict[str, Any]) -> bool:
    return settings.get("carry_activation") not in ("silu", "gelu")


def spec_of(kind: str, settings: dict[str, Any]) -> dict[str, Any]:
    layer = {"type": kind, **settings}
    return {"layerkit": 1, "input": {"shape": [5]}, "layers": [layer]}


@needs_numba
@pytest.mark.parametrize(("kind", "settings"), LAYER_SETTINGS)
@pytest.mark.parametrize("rows", [1, 7, 0])
def test_a_layer_gives_the_same_either_way(kind: str, settings: dict[str, Any], rows: int) -> None:
    rng = np.random.default_rng(1)
    network = layerkit.build(spec_of(kind, settings)).network
    network.params[:] = rng.standard_normal(network.size)
    grads = network.allocate_grads()
    x = (3 * rng.standard_normal((rows, 5))).astype(np.float32)
    dy = rng.standard_normal((rows, *network.planned[-1].plan.out_shape)).astype(np.float32)
    found = []
    for fast_ in (False, True):
        chain = Chain(network, fast=fast_, training=True, wants_dx=True)
        assert chain.compiled is (fast_ and compiled(kind, settings))
        y = chain.feed(x).copy()
        grads[:] = np.nan
        dx = chain.backprop(dy).copy()
        only = Chain(network, fast=fast_, keeps=False).feed(x).copy()
        found.append((y, dx, grads.copy(), only))
    for plain, compiled_ in zip(*found, strict=True):
        scale = max(1.0, np.abs(plain).max(initial=0))  # sums round by their largest terms
        np.testing.assert_allclose(compiled_, plain, rtol=2e-5, atol=2e-6 * scale)


@needs_numba
@pytest.mark.parametrize(("kind", "settings"), LAYER_SETTINGS)
def test_a_layer_gives_the_same_for_one_row(kind: str, settings: dict[str, Any]) -> None:
    rng = np.random.default_rng(9)
    network = layerkit.build(spec_of(kind, settings)).network
    network.params[:] = rng.standard_normal(network.size)
    x = (3 * rng.standard_normal((1, 5))).astype(np.float32)
    program = program_of(network)
    assert (program is not None) == compiled(kind, settings)
    if program is not None:
        found = program.row(network.params, x, "identity")
        assert found is not None
        plain = network.feed(x, network.contexts())
        np.testing.assert_allclose(found, plain, rtol=2e-5, atol=2e-6)


@needs_numba
def test_layers_of_every_sort_in_one_program() -> None:
    rng = np.random.default_rng(10)
    layers: list[dict[str, Any]] = [
        {"type": "highway", "activation": "silu"},
        {"type": "dense", "units": 7, "activation": "gelu", "use_bias": False},
        {"type": "highway", "activation": {"type": "elu", "alpha": 0.5}, "use_bias": False},
        {"type": "projection", "units": 6, "activation": "softplus", "carry_activation": "selu"},
        {"type": "highway", "activation": "gelu"},
        {"type": "dense", "units": 4, "activation": {"type": "leaky_relu", "slope": 0.3}},
        {"type": "projection", "units": 3, "activation": "silu", "use_bias": False},
        {"type": "dense", "units": 2},
    ]
    network = layerkit.build(
        {
            "layerkit": 1,
            "input": {"shape": [5]},
            "layers": layers,
            "output": {"classes": ["a", "b"]},
        }
    ).network
    network.params[:] = 0.7 * rng.standard_normal(network.size)
    grads = network.allocate_grads()
    chains = [Chain(network, fast=fast_, training=True) for fast_ in (False, True)]
    only = Chain(network, fast=True, keeps=False)
    assert chains[1].compiled
    for rows in (9, 4, 9):
        x, dy = rng.standard_normal((rows, 5)), rng.standard_normal((rows, 2))
        found = []
        for chain in chains:
            y = chain.feed(x.astype(np.float32)).copy()
            grads[:] = np.nan
            chain.backprop(dy.astype(np.float32))
            found.append((y, grads.copy()))
        np.testing.assert_allclose(only.feed(x.astype(np.float32)), found[0][0], rtol=2e-5)
        for plain, compiled_ in zip(*found, strict=True):
            scale = max(1.0, np.abs(plain).max())
            np.testing.assert_allclose(compiled_, plain, rtol=2e-5, atol=2e-6 * scale)


def test_the_number_of_an_activation_holds_its_setting() -> None:
    for number, name in enumerate(ACTIVATIONS[:10]):
        code = code_of(layerkit.activation(name))
        assert code is not None
        assert code & 255 == number
    for kind, name, value in (("elu", "alpha", 0.3), ("leaky_relu", "slope", 0.25)):
        code = code_of(layerkit.activation({"type": kind, name: value}))
        assert code is not None
        bits = np.array([code >> 8], np.uint32).view(np.float32)[0]
        assert bits == np.float32(value)


def test_kernels_know_no_activation_but_layerkits_own() -> None:
    gelu = type(layerkit.activation("gelu"))

    class Other(gelu):  # type: ignore[misc, valid-type]
        type_name = "gelu"

    assert code_of(Other()) is None
    Other.__module__ = gelu.__module__  # as if it stood in the same file
    Other.type_name = "test.other"
    assert code_of(Other()) is None


@needs_numba
def test_what_is_not_finite_stays_so() -> None:
    network = layerkit.build(spec_of("highway", {"activation": "relu"})).network
    x = np.array([[np.nan, 1, 1, 1, 1]], np.float32)
    assert np.isnan(Chain(network, fast=True).feed(x)).all()


@needs_numba
@pytest.mark.parametrize("size", [1e2, 1e4, 1e30])
def test_extreme_inputs_saturate_as_numpys_do(size: float) -> None:
    network = layerkit.build(spec_of("highway", {"activation": "tanh"})).network
    x = size * np.array([[1, -1, 1, -1, 1], [-1, -1, -1, -1, -1]], np.float32)
    y = Chain(network, fast=True).feed(x)
    np.testing.assert_allclose(y, network.feed(x, network.contexts()), rtol=1e-5, atol=1e-6)


@needs_numba
def test_scalar_functions_are_within_rounding() -> None:
    from layerkit_plugins.compiled import elementwise

    z = np.linspace(-100, 100, 100_001, dtype=np.float32)[None]
    tiny = np.geomspace(1e-30, 1, 1000, dtype=np.float32)[None]
    no_bias = np.zeros(1, np.float32)
    for name in ACTIVATIONS:
        f = layerkit.activation(name)
        code = code_of(f)
        assert code is not None
        for values in (z, tiny, -tiny):
            out, slopes = values.copy(), np.empty_like(values)
            elementwise.activate(code, out, no_bias, slopes, 0)
            exact = values.astype(np.float64)
            wanted = f.feed(exact.copy(), np.empty_like(exact))
            rounding = 8e-6 if name == "gelu" else 1e-6  # of z^2 in its exponent
            np.testing.assert_allclose(out, wanted, rtol=rounding, atol=1e-36, err_msg=str(name))
            elementwise.activate_back(
                code, np.ones_like(values), out if f.from_output else slopes, out, 0
            )
            wanted = f.backprop(np.ones_like(exact), exact, wanted, np.empty_like(exact))
            np.testing.assert_allclose(out, wanted, rtol=2e-6, atol=3e-7, err_msg=str(name))


@needs_numba
@pytest.mark.parametrize("kind", ["momentum", "adam"])
def test_an_optimizer_gives_the_same_either_way(kind: str) -> None:
    found = []
    for compiled in (False, True):
        rng = np.random.default_rng(2)
        p, g = rng.standard_normal((2, 300)).astype(np.float32)
        rule = OPTIMIZERS.create(kind)
        rule.bind(p, g)
        rule.fast = compiled
        for _ in range(20):
            g[:] = rng.standard_normal(300)
            rule.begin(0.01)
            rule.apply(slice(0, 300))
        found.append(p)
    np.testing.assert_allclose(found[1], found[0], rtol=1e-5, atol=1e-6)


@needs_numba
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("size", [1, 50, 1e4])
def test_a_loss_judges_the_same_either_way(smoothing: float, size: float) -> None:
    rng = np.random.default_rng(8)
    loss = LOSSES.create({"type": "softmax_cross_entropy", "label_smoothing": smoothing})
    scores = (size * rng.standard_normal((40, 7))).astype(np.float32)
    targets, ctx = rng.integers(0, 7, 40), Context()
    weights = rng.uniform(0, 1, 40).astype(np.float32)
    out = np.full_like(scores, np.nan)
    found = loss.compiled_judge(scores, targets, weights, out)
    assert found == pytest.approx(float(loss.feed(scores, targets, ctx) @ weights), rel=1e-5)
    np.testing.assert_allclose(out, loss.backprop(weights, ctx), rtol=2e-5, atol=1e-7)


@needs_numba
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("column", [0, 1, 2])
def test_a_compiled_loss_of_what_is_not_finite_is_told(bad: float, column: int) -> None:
    loss = LOSSES.create("softmax_cross_entropy")
    scores = np.zeros((3, 3), np.float32)
    scores[1, column] = bad
    targets, weights = np.array([0, column, 2]), np.ones(3, np.float32)
    lost = loss.compiled_judge(scores, targets, weights, np.empty_like(scores))
    assert lost is not None
    assert not np.isfinite(lost)


@needs_numba
def test_a_loss_judges_by_numpy_where_arrays_are_others() -> None:
    loss = LOSSES.create("softmax_cross_entropy")
    scores, weights = np.zeros((3, 3), np.float32), np.ones(3, np.float32)
    targets = np.array([0, 1, 2])
    out = np.empty_like(scores)
    assert loss.compiled_judge(scores.T, targets, weights, out) is None
    assert loss.compiled_judge(scores, targets.astype(np.int32), weights, out) is None
    assert loss.compiled_judge(scores, targets, weights.astype(float), out) is None
    assert LOSSES.create("mse").compiled_judge(scores, scores, weights, out) is None

    base = LOSSES["softmax_cross_entropy"]

    class Twice(base):  # type: ignore[misc, valid-type]
        def feed(self, scores: Any, targets: Any, ctx: Any) -> Any:
            return 2 * super().feed(scores, targets, ctx)

    assert Twice().compiled_judge(scores, targets, weights, out) is None


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


@pytest.mark.parametrize("compiled", ["0", pytest.param("1", marks=needs_numba)])
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


@needs_numba
def test_a_single_row_in_one_call_and_back(monkeypatch: pytest.MonkeyPatch) -> None:
    model = layerkit.build(training_spec())
    rows = np.random.default_rng(4).standard_normal((5, 8)).astype(np.float32)
    plain = model.predict(rows[:1])
    assert model.accelerate() is model
    assert model.accelerated
    calls: list[int] = []
    program: Any = model._predictor.program()
    monkeypatch.setattr(type(program), "row", _counting(type(program).row, calls))
    np.testing.assert_allclose(model.predict(rows[:1]), plain, rtol=1e-5)
    np.testing.assert_allclose(model.predict(rows)[0], plain[0], rtol=1e-5)
    assert len(calls) == 1
    assert model._predictor.chain().compiled
    assert (model.accelerate(on=False).predict(rows[:1]) == plain).all()
    assert not model._predictor.chain().compiled


@needs_numba
@pytest.mark.parametrize("output", [{}, {"classes": list("abc")}, {"link": "sigmoid"}])
def test_a_compiled_row_with_each_link(output: dict[str, Any], tmp_path: Any) -> None:
    spec = training_spec() | {"output": output}
    model = layerkit.build(spec)
    row = np.random.default_rng(5).standard_normal((1, 8)).astype(np.float32)
    plain, scores = model.predict(row), model.scores(row)
    assert model.accelerate()._predictor.program() is not None
    first = model.predict(row)
    for found, wanted in ((first, plain), (model.scores(row), scores)):
        np.testing.assert_allclose(found, wanted, rtol=1e-6, atol=1e-7)
    assert first.flags.owndata
    assert not np.shares_memory(first, model.predict(row))
    run: Any = kernels("rows").program
    compiled = len(run.signatures)
    row.flags.writeable = False
    np.testing.assert_array_equal(model.predict(row), first)
    assert len(run.signatures) == compiled  # not once more for read-only memory
    layerkit.save(model, tmp_path / "m.layerkit")
    mapped = layerkit.load(tmp_path / "m.layerkit", mmap=True).accelerate()
    np.testing.assert_array_equal(mapped.predict(row), first)
    model.network.params[:] *= 0.5
    halved = model.predict(row)
    assert np.abs(halved - first).max() > 1e-3
    np.testing.assert_allclose(halved, model.accelerate(on=False).predict(row), rtol=1e-5)


@needs_numba
def test_a_compiled_row_is_held_to_the_contract() -> None:
    model = layerkit.build(training_spec() | {"output": {"classes": list("abc")}}).accelerate()
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


@needs_numba
def test_compiled_rows_in_many_threads() -> None:
    model = layerkit.build(training_spec()).accelerate()
    rows = np.random.default_rng(6).standard_normal((8, 1, 8)).astype(np.float32)
    wanted = [model.predict(row) for row in rows]
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda i: model.predict(rows[i % 8]), range(400)))
    for i, out in enumerate(found):
        np.testing.assert_array_equal(out, wanted[i % 8])


def _counting(call: Any, calls: list[int]) -> Any:
    def counted(self: Any, *args: Any) -> Any:
        calls.append(1)
        return call(self, *args)

    return counted


@needs_numba
def test_a_strangers_layer_runs_beside_compiled_ones(monkeypatch: pytest.MonkeyPatch) -> None:
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
        assert trained._predictor.program() is None
        one = trained.predict(rows[0][:1])
        np.testing.assert_allclose(
            one, trained.accelerate(on=False).predict(rows[0][:1]), rtol=1e-5
        )
    finally:
        LAYERS.unregister("test.negative")


def test_the_word_is_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAYERKIT_FAST", "yes")
    with pytest.raises(layerkit.LayerkitError, match=r"LAYERKIT_FAST: expected .* got 'yes'"):
        fast.kernels_for_training()


def test_without_numba_one_notice_and_numpy(monkeypatch: pytest.MonkeyPatch) -> None:
    for cached in (fast._trouble, fast._warn_once):
        cached.cache_clear()
    monkeypatch.setitem(sys.modules, "numba", None)  # import numba raises ImportError
    try:
        monkeypatch.setenv("LAYERKIT_FAST", "1")
        with pytest.warns(RuntimeWarning, match="layerkit\\[fast\\]"):
            assert not fast.kernels_for_training()
        assert not fast.kernels_for_inference()  # a second warning would be an error here
        with pytest.raises(layerkit.MissingExtraError, match="layerkit\\[fast\\]"):
            layerkit.build(training_spec()).accelerate()
        monkeypatch.delenv("LAYERKIT_FAST")
        assert not fast.kernels_for_training()
    finally:
        for cached in (fast._trouble, fast._warn_once):
            cached.cache_clear()


@pytest.mark.parametrize(("word", "loaded"), [(None, False), ("0", False)])
def test_a_prediction_does_not_import_numba_unless_asked(word: str | None, loaded: bool) -> None:
    code = (
        "import sys, numpy as np, layerkit\n"
        "m = layerkit.build({'layerkit': 1, 'input': {'shape': [2]},"
        " 'layers': [{'type': 'dense', 'units': 2}]})\n"
        "m.predict(np.ones((1, 2))); m.predict(np.ones((3, 2)))\n"
        "print('numba' in sys.modules)"
    )
    environment = {} if word is None else {"LAYERKIT_FAST": word}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == str(loaded)


@needs_numba
def test_without_a_product_to_call_one_notice_and_numpy(monkeypatch: pytest.MonkeyPatch) -> None:
    module = kernels("program")
    monkeypatch.setattr(module, "address_of_sgemm", lambda: None)
    module._warn_once.cache_clear()
    try:
        network = layerkit.build(training_spec()).network
        with pytest.warns(RuntimeWarning, match="no matrix product to call"):
            assert not Chain(network, fast=True).compiled
        assert program_of(network) is None  # a second warning would be an error here
    finally:
        module._warn_once.cache_clear()


@needs_numba
def test_training_uses_the_kernels_where_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LAYERKIT_FAST")
    assert fast.kernels_for_training()
    assert not fast.kernels_for_inference()


def test_a_subclass_with_its_own_maths_has_no_inherited_shortcuts() -> None:
    dense = LAYERS["dense"]

    class Doubled(dense):  # type: ignore[misc, valid-type]
        type_name = "test.doubled"

        def feed(self, x: Any, ctx: Context) -> Any:
            return 2 * super().feed(x, ctx)

        def backprop(self, dy: Any, ctx: Context) -> Any:
            return super().backprop(2 * dy, ctx)

    class Renamed(dense):  # type: ignore[misc, valid-type]
        type_name = "test.renamed"

    layerkit.register(Doubled)
    try:
        layers = [{"type": "test.doubled", "units": 3}]
        model = layerkit.build({"layerkit": 1, "input": {"shape": [2]}, "layers": layers})
        rows = np.array([[1.0, 2.0], [3.0, 4.0]])
        contexts = model.network.contexts()
        wanted = 2 * (rows.astype(np.float32) @ model.network.layers[0].params["W"])
        np.testing.assert_allclose(model.network.feed(rows.astype(np.float32), contexts), wanted)
        np.testing.assert_allclose(model.scores(rows[:1]), wanted[:1])
        chain = Chain(model.network, fast=True)
        np.testing.assert_allclose(chain.feed(rows.astype(np.float32)), wanted)
        assert Doubled(units=1).program() is None
        assert Renamed.row_feed is dense.row_feed
    finally:
        LAYERS.unregister("test.doubled")


def test_an_optimizer_subclass_with_its_own_rule_has_no_inherited_kernel() -> None:
    momentum = OPTIMIZERS["momentum"]

    class Still(momentum):  # type: ignore[misc, valid-type]
        type_name = "test.still"

        def rule(self, p: Any, g: Any, slots: Any, scratch: Any) -> None:
            pass

    rule = Still()
    p = np.ones(4, np.float32)
    rule.bind(p, np.ones(4, np.float32))
    rule.fast = True
    rule.begin(0.1)
    rule.apply(slice(0, 4))
    assert (p == 1).all()
