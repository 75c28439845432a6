"""Network: a sequence of layers over one flat vector of parameters.

All parameters lie in one vector and all gradients in another, and each layer has views into them,
so that an optimizer's step is a few operations over whole vectors. A training step is feed, the
loss's gradient, backprop in reverse, then update: every gradient is computed from the weights
before the update.
"""

from __future__ import annotations

import copy
from _thread import allocate_lock
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from layerkit.core.arrays import Arrays
from layerkit.core.context import Array, Context, Shape
from layerkit.core.layer import Layer
from layerkit.core.mmap_views import LayerTensors
from layerkit.core.optimizer import Optimizer
from layerkit.core.parts import Initializer
from layerkit.core.planning import PlannedLayer, unusable
from layerkit.core.rng import random_stream, streams_within
from layerkit.core.ties import shared, ties_of
from layerkit.core.vector_views import views_of
from layerkit.errors import LayerkitError, SpecError

_allocating = allocate_lock()
_LINE = 64


class Network:
    """A sequence of layers with their parameters, float32 or float64.

    ``mapped`` holds tensors by name to use without a copy, read-only arrays over a mapped file; the
    first use of ``params`` copies them. ``size`` is the number of trained parameters, ``grads``
    (size,) all gradients, None until ``allocate_grads``. ``moves`` counts how often the parameters
    were given other memory: what was made of the layers before holds the old arrays.
    """

    def __init__(
        self,
        planned: Sequence[PlannedLayer],
        dtype: np.dtype,
        *,
        mapped: Mapping[str, Array] | None = None,
    ) -> None:
        self.planned = list(planned)
        self.dtype = np.dtype(dtype)
        self.size = sum(p.size for p in self.planned)
        self.grads: Array | None = None
        self._params: Array | None = None
        self.moves = 0
        self._known_shapes: dict[int, list[Shape]] = {}
        self.ties = ties_of(self.planned)
        self.tied = {tie.name for tie in self.ties}
        self.kept: dict[str, Any] = {}  # what higher levels keep with a network: its recordings
        start = 0
        for p in self.nested():
            size = sum(param.size for param in p.plan.own.params.values())
            p.layer.span = slice(start, start + size)
            start += size
        if mapped is None or self.ties or any(p.plan.joined for p in self.planned):
            self._allocate(mapped)
        else:
            for p in self.planned:
                p.bind(
                    params=LayerTensors(mapped, p.name, p.plan.params),
                    state=LayerTensors(mapped, p.name, p.plan.state),
                )

    def nested(self) -> Iterator[PlannedLayer]:
        """All layers, each followed by those inside it, in the order of the flat vector.

        They are named by their paths: "residual_1.dense_2".
        """
        for p in self.planned:
            yield from p.nested()

    def _flat(self, vector: Array) -> Iterator[tuple[PlannedLayer, Array]]:
        """Each layer with its piece of a vector (size,), the parameters of its parts included."""
        start = 0
        for p in self.planned:
            yield p, vector[start : start + p.size]
            start += p.size

    def _allocate(self, values: Mapping[str, Array] | None = None) -> None:
        """Allocate parameters and states, zero or as in ``values``."""
        params = _zeros(self.size, self.dtype)
        tables = []
        for p, flat in self._flat(params):
            views, joined = views_of(flat, p.plan)
            state = {n: np.zeros(s.shape, self.dtype) for n, s in p.plan.state.items()}
            for name, array in (views | state).items() if values is not None else ():
                array[...] = values[f"{p.name}.{name}"]  # type: ignore[index]  # not None, see above
            tables.append((Arrays(views, "parameter"), Arrays(joined), Arrays(state, "state")))
        # Everything is filled before any of it is visible: another thread may be predicting.
        for p, (own, whole, kept) in zip(self.planned, tables, strict=True):
            p.bind(params=own, joined=whole, state=kept)
        self._params = params
        self.moves += 1

    @property
    def mapped(self) -> bool:
        """Whether the parameters still lie in a mapped file."""
        return self._params is None

    @property
    def params(self) -> Array:
        """(size,) all parameters; copied out of a mapped file on first use."""
        if self._params is None:
            with _allocating:
                if self._params is None:
                    self._allocate({name: array for name, (_, array) in self.tensors().items()})
        assert self._params is not None  # noqa: S101  # _allocate sets it
        return self._params

    @property
    def layers(self) -> list[Layer]:
        """The layers in order of application."""
        return [p.layer for p in self.planned]

    def initialise(
        self, seed: int, initializer: Callable[[str | Mapping[str, Any]], Initializer]
    ) -> None:
        """Set every parameter and state to its start, each from its own random stream.

        ``initializer`` finds one by its name or configuration. Raises SpecError if a start is not
        finite in this dtype.
        """
        for i, p in enumerate(self.planned):
            for arrays, params in (p.layer.params, p.plan.params), (p.layer.state, p.plan.state):
                for name, param in params.items():
                    *path, own = f"{p.name}.{name}".rsplit(".", 1)
                    stream = random_stream(seed, "init", *path, own)
                    with np.errstate(over="ignore"):
                        arrays[name][...] = (
                            float(param.init)
                            if isinstance(param.init, (int, float))
                            else initializer(param.init).make(param.shape, param.fans, stream)
                        )
                    if not np.isfinite(arrays[name]).all():
                        raise SpecError(
                            f"{name!r} of {p.name!r} would start at values that are not finite in "
                            f"{self.dtype}",
                            location=f"layers[{i}]",
                        )
        self.spread_ties()

    def allocate_grads(self) -> Array:
        """The gradient vector, allocated on first use; a model that only infers has none."""
        if self.grads is None:
            self.grads = _zeros(self.size, self.dtype)
            for p, flat in self._flat(self.grads):
                views, joined = views_of(flat, p.plan)
                p.bind(grads=Arrays(views, "gradient"), joined_grads=Arrays(joined))
        return self.grads

    def contexts(
        self,
        *,
        training: bool = False,
        streams: Mapping[str, np.random.Generator] | None = None,
        wants_dx: bool = False,
        keeps: bool = True,
    ) -> list[Context]:
        """One context per layer for a pass; a loop may use them again.

        ``streams`` gives each layer's random stream by its name, and that of a layer inside another
        by its path; ``wants_dx`` says whether ``backprop`` returns the gradient of the network's
        input. Without ``keeps`` there can be no backprop, and the memory of a pass does not grow
        with the depth.
        """
        return [
            Context(
                self.dtype,
                training=training,
                rng=None if streams is None else streams.get(p.name),
                wants_dx=wants_dx or i > 0,
                keeps=keeps,
                streams=None if streams is None else streams_within(streams, p.name),
            )
            for i, p in enumerate(self.planned)
        ]

    def feed(self, x: Array, contexts: Sequence[Context]) -> Array:
        """Scores (n, *out) for x (n, *in); valid until the next feed with these contexts.

        Raises PluginLoadError, which names the layer, if one raises or returns another shape or
        dtype than planned.
        """
        shapes, dtype = self._shapes(len(x)), self.dtype
        # Overflows are reported where they matter: in the loss, the outputs, the parameters.
        with np.errstate(all="ignore"):
            for p, ctx, shape in zip(self.planned, contexts, shapes[1:], strict=True):
                ctx.begin()
                try:
                    y = p.layer.feed(x, ctx)
                except (LayerkitError, MemoryError):
                    raise
                except Exception as cause:  # a plugin's code may raise anything
                    raise unusable(p.name, p.layer, _reason("feed", cause)) from cause
                # Most arrays are as planned to the letter; others may be equal to that.
                if type(y) is not np.ndarray or y.shape != shape or y.dtype is not dtype:
                    p.check_result("feed", y, dtype, shape)
                x = y
        return x

    def backprop(self, dy: Array, contexts: Sequence[Context]) -> Array:
        """Gradient dL/dx (n, *in) for dy = dL/dscores (n, *out); fills ``grads``.

        Raises PluginLoadError, same as ``feed``.
        """
        self.allocate_grads()
        shapes, dtype = self._shapes(len(dy))[-2::-1], self.dtype
        with np.errstate(all="ignore"):
            for p, ctx, shape in zip(self.planned[::-1], contexts[::-1], shapes, strict=True):
                try:
                    dx = p.layer.backprop(dy, ctx)
                except (LayerkitError, MemoryError):
                    raise
                except Exception as cause:  # a plugin's code may raise anything
                    raise unusable(p.name, p.layer, _reason("backprop", cause)) from cause
                wrong = type(dx) is not np.ndarray or dx.shape != shape or dx.dtype is not dtype
                if wrong and ctx.wants_dx:
                    p.check_result("backprop", dx, dtype, shape)
                dy = dx
        return dy

    def _shapes(self, rows: int) -> list[Shape]:
        """Shapes of the arrays between the layers, that of the input first."""
        known = self._known_shapes.get(rows)
        if known is None:
            inner = [p.in_shape for p in self.planned[:1]]
            inner += [p.plan.out_shape for p in self.planned]
            if len(self._known_shapes) >= 16:
                self._known_shapes.clear()
            known = self._known_shapes[rows] = [(rows, *shape) for shape in inner]
        return known

    def part(self, planned: list[PlannedLayer]) -> Network:
        """Some of the layers as a network that shares this one's parameters and gradients."""
        part = copy.copy(self)
        part.planned, part._known_shapes = planned, {}
        return part

    def extended(self, more: Sequence[PlannedLayer]) -> Network:
        """A network of these layers and ``more``, to be trained as one; it cannot be fed.

        This network's parameters, gradients and states move into those of the longer one, where
        they come first.
        """
        held = {name: array for name, (_, array) in self.tensors().items()}
        longer = Network([*self.planned, *more], self.dtype)
        longer.kept = self.kept
        own = longer.part(self.planned).tensors()
        for name, array in held.items():
            own[name][1][...] = array
        self._params = longer.params[: self.size]
        self.grads = longer.allocate_grads()[: self.size]
        self.moves += 1
        return longer

    def twin(self) -> Network:
        """The same network over the same parameters, with separate gradients."""
        twin = self.part([p.copied() for p in self.planned])
        twin.grads = None
        for p in twin.planned:
            p.bind(params=p.layer.params, state=p.layer.state, joined=p.layer.joined)
        return twin

    def update(self, rule: Optimizer, runs: Sequence[slice | Layer] | None = None) -> None:
        """Let ``rule`` change the parameters in ``runs``, by default all of ``runs()``."""
        for run in self.runs() if runs is None else runs:
            if isinstance(run, slice):
                rule.apply(run)
            else:
                run.update(rule)
        self.spread_ties()

    def add_ties(self) -> None:
        """Add the gradients of tied parameters to those of their owners, whose are then all."""
        if self.ties:
            grads = self._views(self.allocate_grads())
            for tie in self.ties:
                tied, own = shared(tie, grads)
                own += tied
                tied[...] = 0

    def spread_ties(self) -> None:
        """Copy the parameters that others are tied to."""
        if self.ties:
            params = self._views(self.params)
            for tie in self.ties:
                tied, own = shared(tie, params)
                tied[...] = own

    def runs(self) -> list[slice | Layer]:
        """Spans to update as one, and layers that override ``Layer.update``."""
        runs: list[slice | Layer] = []
        for p in self.nested():
            if type(p.layer).update is not Layer.update:
                runs.append(p.layer)
            elif not p.layer.freeze:
                _extend(runs, p.layer.span)
        return runs

    def trainable(self) -> list[slice]:
        """Spans of the flat vector that training changes, neighbours merged."""
        spans: list[slice] = []
        for p in self.nested():
            if not p.layer.freeze:
                _extend(spans, p.layer.span)
        return spans

    def decay_mask(self) -> Array:
        """(size,) 1 where weight decay applies, 0 elsewhere (biases, frozen layers)."""
        mask: Array = np.zeros(self.size, self.dtype)
        views = self.split(mask)
        for p in self.planned:
            for name, param in p.plan.params.items():
                if f"{p.name}.{name}" in views:
                    views[f"{p.name}.{name}"][...] = param.decays
        for p in self.nested():
            if p.layer.freeze:
                mask[p.layer.span] = 0
        return mask

    def split(self, vector: Array) -> dict[str, Array]:
        """Views by tensor name of a vector (size,) laid out like ``params``, without tied ones."""
        named = self._views(vector)
        return {name: view for name, view in named.items() if name not in self.tied}

    def _views(self, vector: Array) -> dict[str, Array]:
        named: dict[str, Array] = {}
        for p, flat in self._flat(vector):
            views, _ = views_of(flat, p.plan)
            named |= {f"{p.name}.{k}": v for k, v in views.items()}
        return named

    def join(self, named: Mapping[str, Array]) -> Array:
        """The inverse of ``split``: a new vector (size,), 0 where parameters are tied."""
        vector: Array = np.zeros(self.size, self.dtype)
        for name, view in self.split(vector).items():
            view[...] = named[name]
        return vector

    @property
    def parameters(self) -> int:
        """Number of trained parameters, each tied one counted once."""
        return sum(p.parameters for p in self.planned)

    def tensors(self) -> dict[str, tuple[str, Array]]:
        """Name (layer.parameter) to role ("param" or "state") and the layer's own array."""
        named: dict[str, tuple[str, Array]] = {}
        for p in self.planned:
            named |= {f"{p.name}.{k}": ("param", v) for k, v in p.layer.params.items()}
            named |= {f"{p.name}.{k}": ("state", v) for k, v in p.layer.state.items()}
        return named


