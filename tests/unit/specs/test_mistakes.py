"""Every mistake in a spec gives one fault: right path, right line, plain words."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any
from unittest.mock import sentinel

import numpy as np
import pytest

import layerkit
from layerkit import Array, Context, Layer, ModelFileError, Plan, Shape, ShapeError, SpecError

CLASSES = ["a", "b", "c"]


def base() -> dict[str, Any]:
    return {
        "layerkit": 1,
        "name": "m",
        "dtype": "float32",
        "input": {"shape": [4]},
        "layers": [
            {"type": "dense", "units": 5},
            {"type": "highway", "gate_bias": -1.0},
            {"type": "projection", "units": 4},
            {"type": "dense", "units": 3},
        ],
        "output": {"classes": list(CLASSES)},
        "train": {"data": "digits", "epochs": 2, "optimizer": {"type": "adam"}},
    }


def set_at(tree: Any, path: tuple[str | int, ...], value: Any) -> Any:
    owner = tree
    for step in path[:-1]:
        owner = owner[step]
    if value is GONE:
        del owner[path[-1]]
    else:
        owner[path[-1]] = value
    return tree


GONE = sentinel.gone


def spelled(path: tuple[str | int, ...]) -> str:
    text = ""
    for step in path:
        text += f"[{step}]" if isinstance(step, int) else f".{step}" if text else step
    return text


L0, L1, L2, L3 = (("layers", i) for i in range(4))
T, O, E = ("train",), ("output",), ("train", "early_stopping")  # noqa: E741
STOP = {"metric": "loss"}

# (path that is set, value, words of the message[, path of the fault if another])
NOT_WHOLE: list[Any] = ["3", 3.0, 3.5, True, None, [3], {"a": 1}]
NOT_NUMBER: list[Any] = ["0.1", True, [0.1], {"a": 1}]
NOT_TEXT: list[Any] = [5, 1.5, True, ["a"], {"a": 1}]
NOT_COLUMN: list[Any] = [-5, 1.5, True, ["a"], {"a": 1}]


def each(
    path: tuple[str | int, ...], values: Sequence[Any], word: str
) -> list[tuple[tuple[str | int, ...], Any, str]]:
    return [(path, value, word) for value in values]


BAD: list[tuple[tuple[str | int, ...], Any, str]] = [
    # the top
    *each(("layerkit",), (2, 0, "1", True, 1.0, None, [1]), "expected 1, got"),
    (("layerkit",), GONE, "missing field 'layerkit': expected 1"),
    *each(
        ("name",),
        (*NOT_TEXT, "", "a b", "-a", "a\n", "é", "x" * 65, "a/b", None),
        "a name of at most 64",
    ),
    *each(("dtype",), ("float16", "Float32", 32, None, True), "'float32', 'float64'"),
    (("input",), GONE, "missing field 'input'"),
    *each(("input",), (None, 5, [4], "digits"), "object"),
    (("layers",), GONE, "missing field 'layers'"),
    *each(("layers",), (None, 5, {}, "dense"), "list"),
    *each(("output",), (5, [4], "x"), "object"),
    *each(("train",), (5, [4], "x", True), "object"),
    # input
    *each(("input", "shape"), (4, "4", {}, {"a": 1}, True), "list"),
    *each(("input", "shape", 0), (*NOT_WHOLE, 0, -1), ">= 1"),
    *each(
        ("input", "scale"),
        (
            "standard",
            5,
            True,
            [1],
            {},
            {"divide": 0},
            {"divide": "5"},
            {"divide": True},
            {"divide": []},
            {"divide": [1, 0]},
            {"divide": None},
            {"center": 1},
            {"scale": 1},
            {"center": 1, "scale": 0},
            {"divide": 2, "center": 1},
        ),
        "standardize",
    ),
    *each(("input", "missing"), ("drop", None, True, [1], {}), "median"),
    # output
    *each(
        ("output", "classes"),
        (5, "ab", {}, ["a", 1, "b"], [1.5, 2.5, 3.5], [True, False, True], ["a", None, "b"]),
        "list",
    ),
    *each(("output", "classes"), (["a", "a", "b"], []), "distinct names"),
    *each(("output", "targets"), (5, "ab", {}, True), "list"),
    *each(("output", "column"), NOT_COLUMN, "its position"),
    *each(("output", "link"), ("soft", 5, True), "softmax"),
    *each(("output", "scale"), ("minmax", 5, True), "standardize"),
    # layers
    *each(L0, (5, "dense", None, [], True), "object such as"),
    *each((*L0, "units"), (*NOT_WHOLE, 0, -1, 10**299 * -1), ">= 1"),
    ((*L0, "units"), GONE, "missing field 'units'"),
    *each((*L0, "activation"), (5, True, None, [], {}, {"slope": 1}), "activation"),
    *each((*L0, "use_bias"), (0, 1, "true", None), "true or false"),
    *each((*L0, "freeze"), (0, 1, "no", None), "true or false"),
    *each((*L0, "name"), (5, "", "a.b", "a b", "x" * 65, "a\n"), "a name of at most 64"),
    *each((*L0, "repeat"), (0, -1, 1.5, "2", True, None), ">= 1"),
    ((*L0, "repeat"), 10**9, "at most 10,000"),
    ((*L0, "repeat"), 10**299, "at most 10,000"),
    *each((*L1, "gate_bias"), (*NOT_NUMBER, None), "a number"),
    *each((*L1, "initializer"), (5, True, None, []), "initializer"),
    *each((*L2, "carry_initializer"), (5, True, None, []), "initializer"),
    # train
    *each((*T, "data"), (5, 1.5, True, ["a"]), "a path"),
    *each((*T, "data"), ({}, {"format": "csv"}, {"path": "a", "train": "b"}), "give either"),
    *each(("input", "delimiter"), (5, "", "ab", "\n", True), "one character"),
    *each(("input", "thousands"), (5, "", "ab", True), "one character"),
    *each(("input", "quote"), (5, "ab", "tab", True), "one character"),
    *each(("input", "decimal"), (5, ";", "", True), "','"),
    *each(("input", "header"), (0, 1, "yes"), "true or false"),
    *each(("input", "comment"), (5, True, ["#"]), "a string"),
    *each(("input", "missing_values"), ("NA", None, 5), "list"),
    *each(("input", "encoding"), (5, True, ["utf-8"]), "a string"),
    *each(
        (*T, "test"),
        (
            1,
            -0.1,
            1.5,
            "0.2",
            True,
            [0.2],
            {},
            {"column": "a"},
            {"column": -1, "values": [1]},
            {"column": "a", "values": []},
        ),
        "fraction",
    ),
    *each((*T, "validation"), (*NOT_NUMBER, None, 1, 1.0, -0.1), ">= 0"),
    *each((*T, "loss"), (5, True, [], {}), "loss"),
    *each((*T, "optimizer"), (5, True, [], {}, None), "optimizer"),
    *each((*T, "schedule"), (5, True, [], {}, None), "schedule"),
    *each((*T, "batch_size"), (*NOT_WHOLE, 0, -1), ">= 1"),
    *each((*T, "epochs"), (*NOT_WHOLE, 0, -1), ">= 1"),
    *each((*T, "seed"), (*NOT_WHOLE, -1, 2**63), ">= 0"),
    *each((*T, "weight_decay"), (*NOT_NUMBER, None, -1e-9), ">= 0"),
    *each((*T, "clip_norm"), (*NOT_NUMBER, 0, -1), "> 0"),
    *each((*T, "clip_value"), (*NOT_NUMBER, 0, -1), "> 0"),
    *each((*T, "metrics"), (5, "accuracy", {}, True), "list"),
    *each(
        (*T, "class_weights"),
        ("even", 5, True, [], {}, [-1, 1, 1], ["a"], {"a": -1}, {"a": "1"}, {"a": True}),
        "balanced",
    ),
    *each((*T, "sample_weight"), NOT_COLUMN, "its position"),
    *each((*T, "early_stopping"), (5, True, "loss", []), "object"),
    *each((*T, "optimizer", "learning_rate"), (*NOT_NUMBER, None, 0, -1), "> 0"),
    *each((*T, "optimizer", "beta1"), (*NOT_NUMBER, None, 1, -0.1), "< 1"),
]

# changes that need more than one field: (changes, path of the fault, words)
COMBINED: list[tuple[dict[tuple[str | int, ...], Any], tuple[str | int, ...], str]] = [
    ({("nonsense",): 1}, ("nonsense",), "unknown field 'nonsense'"),
    ({("Layers",): []}, ("Layers",), "did you mean 'layers'"),
    ({("input", "shap"): [4]}, ("input", "shap"), "did you mean 'shape'"),
    ({("output", "class"): []}, ("output", "class"), "did you mean 'classes'"),
    ({("train", "epoch"): 5}, ("train", "epoch"), "did you mean 'epochs'"),
    ({(*L0, "unit"): 5}, (*L0, "unit"), "did you mean 'units'"),
    ({(*L0, "config"): {"units": 5}}, (*L0, "units"), "beside 'config'"),
    ({(*L1, "gate"): 5}, (*L1, "gate"), "unknown field"),
    ({(*T, "optimizer", "lr"): 5}, (*T, "optimizer", "lr"), "unknown field 'lr'"),
    ({(*T, "early_stopping"): {**STOP, "patiance": 5}}, (*E, "patiance"), "did you mean 'patience"),
    ({(*T, "early_stopping"): {**STOP, "patience": 0}}, (*E, "patience"), ">= 1"),
    ({(*T, "early_stopping"): {**STOP, "patience": 2.5}}, (*E, "patience"), "integer"),
    ({(*T, "early_stopping"): {**STOP, "min_delta": -1}}, (*E, "min_delta"), ">= 0"),
    ({(*T, "early_stopping"): {"metric": 5}}, (*E, "metric"), "a string"),
    ({(*T, "early_stopping"): {"metric": "r2"}}, (*E, "metric"), "loss, accuracy"),
    ({("input", "columns"): ["a", "b", "c", "d"]}, ("input",), "give either"),
    ({("input", "shape"): GONE}, ("input",), "give either"),
    ({("input", "shape"): GONE, ("input", "columns"): []}, ("input", "columns"), "one or more"),
    ({("input", "shape"): GONE, ("input", "columns"): ["a", "a"]}, ("input", "columns"), "twice"),
    ({("input", "shape"): GONE, ("input", "columns"): ["a", 5]}, ("input", "columns", 1),
     "the name of a numeric column, or an object"),
    ({("input", "shape"): GONE, ("input", "columns"): ["a", "y"], ("output", "classes"): GONE,
      ("output", "targets"): ["x", "y", "z"], (*T, "metrics"): ["mae"]},
     ("input", "columns", 1), "'y' is the answer to be learned"),
    ({("output", "targets"): ["x", "y", "z"]}, ("output",), "not both"),
    ({(*T, "data"): {"path": "a", "delimeter": ";"}}, (*T, "data", "delimeter"), "did you mean"),
    ({(*T, "data"): {"path": "a", "header": 1}}, (*T, "data", "header"), "true or false"),
    ({(*T, "data"): {"path": 5}}, (*T, "data", "path"), "a string"),
    ({("output", "scale"): "standardize"}, ("output", "scale"), "only 'targets'"),
    ({("output", "classes"): GONE, ("output", "targets"): ["a", -5, "c"]},
     ("output", "targets", 1), "its position"),
    ({(*T, "loss"): "mse"}, (*T, "loss"), "cannot learn classes"),
    ({("output", "classes"): GONE, ("output", "targets"): ["x", "y", "z"],
      (*T, "loss"): "softmax_cross_entropy"}, (*T, "loss"), "cannot learn targets"),
    ({(*T, "metrics"): ["accuracy", "mae"]}, (*T, "metrics", 1), "'mae' needs real"),
    ({(*T, "metrics"): [5]}, (*T, "metrics", 0), "metric"),
    ({(*T, "metrics"): [{"type": "top_k", "k": 0}]}, (*T, "metrics", 0, "k"), ">= 1"),
    ({(*L0, "name"): "same", (*L1, "name"): "same"}, (*L1, "name"), "layers[0] has the name"),
    ({(*L3, "name"): "dense_1"}, (*L3, "name"), "layers[0] has the name"),
    ({(*L1, "name"): "n" * 63, (*L1, "repeat"): 2}, (*L1, "name"), "64"),
    ({(*L0, "activation"): {"type": "leaky_relu", "slop": 1}}, (*L0, "activation", "slop"),
     "did you mean 'slope'"),
    ({(*L0, "activation"): {"type": "leaky_relu", "slope": "x"}}, (*L0, "activation", "slope"),
     "a number"),
    ({(*T, "schedule"): {"type": "warmup", "then": 5}}, (*T, "schedule", "then"), "schedule"),
    ({(*L1,): {"type": "dense", "config": {"units": 0}}}, (*L1, "config", "units"), ">= 1"),
    ({(*L1,): {"type": "dense", "config": [5]}}, (*L1, "config"), "object"),
    ({(*L1,): {}}, (*L1, "type"), "missing field 'type'"),
    ({(*L1, "type"): 5}, (*L1, "type"), "name of a layer type"),
]  # fmt: skip

# parts that are not known: (path, value, words)
UNKNOWN: list[tuple[tuple[str | int, ...], Any, str]] = [
    ((*L1, "type"), "hihgway", "did you mean 'highway'"),
    ((*L1, "type"), "Dense", "did you mean 'dense'"),
    ((*L1, "type"), "", "unknown layer type"),
    ((*L1, "type"), "os.system", "unknown layer type"),
    ((*L0, "activation"), "tahn", "did you mean 'tanh'"),
    ((*L0, "activation"), {"type": "leaky_rely"}, "did you mean 'leaky_relu'"),
    ((*L0, "initializer"), "one", "did you mean 'ones'"),
    ((*T, "loss"), "softmax_crossentropy", "did you mean 'softmax_cross_entropy'"),
    ((*T, "optimizer"), "adan", "did you mean 'adam'"),
    ((*T, "optimizer", "type"), "adan", "did you mean 'adam'"),
    ((*T, "schedule"), "cosin", "did you mean 'cosine'"),
    ((*T, "metrics"), ["acuracy"], "did you mean 'accuracy'"),
    ((*T, "schedule"), {"type": "warmup", "then": "cosin"}, "did you mean 'cosine'"),
]

# shapes: (changes, index of the layer, words)
SHAPES: list[tuple[dict[tuple[str | int, ...], Any], int, list[str]]] = [
    ({(*L1, "units"): 6}, 1, ["'highway_1'", "'dense_1'", "[5]", "projection", "dense"]),
    ({("input", "shape"): [2, 2]}, 1, ["'highway_1'", "'dense_1'", "[2, 5]"]),
    ({("output", "classes"): ["a", "b"]}, 3, ["2 outputs, one per class", "'dense_2'", "units"]),
    ({("output", "classes"): GONE, ("output", "targets"): ["x"], (*T, "metrics"): ["mae"]}, 3,
     ["1 output, one per target", "'dense_2'", "units"]),
]  # fmt: skip

FORBIDDEN = re.compile(
    r"pydantic|https?://|validation error|Input should|type=|\bint\b|\bstr\b|\bfloat\b|\bdict\b"
    r"|\bNoneType\b|<class|Traceback|BaseModel|\bTrue\b|\bFalse\b|\bNone\b",
)


def mistake(tree: Any, folder: Path) -> tuple[ModelFileError, str]:
    """The error of building ``tree`` from a file, and the file's text."""
    text = json.dumps(tree, indent=2)
    path = folder / "s.json"
    path.write_text(text)
    with pytest.raises(ModelFileError) as caught:
        layerkit.build(path)
    return caught.value, text


