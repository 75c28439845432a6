"""Costs are counted off the graph: multiply-adds, operations, memory; what is unknown stays so."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from layerkit import Array, Context, Layer, Param, Plan, Shape
from layerkit.core.planning import plan_layers
from layerkit.discovery.registry import REGISTRIES
from layerkit.recording.counting import costs, macs_of_layers, total
from layerkit.recording.record import record

LAYERS: Any = REGISTRIES["layers"]


def layer_of(product: Callable[[Layer, Array], Array], out: int = 3) -> Layer:
    """A layer of rows of 4 whose feed is ``product``, with a parameter W (4, 3)."""

    class Made(Layer):
        type_name = "kit.made"

        def plan(self, in_shape: Shape) -> Plan:
            return Plan((out,), {"W": Param((4, 3), "glorot_uniform"), "b": Param((3,))})

        def feed(self, x: Array, ctx: Context) -> Array:
            return product(self, x)

        def backprop(self, dy: Array, ctx: Context) -> Array:
            dx: Array = dy @ self.params["W"].T
            return dx

    return Made()


def macs(*layers: Layer, shape: Shape = (4,), dtype: str = "float32") -> list[int | None]:
    planned = plan_layers([(f"layer_{i}", layer) for i, layer in enumerate(layers)], shape)
    return macs_of_layers(planned, dtype)


@pytest.mark.parametrize(
    ("kind", "settings", "width", "expected"),
    [
        ("dense", {"units": 5}, 3, 15),
        ("highway", {}, 4, 32),
        ("projection", {"units": 5}, 3, 45),
    ],
)
def test_multiply_adds_of_first_party_layers(
    kind: str, settings: dict[str, Any], width: int, expected: int
) -> None:
    for dtype in ("float32", "float64"):
        assert macs(LAYERS[kind](**settings), shape=(width,), dtype=dtype) == [expected]


@pytest.mark.parametrize(
    ("product", "expected"),
    [
        (lambda layer, x: x @ layer.params["W"], 12),
        (lambda layer, x: np.dot(x, layer.params["W"]), 12),
        (lambda layer, x: np.einsum("ni,io->no", x, layer.params["W"]), 12),
        (lambda layer, x: np.einsum("ni,io,o->no", x, layer.params["W"], layer.params["b"]), 12),
        (lambda layer, x: np.einsum("...i,io->...o", x, layer.params["W"]), None),
        (lambda layer, x: x @ layer.params["W"] @ np.eye(3, dtype=x.dtype), 12 + 9),
        # made once for all rows: no cost of a row
        (lambda layer, x: x @ (layer.params["W"] @ np.eye(3, dtype=x.dtype)), 12),
        (lambda layer, x: (x[:, :, None] * layer.params["W"]).sum(axis=1), 0),
        # rows with rows: in proportion to the square of their number
        (lambda layer, x: (x @ x.T) @ (x @ layer.params["W"]), None),
        # not counted: by an algorithm of their own
        (lambda layer, x: np.tensordot(x, layer.params["W"], 1), None),
        (lambda layer, x: np.inner(x, layer.params["W"].T), None),
        (lambda layer, x: np.linalg.pinv(x).T @ layer.params["W"], None),
    ],
    ids=[
        *(
            "matmul",
            "dot",
            "einsum",
            "einsum-of-three",
            "einsum-with-dots",
            "twice",
            "of-weights",
            "elementwise",
        ),
        *("rows-with-rows", "tensordot", "inner", "pinv"),
    ],
)
def test_multiply_adds_of_a_row(product: Any, expected: int | None) -> None:
    assert macs(layer_of(product)) == [expected]


def test_operations_are_multiply_adds_twice_and_elements_once() -> None:
    def feed(layer: Layer, x: Array) -> Array:
        z = x @ layer.params["W"] + layer.params["b"]
        e = np.exp(z - z.max(axis=1, keepdims=True))
        y: Array = e / e.sum(axis=1, keepdims=True)
        return y

    graph = record(layer_of(feed), (4,), "float32", training=False, keeps=False).graph
    assert costs(graph).flops.per_row == 2 * 12 + 3 + 3 + 3 + 3 + 3 + 3  # + b, max, -, exp, sum, /


def test_what_cannot_be_recorded_is_unknown() -> None:
    class Eager(Layer):
        type_name = "kit.eager"
        eager = True

        def plan(self, in_shape: Shape) -> Plan:
            return Plan(in_shape, {"W": Param((4, 4))})

        def feed(self, x: Array, ctx: Context) -> Array:
            y: Array = x @ self.params["W"]
            return y

        def backprop(self, dy: Array, ctx: Context) -> Array:
            return dy

    dense = LAYERS["dense"](units=4)
    found = macs(dense, Eager(), dense)
    assert found == [16, None, 16]
    assert total(found) is None
    assert total([1, 2]) == 3
    assert total([]) == 0


def test_equal_layers_are_recorded_once(monkeypatch: pytest.MonkeyPatch) -> None:
    from layerkit.recording import recordings

    asked: list[Any] = []

    def counting(layer: Any, *args: Any, **options: Any) -> Any:
        asked.append(layer)
        return record(layer, *args, **options)

    monkeypatch.setattr(recordings, "record", counting)
    found = macs(*(LAYERS["highway"]() for _ in range(100)), LAYERS["dense"](units=2))
    assert found == [32] * 100 + [8]
    assert len(asked) == 2
