"""Backprop = central differences in float64, for any stack of layers; and the check has teeth."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from layerkit import Array, Context, Layer
from layerkit.core.network import Network
from layerkit.core.planning import plan_layers
from layerkit.discovery.registry import ACTIVATIONS, LAYERS, LOSSES, initializer

F64 = np.dtype(np.float64)
names = st.sampled_from(sorted(["tanh", "relu", "gelu", "silu", "elu", "selu", "softplus"]))
widths = st.integers(1, 4)


@st.composite
def entries(draw: Any) -> tuple[str, dict[str, Any]]:
    kind = draw(st.sampled_from(["dense", "highway", "projection"]))
    config: dict[str, Any] = {"activation": draw(names)}
    if kind != "dense":
        config["gate_bias"] = draw(st.sampled_from([-2.0, -0.5, 1.0]))
    if kind == "projection":
        config["carry_activation"] = draw(names)
        config["carry_initializer"] = draw(st.sampled_from(["ones", "mean", "eye"]))
    if kind != "highway":
        config["units"] = draw(widths)
    config["use_bias"] = draw(st.booleans())
    return kind, config


def stacked(layers: list[tuple[str, dict[str, Any]]], width: int, seed: int) -> Network:
    made = [(f"l{i}", LAYERS[kind](**config)) for i, (kind, config) in enumerate(layers)]
    return started(Network(plan_layers(made, (width,)), F64), seed)


def started(network: Network, seed: int) -> Network:
    network.initialise(seed, initializer)
    network.allocate_grads()
    noise = np.random.default_rng(seed).uniform(-0.3, 0.3, network.size)
    network.params[...] += noise
    return network


def numeric(f: Callable[[], float], values: Array, step: float = 1e-5) -> Array:
    slope = np.empty(values.size)
    for i in range(values.size):
        kept = values.flat[i]
        values.flat[i] = kept + step
        above = f()
        values.flat[i] = kept - step
        below = f()
        values.flat[i] = kept
        slope[i] = (above - below) / (2 * step)
    return slope.reshape(values.shape)


def relative(found: Array, wanted: Array) -> float:
    if wanted.size == 0:
        return 0.0
    scale = max(float(np.abs(wanted).max()), float(np.abs(found).max()), 1e-3)
    return float(np.abs(found - wanted).max()) / scale


def errors(network: Network, x: Array, dy: Array) -> tuple[float, float]:
    """(of dx, of all parameters), relative."""
    contexts = network.contexts(wants_dx=True)
    network.feed(x, contexts)
    weights = network.params.copy()
    dx = network.backprop(dy, contexts).copy()
    assert network.grads is not None
    grads = network.grads.copy()
    network.params[...] = weights
    free = x.copy()

    def loss() -> float:
        return float(np.sum(network.feed(free, network.contexts()) * dy))

    return relative(dx, numeric(loss, free)), relative(grads, numeric(loss, network.params))


@settings(derandomize=True, deadline=None, max_examples=60)
@given(
    layers=st.lists(entries(), min_size=1, max_size=4),
    width=widths,
    n=st.integers(1, 4),
    seed=st.integers(0, 2**16),
)
def test_stacks(layers: list[tuple[str, dict[str, Any]]], width: int, n: int, seed: int) -> None:
    network = stacked(layers, width, seed)
    rng = np.random.default_rng(seed + 1)
    x = rng.standard_normal((n, width))
    dy = rng.standard_normal((n, *network.planned[-1].plan.out_shape))
    by_input, by_params = errors(network, x, dy)
    assert max(by_input, by_params) < 1e-6


LOSS_NAMES = ["softmax_cross_entropy", "sigmoid_cross_entropy", "mse", "huber"]


@pytest.mark.parametrize("name", LOSS_NAMES)
@pytest.mark.parametrize("kind", ["dense", "highway", "projection"])
def test_the_whole_step_with_a_loss_and_row_weights(name: str, kind: str) -> None:
    """What training does: feed, loss, its gradient, backprop, all of one weighted loss."""
    layer = {} if kind == "highway" else {"units": 3}
    network = stacked([(kind, {"activation": "tanh", **layer})], 3, seed=5)
    rng = np.random.default_rng(6)
    x = rng.standard_normal((5, 3))
    loss = LOSSES.create(name)
    y: Array = rng.standard_normal((5, 3))
    if loss.target == "class":
        y = rng.integers(0, 3, 5)
    elif loss.target == "binary":
        y = (y > 0).astype(np.float64)
    weights = rng.uniform(0, 1, 5)

    def total() -> float:
        scores = network.feed(x, network.contexts())
        return float(loss.feed(scores, y, Context(np.float64)) @ weights)

    contexts, ctx = network.contexts(), Context(np.float64)
    loss.feed(network.feed(x, contexts), y, ctx)
    network.backprop(loss.backprop(weights, ctx), contexts)
    assert network.grads is not None
    found = network.grads.copy()
    assert relative(found, numeric(total, network.params)) < 1e-6


def _sigma(z: Array) -> Array:
    sigma: Array = ACTIVATIONS.create("sigmoid").feed(z)
    return sigma


class Slipped(Layer):
    """Highway or projection with linear H and A, written out, with slips to choose."""

    type_name = "test.slipped"

    def __init__(self, *, projected: bool = False, slip: str = "") -> None:
        self.projected = projected
        self.slip = slip

    def plan(self, in_shape: Any) -> Any:
        kind = LAYERS["projection" if self.projected else "highway"]
        config = {"activation": "tanh"}
        if self.projected:
            return kind(**config, units=in_shape[0], carry_activation="tanh").plan(in_shape)
        return kind(**config).plan(in_shape)

    def feed(self, x: Array, ctx: Context) -> Array:
        p = self.params
        H = np.tanh(x @ p["WH"] + p["bH"])
        T = _sigma(x @ p["WT"] + p["bT"])
        A = np.tanh(x @ p["WA"] + p["bA"]) if self.projected else x
        ctx.save(x, H, T, A)
        y: Array = T * H + (1 - T) * A
        return y

    def backprop(self, dy: Array, ctx: Context) -> Array:
        x, H, T, A = ctx.saved
        p, g, slip = self.params, self.grads, self.slip
        dH = dy * T * (1 if slip == "no f'" else 1 - H**2)
        dT = dy * (H if slip == "dT without carry" else H - A)
        dT *= 1 if slip == "no sigma'" else T * (1 - T)
        carry = dy * (T if slip == "carry times T" else 1 - T)
        dA = carry * (1 - A**2) if self.projected else carry
        for k, d in (("H", dH), ("T", dT), *((("A", dA),) if self.projected else ())):
            g[f"W{k}"][...] = x.T @ d / (len(x) if slip == "mean" else 1)
            g[f"b{k}"][...] = d.mean(axis=0) if slip == "bias mean" else d.sum(axis=0)
        if slip == "update first":
            for name, param in p.items():
                param -= 0.1 * g[name]
        dx: Array = dA @ p["WA"].T if self.projected else dA
        dx = dx * (0 if slip == "dx without carry" else 1)
        if slip != "dx without H":
            dx = dx + dH @ p["WH"].T
        if slip != "dx without T":
            dx = dx + dT @ p["WT"].T
        return dx


def slipped(slip: str, *, carry: bool) -> tuple[float, float]:
    layer = Slipped(projected=carry, slip=slip)
    network = started(Network(plan_layers([("l", layer)], (3,)), F64), seed=1)
    rng = np.random.default_rng(2)
    x, dy = rng.standard_normal((2, 4, 3))
    return errors(network, x, dy)


SLIPS = [
    "no f'",
    "dT without carry",
    "no sigma'",
    "carry times T",
    "mean",
    "bias mean",
    "update first",
    "dx without carry",
    "dx without H",
    "dx without T",
]


@pytest.mark.parametrize("carry", [False, True], ids=["highway", "projection"])
def test_the_check_passes_what_is_right(carry: bool) -> None:  # a parameter
    assert max(slipped("", carry=carry)) < 1e-6


@pytest.mark.parametrize("carry", [False, True], ids=["highway", "projection"])
@pytest.mark.parametrize("slip", SLIPS)
def test_the_check_notices_every_slip(slip: str, carry: bool) -> None:
    assert max(slipped(slip, carry=carry)) > 1e-3


@pytest.mark.parametrize("carry", [False, True], ids=["highway", "projection"])
def test_the_layers_agree_with_the_written_out_equations(carry: bool) -> None:
    reference = Slipped(projected=carry)
    real = LAYERS["projection"](units=3, activation="tanh") if carry else None
    real = real or LAYERS["highway"](activation="tanh")
    rng = np.random.default_rng(4)
    x, dy = rng.standard_normal((2, 6, 3))
    results = []
    for layer in (reference, real):
        network = started(Network(plan_layers([("l", layer)], (3,)), F64), seed=9)
        named = {k: np.random.default_rng(i) for i, k in enumerate(sorted(layer.params))}
        for name, param in layer.params.items():
            param[...] = named[name].uniform(-1, 1, param.shape)
        contexts = network.contexts(wants_dx=True)
        y = network.feed(x, contexts).copy()
        dx = network.backprop(dy, contexts).copy()
        results.append([y, dx, *(layer.grads[k].copy() for k in sorted(layer.grads))])
    for one, two in zip(*results, strict=True):
        np.testing.assert_allclose(two, one, rtol=1e-12, atol=1e-13)