def line_of(text: str, path: tuple[str | int, ...]) -> int | None:
    """Line of the field (or of the nearest around it), told apart by putting a mark there."""
    while path:
        tree = json.loads(text)
        try:
            set_at(tree, path, "MARK")
        except (KeyError, IndexError, TypeError):
            path = path[:-1]
            continue
        original = json.loads(text)
        owner = original
        for step in path[:-1]:
            owner = owner[step]
        if isinstance(path[-1], str) and path[-1] not in owner:
            path = path[:-1]
            continue
        lines = json.dumps(tree, indent=2).splitlines()
        return next(i for i, line in enumerate(lines, 1) if '"MARK"' in line)
    return 1


def check(tree: Any, fault: tuple[str | int, ...], word: str, folder: Path) -> None:
    error, text = mistake(tree, folder)
    assert isinstance(error, SpecError), error
    assert [place for place, _ in error.faults] == [spelled(fault)]
    assert error.location == spelled(fault)
    assert error.line == line_of(text, fault)
    assert f"{spelled(fault)} (line {error.line}): " in str(error)
    assert word in error.reason
    clean(error)


def clean(error: ModelFileError) -> None:
    text = str(error).replace(str(error.path), "")
    told = re.sub(r"'[^']*'|\"[^\"]*\"|\[[^\]]*\]|\{[^}]*\}", "", text)  # what the user wrote
    assert not FORBIDDEN.search(told), text
    assert len(text) < 1000


