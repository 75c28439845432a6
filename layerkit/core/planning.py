"""Planning a network: shapes and parameters of its layers, before anything is allocated.

``plan_layers`` asks each layer for its plan, for the output shape of the one before it, and checks
the plan against the contract. ``views_of`` lays the parameters out in a flat vector: the matrices
of a layer with equally many rows lie side by side, so that one product of an input serves all of
them, then everything else, both in declared order.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import NamedTuple

from layerkit.core.context import Array, Shape
from layerkit.core.domains import fault_of_domains, takes_whole
from layerkit.core.layer import Layer, Plan
from layerkit.core.version_one import fault_of_joined
from layerkit.display import quoted
from layerkit.errors import PluginLoadError, PluginProblem, ShapeError, SpecError

_PARAM_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_:@-]*")  # what a model file can hold


class PlannedLayer(NamedTuple):
    """A layer with its name, its input shape and its plan for that shape."""

    name: str
    layer: Layer
    in_shape: Shape
    plan: Plan

    @property
    def size(self) -> int:
        """Number of trained parameters."""
        return sum(p.size for p in self.plan.params.values())

    @property
    def eager(self) -> bool:
        """Whether the layer's methods are run as written: it asks for it, or is of version 1."""
        return self.layer.eager or self.layer.contract_version < 2


def plan_layers(layers: Sequence[tuple[str, Layer]], in_shape: Shape) -> list[PlannedLayer]:
    """Plan each layer for the output shape of the one before it; allocates nothing.

    Raises ShapeError (with ``location`` layers[i]) if two layers do not fit together,
    PluginLoadError if a layer's plan raises another error or is malformed.
    """
    planned: list[PlannedLayer] = []
    shape, before = in_shape, f"the input (shape {list(in_shape)})"
    for i, (name, layer) in enumerate(layers):
        try:
            plan = layer.plan(shape)
        except ShapeError as error:
            raise ShapeError(
                f"layer {name!r} does not fit after {before}: {error.reason}",
                location=f"layers[{i}]",
            ) from error
        except SpecError:
            raise
        except Exception as cause:  # a plugin's code may raise anything
            raise unusable(name, layer, f"plan raised {type(cause).__name__}: {cause}") from cause
        _check_plan(name, layer, plan, shape)
        if takes_whole(plan) and not all(p.plan.moves is not None for p in planned):
            reason = f"layer {name!r} takes whole numbers, which {before} does not give"
            hint = "put it where it is fed numbers of the input, unchanged"
            raise ShapeError(f"{reason}: {hint}", location=f"layers[{i}]")
        planned.append(PlannedLayer(name, layer, shape, plan))
        shape = plan.out_shape
        before = f"{name!r} (output shape {list(shape)})"
    return planned


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
            reason = f"{key!r} cannot name a parameter: use letters, digits and _ : @ -"
            raise unusable(name, layer, reason)
    if both := plan.params.keys() & plan.state.keys():
        raise unusable(name, layer, f"{min(both)!r} names both a parameter and a state")
    wrong = fault_of_joined(plan) if plan.joined else fault_of_domains(plan, in_shape)
    if wrong:
        raise unusable(name, layer, wrong)


def views_of(flat: Array, plan: Plan) -> tuple[dict[str, Array], dict[str, Array]]:
    """Views of ``flat`` (size,) by parameter name, in declared order, and of ``Plan.joined`` ones.

    The latter are of version 1: the wholes of parameters that lie side by side, by their names.
    """
    views = dict.fromkeys(plan.params, flat)
    groups = list(plan.joined.values()) or _side_by_side(plan)
    wholes = []
    start = 0
    for group in groups:
        shapes = [plan.params[name].shape for name in group]
        shape = *shapes[0][:-1], sum(shape[-1] for shape in shapes)
        stop = start + math.prod(shape)
        whole = flat[start:stop].reshape(shape)
        low, start = 0, stop
        for name, one in zip(group, shapes, strict=True):
            views[name] = whole[..., low : low + one[-1]]
            low += one[-1]
        wholes.append(whole)
    placed = {name for group in groups for name in group}
    for name, param in plan.params.items():
        if name not in placed:
            views[name] = flat[start : start + param.size].reshape(param.shape)
            start += param.size
    return views, dict(zip(plan.joined, wholes, strict=False))


def _side_by_side(plan: Plan) -> list[list[str]]:
    """The matrices by their numbers of rows."""
    groups: dict[int, list[str]] = {}
    for name, param in plan.params.items():
        if len(param.shape) == 2:
            groups.setdefault(param.shape[0], []).append(name)
    return list(groups.values())
