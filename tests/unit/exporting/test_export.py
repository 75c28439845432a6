"""Models in other forms give what ``predict`` gives, from raw rows on, or say what they lack."""

from __future__ import annotations

import ast
import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import layerkit
from layerkit import Array, Context, ExportError, Layer, Model, Plan, Shape
from layerkit.core.domains import input_domains, with_whole_numbers
from layerkit.discovery.registry import ACTIVATIONS, EXPORTERS, LAYERS
from layerkit.exporting import program_of
from layerkit.specs.ready import ready_specs

NEEDS = {"onnx": "onnx", "safetensors": "safetensors"}
COMPUTING = ["onnx", "c", "python"]
GOLDEN = [
    "binary", "columns", "full", "highway", "images", "nested", "newer", "normalized", "plain",
    "projection", "recurrent", "text", "tied", "training",
]  # fmt: skip
"""Those that load everywhere and whose rows are numbers."""


def exporter(form: str) -> Any:
    if form in NEEDS:
        pytest.importorskip(NEEDS[form], reason=f"{NEEDS[form]} is not installed")
    if form == "onnx":
        pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
    if form == "c" and shutil.which("cc") is None:
        pytest.skip("there is no C compiler")
    return EXPORTERS.create(form)


def close(form: str, model: Model, rows: Array) -> None:
    """The issue's bound: 1e-5 of the largest output in float32, 1e-12 in float64."""
    part = exporter(form)
    expected = model.predict(rows)
    found = part.run(part.content(program_of(model)), rows)
    assert len(found) == len(expected)
    found = found.reshape(expected.shape)
    share = 1e-5 if model.spec.dtype == "float32" else 1e-12
    away = float(np.abs(found - expected).max())
    assert away <= share * float(np.abs(expected).max())


def spec(layers: list[Any], dtype: str, **more: Any) -> dict[str, Any]:
    return {"layerkit": 1, "name": "net", "dtype": dtype, "layers": layers, **more}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("form", COMPUTING)
def test_every_activation_in_every_layer(form: str, dtype: str) -> None:
    rows = np.random.default_rng(0).normal(size=(40, 6)) * 4
    for name in ACTIVATIONS.names():
        layers = [
            {"type": "dense", "units": 6, "activation": name},
            {"type": "highway", "activation": name},
            {"type": "projection", "units": 5, "activation": name},
        ]
        model = layerkit.build(spec(layers, dtype, input={"shape": [6]}))
        close(form, model, rows.astype(dtype))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("form", COMPUTING)
@pytest.mark.parametrize("name", sorted(name for name in LAYERS.names() if "." not in name))
def test_every_layer(name: str, form: str, dtype: str) -> None:
    rng = np.random.default_rng(0)
    for settings, shape in LAYERS[name].examples():
        layer = {"type": name, **settings}
        model = layerkit.build(spec([layer], dtype, input={"shape": list(shape)}))
        tensors = {k: rng.uniform(0.5, 2, v.shape) for k, v in model.tensors().items()}
        model.set_tensors(tensors)  # running figures too
        rows = rng.normal(size=(40, *shape)) * 4
        rows = with_whole_numbers(rows, input_domains(model.network.planned), rng)
        close(form, model, rows.astype(dtype))


@pytest.mark.parametrize("name", GOLDEN)
def test_the_golden_models(name: str) -> None:
    model = layerkit.load(Path(__file__).parents[2] / "golden" / "v1" / f"{name}.layerkit")
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(6, *model.spec.in_shape))
    rows = with_whole_numbers(rows, input_domains(model.network.planned), rng)
    close("onnx", model, rows.astype(model.contract.input.raw_dtype))


@pytest.mark.parametrize("form", COMPUTING)
def test_paths_that_are_one_name_in_other_languages(form: str) -> None:
    rows = np.random.default_rng(0).normal(size=(40, 4))

    def dense(*names: str) -> list[Any]:
        return [{"type": "dense", "units": 4, "name": name} for name in names]

    inner = {"type": "sequence", "name": "c-d", "layers": dense("e", "e-f", "e_f")}
    layers = [
        {"type": "residual", "name": "a", "layers": [*dense("b", "b_W"), inner]},
        *dense("a_b", "a-b", "a_c_d_e", "a_b_2", "a_b_W", "0", "_0", "if", "main"),
    ]
    model = layerkit.build(spec(layers, "float64", input={"shape": [4]}))
    tensors = model.tensors()
    rng = np.random.default_rng(1)
    model.set_tensors({name: rng.normal(size=a.shape) / 2 for name, a in tensors.items()})
    close(form, model, rows)


