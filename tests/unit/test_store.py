"""Models to files and back."""

from __future__ import annotations

import importlib.util
import io
import os
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import layerkit
from layerkit import (
    Array,
    Context,
    CorruptFileError,
    DataError,
    Layer,
    Model,
    Param,
    Plan,
    Rows,
    SelfTestError,
    Shape,
    SpecError,
    TensorMismatchError,
    TruncatedFileError,
)
from layerkit.codec import open_document, write

Register = Callable[[Any], Any]

SHARED = Path(os.environ.get("LAYERKIT_SHARED", Path(__file__).parents[3] / "shared"))
VERIFIER = SHARED / "format" / "lkverify.py"


def spec(**changes: Any) -> dict[str, Any]:
    base: dict[str, Any] = {
        "layerkit": 1,
        "name": "stored",
        "input": {"shape": [3], "scale": "standardize"},
        "layers": [
            {"type": "dense", "units": 4, "activation": {"type": "leaky_relu", "slope": 0.2}},
            {"type": "highway", "gate_bias": -1.0, "repeat": 2},
            {"type": "projection", "units": 5},
            {"type": "dense", "units": 2},
        ],
        "train": {"epochs": 2, "batch_size": 8, "validation": 0.25},
    }
    return {**base, **changes}


def data(n: int = 40) -> dict[str, Rows]:
    x = np.random.default_rng(0).standard_normal((n, 3)) * [1, 10, 100] + [0, 5, -5]
    return {"train": Rows(x, labels=np.where(x[:, 0] > 0, "pos", "neg"))}


@pytest.fixture(scope="module")
def trained() -> Model:
    model = layerkit.train(spec(), data=data()).model
    model.metadata = {"license": "MIT", "note": {"a": [1, 2.5, None, True, "é"]}}
    return model


def as_bytes(model: Model, **options: Any) -> bytes:
    stream = io.BytesIO()
    layerkit.save(model, stream, **options)
    return stream.getvalue()


def read(raw: bytes, **options: Any) -> Model:
    return layerkit.load(io.BytesIO(raw), **options)


X = np.random.default_rng(5).standard_normal((17, 3)) * 20


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_predictions_are_equal_to_the_last_bit(dtype: str) -> None:
    model = layerkit.train(spec(dtype=dtype), data=data()).model
    again = read(as_bytes(model))
    assert again.predict(X).tobytes() == model.predict(X).tobytes()
    assert again.classify(X).tolist() == model.classify(X).tolist()
    assert again.network.params.tobytes() == model.network.params.tobytes()
    assert again.network.dtype == np.dtype(dtype)


def test_everything_comes_back(trained: Model) -> None:
    again = read(as_bytes(trained))
    assert again.spec.to_document() == trained.spec.to_document()
    assert again.contract == trained.contract
    assert again.metrics == trained.metrics
    assert again.metadata == trained.metadata
    assert again.name == "stored"
    assert again.classes == ("neg", "pos")
    assert list(again.history) == sorted(trained.history)
    for name, series in trained.history.items():
        assert again.history[name].dtype == np.float64
        np.testing.assert_array_equal(again.history[name], series)


def test_saving_what_was_loaded_gives_the_same_bytes(trained: Model) -> None:
    first = as_bytes(trained)
    second = as_bytes(read(first))
    assert second == first
    assert as_bytes(read(second)) == first
    assert as_bytes(trained) == first


def test_a_file_and_a_stream_hold_the_same_bytes(trained: Model, tmp_path: Path) -> None:
    path = tmp_path / "m.layerkit"
    file_id = layerkit.save(trained, path)
    assert path.read_bytes() == as_bytes(trained)
    assert file_id == layerkit.inspect(path).file_id
    loaded = layerkit.load(str(path))
    assert (loaded.path, loaded.file_id) == (str(path), file_id)
    assert read(path.read_bytes()).path is None


def test_saving_notes_where_and_what(trained: Model, tmp_path: Path) -> None:
    model = read(as_bytes(trained))
    file_id = layerkit.save(model, tmp_path / "n.layerkit")
    assert (model.path, model.file_id) == (str(tmp_path / "n.layerkit"), file_id)


def test_a_changed_weight_changes_the_file(trained: Model) -> None:
    model = read(as_bytes(trained))
    model.network.params[0] += 1
    raw = as_bytes(model)
    assert raw != as_bytes(trained)
    assert read(raw).predict(X).tobytes() == model.predict(X).tobytes()


