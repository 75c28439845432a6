"""Recorded layers that follow one another, as planned NumPy over one pool of memory.

A ``Template`` is what layers of equal structure share. A stage binds it to each layer for a number
of rows. In the pool, first comes the scratch memory, which all layers use in turn, then two halves
for what goes from layer to layer, then what each layer keeps for backprop.

Against the layers as they are written, five things add in another order: joined products, products
of windows, sums over rows as products with ones, sums over features of values that lie feature by
feature, and products cut for the cores (by their sizes alone). In inference, b / a stands for
(1 / a) b. All else is equal to the bit, whatever the number of threads.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from layerkit.core.context import Array
from layerkit.core.network import Network
from layerkit.core.planning import PlannedLayer, unusable
from layerkit.core.rng import stream_of
from layerkit.errors import LayerkitError
from layerkit.execution.planned.arrays import Arrays
from layerkit.execution.planned.joins import Layout, join
from layerkit.execution.planned.memory import (
    features_first,
    is_elementwise,
    place,
    prepare,
    root,
    split,
)
from layerkit.execution.planned.steps import Call, Program, Writer
from layerkit.recording.graph import REDUCTIONS, Count, Graph, Node, in_order
from layerkit.recording.record import Recording

_SIZES = 4
"""Numbers of rows for which a stage stays bound."""
_KEPT = 32
"""Numbers of rows for which a template keeps its programs."""

Members = Sequence[tuple[PlannedLayer, Recording]]
"""Layers, each with the recording of its structure."""


class Template:
    """What layers of equal structure share: order, homes, and programs for numbers of rows."""

    def __init__(
        self, recording: Recording, layout: Layout | None, *, keeps: bool, wants_dx: bool
    ) -> None:
        graph = prepare(recording.graph, keeps=keeps, wants_dx=wants_dx)
        self.graph = graph if layout is None else join(graph, layout)
        self.layout = layout
        self.inputs = ("x", "targets", "weights") if layout is None else ("x", "dy")
        self.forward, self.backward = split(self.graph)
        kernels = [[n] for n in self.forward], [[n] for n in self.backward]
        self.places = place(*kernels, self.graph, keeps=keeps, alone=layout is None)
        self.sizes = lru_cache(_KEPT)(self.places.layout)
        self.programs = lru_cache(_KEPT)(self._programs)

    @classmethod
    def of(
        cls, recording: Recording, layout: Layout | None, *, keeps: bool, wants_dx: bool
    ) -> Template:
        """The template of a recording, made once; a loss has no layout."""
        key = cls, keeps, wants_dx
        if key not in recording.forms:
            recording.forms[key] = cls(recording, layout, keeps=keeps, wants_dx=wants_dx)
        found: Template = recording.forms[key]
        return found

    def _programs(
        self, n: int, loose: frozenset[str], *, row: bool = False
    ) -> tuple[Program, Program]:
        """Feed and backprop for ``n`` rows; the inputs in ``loose`` differ from call to call."""
        forward, backward = (
            Writer(nodes, self.places, n, self.inputs, loose, row=row)
            for nodes in (self.forward, self.backward)
        )
        return forward.program(self.graph.state), backward.program({})


class _Bound(NamedTuple):
    """All steps for one number of rows; those of backprop in reverse order of the layers."""

    feeds: list[Call]
    backprops: list[Call]
    y: Array
    dx: Array | None
    row: Array  # the first of y


class _Layer:
    """The arrays of a network's layer; a loss has none."""

    def __init__(self, planned: PlannedLayer, network: Network, layout: Layout) -> None:
        self.layer, self.network, self.layout = planned.layer, network, layout

    def buffers(self) -> dict[str, tuple[Array, int]]:
        """The network's flat vectors, and where this layer begins, in bytes."""
        begin = self.layer.span.start * self.network.dtype.itemsize
        found = {"grad": self.network.grads}
        if not self.network.mapped:
            found["param"] = self.network.params
        return {kind: (flat, begin) for kind, flat in found.items() if flat is not None}

    def leaf(self, node: Node) -> Array:
        """The array of a parameter, or of several side by side, or of a state."""
        name = node.args[0]
        if node.op == "state":
            return self.layer.state[name]
        if not self.network.mapped:
            return self.layout.array(self.network.params, self.layer.span.start, name)
        parts = [self.layer.params[part] for part in name.split("|")]
        return parts[0] if len(parts) == 1 else np.concatenate(parts, axis=-1)

    def grad(self, name: str) -> Array:
        """The array of a gradient."""
        return self.layout.array(self.network.allocate_grads(), self.layer.span.start, name)


