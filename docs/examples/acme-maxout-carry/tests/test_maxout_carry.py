"""MaxoutCarry against layerkit's conformance kit, by hand, and in a small training."""

from __future__ import annotations

from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import layerkit
import numpy as np
import pytest
from layerkit import Array, Context, Model
from layerkit.testing import Check, checks

from acme_maxout_carry.maxout_carry import MaxoutCarry

SPEC = Path(__file__).parents[1] / "digits.json"


@pytest.mark.parametrize("check", checks(MaxoutCarry), ids=str)
def test_conformance(check: Check) -> None:
    check.run()


def test_layerkit_finds_it_by_its_entry_point() -> None:
    (found,) = entry_points(group="layerkit.layers", name="acme.maxout_carry")
    assert found.load() is MaxoutCarry


def built(kind: str, width: int, **settings: Any) -> Model:
    layers = [{"type": kind, "activation": "linear", **settings}]
    spec = {"layerkit": 1, "dtype": "float64", "input": {"shape": [width]}, "layers": layers}
    return layerkit.build(spec)


def passed(model: Model, x: Array, dy: Array) -> tuple[Array, Array]:
    """Outputs (n, o) and dL/dx (n, i) of one pass; fills the layer's gradients."""
    (layer,) = model.network.layers
    model.network.allocate_grads()
    ctx = Context(np.float64, training=True)
    y = layer.feed(x, ctx).copy()
    return y, layer.backprop(dy, ctx).copy()


def test_two_pieces_by_hand() -> None:
    model = built("acme.maxout_carry", 1, units=1, gate_bias=0.0)
    (layer,) = model.network.layers
    for name, start in {"WH": 0, "WT": 0, "WA": [[3, -1]], "bH": 5, "bT": 0, "bA": 0}.items():
        layer.params[name][...] = start
    # T = 1/2 and H = 5; of the pieces 3x and -x the first is larger at 2, the second at -2.
    y, dx = passed(model, np.array([[2.0], [-2.0]]), np.array([[1.0], [10.0]]))
    assert y.tolist() == [[(5 + 6) / 2], [(5 + 2) / 2]]
    assert dx.tolist() == [[3 / 2], [-10 / 2]]
    assert layer.grads["WA"].tolist() == [[2 / 2, -20 / 2]]
    assert layer.grads["bA"].tolist() == [1 / 2, 10 / 2]
    assert layer.grads["bT"].tolist() == [(5 - 6) / 4 + 10 * (5 - 2) / 4]


def test_where_pieces_tie_the_first_takes_the_gradient() -> None:
    model = built("acme.maxout_carry", 2, units=1, gate_bias=0.0, pieces=3)
    model.network.params[...] = 0
    passed(model, np.ones((1, 2)), np.ones((1, 1)))
    (layer,) = model.network.layers
    assert layer.grads["bA"].tolist() == [1 / 2, 0, 0]


def test_one_piece_is_a_projection_with_a_linear_carry() -> None:
    mine = built("acme.maxout_carry", 4, units=3, pieces=1)
    other = built("projection", 4, units=3, carry_activation="linear")
    rng = np.random.default_rng(0)
    other.network.params[...] = mine.network.params[...] = rng.normal(size=mine.network.size)
    x, dy = rng.normal(size=(5, 4)), rng.normal(size=(5, 3))
    for a, b in zip(passed(mine, x, dy), passed(other, x, dy), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12)
    grads = mine.network.allocate_grads()  # one flat vector, in the order of the plan
    np.testing.assert_allclose(grads, other.network.allocate_grads(), rtol=1e-11)


@pytest.mark.parametrize("pieces", [0, 65, 2.5, "two"])
def test_an_invalid_number_of_pieces_is_refused_with_its_place(pieces: object) -> None:
    with pytest.raises(layerkit.SpecError, match=r"layers\[0\]\.pieces"):
        built("acme.maxout_carry", 4, units=3, pieces=pieces)


def test_a_net_that_uses_it_learns_to_read_digits(tmp_path: Path) -> None:
    run = layerkit.train(SPEC)
    assert run.metrics["test_accuracy"] > 0.9
    layerkit.save(run.model, tmp_path / "digits.layerkit")
    again = layerkit.load(tmp_path / "digits.layerkit")
    rows = np.random.default_rng(0).integers(0, 17, (5, 64))
    assert np.array_equal(again.predict(rows), run.model.predict(rows))
