"""Dropout, noise, layer and batch normalisation, maxout: against PyTorch, and what is special."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from layerkit import Array, Context, Layer, ShapeError
from layerkit.core.network import Network
from layerkit.core.planning import plan_layers
from layerkit.discovery.registry import LAYERS
from layerkit.recording.record import record

RNG = np.random.default_rng(7)


def made(kind: str, shape: tuple[int, ...], dtype: Any = np.float64, **settings: Any) -> Layer:
    """A layer with random parameters."""
    layer: Layer = LAYERS[kind](**settings)
    network = Network(plan_layers([("l", layer)], shape), np.dtype(dtype))
    network.allocate_grads()
    network.params[:] = RNG.normal(1, 0.5, network.size)
    for name, array in layer.state.items():
        array[...] = name == "var"
    return layer


def passed(
    layer: Layer, x: Array, dy: Array, *, training: bool = True, seed: int = 0
) -> tuple[Array, Array]:
    """(y, dx); gradients are in the layer."""
    ctx = Context(x.dtype, training=training, rng=np.random.default_rng(seed))
    return layer.feed(x, ctx), layer.backprop(dy, ctx)


def torch_of(**arrays: Array) -> tuple[Any, dict[str, Any]]:
    torch = pytest.importorskip("torch", reason="PyTorch, the other implementation, is optional")
    return torch, {k: torch.tensor(v, requires_grad=True) for k, v in arrays.items()}


def close(found: Array, wanted: Any) -> None:
    wanted = wanted.detach().numpy() if hasattr(wanted, "detach") else wanted
    np.testing.assert_allclose(found, wanted, rtol=1e-10, atol=1e-12)


# ---- dropout and noise


def test_dropout_keeps_the_mean_and_says_what_it_dropped() -> None:
    layer = made("dropout", (50,), rate=0.2)
    x, dy = np.ones((2000, 50)), np.full((2000, 50), 3.0)
    y, dx = passed(layer, x, dy)
    assert set(np.unique(y)) == {0.0, 1.25}
    assert (y == 0).mean() == pytest.approx(0.2, abs=0.005)  # 100,000 numbers: 4 deviations
    assert y.mean() == pytest.approx(1, abs=0.006)
    np.testing.assert_array_equal(dx, 3 * y)
    assert 0.15 < (y == 0).mean(axis=0).min() <= (y == 0).mean(axis=0).max() < 0.25
    assert len({row.tobytes() for row in y}) > 1900  # not one mask for all rows
    assert (passed(layer, x, dy, seed=1)[0] != y).any()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    ("kind", "settings"), [("dropout", {"rate": 0}), ("gaussian_noise", {"stddev": 0})]
)
def test_nothing_is_drawn_in_inference_or_without_noise(
    kind: str, settings: dict[str, float], dtype: Any
) -> None:
    x, dy = np.ones((3, 4), dtype), np.ones((3, 4), dtype)
    for layer, training in ((made(kind, (4,)), False), (made(kind, (4,), **settings), True)):
        ctx = Context(dtype, training=training)  # without a stream
        assert layer.feed(x, ctx) is x
        assert layer.backprop(dy, ctx) is dy
        assert not record(layer, (4,), dtype, training=training, keeps=True).graph.draws


def test_noise_has_the_deviation_that_was_asked_for() -> None:
    x, dy = np.full((2000, 50), 5.0), np.full((2000, 50), 3.0)
    y, dx = passed(made("gaussian_noise", (50,), stddev=0.3), x, dy)
    assert (y - x).std() == pytest.approx(0.3, rel=0.02)
    assert (y - x).mean() == pytest.approx(0, abs=0.004)
    assert dx is dy


# ---- layer normalisation


@pytest.mark.parametrize("settings", [{}, {"scale": False}, {"center": False, "epsilon": 1e-3}])
@pytest.mark.parametrize("shape", [(6,), (3, 5), (1,), (2, 2, 4)])
def test_layernorm_is_that_of_torch(shape: tuple[int, ...], settings: dict[str, Any]) -> None:
    layer = made("layernorm", shape, **settings)
    given, dy = RNG.normal(3, 2, (7, *shape)), RNG.normal(size=(7, *shape))
    torch, t = torch_of(x=given, **layer.params)
    y = torch.nn.functional.layer_norm(
        t["x"], shape[-1:], t.get("gamma"), t.get("beta"), layer.config["epsilon"]
    )
    y.backward(torch.tensor(dy))
    found, dx = passed(layer, given, dy)
    close(found, y)
    close(dx, t["x"].grad)
    for name in layer.params:
        close(layer.grads[name], t[name].grad)


@pytest.mark.parametrize("offset", [0, 1e3, 1e6])
def test_a_large_offset_costs_no_digits(offset: float) -> None:
    """What float32 holds of x is normalised as in float64: the second centring."""
    x = (RNG.normal(size=(64, 6)) + offset).astype(np.float32)
    dy = RNG.normal(size=(64, 6)).astype(np.float32)
    for kind in "layernorm", "batchnorm":
        fine, coarse = made(kind, (6,)), made(kind, (6,), np.float32)
        for name, value in fine.params.items():
            coarse.params[name][...] = value
        wanted = passed(fine, x.astype(np.float64), dy.astype(np.float64))
        for found, exact in zip(passed(coarse, x, dy), wanted, strict=True):
            np.testing.assert_allclose(found, exact, rtol=2e-5, atol=4e-6)
        for name, state in fine.state.items():
            np.testing.assert_allclose(coarse.state[name], state, rtol=2e-6)


# ---- batch normalisation

SHAPES: list[tuple[tuple[int, ...], int | None, int]] = [
    # rows, axis, where the features are
    ((5,), None, 0),
    ((4, 3), None, 1),  # steps of a sequence
    ((3, 4, 2), None, 0),  # an image: channels, height, width
    ((4, 3), 0, 0),
    ((2, 2, 3), -1, 2),
]


@pytest.mark.parametrize("settings", [{}, {"momentum": 0.6, "epsilon": 1e-3}])
@pytest.mark.parametrize(("shape", "axis", "features"), SHAPES)
def test_batchnorm_is_that_of_torch(
    shape: tuple[int, ...], axis: int | None, features: int, settings: dict[str, Any]
) -> None:
    """Outputs, gradients and running figures over several batches, then in inference."""
    layer = made("batchnorm", shape, axis=axis, **settings)
    torch, t = torch_of(**layer.params, mean=layer.state["mean"], var=layer.state["var"])
    mean, var = t["mean"].detach(), t["var"].detach()
    for training, rows in [(True, 8), (True, 5), (True, 2), (False, 3), (True, 9), (False, 1)]:
        given, dy = RNG.normal(3, 2, (rows, *shape)), RNG.normal(size=(rows, *shape))
        x = torch.tensor(given, requires_grad=True)
        y = torch.nn.functional.batch_norm(
            x.movedim(1 + features, 1), mean, var, t["gamma"], t["beta"], training,
            1 - layer.config["momentum"], layer.config["epsilon"],
        ).movedim(1, 1 + features)  # fmt: skip
        for one in (t["gamma"], t["beta"]):
            one.grad = None
        y.backward(torch.tensor(dy))
        found, dx = passed(layer, given, dy, training=training)
        close(found, y)
        close(dx, x.grad)
        for name in ("gamma", "beta"):
            close(layer.grads[name], t[name].grad)
        close(layer.state["mean"], mean)
        close(layer.state["var"], var)


@pytest.mark.parametrize("settings", [{"scale": False}, {"center": False}])
def test_batchnorm_without_scale_or_shift(settings: dict[str, bool]) -> None:
    layer = made("batchnorm", (3,), **settings)
    torch, t = torch_of(x=RNG.normal(size=(6, 3)), **layer.params)
    dy = RNG.normal(size=(6, 3))
    gamma, beta = t.get("gamma"), t.get("beta")
    y = torch.nn.functional.batch_norm(t["x"], None, None, gamma, beta, True, 0.1, 1e-5)
    y.backward(torch.tensor(dy))
    found, dx = passed(layer, t["x"].detach().numpy(), dy)
    close(found, y)
    close(dx, t["x"].grad)


def test_no_rows_and_single_values_leave_the_running_figures_alone() -> None:
    layer = made("batchnorm", (3,))
    passed(layer, RNG.normal(size=(6, 3)), RNG.normal(size=(6, 3)))
    before = {name: array.copy() for name, array in layer.state.items()}
    for rows in (0, 1):
        y, dx = passed(layer, RNG.normal(size=(rows, 3)), RNG.normal(size=(rows, 3)))
        close(y, np.tile(layer.params["beta"], (rows, 1)))
        close(dx, np.zeros((rows, 3)))
        for name, array in before.items():
            np.testing.assert_array_equal(layer.state[name], array)
    image = made("batchnorm", (2, 2, 3))
    passed(image, RNG.normal(3, 1, (1, 2, 2, 3)), np.ones((1, 2, 2, 3)))
    assert (image.state["mean"] != 0).all()  # one image has six values a channel


def test_a_frozen_batchnorm_uses_its_running_figures_in_training() -> None:
    layer = made("batchnorm", (3,), freeze=True)
    layer.state["mean"], layer.state["var"] = np.arange(3.0), np.arange(1.0, 4.0)
    x, dy = RNG.normal(size=(5, 3)), RNG.normal(size=(5, 3))
    for found, wanted in zip(
        passed(layer, x, dy), passed(layer, x, dy, training=False), strict=True
    ):
        np.testing.assert_array_equal(found, wanted)
    close(layer.state["mean"], np.arange(3.0))


@pytest.mark.parametrize(("shape", "axis"), [((), None), ((3,), 1), ((3,), -2), ((2, 3), 2)])
def test_batchnorm_refuses_axes_that_are_not_there(shape: tuple[int, ...], axis: Any) -> None:
    with pytest.raises(ShapeError, match="expected"):
        LAYERS["batchnorm"](axis=axis).plan(shape)


# ---- maxout


@pytest.mark.parametrize("settings", [{}, {"pieces": 4}, {"use_bias": False}, {"pieces": 1}])
def test_maxout_is_that_of_torch(settings: dict[str, Any]) -> None:
    layer = made("maxout", (5,), units=3, **settings)
    given, dy = RNG.normal(size=(7, 5)), RNG.normal(size=(7, 3))
    torch, t = torch_of(x=given, **layer.params)
    z = t["x"] @ t["W"] + t.get("b", 0)
    y = z.reshape(7, -1, 3).amax(dim=1)
    y.backward(torch.tensor(dy))
    found, dx = passed(layer, given, dy)
    close(found, y)
    close(dx, t["x"].grad)
    for name in layer.params:
        close(layer.grads[name], t[name].grad)


def test_equal_pieces_of_a_maxout_give_the_gradient_once() -> None:
    layer = made("maxout", (2,), units=1, pieces=3)
    layer.params["W"][...], layer.params["b"][...] = 1, 0
    _, dx = passed(layer, np.ones((1, 2)), np.full((1, 1), 5.0))
    close(dx, [[5.0, 5.0]])
    close(layer.grads["b"], [5.0, 0.0, 0.0])


def test_each_piece_of_a_maxout_starts_as_a_matrix_of_its_own() -> None:
    plan = LAYERS["maxout"](units=6, pieces=5).plan((4,))
    assert plan.params["W"].fans == (4, 6)
    assert plan.params["W"].shape == (4, 30)
