"""The numbers of a model: layers in a row over one flat vector of parameters.

``plan_layers`` says what the layers will be without allocating anything. A ``Network`` then keeps
all parameters in one vector and all gradients in another, and hands each layer views into them, so
that an optimizer's step is a few operations over whole vectors. A training step is feed, the
loss's gradient, backprop in reverse, then update: every gradient is computed from the weights
before the update.
"""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from layerkit.errors import (
    LayerkitError,
    PluginLoadError,
    PluginProblem,
    ShapeError,
    SpecError,
    quoted,
)
from layerkit.layer import Array, Context, Layer, Param, Plan, Shape
from layerkit.mapped import Named, SideBySide
from layerkit.parts import Optimizer
from layerkit.registry import initializer

__all__ = ["Network", "Planned", "plan_layers", "random_stream"]


_PARAM_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_:@-]*")  # what a model file can hold


@dataclass(frozen=True)
class Planned:
    """A layer with its name and its plan for the shape that reaches it."""

    name: str
    layer: Layer
    in_shape: Shape
    plan: Plan

    @property
    def size(self) -> int:
        """Number of trained parameters."""
        return sum(p.size for p in self.plan.params.values())


def plan_layers(layers: Sequence[tuple[str, Layer]], in_shape: Shape) -> list[Planned]:
    """Plan each layer for the shape that the one before it gives; allocates nothing.

    Raises
    ------
    ShapeError
        If a layer cannot take what reaches it; the message names both, ``location`` is
        ``layers[i]``.
    PluginLoadError
        If a layer's plan raises something else, or is not well formed.
    """
    planned: list[Planned] = []
    shape, before = in_shape, "the input"
    for i, (name, layer) in enumerate(layers):
        try:
            plan = layer.plan(shape)
        except ShapeError as error:
            raise ShapeError(
                f"layer {name!r} does not fit after {before}, whose rows are of shape "
                f"{list(shape)}: {error.reason}",
                location=f"layers[{i}]",
            ) from error
        except SpecError:
            raise
        except Exception as cause:  # whatever a plugin's own code raises
            raise _unusable(name, layer, f"plan raised {type(cause).__name__}: {cause}") from cause
        _check_plan(name, layer, plan)
        planned.append(Planned(name, layer, shape, plan))
        shape, before = plan.out_shape, repr(name)
    return planned


def _told(cause: Exception) -> str:
    return f"{type(cause).__name__}: {cause}"


def _unusable(name: str, layer: Layer, reason: str) -> PluginLoadError:
    key = getattr(layer, "type_name", type(layer).__name__)
    return PluginLoadError(
        f"layer {name!r} of type {key!r}: {reason}", problems=[PluginProblem(key, reason)]
    )


def _check_plan(name: str, layer: Layer, plan: object) -> None:
    """Hold what a plugin planned against the contract, before anything relies on it."""
    if not isinstance(plan, Plan):
        raise _unusable(name, layer, f"plan gave {quoted(plan)}, no Plan")
    arrays = [*plan.params.items(), *plan.state.items()]
    shapes = [plan.out_shape, *(param.shape for _, param in arrays)]
    if any(type(d) is not int or d < 0 for shape in shapes for d in shape):
        raise _unusable(name, layer, "plan gave a size that is no whole number of at least 0")
    for key, _ in arrays:
        if not _PARAM_NAME.fullmatch(key):
            raise _unusable(name, layer, f"{key!r} is no name for a parameter")
    if plan.params.keys() & plan.state.keys():
        raise _unusable(name, layer, "a name is that of a parameter and of a state")
    parts = [part for group in plan.joined.values() for part in group]
    if len(set(parts)) < len(parts) or not plan.params.keys() >= set(parts):
        raise _unusable(name, layer, "joined wants each name once, and parameters only")
    for group in plan.joined.values():
        if len({plan.params[p].shape[:-1] for p in group}) != 1 or not plan.params[group[0]].shape:
            reason = f"joined {group}: these may differ in their last axis only"
            raise _unusable(name, layer, reason)


def random_stream(seed: int, *name: str) -> np.random.Generator:
    """The random stream called ``name`` of ``seed``: equal names give equal streams.

    Streams of different names are independent, so a further layer changes no other layer's start.
    """
    digest = hashlib.sha256("/".join(name).encode()).digest()
    words = np.frombuffer(digest[:16], "<u4").tolist()
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence([seed, *words])))


