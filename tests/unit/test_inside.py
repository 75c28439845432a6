"""Looking inside a model: what layers show, values after a layer, layers left out."""

from __future__ import annotations

import copy
import io
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import layerkit
from layerkit import (
    Array,
    Context,
    Layer,
    Model,
    Plan,
    PluginLoadError,
    Shape,
    ShapeError,
    SpecError,
)

Register = Callable[[Any], Any]


@pytest.fixture(scope="module")
def model() -> Model:
    """A net of two highway layers and a projection, with random weights, on columns to scale."""
    spec = {
        "layerkit": 1,
        "dtype": "float64",
        "input": {"shape": [4], "scale": "standardize"},
        "layers": [
            {"type": "dense", "name": "in", "units": 3, "activation": "tanh"},
            {"type": "highway", "repeat": 2, "gate_bias": -0.5},
            {"type": "projection", "units": 5},
            {"type": "dense", "name": "out", "units": 2},
        ],
        "output": {"classes": ["a", "b"]},
        "train": {"epochs": 1, "seed": 3},
    }
    rng = np.random.default_rng(7)
    x = rng.normal(3.0, 2.0, (60, 4))
    return layerkit.train(spec, data=(x, np.where(x[:, 0] > 3, "a", "b"))).model


def rows(n: int) -> Array:
    found: Array = np.random.default_rng(n).normal(3.0, 2.0, (n, 4))
    return found


def sigmoid(z: Array) -> Array:
    found: Array = 1 / (1 + np.exp(-z))
    return found


@pytest.mark.parametrize("n", [0, 1, 40, 2500])
def test_the_gates_are_those_of_the_equations(model: Model, n: int) -> None:
    raw = rows(n)
    shown = model.watch(raw)
    assert list(shown) == ["highway_1", "highway_2", "projection_1"]
    p = model.tensors()
    for k in (1, 2):
        before = "in" if k == 1 else "highway_1"
        x = model.encode(raw, layer=before)
        gate = sigmoid(x @ p[f"highway_{k}.WT"] + p[f"highway_{k}.bT"])
        new = np.maximum(x @ p[f"highway_{k}.WH"] + p[f"highway_{k}.bH"], 0)
        got = shown[f"highway_{k}"]
        np.testing.assert_allclose(got["gate"], gate, rtol=1e-12)
        np.testing.assert_allclose(got["new"], new, rtol=1e-12, atol=1e-14)
        np.testing.assert_array_equal(got["carried"], x)
        y = model.encode(raw, layer=f"highway_{k}")
        np.testing.assert_allclose(y, gate * new + (1 - gate) * x, rtol=1e-12, atol=1e-13)
    scores = model.encode(raw, layer="out")
    np.testing.assert_allclose(scores, model.scores(raw), rtol=1e-9, atol=1e-13)
    assert model.watch(raw, layers=["highway_2"]).keys() == {"highway_2"}
    assert model.watch(raw, layers=[]) == {}


def test_watched_values_are_the_callers_own(model: Model) -> None:
    raw = rows(5)
    shown = model.watch(raw)["highway_1"]
    before = model.predict(raw)
    for values in shown.values():
        values[...] = 9.0
    model.encode(raw, layer="in")[...] = 9.0
    np.testing.assert_array_equal(model.predict(raw), before)
    assert model.encode(raw, layer="in").max() <= 1.0


def test_a_layer_left_out_gives_its_carry(model: Model) -> None:
    raw, p = rows(30), model.tensors()
    x = model.encode(raw, layer="in")
    carried = np.tanh(x @ p["projection_1.WA"] + p["projection_1.bA"])
    view = model.without(["highway_1", "highway_2", "projection_1"])
    scores = carried @ p["out.W"] + p["out.b"]
    for _ in range(3):  # a form may be made at the second call
        np.testing.assert_allclose(view.scores(raw), scores, rtol=1e-12)
        np.testing.assert_allclose(view.scores(raw[:1]), scores[:1], rtol=1e-12)
    np.testing.assert_allclose(view.predict_as_written(raw), view.predict(raw), rtol=1e-12)
    assert view.watch(raw) == {}
    assert "a view without highway_1, highway_2, projection_1" in repr(view)
    assert view.network.kept is not model.network.kept  # trials are kept there by name
    one = model.without(["highway_1"]).without(["highway_2"])
    other = model.without(["highway_2", "highway_1"])
    np.testing.assert_array_equal(one.scores(raw), other.scores(raw))
    np.testing.assert_array_equal(model.without([]).scores(raw), model.scores(raw))