@pytest.mark.parametrize("images", [False, pytest.param(True, marks=pytest.mark.slow)])
@pytest.mark.parametrize("form", COMPUTING)
def test_the_ready_specs(form: str, images: bool) -> None:
    for name in ready_specs():
        model = layerkit.build(name)
        if not model.ready or (form != "onnx" and model.network.size > 50_000):
            continue  # text compiles slowly
        if images == (len(model.spec.in_shape) > 2):
            rows = np.random.default_rng(1).normal(size=(3, *model.spec.in_shape))
            close(form, model, rows.astype(np.float32))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("form", COMPUTING)
def test_missing_numbers_scaling_and_raw_targets(form: str, dtype: str) -> None:
    rng = np.random.default_rng(2)
    x = rng.normal(size=(80, 3)) * [1, 100, 0.01] + [0, 1e6, 5]
    x[rng.random(x.shape) < 0.1] = np.nan
    y = rng.normal(size=(80, 2)) * [1e4, 1e-3]
    model = layerkit.train(
        spec(
            [{"type": "dense", "units": 4, "activation": "tanh"}, {"type": "dense", "units": 2}],
            dtype,
            input={"shape": [3], "scale": "standardize", "missing": "median"},
            output={"targets": ["u", "v"], "scale": "standardize"},
            train={"epochs": 3},
        ),
        data=(x, y),
    ).model
    rows = x.astype(model.contract.input.raw_dtype)
    assert np.isnan(rows).any()
    close(form, model, rows)


@pytest.mark.parametrize("form", COMPUTING)
@pytest.mark.parametrize("scale", ["minmax", {"divide": 16}, None])
def test_one_sigmoid_unit(form: str, scale: Any) -> None:
    rng = np.random.default_rng(3)
    x = rng.random((60, 4)) * 16
    model = layerkit.train(
        spec(
            [{"type": "dense", "units": 1}],
            "float32",
            input={"shape": [4], "scale": scale},
            train={"epochs": 1, "loss": "sigmoid_cross_entropy"},
        ),
        data=(x, np.where(x.sum(1) > 32, "many", "few")),
    ).model
    close(form, model, x.astype(model.contract.input.raw_dtype))


@pytest.mark.parametrize("form", COMPUTING)
def test_a_deep_net(form: str) -> None:
    layers = [
        {"type": "dense", "units": 8},
        {"type": "highway", "repeat": 100},
        {"type": "dense", "units": 3},
    ]
    output = {"classes": ["a", "b", "c"]}
    model = layerkit.build(spec(layers, "float32", input={"shape": [5]}, output=output))
    close(form, model, np.random.default_rng(4).normal(size=(9, 5)).astype(np.float32))
    if form != "onnx":  # layers of one structure share a function
        text = exporter(form).content(program_of(model)).decode()
        starts = ("def _f", "static inline void")
        assert sum(line.startswith(starts) for line in text.splitlines()) <= 5


ROWS: list[dict[str, Any]] = [
    {"job": "cook", "size": 1.5, "code": 7, "old": True},
    {"job": "smith", "size": None, "code": 8, "old": False},
    {"job": None, "size": -2.0, "code": 7, "old": True},
    {"job": "?", "size": 0.5, "code": 9, "old": False},
    {"job": " cook ", "size": 3, "code": 8.0, "old": "true"},
]


@pytest.fixture
def tabled() -> Model:
    columns = [
        {"name": "job", "categories": ["cook", "smith"], "missing": "category"},
        "size",
        {"name": "code", "categories": ["7", "8"], "unknown": "other"},
        {"name": "old", "categories": ["true", "false"]},
    ]
    return layerkit.train(
        spec(
            [{"type": "dense", "units": 3, "activation": "tanh"}, {"type": "dense", "units": 2}],
            "float32",
            input={"columns": columns, "scale": "standardize", "missing": "mean"},
            output={"column": "kind"},
            train={"epochs": 2},
        ),
        data=[{**row, "kind": "ab"[i % 2]} for i, row in enumerate(ROWS * 4)],
    ).model