class Network:
    """Layers in a row, their parameters allocated.

    Parameters
    ----------
    planned
        From ``plan_layers``.
    dtype
        float32 or float64.
    mapped
        Tensors by name to use as they are, without a copy: read-only arrays over a mapped file.
        The first use of ``params`` copies them.

    Attributes
    ----------
    size
        Number of trained parameters.
    grads
        (size,) all gradients, or None until ``allocate_grads``.
    """

    def __init__(
        self,
        planned: Sequence[Planned],
        dtype: np.dtype,
        *,
        mapped: Mapping[str, Array] | None = None,
    ) -> None:
        self.planned = list(planned)
        self.dtype = np.dtype(dtype)
        self.size = sum(p.size for p in self.planned)
        self.grads: Array | None = None
        self._params: Array | None = None
        start = 0
        for p in self.planned:
            p.layer.span = slice(start, start + p.size)
            start += p.size
        if mapped is None:
            self._own()
        else:
            for p in self.planned:
                p.layer.params = Named(mapped, p.name, p.plan.params)
                p.layer.state = Named(mapped, p.name, p.plan.state)
                p.layer.joined = SideBySide(p.layer.params, p.plan.joined)

    def _own(self) -> None:
        """Allocate parameters and states of our own, all zero."""
        params: Array = np.zeros(self.size, self.dtype)
        self._params = params
        for p in self.planned:
            p.layer.params, p.layer.joined = _views(params[p.layer.span], p.plan)
            p.layer.state = {n: np.zeros(s.shape, self.dtype) for n, s in p.plan.state.items()}

    @property
    def mapped(self) -> bool:
        """Whether the parameters still lie in a mapped file."""
        return self._params is None

    @property
    def params(self) -> Array:
        """(size,) all parameters; copied out of a mapped file when first asked for."""
        if self._params is None:
            before = {name: array for name, (_, array) in self.tensors().items()}
            self._own()
            for name, (_, array) in self.tensors().items():
                array[...] = before[name]
        assert self._params is not None  # noqa: S101  # _own allocates it
        return self._params

    @property
    def layers(self) -> list[Layer]:
        """The layers in order of application."""
        return [p.layer for p in self.planned]

    @property
    def macs(self) -> int:
        """Multiply-accumulate operations of one row."""
        return sum(p.plan.macs for p in self.planned)

    def initialise(self, seed: int) -> None:
        """Start every parameter and state from its plan, each from a stream of its own.

        Raises
        ------
        SpecError
            If a start is not finite in this dtype.
        """
        for i, p in enumerate(self.planned):
            wanted = [(p.layer.params, p.plan.params), (p.layer.state, p.plan.state)]
            for arrays, params in wanted:
                for name, param in params.items():
                    stream = random_stream(seed, "init", p.name, name)
                    with np.errstate(over="ignore"):
                        arrays[name][...] = _start(param, stream)
                    if not np.isfinite(arrays[name]).all():
                        raise SpecError(
                            f"{name!r} of {p.name!r} would start at values that are not finite in "
                            f"{self.dtype}",
                            location=f"layers[{i}]",
                        )

    def allocate_grads(self) -> Array:
        """The gradient vector, made on first use; a model that only infers has none."""
        if self.grads is None:
            self.grads = np.zeros(self.size, self.dtype)
            for p in self.planned:
                p.layer.grads, p.layer.joined_grads = _views(self.grads[p.layer.span], p.plan)
        return self.grads

    def contexts(
        self,
        *,
        training: bool = False,
        streams: Mapping[str, np.random.Generator] | None = None,
        wants_dx: bool = False,
    ) -> list[Context]:
        """One context a layer for a pass; reuse them and a steady loop allocates nothing.

        ``streams`` gives each layer's random stream by its name; ``wants_dx`` says whether
        ``backprop`` shall return the gradient of the network's own input.
        """
        return [
            Context(
                self.dtype,
                training=training,
                rng=None if streams is None else streams.get(p.name),
                wants_dx=wants_dx or i > 0,
            )
            for i, p in enumerate(self.planned)
        ]

    def feed(self, x: Array, contexts: Sequence[Context]) -> Array:
        """Scores (n, *out) for x (n, *in); valid until the next feed with these contexts.

        Raises
        ------
        PluginLoadError
            If a layer raises, or gives another shape or dtype than its plan says; it is named.
        """
        rows = len(x)
        for p, ctx in zip(self.planned, contexts, strict=True):
            try:
                x = p.layer.feed(x, ctx)
            except (LayerkitError, MemoryError):
                raise
            except Exception as cause:  # whatever a plugin's own code raises
                raise _unusable(p.name, p.layer, f"feed raised {_told(cause)}") from cause
            self._hold(p, "feed", x, (rows, *p.plan.out_shape))
        return x

    def backprop(self, dy: Array, contexts: Sequence[Context]) -> Array:
        """Gradient dL/dx (n, *in) for dy = dL/dscores (n, *out); fills ``grads``.

        Raises
        ------
        PluginLoadError
            As ``feed``.
        """
        self.allocate_grads()
        rows = len(dy)
        for p, ctx in zip(reversed(self.planned), reversed(contexts), strict=True):
            try:
                dy = p.layer.backprop(dy, ctx)
            except (LayerkitError, MemoryError):
                raise
            except Exception as cause:  # whatever a plugin's own code raises
                raise _unusable(p.name, p.layer, f"backprop raised {_told(cause)}") from cause
            if ctx.wants_dx:
                self._hold(p, "backprop", dy, (rows, *p.in_shape))
        return dy

    def _hold(self, p: Planned, step: str, array: object, shape: Shape) -> None:
        """Hold what a layer gave against its contract: a few nanoseconds beside its products."""
        if isinstance(array, np.ndarray) and array.shape == shape and array.dtype == self.dtype:
            return
        came = quoted(array)
        if isinstance(array, np.ndarray):
            came = f"{array.dtype} of shape {list(array.shape)}"
        wanted = f"{self.dtype} of shape {list(shape)}"
        raise _unusable(p.name, p.layer, f"{step} gave {came}, by its plan it is {wanted}")

    def update(self, rule: Optimizer) -> None:
        """Let ``rule`` change the parameters, in runs of layers that leave it to the base class."""
        for run in self._runs:
            if isinstance(run, slice):
                rule.apply(run)
            else:
                run.update(rule)

    @property
    def _runs(self) -> list[slice | Layer]:
        """Spans that can be updated as one, and layers that update themselves."""
        runs: list[slice | Layer] = []
        for layer in self.layers:
            if type(layer).update is not Layer.update:
                runs.append(layer)
            elif not layer.freeze:
                _extend(runs, layer.span)
        return runs

    def trainable(self) -> list[slice]:
        """Spans of the flat vector that training changes, neighbours merged."""
        spans: list[slice] = []
        for layer in self.layers:
            if not layer.freeze:
                _extend(spans, layer.span)
        return spans

    def decay_mask(self) -> Array:
        """(size,) 1 where weight decay applies, 0 elsewhere (biases, frozen layers)."""
        mask: Array = np.zeros(self.size, self.dtype)
        for p in self.planned:
            views, _ = _views(mask[p.layer.span], p.plan)
            for name, param in p.plan.params.items():
                views[name][...] = param.decays and not p.layer.freeze
        return mask

    def split(self, vector: Array) -> dict[str, Array]:
        """A vector laid out as ``params`` (size,), as views by tensor name."""
        named: dict[str, Array] = {}
        for p in self.planned:
            views, _ = _views(vector[p.layer.span], p.plan)
            named |= {f"{p.name}.{k}": v for k, v in views.items()}
        return named

    def join(self, named: Mapping[str, Array]) -> Array:
        """The opposite of ``split``: a new vector (size,)."""
        vector: Array = np.zeros(self.size, self.dtype)
        for name, view in self.split(vector).items():
            view[...] = named[name]
        return vector

    def tensors(self) -> dict[str, tuple[str, Array]]:
        """Name (layer.parameter) to role ("param" or "state") and array, views of the live ones."""
        named: dict[str, tuple[str, Array]] = {}
        for p in self.planned:
            named |= {f"{p.name}.{k}": ("param", v) for k, v in p.layer.params.items()}
            named |= {f"{p.name}.{k}": ("state", v) for k, v in p.layer.state.items()}
        return named


