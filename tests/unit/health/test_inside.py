"""Layers of any author are looked into: what their equations hold, and which setting decides it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from layerkit import Layer
from layerkit.core.network import Network
from layerkit.core.planning import PlannedLayer, plan_layers
from layerkit.discovery.registry import LAYERS, initializer
from layerkit.health.check_gates import bias_for, carry_of
from layerkit.health.inside import Inside, look_into
from layerkit.health.settings import naming, starting, widening
from tests.strangers.gated import Gated
from tests.strangers.recurrent import Recurrent
from tests.strangers.unrecordable import RowByRow
from tests.unit.health.planted import Valve


def inside(layer: Layer, *shape: int) -> Inside:
    network = Network(plan_layers([("it", layer)], shape or (6,)), np.dtype("float64"))
    network.initialise(0, initializer)
    (found,) = look_into(network)
    assert found is not None
    return found


def dense(activation: str) -> Layer:
    return LAYERS["dense"](units=3, activation=activation)


@pytest.mark.parametrize(
    ("activation", "kind", "low", "high"),
    [
        ("relu", "rectifier", 0.0, None),
        ("softplus", "rectifier", -4.6, None),  # slope sigma(z) = 0.01
        ("elu", "rectifier", -4.61, None),  # slope exp(z) = 0.01
        ("tanh", "squasher", -2.99, 2.99),  # slope 1 - tanh(z)^2 = 0.01
        ("sigmoid", "squasher", -5.99, 5.99),  # slope 0.01 of 1/4
    ],
)
def test_activations_are_told_by_their_slope(
    activation: str, kind: str, low: float, high: float | None
) -> None:
    (scalar,) = inside(dense(activation)).scalars
    assert scalar.kind == kind
    assert scalar.low == pytest.approx(low, abs=0.02)
    assert scalar.high == (None if high is None else pytest.approx(high, abs=0.02))


@pytest.mark.parametrize("activation", ["linear", "leaky_relu"])
def test_what_is_flat_nowhere_is_not_watched(activation: str) -> None:
    assert inside(dense(activation)).scalars == []


@pytest.mark.parametrize(
    ("layer", "kinds"),
    [
        (LAYERS["highway"](), ["rectifier", "gate"]),
        (LAYERS["projection"](units=6), ["rectifier", "squasher", "gate"]),
        (Gated(units=6), ["gate"]),
        (Recurrent(units=4, steps=3), ["squasher"] * 3),
        (Valve(), ["squasher", "gate"]),
    ],
    ids=["highway", "projection", "gated", "recurrent", "valve"],
)
def test_gates_and_activations_of_any_layer(layer: Layer, kinds: list[str]) -> None:
    assert [scalar.kind for scalar in inside(layer).scalars] == kinds


def test_silu_is_no_gate() -> None:
    (scalar,) = inside(dense("silu")).scalars
    assert scalar.kind == "rectifier"


def test_a_layer_that_cannot_be_recorded_is_passed_over() -> None:
    network = Network(plan_layers([("it", RowByRow())], (4,)), np.dtype("float64"))
    assert look_into(network) == [None]


@pytest.mark.parametrize(
    ("layer", "setting", "sign", "share"),
    [
        (LAYERS["highway"](gate_bias=-2.0), "gate_bias", -1, 0.1192),
        (LAYERS["highway"](gate_bias=3.0), "gate_bias", -1, 0.9526),
        (Valve(openness=-1.0), "openness", -1, 0.2689),
    ],
    ids=["shut", "open", "stranger"],
)
def test_which_gate_carries_and_how_far_it_is_open(
    layer: Layer, setting: str, sign: int, share: float
) -> None:
    carry = carry_of(inside(layer))
    assert carry is not None
    assert (carry.setting, carry.sign) == (setting, sign)
    assert carry.open == pytest.approx(share, abs=1e-4)


@pytest.mark.parametrize(
    "layer", [Gated(units=6), LAYERS["projection"](units=6)], ids=["gated", "projection"]
)
def test_a_gate_that_never_carries_the_input_itself(layer: Layer) -> None:
    assert carry_of(inside(layer)) is None


def test_the_bias_at_which_a_signal_meets_one_open_gate() -> None:
    for depth in (10, 50, 200):
        share = 1 / (1 + np.exp(-bias_for(depth)))
        assert depth * share == pytest.approx(1, rel=0.06)


TWINS = LAYERS["projection"](units=6, initializer="ones", carry_initializer="ones")


def planned(layer: Layer, width: int = 6) -> PlannedLayer:
    (one,) = plan_layers([("it", layer)], (width,))
    return one


@pytest.mark.parametrize(
    ("layer", "param", "setting"),
    [
        (LAYERS["highway"](), "bT", "gate_bias"),
        (LAYERS["highway"](), "WH", "initializer"),
        (LAYERS["highway"](), "bH", None),
        (LAYERS["projection"](units=6), "WA", "carry_initializer"),
        (TWINS, "WH", "initializer"),  # another setting has the same value
        (Valve(), "v", "openness"),
    ],
    ids=["bT", "WH", "bH", "WA", "twins", "v"],
)
def test_which_setting_starts_a_parameter(layer: Layer, param: str, setting: Any) -> None:
    assert starting(planned(layer), param) == setting


def test_which_settings_name_parts_and_the_width() -> None:
    one = planned(LAYERS["projection"](units=5))
    assert naming(one, "activations") == ["activation", "carry_activation"]
    assert widening(one) == "units"
    assert widening(planned(LAYERS["highway"](units=6))) is None  # it only checks the width


def test_a_bias_of_all_steps_is_looked_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Or the look takes minutes for some hundred steps."""
    seen = []
    values = Inside.values

    def counted(self: Inside, *args: Any, **changed: Any) -> Any:
        seen.append(changed)
        return values(self, *args, **changed)

    monkeypatch.setattr(Inside, "values", counted)
    counts = []
    for steps in (2, 12):
        seen.clear()
        carry_of(inside(LAYERS["highway_rnn"](units=3, sequence=True), steps, 3))
        counts.append(len(seen))
    assert counts[0] == counts[1] > 0
