"""First-party layers: numbers worked out by hand, plans, starts, advice."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest

import layerkit
from layerkit import Array, Context, Layer, ShapeError
from layerkit.core.network import Network
from layerkit.core.planning import plan_layers
from layerkit.discovery.registry import LAYERS, initializer
from layerkit.recording.counting import costs, feed_only
from layerkit.recording.record import record

LN3 = float(np.log(3.0))  # sigma(ln 3) = 3/4, sigma(-ln 3) = 1/4

X = [[1.0, 0.0], [0.0, -1.0]]
G = [[1.0, -1.0], [2.0, 4.0]]
WH = [[1.0, 2.0], [3.0, 4.0]]
BH = [0.5, -0.5]
WT = [[LN3, 0.0], [0.0, LN3]]  # aT = ln 3 * x, so T = [[3/4, 1/2], [1/2, 1/4]]
WA = [[2.0, -1.0], [0.0, 1.0]]
BA = [1.0, 0.0]


def made(kind: str, params: dict[str, Any], width: int = 2, **settings: Any) -> Layer:
    layer = LAYERS[kind](**settings)
    network = Network(plan_layers([("l", layer)], (width,)), np.dtype(np.float64))
    network.allocate_grads()
    assert set(layer.params) == set(params)
    for name, value in params.items():
        layer.params[name][...] = value
    return layer


def passed(layer: Layer, x: Any, dy: Any) -> tuple[Array, Array, dict[str, Array]]:
    ctx = Context(np.float64)
    y = layer.feed(np.array(x), ctx).copy()
    dx = layer.backprop(np.array(dy), ctx).copy()
    return y, dx, {name: g.copy() for name, g in layer.grads.items()}


def close(found: Array, wanted: Any) -> None:
    np.testing.assert_allclose(found, np.array(wanted), rtol=0, atol=1e-14)


def test_dense_by_hand() -> None:
    layer = made("dense", {"W": [[1.0, 2.0], [3.0, 4.0]], "b": [10.0, 20.0]}, units=2)
    y, dx, grads = passed(layer, [[1.0, 2.0], [3.0, -1.0]], [[1.0, -1.0], [2.0, 0.5]])
    close(y, [[17.0, 30.0], [10.0, 22.0]])
    close(grads["W"], [[7.0, 0.5], [0.0, -2.5]])
    close(grads["b"], [3.0, -0.5])
    close(dx, [[-1.0, -1.0], [3.0, 8.0]])


def test_dense_with_relu_by_hand() -> None:
    layer = made("dense", {"W": [[1.0, -1.0]], "b": [0.0, 0.5]}, 1, units=2, activation="relu")
    y, dx, grads = passed(layer, [[2.0], [-3.0]], [[1.0, 1.0], [1.0, 1.0]])
    close(y, [[2.0, 0.0], [0.0, 3.5]])
    close(grads["W"], [[2.0, -3.0]])
    close(grads["b"], [1.0, 1.0])
    close(dx, [[1.0], [-1.0]])


def test_highway_by_hand() -> None:
    params = {"WH": WH, "WT": WT, "bH": BH, "bT": [0.0, 0.0]}
    layer = made("highway", params, activation="linear")
    y, dx, grads = passed(layer, X, G)
    dT = np.array([[0.09375, -0.375], [-1.25, -2.625]])
    close(y, [[1.375, 0.75], [-1.25, -1.875]])
    close(grads["WH"], [[0.75, -0.5], [-1.0, -1.0]])
    close(grads["bH"], [1.75, 0.5])
    close(grads["WT"], [[0.09375, -0.375], [1.25, 2.625]])
    close(grads["bT"], [-1.15625, -3.0])
    close(dx, np.array([[0.0, -0.25], [4.0, 10.0]]) + LN3 * dT)


def test_projection_by_hand() -> None:
    params = {"WH": WH, "WT": WT, "WA": WA, "bH": BH, "bT": [0.0, 0.0], "bA": BA}
    layer = made("projection", params, units=2, activation="linear", carry_activation="linear")
    y, dx, grads = passed(layer, X, G)
    dT = np.array([[-0.28125, -0.625], [-1.75, -2.625]])
    close(y, [[1.875, 0.25], [-0.75, -1.875]])
    close(grads["WH"], [[0.75, -0.5], [-1.0, -1.0]])
    close(grads["bH"], [1.75, 0.5])
    close(grads["WT"], [[-0.28125, -0.625], [1.75, 2.625]])
    close(grads["bT"], [-2.03125, -3.25])
    close(grads["WA"], [[0.25, -0.5], [-1.0, -3.0]])
    close(grads["bA"], [1.25, 2.5])
    close(dx, np.array([[0.75, -0.25], [2.0, 10.0]]) + LN3 * dT)


def test_projection_with_an_identity_carry_is_highway() -> None:
    rng = np.random.default_rng(0)
    shared = {
        "WH": rng.standard_normal((3, 3)),
        "WT": rng.standard_normal((3, 3)),
        "bH": rng.standard_normal(3),
        "bT": rng.standard_normal(3),
    }
    highway = made("highway", shared, 3, activation="tanh")
    carried = {**shared, "WA": np.eye(3), "bA": np.zeros(3)}
    projection = made(
        "projection", carried, 3, units=3, activation="tanh", carry_activation="linear"
    )
    x, dy = rng.standard_normal((2, 5, 3))
    y, dx, grads = passed(highway, x, dy)
    also = passed(projection, x, dy)
    np.testing.assert_allclose(also[0], y, atol=1e-14)
    np.testing.assert_allclose(also[1], dx, atol=1e-14)
    for name in shared:
        np.testing.assert_allclose(also[2][name], grads[name], atol=1e-14)


@pytest.mark.parametrize(("gate", "slope"), [(-1000.0, "carry"), (1000.0, "new")])
def test_a_closed_gate_carries_and_an_open_one_replaces(gate: float, slope: str) -> None:
    params = {"WH": WH, "WT": np.zeros((2, 2)), "bH": BH, "bT": [gate, gate]}
    layer = made("highway", params, activation="linear")
    with np.errstate(over="ignore"):  # as a network runs its layers
        y, dx, _ = passed(layer, X, G)
    if slope == "carry":
        close(y, X)
        close(dx, G)
    else:
        close(y, np.array(X) @ WH + BH)
        close(dx, np.array(G) @ np.array(WH).T)


@pytest.mark.parametrize(
    ("kind", "settings", "names"),
    [
        ("dense", {"units": 3}, ["W", "b"]),
        ("dense", {"units": 3, "use_bias": False}, ["W"]),
        ("highway", {}, ["WH", "WT", "bH", "bT"]),
        ("highway", {"use_bias": False}, ["WH", "WT", "bT"]),
        ("projection", {"units": 3}, ["WH", "WT", "WA", "bH", "bT", "bA"]),
        ("projection", {"units": 3, "use_bias": False}, ["WH", "WT", "WA", "bT"]),
    ],
)
def test_parameters_in_the_order_of_the_plan(
    kind: str, settings: dict[str, Any], names: list[str]
) -> None:
    plan = LAYERS[kind](**settings).plan((3,))
    assert list(plan.params) == names
    assert plan.state == {}


@pytest.mark.parametrize(
    ("kind", "settings", "width", "macs"),
    [
        ("dense", {"units": 5}, 3, 15),
        ("highway", {}, 4, 32),
        ("projection", {"units": 5}, 3, 45),
    ],
)
def test_the_work_of_a_row(kind: str, settings: dict[str, Any], width: int, macs: int) -> None:
    recording = record(LAYERS[kind](**settings), (width,), np.float32, training=True, keeps=True)
    assert costs(feed_only(recording.graph)).macs == (0, macs, 0)
    assert costs(recording.graph).macs == (0, 3 * macs, 0)


@pytest.mark.parametrize(("kind", "settings"), [("highway", {}), ("projection", {"units": 2})])
@pytest.mark.parametrize("shape", [(), (2, 2), (1, 2, 3)])
def test_rows_of_several_axes_are_refused(
    kind: str, settings: dict[str, Any], shape: tuple[int, ...]
) -> None:
    message = f"expected rows with one axis, got shape {list(shape)}"
    with pytest.raises(ShapeError, match=re.escape(message)):
        LAYERS[kind](**settings).plan(shape)


def test_dense_works_on_the_last_axis() -> None:
    x, dy = np.arange(24.0).reshape(2, 3, 4), np.arange(12.0).reshape(2, 3, 2)
    found = []
    for rows, back in ((x, dy), (x.reshape(6, 4), dy.reshape(6, 2))):
        layer = LAYERS["dense"](units=2, activation="tanh")
        network = Network(plan_layers([("l", layer)], rows.shape[1:]), np.dtype(np.float64))
        network.allocate_grads()
        network.params[:] = np.linspace(-0.1, 0.1, network.size)
        ctx = Context(np.float64, training=True)
        y = layer.feed(rows, ctx)
        assert y.shape == back.shape
        found.append((y, layer.backprop(back, ctx), *layer.grads.values()))
    for one, other in zip(*found, strict=True):
        np.testing.assert_array_equal(one.ravel(), other.ravel())
    with pytest.raises(ShapeError):
        LAYERS["dense"](units=2).plan(())


def test_highway_refuses_another_width_and_names_the_ways_out() -> None:
    with pytest.raises(ShapeError) as caught:
        LAYERS["highway"](units=5).plan((4,))
    for word in ("units 4", "got 5", "5 units", "projection", "dense"):
        assert word in str(caught.value)
    assert LAYERS["highway"](units=4).plan((4,)).out_shape == (4,)


@pytest.mark.parametrize("kind", ["highway", "projection"])
@pytest.mark.parametrize("bias", [-7.5, 0.0, 3.0])
def test_the_gate_bias_survives_initialise(kind: str, bias: float) -> None:
    settings = {"gate_bias": bias} | ({"units": 3} if kind == "projection" else {})
    layer = LAYERS[kind](**settings)
    network = Network(plan_layers([("l", layer)], (3,)), np.dtype(np.float32))
    for seed in (0, 1):
        network.initialise(seed, initializer)
        assert layer.params["bT"].tolist() == [bias] * 3
        assert layer.params["bH"].tolist() == [0.0] * 3
        assert layer.params["WT"].any()


def test_the_carry_of_projection_starts_at_ones() -> None:
    layer = LAYERS["projection"](units=2)
    Network(plan_layers([("l", layer)], (3,)), np.dtype(np.float32)).initialise(0, initializer)
    assert layer.params["WA"].tolist() == [[1.0, 1.0]] * 3
    assert layer.params["bA"].tolist() == [0.0, 0.0]


def test_projection_starts_its_carry_as_told() -> None:
    layer = LAYERS["projection"](units=2, carry_initializer="eye")
    Network(plan_layers([("l", layer)], (3,)), np.dtype(np.float32)).initialise(0, initializer)
    assert layer.params["WA"].tolist() == [[1.0, 0.0], [0.0, 1.0], [0.0, 0.0]]


@pytest.mark.parametrize(("scale", "told"), [(100.0, True), (0.01, False)])
def test_projection_says_when_its_carry_is_saturated(scale: float, told: bool) -> None:
    layer = LAYERS["projection"](units=4)
    network = Network(plan_layers([("l", layer)], (10,)), np.dtype(np.float32))
    network.initialise(0, initializer)
    ctx = network.contexts()
    rows = np.abs(np.random.default_rng(0).standard_normal((8, 10))).astype(np.float32) + 0.5
    network.feed(rows * np.float32(scale), ctx)
    advice = layer.advice(ctx[0])
    assert [("saturated" in text and "carry_initializer" in text) for text in advice] == (
        [True] if told else []
    )


def test_advice_leaves_the_pass_alone() -> None:
    layer = LAYERS["projection"](units=4, activation="tanh")
    network = Network(plan_layers([("l", layer)], (3,)), np.dtype(np.float64))
    network.initialise(0, initializer)
    network.allocate_grads()
    x, dy = np.random.default_rng(1).standard_normal((2, 6, 3))[:, :, :3]
    dy = np.hstack([dy, dy[:, :1]])
    before = [c.copy() for c in _gradients(network, x, dy, ask=False)]
    after = _gradients(network, x, dy, ask=True)
    for one, two in zip(before, after, strict=True):
        np.testing.assert_array_equal(one, two)


def _gradients(network: Network, x: Array, dy: Array, *, ask: bool) -> list[Array]:
    contexts = network.contexts(wants_dx=True)
    network.feed(x, contexts)
    if ask:
        network.layers[0].advice(contexts[0])
    dx = network.backprop(dy, contexts)
    assert network.grads is not None
    return [dx, network.grads]


def test_layers_are_those_of_the_entry_points() -> None:
    for name in ("dense", "highway", "projection"):
        assert LAYERS[name].type_name == name
        assert issubclass(LAYERS[name], layerkit.Layer)