@pytest.mark.parametrize(
    ("path", "value", "word"), BAD, ids=[f"{spelled(p)}={v!r:.30}" for p, v, _ in BAD]
)
def test_one_wrong_field(
    path: tuple[str | int, ...], value: Any, word: str, tmp_path: Path
) -> None:
    check(set_at(base(), path, value), path, word, tmp_path)


@pytest.mark.parametrize(
    ("changes", "fault", "word"), COMBINED, ids=[f"{spelled(f)}-{w[:24]}" for _, f, w in COMBINED]
)
def test_one_mistake_between_fields(
    changes: dict[tuple[str | int, ...], Any],
    fault: tuple[str | int, ...],
    word: str,
    tmp_path: Path,
) -> None:
    tree = base()
    for path, value in changes.items():
        set_at(tree, path, value)
    check(tree, fault, word, tmp_path)


@pytest.mark.parametrize(
    ("path", "value", "word"), UNKNOWN, ids=[f"{spelled(p)}={v!r:.30}" for p, v, _ in UNKNOWN]
)
def test_one_unknown_part(
    path: tuple[str | int, ...], value: Any, word: str, tmp_path: Path
) -> None:
    error, text = mistake(set_at(base(), path, value), tmp_path)
    assert isinstance(error, layerkit.UnknownTypeError)
    assert len(error.problems) == 1
    assert word in str(error)
    clean(error)
    (line,) = re.findall(r"\(line (\d+)\)", str(error))
    assert int(line) == line_of(text, path) or isinstance(value, dict | list)
    assert spelled(path) in str(error)


