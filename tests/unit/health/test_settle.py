"""Networks with running figures are looked at as training has them, not as they start."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import layerkit
from layerkit import Array, Context, Layer, Param, Plan, Shape
from layerkit.core.network import Network
from layerkit.health.checks import examine_layers
from layerkit.health.settle import settled
from layerkit.health.subject import Subject

X = np.random.default_rng(0).normal(2, 3, (200, 8)).astype(np.float32)
SMALL = {"type": "normal", "std": 0.001}


def built(layers: list[dict[str, Any]]) -> layerkit.Model:
    return layerkit.build({"layerkit": 1, "input": {"shape": [8]}, "layers": layers})


def states(network: Network) -> dict[str, Array]:
    return {name: a.copy() for name, (role, a) in network.tensors().items() if role == "state"}


@pytest.mark.parametrize(("momentum", "near"), [(0.0, 1e-5), (0.9, 1e-4), (0.999, 0.02)])
def test_running_figures_become_those_of_the_rows(momentum: float, near: float) -> None:
    norm = {"type": "batchnorm", "momentum": momentum}
    inside = {"type": "residual", "layers": [{"type": "dropout", "rate": 0.0}, norm]}
    for layers in ([norm], [inside]):
        network = built(layers).network
        before = states(network)
        found = settled(network, X)
        for name, array in states(found).items():
            wanted = X.var(axis=0, ddof=1) if name.endswith("var") else X.mean(axis=0)
            np.testing.assert_allclose(array, wanted, rtol=near)
        assert found is not network
        np.testing.assert_equal(states(network), before)
        assert found.params is network.params


class Counting(Layer):
    """y = x; counts its batches, which leads nowhere."""

    type_name = "test.counting_batches"

    def plan(self, in_shape: Shape) -> Plan:
        return Plan(in_shape, state={"count": Param((1,), 3.0)})

    def feed(self, x: Array, ctx: Context) -> Array:
        if ctx.training:
            self.state["count"] = self.state["count"] + 1
        return x

    def backprop(self, dy: Array, ctx: Context) -> Array:
        return dy


class Refusing(Counting):
    """Raises in training."""

    type_name = "test.refusing_training"

    def feed(self, x: Array, ctx: Context) -> Array:
        if ctx.training:
            raise ValueError("not today")
        return x


def test_states_that_do_not_settle_stay(register: Callable[[Any], Any]) -> None:
    for kind in (Counting, Refusing):
        register(kind)
        network = built([{"type": kind.type_name}]).network
        (found,) = states(settled(network, X)).values()
        assert found == 3
    plain = built([{"type": "dense", "units": 2}]).network
    assert settled(plain, X) is plain
    assert settled(network, X[:0]) is network


@pytest.mark.parametrize("last", [[], [{"type": "dropout"}]])
def test_a_start_that_batches_scale_up_is_no_illness(last: list[dict[str, Any]]) -> None:
    """In inference, with a running variance of 1, the gradient is 4e12 times smaller."""
    small: dict[str, Any] = {"type": "dense", "units": 32, "initializer": SMALL}
    block = [small, {"type": "batchnorm"}, {"type": "activation"}, *last]
    model = built([*block * 6, {"type": "dense", "units": 2}])
    assert examine_layers(Subject(model.spec, model.network, X)) == []


def test_dead_units_behind_a_batchnorm_are_still_found() -> None:
    model = built([{"type": "batchnorm"}, {"type": "activation"}, {"type": "dense", "units": 2}])
    tensors = model.tensors()
    tensors["batchnorm_1.beta"][:6] = -50
    model.set_tensors(tensors)
    (found,) = examine_layers(Subject(model.spec, model.network, X))
    assert found.check == "dead units"
    assert found.text.startswith("activation_1: 75 % of the units")