class _Planned:
    """Templates bound one after the other, for as many numbers of rows as are in use."""

    streams: Mapping[str, np.random.Generator]

    def __init__(
        self,
        templates: list[Template],
        layers: Sequence[_Layer | None],
        *,
        keeps: bool = True,
        row: bool = False,
    ) -> None:
        self._templates, self._layers, self._keeps, self._row = templates, layers, keeps, row
        self._names: list[str] = []
        self._pool = _memory(0)
        self._bound: dict[int, _Bound] = {}

    def _for(self, n: int) -> _Bound:
        return self._bound.get(n) or self._bind(n)

    def _bind(self, n: int) -> _Bound:
        """Bind all layers for ``n`` rows; memory grows if it must, and is kept otherwise."""
        sizes = [t.sizes(n) for t in self._templates]
        scratch, half = max(s.scratch for s in sizes), max(s.half for s in sizes)
        own = scratch + 2 * half
        total = own + sum(s.own for s in sizes)
        if total > self._pool.nbytes:
            self._bound.clear()
            self._pool = _memory(total)
        elif len(self._bound) >= _SIZES:
            del self._bound[next(iter(self._bound))]
        pool = self._pool
        layers: list[Arrays] = []
        x: Array | None = None
        for i, (t, layer) in enumerate(zip(self._templates, self._layers, strict=True)):
            buffers = {"scratch": (pool, 0), "half": (pool, scratch + half * (i % 2))}
            buffers |= {"own": (pool, own), **({} if layer is None else layer.buffers())}
            layers.append(Arrays(t.places, sizes[i], n, buffers, layer, {"x": x}))
            own += sizes[i].own
            x = layers[i].of(t.graph.y)
        feeds = [self._steps(i, layers[i], 0) for i in range(len(layers))]
        backprops: list[Call] = []
        dy: Array | None = None
        for i in range(len(layers))[::-1] if self._keeps else ():
            layers[i].given["dy"] = dy
            backprops.append(self._steps(i, layers[i], 1))
            dx = self._templates[i].graph.dx
            dy = None if dx is None else layers[i].of(dx)
        assert x is not None  # noqa: S101  # there are layers
        row = x[:1].reshape(-1) if x.ndim > 1 else x
        bound = self._bound[n] = _Bound(feeds, backprops, x, dy, row)
        return bound

    def _steps(self, i: int, arrays: Arrays, which: int) -> Call:
        t = self._templates[i]
        inner = {"x"} if i > 0 else set()
        inner |= {"dy"} if i < len(self._templates) - 1 else set()
        program = t.programs(arrays.n, frozenset(t.inputs) - inner, row=self._row)[which]
        name = self._names[i] if self._names else ""
        return program.bind(arrays, (lambda path: stream_of(self.streams, name + path)))