def _zeros(size: int, dtype: np.dtype[Any]) -> Array:
    """A vector of zeros (size,) that begins with a line of the cache: 64 bytes.

    NumPy's vectors begin anywhere, and products of one row then take a third longer.
    """
    room: Array = np.zeros(size * dtype.itemsize + _LINE, np.uint8)
    start = -room.__array_interface__["data"][0] % _LINE
    return room[start : start + size * dtype.itemsize].view(dtype)


def _extend(runs: list[Any], span: slice) -> None:
    """Append ``span``, merged with the last run where they touch."""
    if runs and isinstance(runs[-1], slice) and runs[-1].stop == span.start:
        runs[-1] = slice(runs[-1].start, span.stop)
    elif span.stop > span.start:
        runs.append(span)


def is_read_only(cause: BaseException | None) -> bool:
    """Whether this is NumPy's error for writing to a read-only array."""
    refusals = ("read-only", "cannot set WRITEABLE flag")
    return isinstance(cause, ValueError) and any(words in str(cause) for words in refusals)


def _reason(step: str, cause: Exception) -> str:
    if is_read_only(cause):
        return f"{step} wrote into its input or a parameter, which a layer must never do ({cause})"
    inside = "".join(f" {note}" for note in getattr(cause, "__notes__", ())[::-1])
    return f"{step}{inside} raised {type(cause).__name__}: {cause}"
