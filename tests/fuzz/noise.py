"""How far rounding may move a result: a graph run with a little noise where rounding happens.

A drawn layer may be as badly conditioned as it likes: 1 / (a - b), a step at a tie, a variance of
one row. So the bound is not a constant: the graph is run node by node with each product, sum and,
for compiled forms, each floating-point operation off by a few units in the last place. Where no
sample moves, a form must give the bits.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from layerkit.core.context import Array
from layerkit.recording.graph import Graph, Node, at

STIRRED = frozenset(("sum", "prod", "matmul", "einsum"))
CALLED = frozenset(
    [
        "einsum",
        "norm",
        "dot",
        "tensordot",
        "cumsum",
        "cumprod",
        "trace",
        "outer",
        "inner",
        "mean",
        "var",
        "std",
        "vdot",
        "kron",
        "median",
    ]
)
EXACT = frozenset(
    [
        "maximum",
        "minimum",
        "greater",
        "less",
        "greater_equal",
        "less_equal",
        "equal",
        "not_equal",
        "absolute",
        "negative",
        "sign",
        "floor",
        "ceil",
        "rint",
        "trunc",
        "isnan",
        "isfinite",
        "isinf",
        "signbit",
        "copysign",
        "fmax",
        "fmin",
        "positive",
        "heaviside",
        "logical_and",
        "logical_or",
        "logical_not",
        "logical_xor",
    ]
)


class Stirred:
    """One pass through one layer's graph with noise; without any, the reference."""

    def __init__(
        self,
        graph: Graph,
        inputs: Mapping[str, Array],
        values: Mapping[str, Mapping[str, Array]],
        rng: np.random.Generator | None,
        *,
        noise: np.random.Generator | None = None,
        everywhere: bool = False,
        units: float = 8,
    ) -> None:
        self.graph, self.inputs, self.leaves, self.rng = graph, dict(inputs), values, rng
        self.noise, self.everywhere, self.units = noise, everywhere, units
        self.known: dict[int, Any] = {}
        self.n = len(inputs["x"])

    def feed(self) -> Array:
        """y; what is drawn in feed is drawn, in its order."""
        graph = self.graph
        dy = min((d.serial for d in graph.nodes() if _is_dy(d)), default=np.inf)
        draws = [d for d in graph.draws if d.serial < dy]
        self._run([graph.y, *graph.state.values(), *draws])
        y: Array = self.known[id(graph.y)]
        return y

    def backprop(self, dy: Array) -> Array | None:
        """Compute the rest: dx, and the gradients in ``grads``."""
        self.inputs["dy"] = self.inputs["weights"] = dy
        graph = self.graph
        self._run(graph.outputs())
        dx: Array | None = None if graph.dx is None else self.known[id(graph.dx)]
        return dx

    def state(self) -> dict[str, Array]:
        """What is written to the state."""
        return {name: self.known[id(node)] for name, node in self.graph.state.items()}

    def grads(self) -> dict[str, Array]:
        """The gradients by parameter."""
        return {name: self.known[id(node)] for name, node in self.graph.grads.items()}

    def _run(self, roots: list[Node]) -> None:
        from layerkit.recording.graph import in_order

        for node in in_order(roots):
            if id(node) not in self.known:
                self.known[id(node)] = self._value(node)

    def _value(self, node: Node) -> Any:
        op, args = node.op, node.args
        if op == "input":
            return self.inputs[args[0]]
        if op in ("param", "state"):
            return self.leaves[op][args[0]]
        if op == "const":
            shape = at(node.shape, self.n)
            return node.value if np.shape(node.value) == shape else np.full(shape, node.value)
        if op == "arange":
            return np.arange(self.n, dtype=node.dtype).reshape(at(node.shape, self.n))
        if op == "random":
            method, given, keywords = self._got(args[:3])
            return getattr(self.rng, method)(*given, **dict(keywords))
        named = getattr(node.fn, "__name__", "")
        loose = op in STIRRED or (op == "call" and named in CALLED)
        assert node.fn is not None
        got = self._got(args)
        if loose:
            got = self._off(got)
        made = node.fn(*got, **{k: self._got(v) for k, v in node.kw.items()})
        rounds = self.everywhere and op not in EXACT and isinstance(node.fn, np.ufunc)
        if loose or rounds:
            made = self._off(made)
        return made

    def _got(self, value: Any) -> Any:
        if isinstance(value, Node):
            return self.known[id(value)]
        if type(value) is tuple:
            return tuple(self._got(v) for v in value)
        return at(value, self.n)

    def _off(self, value: Any) -> Any:
        """The value, off by a few units in the last place."""
        if self.noise is None:
            return value
        if isinstance(value, (tuple, list)):
            return type(value)(self._off(v) for v in value)
        if not isinstance(value, (np.ndarray, np.floating)) or value.dtype.kind != "f":
            return value
        eps = self.units * np.finfo(value.dtype).eps
        made: Array = value * (1 + eps * self.noise.uniform(-1, 1, value.shape))
        if self.everywhere:  # kernels do not keep the sign of zero everywhere
            made = np.where(made == 0, made * self.noise.choice((-1.0, 1.0), value.shape), made)
        return made.astype(value.dtype)


def _is_dy(node: Node) -> bool:
    return node.op == "input" and node.args[0] in ("dy", "weights")


class Bound(NamedTuple):
    """How far from ``value`` a form may be."""

    value: Array
    slack: float
    vague: bool = False
    """Rounding alone decides whether the result is finite: any is right."""

    def misses(self, found: Array) -> str:
        """What is wrong with ``found``, or nothing."""
        value = self.value
        if found.shape != value.shape or found.dtype != value.dtype:
            return f"expected {value.dtype} of shape {value.shape}, got {found.dtype} {found.shape}"
        if self.vague or np.array_equal(value, found, equal_nan=True):
            return ""
        odd = np.isnan(value) != np.isnan(found)
        odd |= (np.isinf(value) | np.isinf(found)) & (value != found) & ~np.isnan(value)
        if odd.any():
            place = tuple(int(i) for i in np.argwhere(odd)[0])
            return f"at {place}: expected {value[place]}, got {found[place]}"
        with np.errstate(all="ignore"):
            gap = np.abs(np.where(np.isfinite(value), found - value, 0))
        if not gap.size or gap.max() <= self.slack:
            return ""
        place = tuple(int(i) for i in np.unravel_index(gap.argmax(), gap.shape))
        return (
            f"at {place}: expected {value[place]!r}, got {found[place]!r}, "
            f"off by {gap.max():.2g}, allowed {self.slack:.2g}"
        )


def bound(value: Array, samples: list[Array], relative: float) -> Bound:
    """The bound that the samples leave: none where none of them moved."""
    if all(np.array_equal(value, sample, equal_nan=True) for sample in samples):
        return Bound(value, 0.0)
    with np.errstate(all="ignore"):
        finite = np.isfinite(value)
        for sample in samples:
            # NaN where there was NaN, infinite of the same sign
            same = np.array_equal(sample[~finite], value[~finite], equal_nan=True)
            if not same or not np.isfinite(sample[finite]).all():
                return Bound(value, np.inf, vague=True)
        largest = float(np.abs(value[finite]).max(initial=0))
        moved = max(
            float(np.abs(sample[finite] - value[finite]).max(initial=0)) for sample in samples
        )
    return Bound(value, max(relative * largest, 20 * moved))