@pytest.mark.parametrize(("changes", "index", "words"), SHAPES)
def test_shapes_that_do_not_fit(
    changes: dict[tuple[str | int, ...], Any], index: int, words: list[str], tmp_path: Path
) -> None:
    tree = base()
    for path, value in changes.items():
        set_at(tree, path, value)
    error, _ = mistake(tree, tmp_path)
    assert type(error) is ShapeError
    assert error.location == f"layers[{index}]"
    assert error.line == next(
        i for i, line in enumerate(_marked(tree, index), 1) if '"MARK"' in line
    )
    for word in words:
        assert word in str(error)
    assert len(error.faults) == 1


def _marked(tree: Any, index: int) -> list[str]:
    copied = json.loads(json.dumps(tree))
    copied["layers"][index] = "MARK"
    return json.dumps(copied, indent=2).splitlines()


def test_a_fault_after_a_repeat_is_placed_where_the_user_wrote_it(tmp_path: Path) -> None:
    tree = base()
    tree["layers"][1]["repeat"] = 50
    tree["layers"].insert(2, {"type": "highway", "units": 9})
    error, _ = mistake(tree, tmp_path)
    assert isinstance(error, ShapeError)
    assert error.location == "layers[2]"
    assert "highway_51" in str(error)


def test_several_mistakes_are_told_together(tmp_path: Path) -> None:
    tree = base()
    tree["name"] = 5
    tree["layers"][0]["units"] = -1
    tree["layers"][1]["gate"] = 1
    tree["train"]["epochs"] = "many"
    error, _ = mistake(tree, tmp_path)
    assert isinstance(error, SpecError)
    places = [p for p, _ in error.faults]
    assert sorted(places) == ["layers[0].units", "layers[1].gate", "name", "train.epochs"]
    assert "4 mistakes" in str(error)
    for place in places:
        assert place in str(error)
    clean(error)


