"""A graph is made smaller without changing a bit."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from layerkit.recording.graph import Graph
from layerkit.recording.record import record
from layerkit.recording.replay import replay
from layerkit.recording.run import run_once
from layerkit.recording.simplify import simplify
from layerkit.recording.unify import SIZES, unify
from tests.unit.recording.eager import same_bits
from tests.unit.recording.test_idioms import One


def operations(function: Any) -> list[str]:
    layer = One(lambda x, c, s: function(x))
    graph = record(layer, (4,), np.float32, training=True, keeps=False).graph
    return [node.op for node in graph.nodes() if node.op not in ("input", "param", "const")]


SMALLER: dict[str, tuple[Any, list[str]]] = {
    "equal": (lambda x: np.exp(x) + np.exp(x), ["exp", "add"]),
    "equal, named apart": (
        lambda x: x @ (x.T @ x + np.transpose(x) @ x),
        ["transpose", "matmul", "add", "matmul"],
    ),
    "dead": (lambda x: (np.exp(x), np.sin(x))[1], ["sin"]),
    "times one": (lambda x: 1 * (x * 1) / 1.0, []),
    "minus nothing": (lambda x: x - 0, []),
    "copies": (lambda x: np.copy(x.copy().astype(np.float32)), []),
    "turned twice": (lambda x: x.T.T, []),
    "turned three times": (lambda x: np.sin(x).T.T.T.T, ["sin"]),
    "reshaped": (lambda x: x.reshape(len(x), 2, 2).reshape(-1).reshape(len(x), 4), []),
    "whole": (lambda x: np.broadcast_to(x[:, :][...], x.shape), []),
}


@pytest.mark.parametrize("name", SMALLER)
def test_operations_go_that_change_nothing(name: str) -> None:
    function, left = SMALLER[name]
    assert operations(function) == left


STAY: dict[str, Any] = {
    "plus nothing": lambda x: np.copysign(1, -x * 0 + 0) * x,
    "minus minus nothing": lambda x: np.copysign(1, -x * 0 - (-0.0)) * x,
    "times one of another dtype": lambda x: (x * np.float64(1)).astype(x.dtype) + (x > 0) * 1,
    "zeros of two signs": lambda x: np.copysign(1, x * 0.0) + 2 * np.copysign(1, x * -0.0),
    "a number and an array": lambda x: (x * 2) + (x * 2.0) + (x > 0) * 2 + (x > 0) * True,
    "true and one": lambda x: x * ((x > 0) + True) + x * ((x > 0) + 1) * 2,
    "times one, larger": lambda x: x[:, :1] * np.ones_like(x) * 1,
    "constants of two dtypes": lambda x: (
        x * np.float32(0.1) + (x * np.float64(0.1)).astype(x.dtype)
    ),
    "zero constants of two signs": lambda x: np.copysign(x, np.zeros_like(x)) + np.copysign(
        x, -np.zeros_like(x)
    ) * np.copysign(2, np.full_like(x, -0.0)),
}  # fmt: skip


@pytest.mark.parametrize("name", STAY)
def test_what_only_looks_neutral_or_equal_stays(name: str) -> None:
    function = STAY[name]
    layer = One(lambda x, c, s: function(x))
    recording = record(layer, (4,), np.float32, training=True, keeps=False)
    for n in 1, 6:
        x = np.random.default_rng(n).standard_normal((n, 4)).astype(np.float32)
        x[0, :2] = 0, np.nan
        same_bits(replay(recording, {"x": x}, n).y, function(x).astype(np.float32))


def unsimplified(layer: Any) -> Graph:
    def steps(run: Any, twin: Any) -> Graph:
        twin.params, twin.state = {}, {}
        ctx = run.context(training=True, keeps=False)
        y = twin.feed(run.leaf("input", "x", (run.n, 4)), ctx)
        return Graph(y.node, draws=tuple(run.draws))

    first, second = (run_once(layer, n, np.float32, steps) for n in SIZES)
    return unify(first, second)


def test_every_draw_stays_in_its_order() -> None:
    def draws(x: Any, c: Any, s: Any) -> Any:
        c.rng.random(3)
        y = c.rng.random(x.shape, dtype=np.float32)
        c.rng.integers(0, 9, len(x))
        return x * y + c.rng.random(x.shape, dtype=np.float32)

    graph = simplify(unsimplified(One(draws)))
    assert [d.args[0] for d in graph.draws] == ["random", "random", "integers", "random"]
    assert [d.args[3] for d in graph.draws] == [0, 1, 2, 3]
    assert [n for n in graph.nodes() if n.op == "random"] == list(graph.draws)


def test_the_given_graph_stays_as_it_is() -> None:
    graph = unsimplified(One(lambda x, c, s: x.T.T * 1 + x * 1))
    before = [(n.op, n.args, n.shape) for n in graph.nodes()]
    small = simplify(graph)
    assert [(n.op, n.args, n.shape) for n in graph.nodes()] == before
    assert len(small.nodes()) == 2
    assert {id(n) for n in small.nodes()}.isdisjoint(id(n) for n in graph.nodes())
