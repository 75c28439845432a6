"""What happens inside a layer: the activations and gates in its recorded equations.

The recording of a layer shows each operation. A value that is computed from one other value alone,
element by element, is a function of one number, g(z): tanh, relu, 1 / (1 + exp(-z)), however the
author wrote it. Its slope on a grid says what it is. So layers of any author are looked into, and
none is known by name.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np

from layerkit.core.context import Array
from layerkit.core.network import Network
from layerkit.core.planning import PlannedLayer
from layerkit.execution.runner import recordings_of
from layerkit.recording.arrays import NotRecorded
from layerkit.recording.graph import LEAVES, REDUCTIONS, VIEWS, Graph, Node, readers
from layerkit.recording.record import Recording
from layerkit.recording.replay import replay

Kind = Literal["rectifier", "squasher", "gate"]
"""rectifier: flat on one side, as relu. squasher: flat on both, as tanh. gate: a squasher between 0
and 1 that another value is multiplied with."""

_SCALARS = "health: scalars"
_GRID = np.linspace(-40.0, 40.0, 8001)
_STEEPEST = 10.0  # steeper functions (exp, 1 / sqrt) are no activations
_MIXED = frozenset(
    ("matmul", "einsum", "gather", "set", "at", "concatenate", "call", *REDUCTIONS, *VIEWS)
)


@dataclass(frozen=True)
class Scalar:
    """An elementwise function g(z) in a layer: ``node`` is its value, ``z`` its argument.

    The slope is under a share of its largest (a hundredth; of a gate, a thousandth) where z is
    below ``low`` or above ``high``; None where that side is not flat.
    """

    node: Node
    z: Node
    kind: Kind
    low: float | None
    high: float | None
    limits: tuple[float, float]  # g far below and far above

    def flat(self, z: Array) -> Array:
        """Where g has no slope left to learn by, for values of ``z``."""
        low = False if self.low is None else z <= self.low
        high = False if self.high is None else z >= self.high
        return np.asarray(low | high)


@dataclass(eq=False)
class Inside:
    """One layer, looked into.

    ``index`` is its place in the network, ``recording`` of inference.
    """

    index: int
    planned: PlannedLayer
    recording: Recording

    @cached_property
    def scalars(self) -> list[Scalar]:
        """The activations and gates of the layer, in order; equal layers share them."""
        known = self.recording.forms.get(_SCALARS)
        if known is None:
            known = self.recording.forms[_SCALARS] = list(_scalars(self.recording.graph))
        found: list[Scalar] = known
        return found

    def values(self, x: Array, nodes: Mapping[str, Node], **changed: Array) -> dict[str, Array]:
        """The values of ``nodes`` for inputs x (n, *in); ``changed`` replaces parameters."""
        layer = self.planned.layer
        graph = Graph(self.recording.graph.y, state=nodes)
        params = {**layer.params, **changed}
        return replay(graph, {"x": x}, len(x), params=params, state=layer.state).state


def look_into(network: Network) -> list[Inside | None]:
    """Each layer of ``network``, None for one that cannot be recorded."""
    recordings = recordings_of(network)
    found: list[Inside | None] = []
    for i, planned in enumerate(network.planned):
        recording = recordings.get(planned, training=False, keeps=False)
        if isinstance(recording, NotRecorded):
            found.append(None)
        else:
            found.append(Inside(i, planned, recording))
    return found


def output_bound(inside: Inside) -> Scalar | None:
    """The activation that the output of a layer passes last, if any; views are looked past."""
    y = inside.recording.graph.y
    while y.op in VIEWS or y.op in ("copy", "astype"):
        y = y.args[0]
    return next((one for one in inside.scalars if one.node is y), None)


def _scalars(graph: Graph) -> Iterator[Scalar]:
    """The activations and gates in ``graph``."""
    nodes = graph.nodes()
    roots = _roots(nodes)
    read = readers(nodes)
    for node in nodes:
        root = roots[id(node)]
        if root is node or node.dtype is None or np.dtype(node.dtype).kind != "f":
            continue
        leaves = [r for r in read[id(node)] if roots[id(r)] is not root]
        if leaves or not read[id(node)]:
            scalar = _classified(node, root, nodes, leaves)
            if scalar is not None:
                yield scalar


def _roots(nodes: list[Node]) -> dict[int, Node]:
    """For each node, by its id, the one value that it is an elementwise function of: or itself."""
    roots: dict[int, Node] = {}
    for node in nodes:
        root = node
        if node.op not in LEAVES and node.op not in _MIXED:
            args = [a for a in node.inputs() if not (a.op == "const" and _is_number(a))]
            mine = {id(roots[id(a)]): roots[id(a)] for a in args}
            if len(mine) == 1 and all(a.shape == node.shape for a in args):
                (root,) = mine.values()
        roots[id(node)] = root
    return roots


def _is_number(node: Node) -> bool:
    return bool(np.ndim(node.value) == 0)


def _classified(node: Node, root: Node, nodes: list[Node], leaves: list[Node]) -> Scalar | None:
    """``node`` as a function of ``root``, if it is an activation or a gate."""
    g = _on_grid(node, root, nodes)
    if g is None or not np.isfinite(g).all():
        return None
    slope = np.abs(np.diff(g) / np.diff(_GRID))
    steepest = slope.max()
    if not 0 < steepest < _STEEPEST:
        return None
    limits = float(g[0]), float(g[-1])
    between = sorted(limits) == [0.0, 1.0] or np.allclose(sorted(limits), (0, 1), atol=1e-6)
    gate = between and any(leaf.op == "multiply" for leaf in leaves)
    flat = slope < steepest * (1e-3 if gate else 1e-2)
    if flat.all() or not (flat[0] or flat[-1]):
        return None
    steep = np.flatnonzero(~flat)
    low = float(_GRID[steep[0]]) if flat[0] else None
    high = float(_GRID[steep[-1] + 1]) if flat[-1] else None
    both = low is not None and high is not None
    kind: Kind = ("gate" if gate else "squasher") if both else "rectifier"
    return Scalar(node, root, kind, low, high, limits)


def _on_grid(node: Node, root: Node, nodes: list[Node]) -> Array | None:
    """The values of ``node`` where ``root`` is each number of the grid; None if it has none."""
    values: dict[int, Any] = {id(root): _GRID}

    def value(arg: Any) -> Any:
        if isinstance(arg, Node):
            return arg.value if arg.op == "const" else values[id(arg)]
        return tuple(map(value, arg)) if type(arg) is tuple else arg

    needed = {id(node)}
    for one in reversed(nodes):
        if id(one) in needed and one is not root:
            needed.update(id(arg) for arg in one.inputs())
    try:
        with np.errstate(all="ignore"):
            for one in nodes:
                if id(one) in needed and one is not root and one.op != "const":
                    assert one.fn is not None  # noqa: S101  # only leaves have none
                    kw = {k: value(v) for k, v in one.kw.items()}
                    values[id(one)] = one.fn(*value(one.args), **kw)
        made = values[id(node)]
    except Exception:  # noqa: BLE001  # a function that takes no such grid is no activation
        return None
    return np.asarray(made, np.float64) if np.shape(made) == _GRID.shape else None