SCRIPT = """
import sys, numpy as np, layerkit
from layerkit import Rows
x = np.random.default_rng(0).standard_normal((30, 3))
rows = Rows(x, labels=np.where(x[:, 0] > 0, "p", "n"))
spec = {"layerkit": 1, "input": {"shape": [3], "scale": "minmax"},
        "layers": [{"type": "dense", "units": 4}, {"type": "highway", "activation": "tanh"},
                   {"type": "dense", "units": 2}],
        "train": {"epochs": 2, "validation": 0.2, "metrics": ["accuracy", "log_loss"],
                  "class_weights": {"n": 2, "p": 1}, "seed": 7}}
model = layerkit.train(spec, data={"train": rows}).model
model.metadata = {k: k for k in {"b", "a", "c", "d"}}
layerkit.save(model, sys.argv[1])
"""


def test_equal_seeds_give_equal_bytes_in_any_process(tmp_path: Path) -> None:
    for seed in ("0", "1", "4242"):
        done = [sys.executable, "-c", SCRIPT, str(tmp_path / seed)]
        subprocess.run(done, env={**os.environ, "PYTHONHASHSEED": seed}, check=True)
    raws = {(tmp_path / seed).read_bytes() for seed in ("0", "1", "4242")}
    assert len(raws) == 1


def verified(path: Path) -> str:
    done = subprocess.run(
        [sys.executable, str(VERIFIER), str(path)], capture_output=True, text=True, check=False
    )
    return done.stdout + done.stderr


@pytest.mark.skipif(not VERIFIER.exists(), reason="the independent verifier (shared/) is not here")
@pytest.mark.parametrize("kind", ["trained", "built", "no layers", "local", "state", "regression"])
def test_the_independent_verifier_accepts(
    kind: str, trained: Model, tmp_path: Path, register: Register
) -> None:
    register(Stateful)
    models: dict[str, Callable[[], Model]] = {
        "trained": lambda: trained,
        "built": lambda: layerkit.build(spec()),
        "no layers": lambda: layerkit.build(spec(layers=[])),
        "local": lambda: layerkit.build(spec(layers=[{"type": "test.stateful"}])),
        "state": lambda: (
            layerkit.train(
                spec(layers=[{"type": "test.stateful"}, {"type": "dense", "units": 2}]), data=data()
            ).model
        ),
        "regression": _regression,
    }
    path = tmp_path / "m.layerkit"
    layerkit.save(models[kind](), path)
    assert verified(path).startswith(f"{path}: OK")


def _regression() -> Model:
    table = {"a": np.arange(12.0), "b": np.arange(12.0)[::-1].copy(), "t": np.arange(12.0) * 3}
    return layerkit.train(
        spec(
            input={"columns": ["a", "b"], "scale": "minmax", "missing": "mean"},
            layers=[{"type": "dense", "units": 1}],
            output={"targets": ["t"], "scale": "standardize"},
        ),
        data={"train": Rows(columns=table)},
    ).model


def test_a_regression_round_trips() -> None:
    model = _regression()
    again = read(as_bytes(model))
    rows = {"b": [1.0, np.nan], "a": [2.0, 3.0], "other": ["x", "y"]}
    assert again.predict(rows).tobytes() == model.predict(rows).tobytes()
    assert again.contract.to_spec() == model.contract.to_spec()


class Stateful(Layer):
    """Adds a parameter; its state counts how often it was fed in training."""

    type_name = "test.stateful"

    def plan(self, in_shape: Shape) -> Plan:
        return Plan(in_shape, {"b": Param(in_shape, 0.25)}, {"count": Param((), 0.0)})

    def feed(self, x: Array, ctx: Context) -> Array:
        if ctx.training:
            self.state["count"] += 1
        y: Array = x + self.params["b"] + self.state["count"]
        return y

    def backprop(self, dy: Array, ctx: Context) -> Array:
        self.grads["b"][...] = dy.sum(axis=0)
        return dy


def test_state_is_kept(register: Register) -> None:
    register(Stateful)
    layers = [{"type": "test.stateful", "name": "s"}, {"type": "dense", "units": 2}]
    model = layerkit.train(spec(layers=layers), data=data()).model
    count = float(model.network.layers[0].state["count"])
    assert count == 8
    again = read(as_bytes(model))
    assert float(again.network.layers[0].state["count"]) == count
    assert again.predict(X).tobytes() == model.predict(X).tobytes()
    before = as_bytes(model)
    model.network.layers[0].state["count"][...] = 3
    assert as_bytes(model) != before