def test_python_takes_raw_categories(tabled: Model, tmp_path: Path) -> None:
    path = layerkit.export(tabled, tmp_path / "net.py", verify=ROWS).path
    names: dict[str, Any] = {}
    exec(path.read_text(), names)  # noqa: S102  # what was exported
    for row in ROWS:
        expected = tabled.predict([row])[0]
        np.testing.assert_allclose(names["predict"](row), expected, rtol=1e-5)
        np.testing.assert_allclose(names["predict"](list(row.values())), expected, rtol=1e-5)
    for row in ({**ROWS[0], "job": "baker"}, {**ROWS[0], "old": None}):
        with pytest.raises(layerkit.DataError):
            tabled.predict([row])
        with pytest.raises(ValueError, match="no category is"):
            names["predict"](row)


def test_categories_are_numbers_for_the_other_forms(tabled: Model, tmp_path: Path) -> None:
    numbers = tabled.contract.input.raw(ROWS)
    for form in ("onnx", "c"):
        close(form, tabled, numbers.astype(tabled.contract.input.raw_dtype))
    import onnx

    found = onnx.load(layerkit.export(tabled, tmp_path / "net.onnx").path)
    facts = {one.key: one.value for one in found.metadata_props}
    job, size, *_ = json.loads(facts["raw_columns"])
    assert size == "size"
    assert (job["places"]["smith"], job["gap"], job["others"]) == (1, 2, False)
    assert json.loads(facts["columns"])[:4] == ["job=cook", "job=smith", "job=?", "size"]


# ---- layers of strangers


class Stranger(Layer):
    """y = f(x), for one function of the rows."""

    function: Callable[[Array], Array]

    def plan(self, in_shape: Shape) -> Plan:
        return Plan(type(self).function(np.zeros((2, *in_shape), np.float32)).shape[1:])

    def feed(self, x: Array, ctx: Context) -> Array:
        return type(self).function(x)

    def backprop(self, dy: Array, ctx: Context) -> Array:
        raise NotImplementedError


def norm(x: Array) -> Array:
    away = x - x.mean(axis=1, keepdims=True)
    y: Array = away / np.sqrt((away * away).mean(axis=1, keepdims=True) + 1e-5)
    return y


def swapped(x: Array) -> Any:
    turned = x.reshape(len(x), 2, 3).transpose(0, 2, 1)
    y: Array = (turned[:, ::-1, :1] * 2 + turned[:, :, 1:]).reshape(len(x), 3)
    return y


FUNCTIONS: dict[str, Callable[[Array], Array]] = {
    "norm": norm,
    "swapped": swapped,
    "softmax": lambda x: (
        np.exp(x - x.max(1, keepdims=True))
        / np.exp(x - x.max(1, keepdims=True)).sum(1, keepdims=True)
    ),
    "maxout": lambda x: x.reshape(len(x), 3, 2).max(axis=2),
    "joined": lambda x: np.concatenate([x[:, 3:], np.tanh(x[:, :2]), x[:, :1]], axis=1),
    "joined on the first axis": lambda x: np.concatenate(
        [x.reshape(len(x), 2, 3), np.abs(x).reshape(len(x), 2, 3)], axis=2
    ),
    "padded": lambda x: np.pad(x, ((0, 0), (1, 2)))[:, ::2] + np.pad(x, [(0, 0), (0, 2)])[:, 3:],
    "padded with a number": lambda x: np.pad(x, [(0, 0), (1, 0)], constant_values=0.5),
    "outer": lambda x: (x[:, :, None] * x[:, None, :]).reshape(len(x), 36),
    "products": lambda x: (x.reshape(len(x), 2, 3) @ x.reshape(len(x), 3, 2)).reshape(len(x), 4),
    "where": lambda x: np.where(x > 0, x, -0.5 * x) + np.where(x < 0.3, 1.0, 0.0).astype(x.dtype),
    "logical": lambda x: np.where((x > 0) & ~(x > 1) | (x == 2), x, x * 0 + 3),
    "flags": lambda x: (x > 0.5) * x + (x != 0),
    "clip": lambda x: np.clip(x, -0.5, 1),
    "rounding": lambda x: np.floor(x) + np.ceil(x * 2) + np.rint(x * 3) + np.sign(x),
    "roots": lambda x: np.sqrt(np.abs(x)) + x**3 + 1 / (1 + x * x) + np.abs(x) ** 1.5,
    "logs": lambda x: np.log1p(np.abs(x) * 1e-3) + np.expm1(x * 1e-3) + np.log(np.abs(x) + 1),
    "large": lambda x: np.expm1(x * 30) / (1 + np.exp(x * 30)) + np.log1p(np.abs(x) * 1e30),
    "waves": lambda x: np.sin(x) + np.cos(x) * np.tan(x / 3) + np.sinh(x / 2) - np.cosh(x),
    "smallest": lambda x: np.minimum(x, x[:, ::-1]) - x.min(axis=1, keepdims=True),
    "picked": lambda x: x[:, [4, 0, 0]] + x[:, 1:2],
    "one column": lambda x: x[:, 3][:, None] + x[:, -1:],
    "product": lambda x: x.prod(axis=1, keepdims=True),
    "constant": lambda x: x * np.arange(6).astype(x.dtype) + np.eye(6).astype(x.dtype)[2],
    "nan": lambda x: np.where(np.isnan(x / 0 * 0), 1.0, 2.0).astype(x.dtype) + x,
}


