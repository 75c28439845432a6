"""Windows, products of two arrays and numbers of rows, as they are recorded."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.lib.stride_tricks import sliding_window_view

from layerkit import Array, Context, Layer, Plan, Shape
from layerkit.recording.graph import Graph
from layerkit.recording.record import record
from layerkit.recording.replay import replay


class Function(Layer):
    """y is a function of x."""

    type_name = "test.function"

    def __init__(self, function: Callable[[Any], Any], out: Shape) -> None:
        self.function, self.out = function, out

    def plan(self, in_shape: Shape) -> Plan:
        return Plan(self.out)

    def feed(self, x: Array, ctx: Context) -> Array:
        y: Array = self.function(x)
        return y

    def backprop(self, dy: Array, ctx: Context) -> Array:
        return dy


def graph_of(function: Callable[[Any], Any], out: Shape, shape: Shape) -> Graph:
    layer = Function(function, out)
    return record(layer, shape, np.float64, training=False, keeps=False).graph


def test_windows_are_a_view_with_axes_from_the_first() -> None:
    graph = graph_of(lambda x: sliding_window_view(x, (2, 3), (-1, 1)) * 2, (2, 1, 2, 3), (4, 2))
    (windows,) = [node for node in graph.nodes() if node.op == "windows"]
    assert windows.args[1:] == ((2, 3), (2, 1))


@pytest.mark.parametrize(
    ("letters", "op"),
    [
        ("nij,jk->nik", "einsum"),
        ("nij, jk -> nik", "einsum"),
        ("nij,kj->nik", "einsum"),
        ("nij,jk->ni", "call"),  # k is summed in one array alone
        ("nij,jj->nij", "call"),
        ("...ij,jk->...ik", "call"),
    ],
)
def test_products_of_two_arrays(letters: str, op: str) -> None:
    W = np.arange(9.0).reshape(3, 3)
    x = np.zeros((1, 2, 3))
    out = np.einsum(letters, x, W).shape[1:]
    graph = graph_of(lambda x: np.einsum(letters, x + 1, W), out, (2, 3))
    assert {node.op for node in graph.nodes()} & {"einsum", "call"} == {op}


@pytest.mark.parametrize("axes", [(), (1,), (1, 2)])
def test_numbers_of_rows_may_have_other_axes(axes: tuple[int, ...]) -> None:
    def picked(x: Array) -> Array:
        rows = np.expand_dims(np.arange(len(x)), axes)
        return x[rows, np.zeros((1,) * (1 + len(axes)), int)]

    graph = graph_of(picked, (1,) * len(axes), (3,))
    assert "arange" in {node.op for node in graph.nodes()}
    x = np.random.default_rng(0).normal(size=(6, 3))
    np.testing.assert_array_equal(replay(graph, {"x": x}, len(x)).y, picked(x))