def _extend(runs: list[Any], span: slice) -> None:
    """Append ``span``, merged with the last run where they touch."""
    if runs and isinstance(runs[-1], slice) and runs[-1].stop == span.start:
        runs[-1] = slice(runs[-1].start, span.stop)
    elif span.stop > span.start:
        runs.append(span)


def _start(param: Param, stream: np.random.Generator) -> Array | float:
    if isinstance(param.init, (int, float)):
        return float(param.init)
    return initializer(param.init).make(param.shape, param.fans, stream)


def _views(flat: Array, plan: Plan) -> tuple[dict[str, Array], dict[str, Array]]:
    """Views of ``flat`` (size,) by parameter name, and by the name of what is joined.

    Joined parameters are column blocks of one matrix; the others lie one after the other.
    """
    views: dict[str, Array] = {}
    wholes: dict[str, Array] = {}
    start = 0

    def take(shape: Shape) -> Array:
        nonlocal start
        start += math.prod(shape)
        return flat[start - math.prod(shape) : start].reshape(shape)

    for group, parts in plan.joined.items():
        widths = [plan.params[p].shape[-1] for p in parts]
        whole = take((*plan.params[parts[0]].shape[:-1], sum(widths)))
        edges = np.cumsum([0, *widths]).tolist()
        for part, low, high in zip(parts, edges, edges[1:], strict=False):
            views[part] = whole[..., low:high]
        wholes[group] = whole
    for name, param in plan.params.items():
        if name not in views:
            views[name] = take(param.shape)
    return {name: views[name] for name in plan.params}, wholes