def test_loaded_parameters_are_writable_copies(trained: Model) -> None:
    raw = as_bytes(trained)
    one, two = read(raw), read(raw)
    one.network.params[...] = 0
    assert one.network.params.flags.writeable
    assert two.predict(X).tobytes() == trained.predict(X).tobytes()


def test_an_unfitted_model_can_be_kept_and_still_refuses(tmp_path: Path) -> None:
    path = tmp_path / "u.layerkit"
    layerkit.save(layerkit.build(spec()), path)
    again = layerkit.load(path)
    with pytest.raises(DataError, match="built but not trained"):
        again.predict(X)
    assert "selftest" not in layerkit.inspect(path).header


@pytest.mark.parametrize("way", ["same object", "loaded"])
def test_a_saved_but_untrained_model_can_be_trained(way: str) -> None:
    given = spec(input={"shape": [3]})
    model = layerkit.build(given)
    raw = as_bytes(model)
    model = model if way == "same object" else read(raw)
    run = layerkit.train(model, data=data())
    wanted = layerkit.train(given, data=data()).model
    assert run.model.classes == ("neg", "pos")
    assert run.model.network.params.tobytes() == wanted.network.params.tobytes()


def test_training_goes_on_alike_from_memory_and_from_a_file() -> None:
    kept = layerkit.train(spec(), data=data()).model
    loaded = read(as_bytes(kept))
    x = np.random.default_rng(9).standard_normal((30, 3))
    more = {"train": Rows(x, labels=np.where(x[:, 1] > 0, "pos", "neg"))}
    for model in (kept, loaded):
        layerkit.train(model, data=more)
    assert as_bytes(kept) == as_bytes(loaded)


def test_a_wrong_id_is_refused(trained: Model) -> None:
    raw = as_bytes(trained)
    right = layerkit.inspect(io.BytesIO(raw)).file_id
    assert read(raw, expected_id=right).file_id == right
    with pytest.raises(CorruptFileError) as caught:
        read(raw, expected_id="sha256:" + "1" * 64)
    assert right in str(caught.value)
    assert "1" * 64 in str(caught.value)


def test_every_flipped_bit_is_noticed(trained: Model) -> None:
    raw = bytearray(as_bytes(trained))
    for place in range(0, len(raw), 97):
        raw[place] ^= 0x10
        with pytest.raises(layerkit.ModelFileError):
            read(bytes(raw))
        raw[place] ^= 0x10


def test_a_cut_file_is_truncated(trained: Model) -> None:
    raw = as_bytes(trained)
    for size in (10, 76, 300, len(raw) - 1):
        with pytest.raises(TruncatedFileError):
            read(raw[:size])


# ---- files that are well formed but say something else than their layers


def forged(
    trained: Model,
    *,
    tensors: Callable[[dict[str, Any]], None] = lambda t: None,
    header: Callable[[dict[str, Any]], None] = lambda h: None,
) -> bytes:
    """The file of ``trained`` with tensors {name: (role, array)} and sections changed."""
    with open_document(io.BytesIO(plain_bytes(trained))) as document:
        arrays: dict[str, Any] = {
            name: (document.tensors[name].role, array) for name, array in document.read().items()
        }
        sections = document.header
    tensors(arrays)
    header(sections)
    stream = io.BytesIO()
    history = sections.get("history", {})
    write(
        stream,
        spec=sections["spec"],
        types=sections["types"],
        tensors=arrays,
        aliases=sections["aliases"],
        metadata=sections["metadata"],
        history={k: v["unit"] for k, v in history.items()},
        metrics=sections.get("metrics", {}),
        training=sections.get("training"),
        selftest=sections.get("selftest"),
    )
    return stream.getvalue()


def plain_bytes(model: Model) -> bytes:
    """Without training state, whose tensors must match the parameters too."""
    return as_bytes(model, weights_only=True)


def test_a_forgery_without_changes_is_the_file(trained: Model) -> None:
    assert forged(trained) == plain_bytes(trained)