@pytest.fixture
def strange(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> str:
    kind = type("Strange", (Stranger,), {
        "type_name": "kit.strange", "function": staticmethod(FUNCTIONS[request.param]),
        "__doc__": request.param,
    })  # fmt: skip
    monkeypatch.setitem(LAYERS._local, "kit.strange", kind)
    found: str = request.param
    return found


@pytest.mark.filterwarnings("ignore:.*encountered:RuntimeWarning")
@pytest.mark.parametrize("form", COMPUTING)
@pytest.mark.parametrize("strange", FUNCTIONS, indirect=True)
def test_a_strangers_layer_is_exported_as_it_is(strange: str, form: str) -> None:
    rows = np.random.default_rng(5).normal(size=(30, 6))
    for dtype in ("float32", "float64"):
        model = layerkit.build(spec([{"type": "kit.strange"}], dtype, input={"shape": [6]}))
        close(form, model, rows.astype(dtype))


def logs(x: Array) -> Array:
    """NaN where x is negative, at any place of a row; and infinite numbers."""
    y: Array = np.where(np.abs(x) > 1.5, np.inf, np.log(x))
    return y


SPREADING: dict[str, Callable[[Array], Array]] = {
    "clip": lambda x: np.clip(logs(x), -0.5, 1),
    "clip to nan": lambda x: np.clip(x, logs(x[:, ::-1]), 1) + np.clip(x, -1, logs(x)),
    "max": lambda x: x + logs(x).max(axis=1, keepdims=True),
    "max of few": lambda x: logs(x).reshape(-1, 3, 2).max(axis=2),
    "min of few": lambda x: logs(x).reshape(-1, 3, 2).min(axis=2),
    "maximum": lambda x: np.maximum(logs(x), x) + np.maximum(x, logs(x)),
    "minimum": lambda x: np.minimum(logs(x), x) + np.minimum(x, logs(x)),
    "rounding": lambda x: (
        np.sign(logs(x)) + np.floor(logs(x)) + np.ceil(logs(x)) + np.rint(logs(x))
    ),
    "angles": lambda x: np.sin(logs(x)) + np.cos(logs(x)) + np.tan(logs(x)) + np.tanh(logs(x)),
}


@pytest.mark.filterwarnings("ignore:.*encountered:RuntimeWarning")
@pytest.mark.parametrize("form", ["c", "python"])
@pytest.mark.parametrize("name", SPREADING)
def test_nan_spreads_as_in_numpy(name: str, form: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def told(x: Array) -> Array:
        y = SPREADING[name](x)
        y = np.where(np.isnan(y), 7.0, np.where(y > 50, 9.0, np.where(y < -50, -9.0, y)))
        return y.astype(x.dtype)

    kind = type("Strange", (Stranger,), {
        "type_name": "kit.strange", "function": staticmethod(told), "__doc__": name,
    })  # fmt: skip
    monkeypatch.setitem(LAYERS._local, "kit.strange", kind)
    rows = np.random.default_rng(5).normal(size=(30, 6))
    for dtype in ("float32", "float64"):
        model = layerkit.build(spec([{"type": "kit.strange"}], dtype, input={"shape": [6]}))
        close(form, model, rows.astype(dtype))


class Sorted(Stranger):
    """An operation that no form has."""

    type_name = "kit.sorted"
    function = staticmethod(lambda x: np.sort(x, axis=1))


class Steered(Stranger):
    """A layer that cannot be recorded."""

    type_name = "kit.steered"
    function = staticmethod(lambda x: x if float(x.sum()) > 0 else -x)


class Centred(Stranger):
    """Rows that depend on one another."""

    type_name = "kit.centred"
    function = staticmethod(lambda x: x - x.mean(axis=0))


@pytest.mark.parametrize(
    ("kind", "form", "words"),
    [
        (Sorted, "onnx", r"layer 'kit.sorted_1'.*test_export.py:\d+.*ONNX has no form of.*'sort'"),
        (Sorted, "c", r"layer 'kit.sorted_1'.*C has no form of the operation 'sort'"),
        (Sorted, "python", "Python has no form of the operation 'sort'"),
        (Steered, "onnx", r"layer 'kit.steered_1' cannot be exported: .*test_export.py:\d+"),
        (Centred, "c", "its rows depend on one another"),
    ],
    ids=lambda value: value.__name__ if isinstance(value, type) else None,
)
def test_what_cannot_be_exported_is_named(
    kind: type[Stranger], form: str, words: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    exporter(form)
    monkeypatch.setitem(LAYERS._local, kind.type_name, kind)
    model = layerkit.build(spec([{"type": kind.type_name}], "float32", input={"shape": [3]}))
    with pytest.raises(ExportError, match=words) as caught:
        layerkit.export(model, tmp_path / "net", to=form)
    assert caught.value.hint
    assert not list(tmp_path.iterdir())


# ---- the files


@pytest.fixture
def model() -> Model:
    rng = np.random.default_rng(6)
    x = rng.normal(size=(40, 2))
    return layerkit.train(
        spec(
            [{"type": "dense", "units": 3, "activation": "relu"}, {"type": "dense", "units": 2}],
            "float32",
            input={"columns": ["size", 'we"ight'], "scale": "standardize"},
            output={"column": "kind"},
            train={"epochs": 1},
        ),
        data={"size": x[:, 0], 'we"ight': x[:, 1], "kind": np.where(x[:, 0] > 0, "*/", "b")},
    ).model


def test_onnx_carries_names(model: Model, tmp_path: Path) -> None:
    exporter("onnx")
    import onnx

    layerkit.save(model, tmp_path / "net.layerkit")
    layerkit.export(model, tmp_path / "net.onnx", verify=True)
    found = onnx.load(tmp_path / "net.onnx")
    facts = {one.key: one.value for one in found.metadata_props}
    assert json.loads(facts["columns"]) == ["size", 'we"ight']
    assert json.loads(facts["classes"]) == list(model.classes or ())
    assert facts["file_id"] == model.file_id
    assert (found.ir_version, found.opset_import[0].version) == (8, 17)
    (given,) = found.graph.input
    assert given.type.tensor_type.shape.dim[0].dim_param == "n"


def test_onnx_agrees_with_its_reference(model: Model) -> None:
    part = exporter("onnx")
    from onnx.reference import ReferenceEvaluator

    rows = np.random.default_rng(7).normal(size=(5, 2))
    content = part.content(program_of(model))
    session: Any = ReferenceEvaluator(content)
    (found,) = session.run(None, {"rows": rows})
    np.testing.assert_allclose(found, model.predict(rows), rtol=1e-5)


def test_python_needs_math_alone(model: Model, tmp_path: Path) -> None:
    path = layerkit.export(model, tmp_path / "net.py", verify=True).path
    tree = ast.parse(path.read_text())
    imports = [node for node in ast.walk(tree) if isinstance(node, (ast.Import, ast.ImportFrom))]
    assert [ast.unparse(node) for node in imports] == ["import math"]
    names: dict[str, Any] = {}
    exec(path.read_text(), names)  # noqa: S102  # what was exported
    row: Any = {"size": 0.5, 'we"ight': -1.0}
    np.testing.assert_allclose(names["predict"](row), model.predict(row)[0], rtol=1e-5)
    assert names["classify"](row) == model.classify(row)[0]
    with pytest.raises(ValueError, match="expected 2 numbers, got 3"):
        names["predict"]([1, 2, 3])
    with pytest.raises(ValueError, match="expected the column 'size'"):
        names["predict"]({'we"ight': -1.0})


def test_c_is_clean_under_the_strictest_flags(model: Model, tmp_path: Path) -> None:
    exporter("c")
    layerkit.export(model, tmp_path / "net.h")
    (tmp_path / "main.c").write_text(
        '#include <stdio.h>\n#include "net.h"\nint main(void) { float out[2];\n'
        "double row[2] = {0.5, -1}; net_predict(row, out);\n"
        'printf("%.9g %.9g\\n", out[0], out[1]); return 0; }\n'
    )
    flags = ["-Wall", "-Wextra", "-Werror", "-std=c99", "-pedantic", "-fsanitize=undefined"]
    program = str(tmp_path / "main")
    subprocess.run(["cc", *flags, str(tmp_path / "main.c"), "-o", program, "-lm"], check=True)
    done = subprocess.run([program], capture_output=True, text=True, check=True)
    found = [float(word) for word in done.stdout.split()]
    np.testing.assert_allclose(found, model.predict([[0.5, -1.0]])[0], rtol=1e-5)
    assert not done.stderr


def test_c_says_how_much_memory_it_takes(tmp_path: Path) -> None:
    exporter("c")
    model = layerkit.build("highway-digits")
    text = layerkit.export(model, tmp_path / "net.h").path.read_text()
    said = int(text.split("uses ")[1].split(" bytes")[0].replace(",", ""))
    (tmp_path / "net.c").write_text(
        '#include "net.h"\nvoid run(const highway_digits_in *r, highway_digits_out *o)'
        " { highway_digits_predict(r, o); }\n"
    )
    built = [str(tmp_path / "net.c"), "-o", str(tmp_path / "net.o")]
    subprocess.run(["cc", "-std=c99", "-O0", "-c", *built], check=True)
    size = subprocess.run(
        ["size", str(tmp_path / "net.o")], capture_output=True, text=True, check=True
    )
    bss = int(size.stdout.splitlines()[1].split()[2])
    assert said <= bss <= said + 64 * 40  # arrays are aligned


@pytest.mark.parametrize("form", ["npz", "safetensors"])
def test_tensors_are_copies_in_c_order(form: str, model: Model, tmp_path: Path) -> None:
    exporter(form)
    path = layerkit.export(model, tmp_path / f"net.{form}").path
    if form == "npz":
        found = dict(np.load(path))
    else:
        from safetensors.numpy import load_file

        found = load_file(path)
    expected = {name: array for name, (_, array) in model.network.tensors().items()}
    assert set(found) == set(expected)
    for name, array in expected.items():
        np.testing.assert_array_equal(found[name], array)


def test_the_form_is_taken_from_the_name(model: Model, tmp_path: Path) -> None:
    assert layerkit.export(model, tmp_path / "a.npz").form == "npz"
    with pytest.raises(
        ExportError, match=r"the form of 'a\.txt' is not known by its name"
    ) as caught:
        layerkit.export(model, tmp_path / "a.txt")
    assert "onnx" in (caught.value.hint or "")


def test_equal_models_give_equal_files(model: Model, tmp_path: Path) -> None:
    for form in EXPORTERS.names():
        exporter(form)
        first = layerkit.export(model, tmp_path / "a", to=form).path.read_bytes()
        assert layerkit.export(model, tmp_path / "a", to=form).path.read_bytes() == first


def test_wrong_numbers_are_not_written(model: Model, tmp_path: Path, monkeypatch: Any) -> None:
    part = type(EXPORTERS.create("python"))
    plain = part.run
    monkeypatch.setattr(part, "run", lambda self, content, rows: plain(self, content, rows) + 0.01)
    with pytest.raises(ExportError, match=r"row \d: the written form gives .* no file was written"):
        layerkit.export(model, tmp_path / "a.py", verify=np.ones((3, 2)))
    assert not list(tmp_path.iterdir())


def test_weights_alone_cannot_be_verified(model: Model, tmp_path: Path) -> None:
    with pytest.raises(ExportError, match="npz cannot be verified here: this form holds weights"):
        layerkit.export(model, tmp_path / "a.npz", verify=True)


def test_an_untrained_model_says_what_it_lacks(tmp_path: Path) -> None:
    scaled = {"shape": [2], "scale": "standardize"}
    model = layerkit.build(spec([{"type": "dense", "units": 1}], "float32", input=scaled))
    with pytest.raises(layerkit.DataError, match="its input scaling must be fitted"):
        layerkit.export(model, tmp_path / "a.py")
