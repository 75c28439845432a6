"""Planning a network: shapes and parameters of its layers, before anything is allocated.

``plan_layers`` asks each layer for its plan, for the output shape of the one before it, and checks
the plan against the contract. A planned layer also runs as a part of a container.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from layerkit.core.context import Array, Context, Shape
from layerkit.core.domains import fault_of_domains, takes_whole
from layerkit.core.layer import Layer, Plan
from layerkit.core.version_one import fault_of_joined
from layerkit.display import quoted
from layerkit.errors import PluginLoadError, PluginProblem, ShapeError, SpecError

_PARAM_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_:@-]*")  # what a model file can hold


class PlannedLayer(NamedTuple):
    """A layer with its name, its input shape and its plan for that shape.

    The plan of a container names the arrays of its parts too: "dense_1.W".
    """

    name: str
    layer: Layer
    in_shape: Shape
    plan: Plan

    @property
    def size(self) -> int:
        """Number of trained parameters."""
        return sum(p.size for p in self.plan.params.values())

    @property
    def parameters(self) -> int:
        """Number of trained parameters, without those tied to another layer's."""
        return sum(
            param.size
            for one in self.nested()
            for name, param in one.plan.own.params.items()
            if name not in one.layer.ties
        )

    @property
    def eager(self) -> bool:
        """Whether methods are run as written: the layer, or one inside, asks or is of version 1."""
        return any(p.layer.eager or p.layer.contract_version < 2 for p in self.nested())

    @property
    def out_shape(self) -> Shape:
        """Shape of one output row, without the batch axis."""
        return self.plan.out_shape

    def nested(self) -> Iterator[PlannedLayer]:
        """The layer, then those inside it, depth first; each named by its path."""
        yield self
        for part in self.plan.parts:
            for one in part.nested():
                yield one._replace(name=f"{self.name}.{one.name}")

    def copied(self, copied: Callable[[Layer], Layer] = copy.copy) -> PlannedLayer:
        """The same with copies of the layers, for other arrays."""
        parts = [part.copied(copied) for part in self.plan.parts]
        return self.made_of(copied(self.layer), parts)

    def made_of(self, layer: Layer, parts: Sequence[PlannedLayer]) -> PlannedLayer:
        """The same with another ``layer``, which is given other ``parts``."""
        if not parts:
            return self._replace(layer=layer)
        layer.parts = Parts(parts)
        return self._replace(layer=layer, plan=replace(self.plan, parts=layer.parts))

    def bind(self, **tables: Any) -> None:
        """Set ``params``, ``grads`` or others of the layer, and of those inside it what is theirs.

        Each table is an ``Arrays`` or has its method ``within``.
        """
        for key, table in tables.items():
            setattr(self.layer, key, table)
        if self.plan.parts:
            self.layer.parts = Parts(self.plan.parts)
        for part in self.plan.parts:
            part.bind(**{key: table.within(part.name) for key, table in tables.items()})

    def feed(self, x: Array, ctx: Context) -> Array:
        """Feed x (n, *in_shape) as a part of the container whose context is ``ctx``.

        Raises PluginLoadError if the layer gives another shape or dtype than it planned.
        """
        y = self._run("feed", self.layer.feed, x, ctx)
        self.check_result("feed", y, ctx.dtype, (len(x), *self.plan.out_shape))
        return y

    def backprop(self, dy: Array, ctx: Context) -> Array:
        """dL/dx (n, *in_shape) for dy (n, *out_shape), as ``feed``.

        A part that was fed in several contexts of one pass has the sum of their gradients.
        """
        if ctx.first_of(self.layer):
            return self._run("backprop", self.layer.backprop, dy, ctx)
        before = {name: self.layer.grads[name].copy() for name in self.plan.own.params}
        dx = self._run("backprop", self.layer.backprop, dy, ctx)
        for name, grad in before.items():
            self.layer.grads[name] = grad + self.layer.grads[name]
        return dx

    def check_result(self, step: str, array: object, dtype: np.dtype[Any], shape: Shape) -> None:
        """Raise PluginLoadError for what a step gave unless it is an array as planned."""
        got = quoted(array)
        if isinstance(array, np.ndarray):
            if array.shape == shape and array.dtype == dtype:
                return
            got = f"{array.dtype} of shape {list(array.shape)}"
        planned = f"{dtype} of shape {list(shape)}"
        raise unusable(self.name, self.layer, f"{step}: expected {planned} as planned, got {got}")

    def _run(self, step: str, method: Callable[..., Array], x: Array, ctx: Context) -> Array:
        try:
            return method(x, ctx.part(self.name))
        except Exception as error:
            error.add_note(f"in its part {self.name!r}")
            raise


class Parts(tuple[PlannedLayer, ...]):
    """The layers inside a container, in the order of its plan.

    ``parts.feed(x, ctx)`` feeds one after the other, ``part.feed(x, ctx)`` for each of them side by
    side. ``ctx`` is the context of the container; each part has one of its own in it.
    """

    __slots__ = ()

    def feed(self, x: Array, ctx: Context) -> Array:
        """Outputs of the last part (n, *out) for inputs x (n, *in) of the first."""
        for part in self:
            x = part.feed(x, ctx)
        return x

    def backprop(self, dy: Array, ctx: Context) -> Array:
        """The gradient of x (n, *in) for that of the outputs, dy (n, *out)."""
        for part in reversed(self):
            dy = part.backprop(dy, ctx)
        return dy