def test_all_unknown_parts_are_told_together(tmp_path: Path) -> None:
    tree = base()
    tree["layers"][0]["type"] = "a1"
    tree["layers"][2]["type"] = "a2"
    error, _ = mistake(tree, tmp_path)
    assert isinstance(error, layerkit.UnknownTypeError)
    assert [p.key for p in error.problems] == ["a1", "a2"]


HUGE: list[tuple[tuple[str | int, ...], Any]] = [
    ((*L0, "units"), 10**12),
    ((*L0, "units"), 10**18),
    ((*L0, "units"), 10**299),
    (("input", "shape"), [10**12]),
    (("input", "shape"), [10**299]),
    ((*L2, "units"), 10**15),
]


@pytest.mark.parametrize(("path", "value"), HUGE, ids=[f"{spelled(p)}={v!r:.9}" for p, v in HUGE])
def test_sizes_beyond_memory_are_refused_before_anything_is_allocated(
    path: tuple[str | int, ...], value: Any, tmp_path: Path
) -> None:
    import tracemalloc

    tree = set_at(base(), path, value)
    text = tmp_path / "s.json"
    text.write_text(json.dumps(tree))
    tracemalloc.start()
    try:
        with pytest.raises(SpecError, match="memory") as caught:
            layerkit.build(text)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 20e6
    clean(caught.value)


