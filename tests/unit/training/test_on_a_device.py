"""Training and predicting on another device give what the CPU gives, up to rounding."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import layerkit
from layerkit import Layer, Listener, Model, Optimizer, Param, Plan, Rows, TrainingDivergedError
from layerkit.discovery.registry import OPTIMIZERS
from layerkit.errors import DeviceError, UnknownTypeError
from layerkit.specs import as_spec
from layerkit.specs.ready import ready_specs
from tests.strangers.batchnorm import BatchNorm
from tests.strangers.dropout import Dropout
from tests.strangers.unrecordable import Clipped
from tests.unit.strict import Strict

Register = Callable[[Any], Any]

TOLERANCE = {"float32": 1e-4, "float64": 1e-12}
rng = np.random.default_rng(1)
X = rng.standard_normal((50, 4))
LABELS = np.where(X[:, 0] + rng.standard_normal(50) > 0, "p", "n")
WEIGHTS = rng.random(50) * (rng.random(50) > 0.2)


@pytest.fixture(autouse=True)
def strict(register: Register) -> None:
    register(Strict)
    Strict.steps = 0


def spec(*layers: dict[str, Any], dtype: str = "float64", **train: Any) -> dict[str, Any]:
    dense = {"type": "dense", "units": 5, "activation": "tanh"}
    chosen = layers or (dense, {"type": "highway"})
    return {
        "layerkit": 1,
        "dtype": dtype,
        "input": {"shape": [4], "scale": "standardize"},
        "output": {"classes": ["n", "p"]},
        "layers": [*chosen, {"type": "dense", "units": 2}],
        "train": {
            "loss": "softmax_cross_entropy",
            "epochs": 3,
            "batch_size": 16,
            "metrics": ["accuracy"],
            "validation": 0.2,
            **train,
        },
    }


def both(given: Any, **options: Any) -> tuple[Model, Model]:
    options.setdefault("data", (X, LABELS))
    there = layerkit.train(given, device="strict", **options).model
    assert there.device == "strict"
    here = layerkit.train(given, **options).model
    assert here.device == "cpu"
    return there, here


def same(there: Model, here: Model, rows: Any = X) -> None:
    """Weights, states, history and predictions are equal up to rounding."""
    tolerance = TOLERANCE[here.spec.dtype]
    close: dict[str, Any] = {"rtol": tolerance, "atol": tolerance}
    for name, (role, array) in here.network.tensors().items():
        found = there.network.tensors()[name]
        assert found[0] == role
        np.testing.assert_allclose(found[1], array, err_msg=name, **close)
    assert list(there.history) == list(here.history)
    for name, series in here.history.items():
        if "accuracy" not in name:
            np.testing.assert_allclose(there.history[name], series, rtol=10 * tolerance)
    assert there.device == "strict"
    np.testing.assert_allclose(there.predict(rows), here.predict(rows), **close)


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("optimizer", OPTIMIZERS.names())
def test_every_optimizer(optimizer: str, dtype: str) -> None:
    rate = {"type": optimizer, "learning_rate": 0.01}
    there, here = both(spec(optimizer=rate, dtype=dtype), sample_weight=WEIGHTS)
    same(there, here)
    assert Strict.steps == 3 * 3  # 40 rows


@pytest.mark.parametrize(
    "train",
    [
        {"weight_decay": 0.1, "clip_norm": 0.01},
        {"clip_value": 0.001, "schedule": {"type": "cosine"}},
        {"clip_norm": 1e9, "batch_size": 1000},
        {"batch_size": 1},
    ],
    ids=["norm", "value", "large", "small"],
)
def test_gradients_are_shaped_and_batches_cut_as_on_the_cpu(train: dict[str, Any]) -> None:
    same(*both(spec(optimizer="adam", **train)))


def test_random_draws_states_and_frozen_layers(register: Register) -> None:
    register(Dropout)
    register(BatchNorm)
    layers: list[dict[str, Any]] = [
        {"type": "dense", "units": 5, "freeze": True},
        {"type": BatchNorm.type_name},
        {"type": "dense", "units": 3},
        {"type": Dropout.type_name},
        {"type": "dense", "units": 4, "freeze": True},
    ]
    given = spec(*layers, optimizer={"type": "adamw", "learning_rate": 0.1, "weight_decay": 0.1})
    there, here = both(given)
    same(there, here)
    frozen = there.network.layers[0].params["W"]
    assert np.array_equal(frozen, layerkit.build(given).network.layers[0].params["W"])
    assert any(role == "state" for role, _ in there.network.tensors().values())


class Passing(Layer):
    """Two matrices that lie side by side, one of which decays; states that move on."""

    type_name = "test.passing"

    def plan(self, in_shape: Any) -> Any:
        A = Param((*in_shape, *in_shape), "eye", decay=False)
        states = {"now": Param(in_shape), "before": Param(in_shape)}
        return Plan(in_shape, {"A": A, "B": Param(A.shape, "eye")}, states)

    def feed(self, x: Any, ctx: Any) -> Any:
        A, B = self.params["A"], self.params["B"]
        y = x @ A + x @ B + self.state["before"]
        if ctx.training:
            before = self.state["now"].copy()
            self.state["now"] = x.mean(axis=0)
            self.state["before"] = before
        ctx.save(x)
        return y

    def backprop(self, dy: Any, ctx: Any) -> Any:
        (x,) = ctx.saved
        self.grads["A"], self.grads["B"] = x.T @ dy, 2 * x.T @ dy
        return dy @ self.params["A"].T + dy @ self.params["B"].T


def test_parameters_side_by_side_and_states_that_move_on(register: Register) -> None:
    register(Passing)
    optimizer = {"type": "adamw", "learning_rate": 0.1, "weight_decay": 0.5}
    same(*both(spec({"type": "test.passing"}, optimizer=optimizer, weight_decay=0.5)))


def test_a_single_row_is_predicted_there(monkeypatch: pytest.MonkeyPatch) -> None:
    model = layerkit.train(spec(optimizer="adam"), data=(X, LABELS)).model.to("strict")
    moved: list[Any] = []
    put = Strict.put

    def noted(self: Strict, array: Any) -> Any:
        moved.append(array.shape)
        return put(self, array)

    monkeypatch.setattr(Strict, "put", noted)
    for _ in range(3):
        moved.clear()
        model.predict(X[:1])
        assert (1, 4) in moved


def test_layers_inside_layers(register: Register) -> None:
    register(Dropout)
    register(BatchNorm)
    inside = [
        {"type": "dense", "units": 5, "activation": "relu", "freeze": True},
        {"type": Dropout.type_name},
        {"type": BatchNorm.type_name},
        {"type": "sequence", "layers": [{"type": "dense", "units": 4}]},
        {"type": Dropout.type_name},
    ]
    residual = {"type": "residual", "layers": inside}
    there, here = both(spec(residual, residual, optimizer="adam", weight_decay=0.1))
    same(there, here)
    updating = {"type": "residual", "layers": [{"type": register(Updating).type_name}]}
    with pytest.raises(DeviceError, match=r"layer 'residual_1.test-updating_1' cannot run"):
        layerkit.train(spec(updating, optimizer="adam"), data=(X, LABELS), device="strict")


@pytest.mark.parametrize("loss", ["softmax_cross_entropy", "sigmoid_cross_entropy", "mse"])
def test_outputs_per_step_and_padding(loss: str) -> None:
    numbers = np.random.default_rng(4)
    x = numbers.standard_normal((30, 5, 3))
    y: Any = numbers.integers(0, 3, (30, 5))
    y[numbers.random((30, 5)) < 0.2] = -1
    output: dict[str, Any] = {"classes": [0, 1, 2]}
    if loss == "mse":
        y = np.where(numbers.random((30, 5, 1)) < 0.8, x[:, :, :2], np.nan)
        output = {"targets": ["u", "v"]}
    elif loss == "sigmoid_cross_entropy":
        output["classes"] = [0, 1]
        y = np.minimum(y, 1)
    units = {"softmax_cross_entropy": 3, "sigmoid_cross_entropy": 1, "mse": 2}[loss]
    given = {
        **spec(loss=loss, optimizer="adam", metrics=[], validation=0, clip_norm=1.0),
        "input": {"shape": [5, 3]},
        "output": output,
        "layers": [
            {"type": "gru", "units": 4, "sequence": True},
            {"type": "dense", "units": units},
        ],
    }
    there, here = both(given, data=(x, y))
    assert here.predict(x).ndim == 3
    same(there, here, x)


def test_images_and_a_schedule_that_sees_results() -> None:
    numbers = np.random.default_rng(4)
    x, y = numbers.standard_normal((30, 2, 6, 6)), np.arange(30) % 2
    layers: list[dict[str, Any]] = [
        {"type": "conv2d", "filters": 4, "activation": "relu"},
        {"type": "maxpool"},
        {"type": "batchnorm"},
        {"type": "conv_highway"},
        {"type": "dropout", "rate": 0.3},
        {"type": "global_avgpool"},
    ]
    given = spec(*layers, optimizer="adam", epochs=6, schedule={"type": "plateau", "patience": 1})
    given["input"] = {"shape": [2, 6, 6]}
    there, here = both(given, data=(x, np.array(["n", "p"])[y]))
    same(there, here, x)


def test_ties() -> None:
    layers: list[dict[str, Any]] = [
        {"type": "dense", "name": "encoder", "units": 3},
        {"type": "dense", "units": 4, "tie": {"W": "encoder.W.T"}},
        {"type": "dense", "units": 3, "tie": {"W": "encoder.W", "b": "encoder.b"}},
    ]
    there, here = both(spec(*layers, optimizer="adam", weight_decay=0.1, clip_norm=0.1))
    same(there, here)
    first, second, third = (layer.params["W"] for layer in there.network.layers[:3])
    assert np.array_equal(first, second.T)
    assert np.array_equal(first, third)


SLOW = pytest.mark.slow
NAMES = [
    pytest.param(name, marks=SLOW if "0" in name or "conv" in name else ())  # the deep ones
    for name in sorted(ready_specs())
]


@pytest.mark.parametrize("name", NAMES)
def test_ready_specs(name: str) -> None:
    for dtype in TOLERANCE:
        settings = [f"dtype={dtype}", "train.epochs=1", "train.batch_size=8"]
        normed = any("batchnorm" in repr(layer) for layer in as_spec(name).layers)
        # adam makes a step of a gradient that is rounding alone: a bias's before batchnorm
        if dtype == "float32" or normed:
            settings.append('train.optimizer={"type": "sgd", "learning_rate": 0.003}')
        resolved = as_spec(name, settings)
        shape, labels = resolved.in_shape, (resolved.output or {}).get("classes")
        n = 3 * len(labels or "1234567")
        x = np.random.default_rng(2).random((n, *shape))
        if labels is None:
            y: Any = np.random.default_rng(3).random(n)
        else:
            y = [labels[i % len(labels)] for i in range(n)]
        there, here = both(name, data=(x, y), settings=settings)
        same(there, here, x)


def test_a_file_is_the_cpus_up_to_rounding(tmp_path: Path) -> None:
    given = spec(optimizer="adam", callbacks=[{"type": "early_stopping", "patience": 9}])
    there, here = both(given)
    paths = tmp_path / "there.layerkit", tmp_path / "here.layerkit"
    for model, path in zip((there, here), paths, strict=True):
        layerkit.save(model, path)
    found, wanted = map(layerkit.load, paths)
    assert found.device == "cpu"
    assert found.spec == wanted.spec
    assert found.fit == wanted.fit
    assert found.leftovers.tensors.keys() == wanted.leftovers.tensors.keys()
    for name, array in wanted.leftovers.tensors.items():
        np.testing.assert_allclose(found.leftovers.tensors[name], array, rtol=1e-12, atol=1e-12)
    told = [dict(model.leftovers.training or {}) for model in (found, wanted)]
    states = [one.pop("callbacks") for one in told]
    assert json.dumps(told[0]) == json.dumps(told[1])
    assert states[0].keys() == states[1].keys()


@pytest.mark.parametrize("first", ["strict", "cpu"])
@pytest.mark.parametrize("then", ["strict", "cpu"])
def test_a_training_goes_on_anywhere(first: str, then: str, register: Register) -> None:
    register(Dropout)
    layers = {"type": "dense", "units": 5}, {"type": Dropout.type_name}
    given = spec(*layers, optimizer="adam", epochs=5)
    whole = layerkit.train(given, data=(X, LABELS)).model
    model = layerkit.train(given, data=(X, LABELS), settings=["train.epochs=2"], device=first).model
    done = layerkit.resume(model, data=(X, LABELS), epochs=5, device=then).model
    assert done.device == then
    for name, array in whole.tensors().items():
        np.testing.assert_allclose(done.tensors()[name], array, rtol=1e-12, atol=1e-12)


def test_an_interrupted_epoch_is_undone() -> None:
    class Stop(Listener):
        def stop(self) -> bool:
            return Strict.steps == 5

    given = spec(optimizer="adam")
    run = layerkit.train(given, data=(X, LABELS), device="strict", listener=Stop())
    assert (run.ended, run.epochs, Strict.steps) == ("interrupted", 1, 5)
    once = layerkit.train(given, data=(X, LABELS), settings=["train.epochs=1"])
    np.testing.assert_allclose(run.model.network.params, once.model.network.params, rtol=1e-12)
    done = layerkit.resume(run.model, data=(X, LABELS)).model
    assert done.device == "strict"
    whole = layerkit.train(given, data=(X, LABELS))
    np.testing.assert_allclose(done.network.params, whole.model.network.params, rtol=1e-11)


def test_a_training_that_diverges_says_what_it_says_on_the_cpu() -> None:
    given = spec(
        {"type": "dense", "units": 50, "activation": "relu"},
        optimizer={"type": "sgd", "learning_rate": 1e40},
        dtype="float32",
    )
    said = []
    for device in ("strict", "cpu"):
        with pytest.raises(TrainingDivergedError) as raised:
            layerkit.train(given, data=(X, LABELS), device=device)
        error = raised.value
        said.append((error.epoch, error.batch, error.hint, error.last_good))
    assert said[0] == said[1]


def test_a_model_moves_and_comes_back() -> None:
    model = layerkit.train(spec(optimizer="adam"), data=(X, LABELS)).model
    wanted = model.predict(X)
    assert model.to("strict") is model
    assert model.device == "strict"
    there = model.predict(X)
    assert there.dtype == wanted.dtype
    np.testing.assert_allclose(there, wanted, rtol=1e-12)
    assert there.tobytes() != b""
    for rows in (X[:1], X[:0], X[0]):
        np.testing.assert_allclose(model.predict(rows), model.to("cpu").predict(rows), rtol=1e-12)
        model.to("strict")
    model.set_tensors({name: 2 * array for name, array in model.tensors().items()})
    twice = model.predict(X)
    assert not np.allclose(twice, wanted)
    np.testing.assert_allclose(model.to("cpu").predict(X), twice, rtol=1e-12)
    assert layerkit.train(model.to("strict"), data=(X, LABELS)).model.device == "strict"


def test_many_rows_are_moved_in_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    model = layerkit.train(spec(optimizer="adam"), data=(X, LABELS)).model
    rows = np.random.default_rng(0).standard_normal((2 * model.block_rows + 1, 4))
    wanted = model.predict(rows)
    np.testing.assert_allclose(model.to("strict").predict(rows), wanted, rtol=1e-12)
    again = [model.predict(rows[i : i + model.block_rows]) for i in range(0, len(rows), 8192)]
    assert np.concatenate(again).tobytes() == model.predict(rows).tobytes()


class Lacking(Layer):
    type_name = "test.lacking"

    def plan(self, in_shape: Any) -> Any:
        return layerkit.Plan(in_shape)

    def feed(self, x: Any, ctx: Any) -> Any:
        return x + 0 * np.sinc(x)

    def backprop(self, dy: Any, ctx: Any) -> Any:
        return dy


class Updating(Lacking):
    type_name = "test.updating"

    def feed(self, x: Any, ctx: Any) -> Any:
        return x

    def update(self, rule: Any) -> None:
        super().update(rule)


class Steering(Optimizer):
    type_name = "test.steering"

    def __init__(self, *, learning_rate: float = 0.1) -> None:
        self.learning_rate = learning_rate

    def rule(self, p: Any, g: Any, slots: Any, scratch: Any) -> None:
        p -= self.rate * g if self.steps > 1 else 0


@pytest.mark.parametrize(
    ("part", "words"),
    [
        (
            Lacking,
            r"layer 'test-lacking_1' .*test_on_a_device.py:[0-9]+: .*'sinc' has no form there",
        ),
        (Updating, "layer 'test-updating_1' cannot run .* it has an update of its own"),
        (Clipped, "layer 'strangers-clipped_1' cannot run on the device 'strict': "),
    ],
)
def test_what_cannot_run_there_is_refused(part: Any, words: str, register: Register) -> None:
    register(part)
    given = spec({"type": part.type_name}, optimizer="adam")
    with pytest.raises(DeviceError, match=words):
        layerkit.train(given, data=(X, LABELS), device="strict")
    assert layerkit.train(given, data=(X, LABELS)).epochs == 3


def test_an_optimizer_that_cannot_be_recorded_is_refused(register: Register) -> None:
    register(Steering)
    words = "the optimizer 'test.steering' cannot run on the device 'strict': "
    with pytest.raises(DeviceError, match=words):
        layerkit.train(spec(optimizer="test.steering"), data=(X, LABELS), device="strict")


class Wrong(Strict):
    """Its tanh is not NumPy's."""

    type_name = "wrong"
    wrong: str = "tanh"

    @property
    def xp(self) -> Any:
        from types import SimpleNamespace

        real = super().xp
        names = {name: getattr(real, name) for name in dir(real) if not name.startswith("_")}
        names[self.wrong] = lambda x, *args, **kw: 1.01 * getattr(real, self.wrong)(x, *args, **kw)
        return SimpleNamespace(**names)