def plan_layers(
    layers: Sequence[tuple[str, Layer]], in_shape: Shape, *, of: str = "the input"
) -> list[PlannedLayer]:
    """Plan each layer for the output shape of the one before it; allocates nothing.

    Raises ShapeError (with ``location`` layers[i]) if two layers do not fit together,
    PluginLoadError if a layer's plan raises another error or is malformed.
    """
    planned: list[PlannedLayer] = []
    shape, before = in_shape, f"{of} (shape {list(in_shape)})"
    for i, (name, layer) in enumerate(layers):
        one = _planned(name, layer, shape, before, i)
        if takes_whole(one.plan) and not all(p.plan.moves is not None for p in planned):
            reason = f"layer {name!r} takes whole numbers, which {before} does not give"
            hint = "put it where it is fed numbers of the input, unchanged"
            raise ShapeError(f"{reason}: {hint}", location=f"layers[{i}]")
        planned.append(one)
        shape = one.plan.out_shape
        before = f"{name!r} (output shape {list(shape)})"
    return planned


def chain(layers: Sequence[tuple[str, Layer]], in_shape: Shape) -> list[PlannedLayer]:
    """Plan the layers inside a container one after the other.

    Parameters
    ----------
    layers
        What the setting ``layers`` holds: layers with their names.
    in_shape
        Of one row of the first.

    Raises
    ------
    ShapeError
        If two of them do not fit together.
    """
    return plan_layers(layers, in_shape, of="the container's input")


def side_by_side(layers: Sequence[tuple[str, Layer]], in_shape: Shape) -> list[PlannedLayer]:
    """Plan the layers inside a container each for the same rows.

    Parameters
    ----------
    layers
        What the setting ``layers`` holds: layers with their names.
    in_shape
        Of one row of each.

    Raises
    ------
    ShapeError
        If one of them cannot take such rows.
    """
    before = f"the container's input (shape {list(in_shape)})"
    return [_planned(name, one, in_shape, before, i) for i, (name, one) in enumerate(layers)]


def _planned(name: str, layer: Layer, in_shape: Shape, before: str, i: int) -> PlannedLayer:
    """Plan the i-th of some layers, for what comes from ``before``."""
    where = f"layers[{i}]"
    try:
        plan = layer.plan(in_shape)
    except ShapeError as error:
        if error.location.startswith("layers["):  # of a layer inside this one
            raise ShapeError(error.reason, location=f"{where}.{error.location}") from error
        raise ShapeError(
            f"layer {name!r} does not fit after {before}: {error.reason}", location=where
        ) from error
    except (SpecError, PluginLoadError):
        raise
    except Exception as cause:  # a plugin's code may raise anything
        raise unusable(name, layer, f"plan raised {type(cause).__name__}: {cause}") from cause
    _check_plan(name, layer, plan, in_shape)
    for part in plan.parts if layer.freeze else ():
        for one in part.nested():
            one.layer.freeze = True
    return PlannedLayer(name, layer, in_shape, _with_parts(plan))


def _with_parts(plan: Plan) -> Plan:
    """The plan with the arrays of its parts, by names such as "dense_1.W"."""
    params, state = dict(plan.params), dict(plan.state)
    for part in plan.parts:
        params |= {f"{part.name}.{name}": param for name, param in part.plan.params.items()}
        state |= {f"{part.name}.{name}": param for name, param in part.plan.state.items()}
    return replace(plan, params=params, state=state) if plan.parts else plan


def unusable(name: str, layer: Layer, reason: str) -> PluginLoadError:
    """The error for a layer that breaks its contract."""
    key = getattr(layer, "type_name", type(layer).__name__)
    return PluginLoadError(
        f"layer {name!r} of type {key!r}: {reason}", problems=[PluginProblem(key, reason)]
    )


def _check_plan(name: str, layer: Layer, plan: object, in_shape: Shape) -> None:
    """Check a plugin's plan against the contract, before anything relies on it."""
    if not isinstance(plan, Plan):
        raise unusable(name, layer, f"plan: expected a Plan, got {quoted(plan)}")
    arrays = [*plan.params.items(), *plan.state.items()]
    shapes = [plan.out_shape, *(param.shape for _, param in arrays)]
    sizes = [size for shape in shapes for size in shape if type(size) is not int or size < 0]
    if sizes:
        raise unusable(name, layer, f"plan: expected sizes >= 0, got {quoted(sizes[0])}")
    for key, _ in arrays:
        if not _PARAM_NAME.fullmatch(key):
            reason = f"{key!r} cannot name a parameter: expected letters, digits, _ and, but not "
            reason += "first, : @ -"
            raise unusable(name, layer, reason)
    if not all(isinstance(part, PlannedLayer) for part in plan.parts):
        raise unusable(name, layer, "plan: expected parts from chain or side_by_side")
    if len({part.name for part in plan.parts}) < len(plan.parts):
        raise unusable(name, layer, "plan: expected parts with distinct names")
    if lost := _given(layer) - {part.name for part in plan.parts}:
        reason = f"plan: {min(lost)!r} is among the layers inside, but not among the parts of the"
        raise unusable(
            name, layer, f"{reason} plan: return Plan(..., parts=chain(self.layers, ...))"
        )
    if both := plan.params.keys() & plan.state.keys():
        raise unusable(name, layer, f"{min(both)!r} names both a parameter and a state")
    wrong = fault_of_joined(plan) if plan.joined else fault_of_domains(plan, in_shape)
    if wrong:
        raise unusable(name, layer, wrong)


def _given(layer: Layer) -> set[str]:
    """The names of the layers that a container holds by its setting."""
    held = getattr(layer, "layers", None)
    pairs = held if isinstance(held, (list, tuple)) else ()
    return {pair[0] for pair in pairs if isinstance(pair, tuple) and isinstance(pair[-1], Layer)}