def test_all_wrong_tensors_are_listed_together(trained: Model) -> None:
    def change(tensors: dict[str, Any]) -> None:
        del tensors["dense_1.b"]
        del tensors["projection_1.WA"]
        tensors["dense_2.V"] = ("param", np.zeros((2, 2), np.float32))
        tensors["highway_1.WH"] = ("param", np.zeros((4, 3), np.float32))
        tensors["highway_2.bT"] = ("param", np.zeros(4, np.float64))
        tensors["dense_2.b"] = ("state", np.zeros(2, np.float32))

    with pytest.raises(TensorMismatchError) as caught:
        read(forged(trained, tensors=change))
    error = caught.value
    assert error.missing == ("dense_1.b", "projection_1.WA")
    assert error.unexpected == ("dense_2.V",)
    assert [m[0] for m in error.mismatched] == ["dense_2.b", "highway_1.WH", "highway_2.bT"]
    for word in ("dense_1.b", "dense_2.V", "[4, 3]", "[4, 4]", "f64", "state"):
        assert word in str(error)


def test_a_layer_that_computes_differently_fails_the_self_test(trained: Model) -> None:
    def change(tensors: dict[str, Any]) -> None:
        role, output = tensors["selftest/output"]
        output[2, 1] += 0.01
        tensors["selftest/output"] = (role, output)

    raw = forged(trained, tensors=change)
    with pytest.raises(SelfTestError) as caught:
        read(raw)
    assert caught.value.index == (2, 1)
    assert caught.value.max_abs == pytest.approx(0.01, rel=1e-3)
    assert "selftest=False" in str(caught.value)
    assert read(raw, selftest=False).predict(X).tobytes() == trained.predict(X).tobytes()


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_self_test_that_turns_up_no_number(trained: Model, bad: float) -> None:
    def change(tensors: dict[str, Any]) -> None:
        tensors["selftest/output"][1][0, 0] = bad

    with pytest.raises(SelfTestError) as caught:
        read(forged(trained, tensors=change))
    assert caught.value.index == (0, 0)


def test_a_small_difference_of_the_libraries_is_let_through(trained: Model) -> None:
    def change(tensors: dict[str, Any]) -> None:
        tensors["selftest/output"][1][...] += 5e-6

    read(forged(trained, tensors=change))


class Drift(Layer):
    """Multiplies by a number outside its settings: what a changed plugin does."""

    type_name = "test.drift"
    factor = 1.0

    def plan(self, in_shape: Shape) -> Plan:
        return Plan(in_shape)

    def feed(self, x: Array, ctx: Context) -> Array:
        if self.factor == 0:
            raise RuntimeError("no more")
        if self.factor < 0:
            return x[:, :1]
        y: Array = x * x.dtype.type(self.factor)
        return y

    def backprop(self, dy: Array, ctx: Context) -> Array:
        return dy


@pytest.mark.parametrize(
    ("factor", "word"), [(1.01, "largest difference"), (0.0, "RuntimeError"), (-1.0, "shape")]
)
def test_a_plug_in_that_changed_is_noticed(register: Register, factor: float, word: str) -> None:
    register(Drift)
    model = layerkit.build(spec(input={"shape": [3]}, layers=[{"type": "test.drift"}]))
    raw = as_bytes(model)
    assert read(raw).predict(X).shape == X.shape
    register(type("Drifted", (Drift,), {"factor": factor}))
    with pytest.raises(SelfTestError, match=word):
        read(raw)
    assert read(raw, selftest=False).network.size == 0


def test_a_loaded_self_test_is_written_back_while_the_model_is_unchanged(trained: Model) -> None:
    def change(tensors: dict[str, Any]) -> None:
        tensors["selftest/output"][1][...] += 5e-6

    raw = forged(trained, tensors=change)
    model = read(raw)
    assert as_bytes(model) == raw
    model.network.params[0] *= 2
    saved = layerkit.load_tensors(io.BytesIO(as_bytes(model)))
    rows, outputs = saved["selftest/input"], saved["selftest/output"]
    np.testing.assert_array_equal(outputs, model.predict_as_written(rows))
    np.testing.assert_allclose(outputs, model.predict(rows), rtol=1e-6)  # by another form


SPOILED: list[tuple[str, Callable[[dict[str, Any]], Any]]] = [
    ("spec.other", lambda h: h["spec"].update(other=1)),
    ("spec.model.layers[0].config.units", lambda h: _config(h).update(units="four")),
    ("spec.model.layers[0].config.unit", lambda h: _config(h).update(unit=4)),
    ("spec.model.dtype", lambda h: h["spec"]["model"].update(dtype="float16")),
    ("spec.model.nonsense", lambda h: h["spec"]["model"].update(nonsense=[])),
    ("spec.model.train.epochs", lambda h: h["spec"]["model"]["train"].update(epochs=0)),
    ("spec.data.input", lambda h: h["spec"]["data"].update(input=5)),
    ("spec.data.input.shape", lambda h: _reshape(h)),
]