def test_a_view_sees_new_weights_of_its_model(model: Model) -> None:
    twin = copy.deepcopy(model)
    view = twin.without(["highway_1"])
    twin.network.params[...] *= 0.5
    again = copy.deepcopy(twin).without(["highway_1"])
    np.testing.assert_array_equal(view.scores(rows(4)), again.scores(rows(4)))


def test_what_cannot_be_left_out_is_told(model: Model) -> None:
    with pytest.raises(ShapeError, match=r"'out' turns rows of shape \[5\] into \[2\] and has no"):
        model.without(["out"])
    with pytest.raises(SpecError, match=r"no layer 'highway_3'; did you mean 'highway_\d'"):
        model.without(["highway_3"])
    with pytest.raises(SpecError, match="no layer 'highwy_1'"):
        model.encode(rows(1), layer="highwy_1")
    with pytest.raises(SpecError, match="no layer 'gate'"):
        model.watch(rows(1), layers=["gate"])
    with pytest.raises(TypeError, match="a list of layers"):
        model.without("highway_1")


def test_a_view_is_neither_saved_nor_trained(model: Model, tmp_path: Any) -> None:
    view = model.without(["highway_1"])
    data = (rows(9), ["a", "b", "a"] * 3)
    acts: list[Callable[[], object]] = [
        lambda: layerkit.save(view, io.BytesIO()),
        lambda: layerkit.train(view, data=data),
        lambda: layerkit.resume(view, data=data, epochs=9),
        lambda: layerkit.export(view, tmp_path / "m.py", to="python"),
        lambda: copy.deepcopy(view),
        lambda: view.set_tensors(model.tensors()),
    ]
    for act in acts:
        with pytest.raises(SpecError, match="is a view without highway_1, which cannot be"):
            act()
    assert not list(tmp_path.iterdir())


class Odd(Layer):
    type_name = "test.odd"

    def __init__(self, *, how: str = "right", carry: bool = True) -> None:
        self.how = how
        self.carry = carry  # type: ignore[method-assign,assignment]  # a setting of that name

    def plan(self, in_shape: Shape) -> Plan:
        return Plan(in_shape)

    def feed(self, x: Array, ctx: Context) -> Array:
        ctx.save(x)
        y: Array = 2 * x
        return y

    def backprop(self, dy: Array, ctx: Context) -> Array:
        dx: Array = 2 * dy
        return dx

    def watched(self, ctx: Context) -> Any:
        (x,) = ctx.saved
        return {"right": {"x": x}, "short": {"x": x[:1]}, "list": {"x": [1.0]}}[self.how]


def odd(how: str) -> Model:
    layers = [{"type": "test.odd", "how": how}]
    return layerkit.build({"layerkit": 1, "input": {"shape": [2]}, "layers": layers})


def test_a_layer_that_shows_nonsense_is_named(register: Register) -> None:
    register(Odd)
    raw = [[1.0, 2.0], [3.0, 4.0]]
    np.testing.assert_array_equal(odd("right").watch(raw)["test-odd_1"]["x"], raw)
    np.testing.assert_array_equal(odd("right").without(["test-odd_1"]).scores(raw), raw)
    for how, told in (
        ("short", r"expected an array of 2 rows as 'x', got \[1, 2\]"),
        ("list", r"expected an array of 2 rows as 'x', got \[1\.0\]"),
        ("gone", r"watched raised KeyError"),
    ):
        with pytest.raises(PluginLoadError, match=f"test-odd_1.*{told}"):
            odd(how).watch(raw)


@pytest.fixture(scope="module")
def nested() -> Model:
    """A residual block with a highway layer in it, and two ways side by side."""
    highway = {"type": "highway", "gate_bias": -0.5}
    dense = {"type": "dense", "units": 3, "activation": "tanh"}
    ways = [{"type": "sequence", "name": "deep", "layers": [dense, highway]}, dense]
    layers = [
        {"type": "residual", "layers": [dense, highway, {"type": "projection", "units": 3}]},
        {"type": "branch", "layers": ways},
        {"type": "dense", "name": "out", "units": 2},
    ]
    model = layerkit.build(
        {"layerkit": 1, "dtype": "float64", "input": {"shape": [3]}, "layers": layers}
    )
    rng = np.random.default_rng(5)
    model.network.params[...] += rng.uniform(-0.5, 0.5, model.network.size)
    return model