@pytest.mark.parametrize(
    ("function", "words"),
    [
        ("tanh", "the device 'wrong' cannot be used: dense_1: .*gives another y"),
        ("log", "the loss 'softmax_cross_entropy' cannot run on the device 'wrong'"),
        ("sqrt", "the optimizer 'adam' cannot run on the device 'wrong'"),
    ],
)
def test_a_device_that_computes_something_else_is_found(
    function: str, words: str, register: Register, monkeypatch: pytest.MonkeyPatch
) -> None:
    register(Wrong)
    monkeypatch.setattr(Wrong, "wrong", function)
    with pytest.raises(DeviceError, match=words):
        layerkit.train(spec(optimizer="adam"), data=(X, LABELS), device="wrong")
    model = layerkit.train(spec(optimizer="adam"), data=(X, LABELS)).model.to("wrong")
    if function == "tanh":
        with pytest.raises(DeviceError, match=words):
            model.predict(X)


@pytest.mark.parametrize("method", ["put", "get", "write", "captured"])
def test_a_device_that_fails_is_named(
    method: str, register: Register, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Failing(Strict):
        type_name = "failing"

    def fails(*_: object) -> None:
        raise RuntimeError("an illegal memory access was encountered")

    register(Failing)
    model = layerkit.train(spec(optimizer="adam"), data=(X, LABELS), device="failing").model
    monkeypatch.setattr(Failing, method, fails)
    words = (
        "the device 'failing'(.*illegal memory access|: its rule has no form there, or one that)"
    )
    with pytest.raises(DeviceError, match=words):
        layerkit.train(spec(optimizer="adam"), data=(X, LABELS), device="failing")
    if method in ("put", "get"):
        with pytest.raises(DeviceError, match=words):
            model.predict(X)


def test_layers_are_not_run_as_written_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAYERKIT_EAGER", "1")
    with pytest.raises(DeviceError, match="LAYERKIT_EAGER=1 runs every layer as it is written"):
        layerkit.train(spec(optimizer="adam"), data=(X, LABELS), device="strict")


def test_notices_are_the_same() -> None:
    class Notes(Listener):
        def __init__(self) -> None:
            self.told: list[str] = []

        def notice(self, text: str) -> None:
            self.told.append(text)

    notes = {}
    for device in ("strict", "cpu"):
        notes[device] = Notes()
        options: dict[str, Any] = {"settings": ["train.epochs=1"], "listener": notes[device]}
        layerkit.train("article-digits", device=device, **options)
    assert notes["strict"].told == notes["cpu"].told
    assert any("the carry is saturated" in text for text in notes["cpu"].told)


def test_an_unknown_device_is_refused_before_rows_are_read() -> None:
    with pytest.raises(UnknownTypeError, match="unknown device 'strct'; did you mean 'strict'"):
        layerkit.train(spec(optimizer="adam"), data="nowhere.csv", device="strct")


def test_batches_whose_rows_all_have_weight_zero() -> None:
    given = spec(optimizer="sgd", batch_size=2)
    weights = np.where(np.arange(50) % 5 > 2, 1.0, 0.0)
    same(*both(given, data={"train": Rows(X, labels=LABELS)}, sample_weight=weights))