def _config(header: dict[str, Any]) -> dict[str, Any]:
    config: dict[str, Any] = header["spec"]["model"]["layers"][0]["config"]
    return config


def _reshape(header: dict[str, Any]) -> None:
    found = header["spec"]["data"]["input"]
    found["shape"] = [4]
    for pair in (found["scaler"], found["range"]):
        for key in pair:
            pair[key] = [*pair[key], 1.0]


@pytest.mark.parametrize(("place", "spoil"), SPOILED, ids=[p for p, _ in SPOILED])
def test_a_spec_in_a_file_is_held_to_the_rules(
    trained: Model, place: str, spoil: Callable[[dict[str, Any]], Any]
) -> None:
    with pytest.raises(SpecError) as caught:
        read(forged(trained, header=spoil))
    assert caught.value.location == place


def test_a_recipe_whose_parts_are_gone_does_not_stop_a_load(trained: Model) -> None:
    def change(header: dict[str, Any]) -> None:
        train = header["spec"]["model"]["train"]
        train["optimizer"] = {"type": "acme.gone", "learning_rate": 1.0}
        train["loss"] = "acme.loss"
        train["metrics"] = ["acme.metric"]
        train["schedule"] = "acme.schedule"

    model = read(forged(trained, header=change))
    assert model.predict(X).tobytes() == trained.predict(X).tobytes()
    with pytest.raises(layerkit.UnknownTypeError):
        layerkit.train(model, data=data())


def test_a_recipe_whose_parts_are_broken_does_not_stop_a_load(
    trained: Model, install: Callable[..., Path]
) -> None:
    points = "".join(
        f"[layerkit.{kind}]\nacme.{kind} = acme_broken_parts:X\n"
        for kind in ("optimizers", "losses", "metrics", "schedules")
    )
    install("acme-broken-parts", points, {"acme_broken_parts": "raise RuntimeError('broken')"})

    def change(header: dict[str, Any]) -> None:
        train = header["spec"]["model"]["train"]
        train["optimizer"] = {"type": "acme.optimizers"}
        train["loss"], train["schedule"] = "acme.losses", "acme.schedules"
        train["metrics"] = ["acme.metrics"]

    model = read(forged(trained, header=change))
    assert model.predict(X).tobytes() == trained.predict(X).tobytes()


def test_a_huge_width_in_a_file_allocates_nothing(trained: Model) -> None:
    def change(header: dict[str, Any]) -> None:
        _config(header)["units"] = 10**12

    with pytest.raises(layerkit.ModelFileError):
        read(forged(trained, header=change))


def test_tied_weights_come_back_and_stay_tied_in_the_file(trained: Model) -> None:
    def tie(tensors: dict[str, Any]) -> None:
        del tensors["highway_2.WH"]
        for name in ("selftest/input", "selftest/output"):
            del tensors[name]

    def alias(header: dict[str, Any]) -> None:
        header["aliases"] = {"highway_2.WH": "highway_1.WH"}
        del header["selftest"]

    raw = forged(trained, tensors=tie, header=alias)
    model = read(raw)
    _, first, second, *_ = model.network.layers
    np.testing.assert_array_equal(second.params["WH"], first.params["WH"])
    assert not np.shares_memory(second.params["WH"], first.params["WH"])
    header = layerkit.inspect(io.BytesIO(as_bytes(model))).header
    assert header["aliases"] == {"highway_2.WH": "highway_1.WH"}
    second.params["WH"][0, 0] += 1
    loose = as_bytes(model)
    assert layerkit.inspect(io.BytesIO(loose)).header["aliases"] == {}
    assert read(loose).predict(X).tobytes() == model.predict(X).tobytes()

    told: list[str] = []

    class Notices(layerkit.Listener):
        def notice(self, text: str) -> None:
            told.append(text)

    layerkit.train(read(raw), data=data(), listener=Notices())
    assert told == ["tied weights are trained and saved separately: highway_2.WH"]


# ---- writing


def test_an_existing_file_may_be_kept(trained: Model, tmp_path: Path) -> None:
    path = tmp_path / "m.layerkit"
    path.write_text("old")
    with pytest.raises(FileExistsError):
        layerkit.save(trained, path, overwrite=False)
    assert path.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["m.layerkit"]
    layerkit.save(trained, path)
    assert path.read_bytes() == as_bytes(trained)