def test_layers_inside_containers_are_named_by_path(nested: Model) -> None:
    raw = np.random.default_rng(2).normal(size=(1500, 3))
    shown = nested.watch(raw)
    block = "residual_1."
    assert list(shown) == [
        *(block + "highway_1", block + "projection_1"),
        "branch_1.deep.highway_1",
    ]
    for path in shown:
        gate, new, carried = (shown[path][name] for name in ("gate", "new", "carried"))
        y = nested.encode(raw, layer=path)
        np.testing.assert_allclose(y, gate * new + (1 - gate) * carried, rtol=1e-9, atol=1e-12)
    x = nested.encode(raw, layer=block + "dense_1")
    np.testing.assert_array_equal(shown[block + "highway_1"]["carried"], x)
    inner = nested.encode(raw, layer=block + "projection_1")
    y = nested.encode(raw, layer="residual_1")
    np.testing.assert_allclose(y, raw + inner, rtol=1e-12)
    deep, both = (nested.encode(raw, layer=f"branch_1{one}") for one in (".deep", ""))
    np.testing.assert_array_equal(both[:, :3], deep)
    assert nested.watch(raw, layers=[block + "projection_1"]).keys() == {block + "projection_1"}


def test_layers_inside_containers_are_left_out(nested: Model) -> None:
    raw, before = np.random.default_rng(2).normal(size=(40, 3)), nested.tensors()
    whole = nested.scores(raw)
    names = ["residual_1.highway_1", "branch_1.deep.highway_1"]
    view = nested.without(names)
    p, tanh = nested.tensors(), np.tanh
    h = tanh(raw @ p["residual_1.dense_1.W"] + p["residual_1.dense_1.b"])
    inner = "residual_1.projection_1."
    aH, aT, aA = (h @ p[f"{inner}W{k}"] + p[f"{inner}b{k}"] for k in "HTA")
    gate = sigmoid(aT)
    y = raw + gate * np.maximum(aH, 0) + (1 - gate) * tanh(aA)
    ways = [
        tanh(y @ p[f"branch_1.{k}W"] + p[f"branch_1.{k}b"]) for k in ("deep.dense_1.", "dense_1.")
    ]
    scores = np.concatenate(ways, axis=1) @ p["out.W"] + p["out.b"]
    for n in (40, 1, 40, 1):
        np.testing.assert_allclose(view.scores(raw[:n]), scores[:n], rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(view.predict_as_written(raw), view.predict(raw), rtol=1e-10)
    assert list(view.watch(raw)) == ["residual_1.projection_1"]
    assert np.abs(scores - whole).max() > 0.01
    np.testing.assert_array_equal(nested.scores(raw), whole)
    for name, array in before.items():
        np.testing.assert_array_equal(array, nested.tensors()[name])
    shut = nested.without(["residual_1"])
    np.testing.assert_allclose(shut.encode(raw, layer="residual_1"), raw, rtol=0, atol=0)
    with pytest.raises(ShapeError, match="branch_1"):
        nested.without(["branch_1"])
    with pytest.raises(SpecError, match=r"no layer 'highway_1'"):
        nested.without(["highway_1"])


GATED = {
    "conv_highway": ((2, 5, 4), {}, (2, 5, 4)),
    "highway_rnn": ((4, 3), {"units": 3, "depth": 2}, (4, 2, 3)),
    "gru": ((4, 3), {"units": 3, "sequence": True}, (4, 3)),
}


@pytest.mark.parametrize("kind", GATED)
def test_other_gated_layers_show_their_gates(kind: str) -> None:
    shape, settings, gates = GATED[kind]
    layers = [{"type": kind, **settings}]
    net = layerkit.build(
        {"layerkit": 1, "dtype": "float64", "input": {"shape": list(shape)}, "layers": layers}
    )
    raw = np.random.default_rng(1).normal(size=(7, *shape))
    name = net.spec.layers[0].name
    shown, y = net.watch(raw)[name], net.encode(raw, layer=name)
    gate = shown["gate"]
    assert gate.shape == (7, *gates)
    assert ((gate > 0) & (gate < 1)).all()
    if kind == "conv_highway":
        np.testing.assert_allclose(y, gate * shown["new"] + (1 - gate) * raw, rtol=1e-9, atol=1e-12)
    p = {key.rpartition(".")[2]: array for key, array in net.tensors().items()}
    if kind == "highway_rnn":
        first = sigmoid(raw[:, 0] @ p["W"][:, 3:] + p["bT1"])
        np.testing.assert_allclose(gate[:, 0, 0], first, rtol=1e-12)
    if kind == "gru":  # the second step, whose state before it is the first output
        u = y[:, 0] @ p["U"]
        r, z = (sigmoid((raw[:, 1] @ p["W"] + p["b"] + u)[:, i : i + 3]) for i in (0, 3))
        np.testing.assert_allclose(gate[:, 1], 1 - z, rtol=1e-12)
        np.testing.assert_allclose(shown["reset"][:, 1], r, rtol=1e-12)