class PlannedStage(_Planned):
    """Consecutive recorded layers of ``network`` as planned NumPy, for one thread.

    The network's vectors of parameters and gradients stay where they are. With ``keeps`` backprop
    can follow feed, with ``wants_dx`` it computes dx of the first layer. ``streams``
    are set before a pass.
    """

    def __init__(
        self, network: Network, members: Members, *, keeps: bool, wants_dx: bool, row: bool = False
    ) -> None:
        if keeps:
            network.allocate_grads()
        self.streams = {}
        layouts: dict[int, Layout] = {}
        templates, layers = [], []
        for i, (planned, recording) in enumerate(members):
            if id(recording) not in layouts:
                layouts[id(recording)] = Layout(planned.plan)
            layout = layouts[id(recording)]
            wants = wants_dx or i > 0
            templates.append(Template.of(recording, layout, keeps=keeps, wants_dx=wants))
            layers.append(_Layer(planned, network, layout))
        super().__init__(templates, layers, keeps=keeps, row=row)
        self._planned = [planned for planned, _ in members]
        self._names = [planned.name for planned in self._planned]
        self._now: _Bound | None = None
        self._x: Any = None
        self._params: Any = None

    def feed(self, x: Array) -> Array:
        """Outputs (n, *out) for x (n, *in), valid until the next feed."""
        self._now = now = self._fed(len(x), x)
        self._x = x
        return now.y

    def backprop(self, dy: Array) -> Array:
        """dL/dx (n, *in), meaningless unless it is wanted, for dy (n, *out); fills the gradients.

        Once for each feed, since it overwrites what feed kept; ValueError before the first feed.
        """
        now = self._now
        if now is None:
            raise ValueError("backprop before feed")
        self._run(now.backprops, "backprop", self._x, dy)
        return dy if now.dx is None else now.dx

    def _fed(self, n: int, x: Array) -> _Bound:
        params = self._planned[0].layer.params
        if self._params is not params:  # at first, or copied out of a file since
            self._bound.clear()
            self._params = params
        now = self._for(n)
        self._run(now.feeds, "feed", x, None)
        return now

    def _run(self, steps: list[Call], which: str, x: Array, dy: Array | None) -> None:
        i = 0
        try:
            for i, step in enumerate(steps):  # noqa: B007  # used where one raises
                step(x, dy)
        except (LayerkitError, MemoryError):
            raise
        except Exception as cause:
            p = self._planned[i if which == "feed" else -1 - i]
            reason = f"{which} raised {type(cause).__name__}: {cause}"
            raise unusable(p.name, p.layer, reason) from cause


class PlannedRow(PlannedStage):
    """Layers of ``network`` as planned NumPy for a single row, whose values are vectors.

    For one thread; without gradients. ``fits`` says whether all layers can be run so.
    """

    def __init__(self, network: Network, members: Members) -> None:
        super().__init__(network, members, keeps=False, wants_dx=False, row=True)

    @staticmethod
    def fits(members: Members) -> bool:
        """Whether rows of all layers are vectors, and all operations known to work on these."""
        return all(
            len(p.in_shape) == len(p.plan.out_shape) == 1 and _has_row_form(recording.graph)
            for p, recording in members
        )

    def feed(self, x: Array) -> Array:
        """The output (k,) for x (i,), valid until the next feed."""
        return self._fed(1, x).row


def _has_row_form(graph: Graph) -> bool:
    """Whether feed only multiplies by parameters, and works on elements and over features."""
    if graph.state or graph.draws:
        return False
    for node in in_order([graph.y]):
        if node.op == "matmul":
            x, W = node.args
            fits = features_first(x) and not features_first(W) and len(W.shape) == 2
        elif node.op in REDUCTIONS:
            fits = node.kw["axis"] == (1,) and features_first(node.args[0])
        elif node.op in ("index", "concatenate"):
            fits = features_first(node) and all(map(features_first, node.inputs()))
        else:
            fits = is_elementwise(node) or node.op in ("input", "param", "state", "const")
        shape = node.shape
        flat = len(shape) < 2 or features_first(node) or root(node).op == "param"
        if not fits or not flat or (len(shape) == 1 and isinstance(shape[0], Count)):
            return False
    return True


class PlannedLoss(_Planned):
    """A recorded loss as planned NumPy, for one thread."""

    def __init__(self, recording: Recording) -> None:
        super().__init__([Template.of(recording, None, keeps=True, wants_dx=True)], [None])

    def learn(self, scores: Array, targets: Array, weights: Array) -> tuple[float, Array]:
        """The weighted loss, and its gradient (n, k), valid until the next call."""
        now = self._for(len(scores))
        now.feeds[0](scores, targets, weights)
        now.backprops[0](scores, targets, weights)
        assert now.dx is not None  # noqa: S101  # a loss has a gradient
        return float(now.y @ weights), now.dx


def _memory(size: int) -> Array:
    """Memory that begins at a multiple of 64: elementwise steps are up to 1.4 times as fast."""
    memory = np.empty(size + 64, np.uint8)
    start = -memory.__array_interface__["data"][0] % 64
    return memory[start : start + size]