@pytest.mark.parametrize("bad", [{"x": np.float64(1).dtype}, {"x": float("nan")}, {1: "x"}])
def test_notes_that_no_file_can_hold_leave_the_old_file(
    trained: Model, tmp_path: Path, bad: Any
) -> None:
    model = read(as_bytes(trained))
    path = tmp_path / "m.layerkit"
    layerkit.save(model, path)
    before = path.read_bytes()
    model.metadata = bad
    with pytest.raises(layerkit.ModelFileError):
        layerkit.save(model, path)
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["m.layerkit"]


def test_check_reads_the_file_back(trained: Model, tmp_path: Path) -> None:
    layerkit.save(trained, tmp_path / "m", check=True, durable=False)
    assert (tmp_path / "m").read_bytes() == as_bytes(trained)
    assert stat.S_IMODE((tmp_path / "m").stat().st_mode) & 0o400


def test_missing_files_and_folders_are_os_errors(trained: Model, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        layerkit.load(tmp_path / "none")
    with pytest.raises(FileNotFoundError):
        layerkit.save(trained, tmp_path / "no" / "folder")
    with pytest.raises(layerkit.NotAModelFileError):
        layerkit.load(tmp_path)


def test_a_layer_with_settings_called_like_fields_round_trips(register: Register) -> None:
    register(Odd)
    layers = [{"type": "test.odd", "config": {"config": 5, "type": "u", "name": "v", "copy": 3}}]
    model = layerkit.build(spec(input={"shape": [3]}, layers=layers))
    config = {"config": 5, "type": "u", "name": "v", "copy": 3, "repeat": 1, "schema": "s"}
    assert model.spec.layers[0].config == config
    assert read(as_bytes(model)).spec.layers[0].config == config


class Odd(Drift):
    """Settings whose names mean something elsewhere."""

    type_name = "test.odd"

    def __init__(
        self,
        *,
        config: int = 1,
        type: str = "t",  # the point of the test
        name: str = "n",
        repeat: int = 1,
        copy: int = 2,
        schema: str = "s",
    ) -> None:
        self.given = (config, type, name, repeat, copy, schema)


def test_what_only_layers_can_refuse_is_refused(trained: Model) -> None:
    """The cases of shared/format/hostile.py whose fault lies in spec, config or self-test."""
    source = SHARED / "format" / "hostile.py"
    if not source.exists():
        pytest.skip("the hostile-file generator (shared/) is not here")
    hostile = _module(source)
    for name in set(hostile.CASES) - hostile.LAYER_CODE:
        del hostile.CASES[name]
    wrong: list[str] = []
    ran = 0
    for case, raw in hostile.generate(plain_bytes(trained), light=True):
        if "skipped" in case:
            continue
        ran += 1
        found = "OK"
        try:
            read(bytes(raw))
        except layerkit.ModelFileError as error:
            found = type(error).__name__
        if found not in case["expect"]:
            wrong.append(f"{case['name']}: {found}, wanted {case['expect']}")
    assert ran >= 5
    assert wrong == []


def _module(path: Path) -> Any:
    folder = str(path.parent)
    sys.path.insert(0, folder)
    try:
        made = importlib.util.spec_from_file_location("shared_hostile", path)
        assert made is not None
        assert made.loader is not None
        module = importlib.util.module_from_spec(made)
        made.loader.exec_module(module)
    finally:
        sys.path.remove(folder)
    return module


@pytest.mark.parametrize("change", [["b", "a"], ["a", "c"], ["a"], "learn"])
def test_categories_that_spec_and_contract_disagree_about(change: Any) -> None:
    column = {"name": "c", "categories": ["a", "b"]}
    given = spec(
        input={"columns": ["x", column]}, layers=[{"type": "dense", "units": 2}],
        output={"column": "y"}, train={"epochs": 1},
    )  # fmt: skip
    data = {"x": [1.0, 2.0], "c": ["b", "a"], "y": ["p", "q"]}
    model = layerkit.train(given, data=data).model

    def spoil(header: dict[str, Any]) -> None:
        header["spec"]["model"]["input"]["columns"][1]["categories"] = change

    assert read(forged(model, header=lambda h: None)).predict(data).shape == (2, 2)
    with pytest.raises((SpecError, TensorMismatchError)):
        read(forged(model, header=spoil))
