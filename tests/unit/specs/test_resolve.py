"""Defaults filled in, repeats unrolled, names given; flat and resolved forms; round trips."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest

import layerkit
from layerkit import Array, Context, Layer, ModelFileError, Plan, PluginLoadError, Shape, SpecError
from layerkit.fields import ActivationName, Fraction, Later, Positive, Range, ScheduleName, Size
from layerkit.specs import read_spec
from layerkit.specs.sections import DIALECT

MODELS = Path(__file__).parents[3] / "models"
Register = Callable[[Any], Any]


def spec(*layers: Any, **changes: Any) -> dict[str, Any]:
    base: dict[str, Any] = {"layerkit": 1, "input": {"shape": [4]}, "layers": list(layers)}
    return {**base, **changes}


def settings(entry: dict[str, Any]) -> dict[str, Any]:
    return read_spec(spec(entry)).layers[0].config


class Passing(Layer):
    type_name = "test.passing"

    def plan(self, in_shape: Shape) -> Plan:
        return Plan(in_shape)

    def feed(self, x: Array, ctx: Context) -> Array:
        return x

    def backprop(self, dy: Array, ctx: Context) -> Array:
        return dy


def test_all_defaults_are_filled_in() -> None:
    found = read_spec(spec({"type": "dense", "units": 2}, train={}))
    assert found.name == "model"
    assert found.dtype == "float32"
    assert found.input == {
        "shape": [4],
        "columns": None,
        "scale": None,
        "missing": "error",
        **dict.fromkeys(DIALECT),
        "missing_values": [],
    }
    assert found.to_document()["input"].keys() == {"shape", "columns", "scale", "missing"}
    assert found.layers[0].config == {
        "units": 2,
        "activation": "linear",
        "initializer": "glorot_uniform",
        "use_bias": True,
        "freeze": False,
    }
    assert found.output == {"classes": None, "column": None, "targets": None, "scale": None}
    assert found.link == "softmax"
    assert found.train is not None
    assert found.train["loss"] == {"type": "softmax_cross_entropy", "label_smoothing": 0.0}
    assert found.train["optimizer"]["type"] == "adam"
    assert found.train["optimizer"]["learning_rate"] == 0.001
    assert found.train["metrics"] == ["accuracy"]
    assert (found.train["batch_size"], found.train["epochs"], found.train["seed"]) == (32, 10, 0)
    assert "layerkit" not in found.train


def test_targets_choose_loss_metrics_and_link() -> None:
    layer = {"type": "dense", "units": 1}
    found = read_spec(spec(layer, output={"targets": ["t"]}, train={}))
    assert found.train is not None
    assert found.train["loss"] == "mse"
    assert found.train["metrics"] == ["mae", "r2"]
    assert found.link == "identity"


@pytest.mark.parametrize(
    ("changes", "link"),
    [
        ({}, "identity"),
        ({"output": {"classes": ["a", "b"]}}, "softmax"),
        ({"train": {"loss": "sigmoid_cross_entropy"}}, "sigmoid"),
        ({"train": {"loss": "huber"}}, "identity"),
        ({"output": {"link": "sigmoid", "classes": ["a", "b"]}}, "sigmoid"),
    ],
)
def test_the_link(changes: dict[str, Any], link: str) -> None:
    assert read_spec(spec({"type": "dense", "units": 2}, **changes)).link == link


def test_repeats_are_unrolled_and_named() -> None:
    found = read_spec(
        spec(
            {"type": "dense", "units": 4},
            {"type": "highway", "repeat": 3, "gate_bias": -3},
            {"type": "dense", "units": 4, "name": "mine"},
            {"type": "highway", "repeat": 2, "name": "deep"},
            {"type": "dense", "units": 4},
            {"type": "highway", "repeat": 1, "name": "one"},
        )
    )
    assert [r.name for r in found.layers] == [
        "dense_1", "highway_1", "highway_2", "highway_3", "mine", "deep_1", "deep_2", "dense_3",
        "one",
    ]  # fmt: skip
    assert [r.origin for r in found.layers] == [0, 1, 1, 1, 2, 3, 3, 4, 5]
    assert found.layers[2].config["gate_bias"] == -3.0
    assert type(found.layers[2].config["gate_bias"]) is float


def test_repeated_layers_are_different_objects() -> None:
    model = layerkit.build(spec({"type": "highway", "repeat": 3}))
    assert len({id(layer) for layer in model.network.layers}) == 3
    starts = {layer.params["WH"].tobytes() for layer in model.network.layers}
    assert len(starts) == 3


def test_ten_thousand_layers_are_the_limit() -> None:
    with pytest.raises(SpecError, match="at most 10,000 layers"):
        read_spec(spec({"type": "highway", "repeat": 9_999}, {"type": "highway", "repeat": 2}))


def test_dots_in_a_type_become_dashes_in_names(register: Register) -> None:
    register(Passing)
    assert read_spec(spec({"type": "test.passing"})).layers[0].name == "test-passing_1"


ROUND = [
    spec({"type": "dense", "units": 2}),
    spec(),
    spec({"type": "highway", "repeat": 3}, name="a.b-c_d", dtype="float64"),
    spec(
        {"type": "projection", "units": 3, "carry_activation": {"type": "leaky_relu"}},
        {"type": "dense", "units": 2, "name": "last", "freeze": True},
        output={"classes": ["a", "b"], "column": "label"},
        train={
            "data": "digits", "loss": {"type": "softmax_cross_entropy", "label_smoothing": 0.1},
            "optimizer": {"type": "sgd", "learning_rate": 1},
            "schedule": {"type": "warmup", "then": {"type": "step", "every": 3}},
            "metrics": ["accuracy", {"type": "top_k", "k": 2}, "log_loss"],
            "early_stopping": {"metric": "top_k"}, "validation": 0.5, "seed": 2**62,
            "class_weights": {"a": 2, "b": 1}, "clip_norm": 1, "test": 0.1,
        },
    ),
    {
        "layerkit": 1,
        "$schema": "x",
        "input": {"columns": ["p", "q"], "scale": {"center": [1, 2], "scale": 3}, "missing": 0},
        "layers": [{"type": "dense", "units": 1}],
        "output": {"targets": ["t"], "scale": "standardize"},
        "train": {"test": {"column": "p", "values": ["u", 1]}, "sample_weight": "w"},
    },
]  # fmt: skip


@pytest.mark.parametrize("given", ROUND)
def test_the_resolved_form_is_a_fixed_point(given: dict[str, Any]) -> None:
    first = read_spec(given)
    document = first.to_document()
    again = read_spec(json.loads(json.dumps(document, allow_nan=False)))
    assert again.to_document() == document
    plans = [again.plan() for _ in range(3)]
    assert len({id(p.layer) for plan in plans for p in plan}) == 3 * len(again.layers)
    assert [r.part for r in again.layers] == [r.part for r in first.layers]
    one, two = layerkit.build(given), layerkit.build(document)
    assert one.network.params.tobytes() == two.network.params.tobytes()


@pytest.mark.parametrize("path", sorted(MODELS.glob("*.json")), ids=lambda p: p.stem)
def test_the_models_of_the_repository_resolve(path: Path) -> None:
    found = read_spec(path)
    assert found.to_document() == read_spec(found.to_document()).to_document()
    assert read_spec(json.loads(path.read_text())).to_document() == found.to_document()


def test_flat_and_resolved_entries_may_stand_side_by_side() -> None:
    flat = {"type": "highway", "gate_bias": -3.0, "name": "h"}
    resolved = {"type": "highway", "config": {"gate_bias": -3.0}, "name": "h"}
    assert settings(flat) == settings(resolved)
    found = read_spec(spec({"type": "highway", "config": {}, "repeat": 2}))
    assert [r.name for r in found.layers] == ["highway_1", "highway_2"]


def test_whole_numbers_become_floats_where_a_float_is_meant() -> None:
    found = settings({"type": "highway", "gate_bias": -2})
    assert found["gate_bias"] == -2.0
    assert type(found["gate_bias"]) is float


def test_tuples_and_mappings_are_taken() -> None:
    class Frozen(Mapping[str, Any]):
        def __init__(self, **held: Any) -> None:
            self.held = held

        def __getitem__(self, key: str) -> Any:
            return self.held[key]

        def __iter__(self) -> Any:
            return iter(self.held)

        def __len__(self) -> int:
            return len(self.held)

    found = read_spec(
        Frozen(layerkit=1, input=Frozen(shape=(4,)), layers=(Frozen(type="dense", units=2),))
    )
    assert found.in_shape == (4,)
    json.dumps(found.to_document())


def test_paths_may_be_text(tmp_path: Path) -> None:
    path = tmp_path / "s.json"
    path.write_text(json.dumps(spec({"type": "dense", "units": 2})))
    assert read_spec(str(path)) == read_spec(path)


# ---- constructors of plugins


class Everything(Passing):
    type_name = "test.everything"

    def __init__(
        self,
        *,
        size: Size,
        ratio: Fraction = 0.5,
        step: Positive = 1.0,
        mode: Literal["a", "b"] = "a",
        low: Annotated[int, Range(ge=-2, le=2)] = 0,
        open_: Annotated[float, Range(gt=0, lt=1)] = 0.5,
        maybe: Size | None = None,
        sizes: list[int] | None = None,
        pair: tuple[int, ...] = (1, 2),
        flag: bool = False,
        text: str = "t",
        act: ActivationName = "tanh",
        act2: ActivationName | None = None,
        when: ScheduleName = "constant",
        free: Any = None,
        table: dict[str, float] | None = None,
    ) -> None:
        self.size = size


def test_every_kind_of_annotation(register: Register) -> None:
    register(Everything)
    found = settings({
        "type": "test.everything", "size": 3, "ratio": 0, "mode": "b", "low": -2, "maybe": 4,
        "sizes": [1, 2], "pair": [3, 4, 5], "flag": True, "act": {"type": "leaky_relu"},
        "act2": "relu", "when": {"type": "step"}, "free": {"x": [1]}, "table": {"a": 1},
    })  # fmt: skip
    assert found["ratio"] == 0.0
    assert list(found["pair"]) == [3, 4, 5]
    assert found["act"]["type"] == "leaky_relu"
    assert "slope" in found["act"]
    assert found["when"] == {"type": "step", "every": 10, "decay": 0.1}
    assert found["free"] == {"x": [1]}
    assert found["table"] == {"a": 1.0}
    assert settings({"type": "test.everything", "config": found}) == found
    json.dumps(settings({"type": "test.everything", "size": 1}))


class Grown(Passing):
    type_name = "test.grown"

    def __init__(
        self,
        *,
        size: Size = 2,
        smooth: Annotated[Fraction, Later()] = 0.0,
        fast: Annotated[bool, Later()] = False,
        act: Annotated[ActivationName, Later()] = "linear",
    ) -> None:
        self.size, self.smooth, self.fast, self.act = size, smooth, fast, act


def test_a_later_setting_is_left_out_at_its_default(register: Register) -> None:
    register(Grown)
    assert settings({"type": "test.grown"}) == {"size": 2}
    assert settings({"type": "test.grown", "smooth": 0, "fast": False, "act": "linear"}) == {
        "size": 2
    }
    changed = {"size": 2, "smooth": 0.5, "fast": True, "act": "tanh"}
    assert settings({"type": "test.grown", **changed}) == changed
    assert settings({"type": "test.grown", "config": changed}) == changed
    with pytest.raises(SpecError, match="true or false"):
        settings({"type": "test.grown", "fast": 1})


WRONG: list[tuple[str, Any, str]] = [
    ("size", 0, "an integer >= 1"),
    ("size", 2.0, "an integer >= 1"),
    ("ratio", 1, ">= 0 and < 1"),
    ("ratio", "0.5", "a number"),
    ("step", 0, "a number > 0"),
    ("mode", "c", "one of 'a', 'b'"),
    ("mode", 1, "one of 'a', 'b'"),
    ("low", 3, ">= -2 and <= 2"),
    ("low", -3, ">= -2"),
    ("open_", 1, "> 0 and < 1"),
    ("maybe", 0, "an integer >= 1 or null"),
    ("maybe", "x", "or null"),
    ("sizes", [1, "2"], "a list"),
    ("sizes", 5, "a list"),
    ("pair", ["x"], "a list"),
    ("flag", 1, "true or false"),
    ("flag", None, "true or false"),
    ("text", 1, "text"),
    ("text", None, "text"),
    ("act", None, "activation"),
    ("act2", 5, "activation"),
    ("when", None, "schedule"),
    ("table", {"a": "b"}, "an object"),
    ("table", [1], "an object"),
]


@pytest.mark.parametrize(("name", "value", "word"), WRONG)
def test_wrong_values_of_every_kind(register: Register, name: str, value: Any, word: str) -> None:
    register(Everything)
    with pytest.raises(SpecError) as caught:
        settings({"type": "test.everything", "size": 1, name: value})
    assert len(caught.value.faults) == 1
    assert caught.value.location.startswith(f"layers[0].{name}")
    assert word in str(caught.value)


def test_a_missing_setting(register: Register) -> None:
    register(Everything)
    with pytest.raises(SpecError, match=r"missing field 'size': expected an integer"):
        settings({"type": "test.everything"})


AWKWARD = [
    "copy",
    "json",
    "schema",
    "dict",
    "validate",
    "construct",
    "model_dump",
    "model_config",
    "model_fields",
    "_hidden",
    "type",
    "name",
    "repeat",
    "config",
    "class_",
    "self_",
]


@pytest.mark.parametrize("name", AWKWARD)
def test_settings_of_any_name(register: Register, name: str) -> None:
    made: dict[str, Any] = {}
    exec(f"def __init__(self, *, {name}: int = 1): pass", made)  # noqa: S102  # a name each
    register(type("Named", (Passing,), {"type_name": "test.named", "__init__": made["__init__"]}))
    model = layerkit.build(spec({"type": "test.named", "config": {name: 7}}))
    assert model.spec.layers[0].config == {name: 7}
    again = layerkit.build(model.spec.to_document())
    assert again.spec.layers[0].config == {name: 7}
    if name not in ("type", "name", "repeat"):
        flat = layerkit.build(spec({"type": "test.named", name: 7}))
        assert flat.spec.layers[0].config == {name: 7}


def test_annotations_that_cannot_be_used_are_a_load_error(register: Register) -> None:
    for odd in ("NoSuchType", Context, Array | None):

        def init(self: Any, *, x: Any = None) -> None: ...

        init.__annotations__["x"] = odd
        register(type("Odd", (Passing,), {"type_name": "test.odd", "__init__": init}))
        with pytest.raises(PluginLoadError) as caught:
            read_spec(spec({"type": "test.odd"}))
        assert "http" not in str(caught.value)
        assert "constructor" in str(caught.value)


def test_settings_without_annotations_take_anything(register: Register) -> None:
    def init(self: Any, *, x=1) -> None: ...  # type: ignore[no-untyped-def]

    register(type("Free", (Passing,), {"type_name": "test.free", "__init__": init}))
    for value in (1, "a", [1, {"b": None}], None):
        assert settings({"type": "test.free", "x": value}) == {"x": value}


class Failing(Passing):
    type_name = "test.failing"

    def __init__(self, *, where: str = "init") -> None:
        self.where = where
        if where == "init":
            raise RuntimeError("not today")

    def plan(self, in_shape: Shape) -> Plan:
        if self.where == "plan":
            raise ZeroDivisionError("in the plan")
        if self.where == "none":
            return None  # type: ignore[return-value]
        return Plan((-1,))


@pytest.mark.parametrize("where", ["init", "plan", "none", "negative"])
def test_a_layer_that_fails_while_it_is_made(register: Register, where: str) -> None:
    register(Failing)
    with pytest.raises(ModelFileError) as caught:
        read_spec(spec({"type": "test.failing", "where": where}))
    assert "test.failing" in str(caught.value)


def test_registering_again_changes_what_is_wanted(register: Register) -> None:
    register(Everything)
    with pytest.raises(SpecError):
        read_spec(spec({"type": "test.everything"}))
    register(type("Less", (Passing,), {"type_name": "test.everything"}))
    assert settings({"type": "test.everything"}) == {}


def test_a_broken_plug_in_is_a_fault_of_its_own_field(
    install: Callable[..., Path], tmp_path: Path
) -> None:
    points = "[layerkit.layers]\nacme.b = acme_bb:X\n"
    install("acme-bb", points, {"acme_bb": "raise RuntimeError('gone')"})
    path = tmp_path / "s.json"
    path.write_text(json.dumps(spec({"type": "highway"}, {"type": "acme.b"}), indent=1))
    with pytest.raises(PluginLoadError) as caught:
        layerkit.build(path)
    assert "layers[1].type (line " in str(caught.value)
    assert isinstance(caught.value.__cause__, RuntimeError)
    assert layerkit.build(spec({"type": "highway"})).network.size == 40


@pytest.mark.parametrize(
    ("given", "setting", "path", "wanted"),
    [
        (None, "train.optimizer.learning_rate=0.5", ("train", "optimizer", "learning_rate"), 0.5),
        ("sgd", "train.optimizer.learning_rate=0.5", ("train", "optimizer", "learning_rate"), 0.5),
        (None, "layers.0.activation.slope=0.5", ("layers", 0, "config", "activation"), None),
    ],
)
def test_a_setting_of_a_part_that_is_only_named(
    given: Any, setting: str, path: tuple[Any, ...], wanted: Any
) -> None:
    spec: dict[str, Any] = {
        "layerkit": 1,
        "input": {"shape": [2]},
        "layers": [{"type": "dense", "units": 2, "activation": "leaky_relu"}],
        "train": {} if given is None else {"optimizer": given},
    }
    found: Any = read_spec(spec, settings=[setting]).to_document()
    for step in path:
        found = found[step]
    assert found == (wanted or {"type": "leaky_relu", "slope": 0.5})
