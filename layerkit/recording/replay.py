"""Run a recording node by node, as it stands: the reference that other forms are held against."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from layerkit.core.context import Array
from layerkit.recording.graph import Graph, Node, at, substituted
from layerkit.recording.record import Recording


class Replayed(NamedTuple):
    """The results of a graph, as in ``Graph``."""

    y: Array
    dx: Array | None
    grads: dict[str, Array]
    state: dict[str, Array]


def replay(
    recording: Recording | Graph,
    inputs: Mapping[str, Any],
    n: int,
    *,
    params: Mapping[str, Array] | None = None,
    state: Mapping[str, Array] | None = None,
    rng: np.random.Generator | None = None,
) -> Replayed:
    """Compute all results for ``n`` rows.

    ``inputs`` are arrays by the names of the ``input`` leaves, and numbers by those of the
    ``number`` leaves; ``params`` and ``state`` the layer's arrays, which are read only. Draws come
    from ``rng``, which moves as in the layer's own run.
    """
    graph = recording if isinstance(recording, Graph) else recording.graph
    given = {"input": inputs, "number": inputs, "param": params or {}, "state": state or {}}
    values: dict[int, Any] = {}

    def value(arg: Any) -> Any:
        return at(substituted(arg, lambda node: values[id(node)]), n)

    def computed(node: Node) -> Any:
        if node.op in given:
            return given[node.op][node.args[0]]
        if node.op == "const":
            shape = at(node.shape, n)
            return (
                node.value
                if np.shape(node.value) == shape
                else np.full(shape, node.value, node.dtype)
            )
        if node.op == "arange":
            return np.arange(n, dtype=node.dtype).reshape(at(node.shape, n))
        fn, args, kw = node.fn, node.args, node.kw
        if node.op == "random":
            method, args, words, _, _ = args
            fn, kw = getattr(rng, method), dict(words)
        assert fn is not None  # noqa: S101  # only leaves have none
        return fn(*value(args), **{k: value(v) for k, v in kw.items()})

    with np.errstate(all="ignore"):
        for node in graph.nodes():
            values[id(node)] = computed(node)
    return Replayed(
        value(graph.y),
        None if graph.dx is None else value(graph.dx),
        {k: value(v) for k, v in graph.grads.items()},
        {k: value(v) for k, v in graph.state.items()},
    )
