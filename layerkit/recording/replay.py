"""Run a recording node by node, as it stands: the reference that other forms are held against."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from layerkit.core.context import Array
from layerkit.recording.graph import Graph, Node, at
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

    Parameters
    ----------
    recording
        Or its graph.
    inputs
        Arrays by the names of the ``input`` leaves, numbers by those of the ``number`` leaves.
    n
        The number of rows.
    params, state
        The layer's arrays by name; read only.
    rng
        The stream that the draws come from; it moves as in the layer's own run.
    """
    graph = recording if isinstance(recording, Graph) else recording.graph
    leaves = {
        "input": inputs, "number": inputs, "param": params or {}, "state": state or {}
    }  # fmt: skip
    values: dict[int, Any] = {}

    def value(arg: Any) -> Any:
        if isinstance(arg, Node):
            return values[id(arg)]
        if type(arg) is tuple:
            return tuple(map(value, arg))
        return at(arg, n)

    with np.errstate(all="ignore"):
        for node in graph.nodes():
            if node.op in leaves:
                made = leaves[node.op][node.args[0]]
            elif node.op == "const":
                shape = at(node.shape, n)
                made = node.value
                if np.shape(made) != shape:
                    made = np.full(shape, made, node.dtype)
            elif node.op == "arange":
                made = np.arange(n, dtype=node.dtype)
            elif node.op == "random":
                method, args, words, _ = node.args
                draw = getattr(rng, method)
                made = draw(*value(args), **{k: value(v) for k, v in words})
            else:
                assert node.fn is not None  # noqa: S101  # only leaves have none
                made = node.fn(*value(node.args), **{k: value(v) for k, v in node.kw.items()})
            values[id(node)] = made
    return Replayed(
        value(graph.y),
        None if graph.dx is None else value(graph.dx),
        {k: value(v) for k, v in graph.grads.items()},
        {k: value(v) for k, v in graph.state.items()},
    )
