"""Planning a network: shapes and parameters of its layers, before anything is allocated.

``plan_layers`` asks each layer for its plan, for the output shape of the one before it, and checks
the plan against the contract. ``views_of`` lays the parameters out in a flat vector.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from layerkit.core.context import Array, Shape
from layerkit.core.layer import Layer, Plan
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
        _check_plan(name, layer, plan)
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


def _check_plan(name: str, layer: Layer, plan: object) -> None:
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
    parts = [part for group in plan.joined.values() for part in group]
    if len(set(parts)) < len(parts) or not plan.params.keys() >= set(parts):
        raise unusable(name, layer, "joined must list parameters only, each of them once")
    for group in plan.joined.values():
        if len({plan.params[p].shape[:-1] for p in group}) != 1 or not plan.params[group[0]].shape:
            reason = f"joined {group}: their shapes may differ in the last axis only"
            raise unusable(name, layer, reason)


def views_of(flat: Array, plan: Plan) -> tuple[dict[str, Array], dict[str, Array]]:
    """Views of ``flat`` (size,) by parameter name, and of the joined matrices by their names.

    Joined parameters are column blocks of one matrix; the others follow one after the other.
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