@pytest.mark.parametrize("shape", [[10**12], [10**6, 10**6, 10**6], [10**299]])
@pytest.mark.parametrize("layers", [[], [{"type": "test.state"}]])
def test_rows_beyond_memory_are_refused(
    shape: list[int], layers: list[Any], register: Callable[[Any], Any]
) -> None:
    register(State)
    with pytest.raises(SpecError):
        layerkit.build({"layerkit": 1, "input": {"shape": shape}, "layers": layers})


class State(Layer):
    """Keeps a state of the size of its input, and no parameter."""

    type_name = "test.state"

    def plan(self, in_shape: Shape) -> Plan:
        return Plan(in_shape, state={"mean": layerkit.Param(in_shape)})

    def feed(self, x: Array, ctx: Context) -> Array:
        return x

    def backprop(self, dy: Array, ctx: Context) -> Array:
        return dy


def test_a_start_beyond_the_dtype_is_refused() -> None:
    tree = base()
    tree["layers"][1]["gate_bias"] = 1e300
    with pytest.raises(SpecError):
        layerkit.build(tree)
    tree["dtype"] = "float64"
    assert layerkit.build(tree).network.layers[1].params["bT"][0] == 1e300


LOOP: list[Any] = []
LOOP.append(LOOP)
DEEP: dict[str, Any] = {}
_inner = DEEP
for _ in range(100_000):
    _inner["a"] = {}
    _inner = _inner["a"]


@pytest.mark.parametrize(
    "value",
    [{1, 2}, object(), b"bytes", np.zeros(3), 1j, float("nan"), float("inf"), 10**400, 10**5000,
     LOOP, DEEP],
    ids=["set", "object", "bytes", "array", "complex", "nan", "inf", "10**400", "10**5000", "loop",
         "deep"],
)  # fmt: skip
@pytest.mark.parametrize("path", [(*L0, "units"), ("input", "scale"), (*T, "test")])
def test_objects_that_are_no_json(path: tuple[str | int, ...], value: Any) -> None:
    with pytest.raises(SpecError) as caught:
        layerkit.build(set_at(base(), path, value))
    assert len(str(caught.value)) < 500


@pytest.mark.parametrize("value", [np.int64(6), np.uint8(6)])
def test_numpy_numbers_are_numbers(value: Any) -> None:
    tree = base()
    tree["layers"][0]["units"] = value
    model = layerkit.build(tree)
    assert model.spec.layers[0].config["units"] == 6
    assert type(model.spec.layers[0].config["units"]) is int


@pytest.mark.parametrize("value", [5, 5.5, None, True])
def test_something_that_is_no_spec_at_all(value: Any) -> None:
    with pytest.raises((SpecError, TypeError)):
        layerkit.build(value)
