"""What the layers of a network will be, before anything is allocated.

``plan_layers`` asks each layer for its plan, for the shape that the one before it gives, and holds
what it answers against the contract. ``views_of`` says where its parameters lie in a flat vector.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from layerkit.core.layer import Array, Layer, Plan, Shape
from layerkit.display import quoted
from layerkit.errors import PluginLoadError, PluginProblem, ShapeError, SpecError

__all__ = ["PlannedLayer", "plan_layers", "unusable", "views_of"]

_PARAM_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_:@-]*")  # what a model file can hold


class PlannedLayer(NamedTuple):
    """A layer with its name and its plan for the shape that reaches it."""

    name: str
    layer: Layer
    in_shape: Shape
    plan: Plan

    @property
    def size(self) -> int:
        """Number of trained parameters."""
        return sum(p.size for p in self.plan.params.values())


def plan_layers(layers: Sequence[tuple[str, Layer]], in_shape: Shape) -> list[PlannedLayer]:
    """Plan each layer for the shape that the one before it gives; allocates nothing.

    Raises
    ------
    ShapeError
        If a layer cannot take what reaches it; the message names both, ``location`` is
        ``layers[i]``.
    PluginLoadError
        If a layer's plan raises something else, or is not well formed.
    """
    planned: list[PlannedLayer] = []
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
            raise unusable(name, layer, f"plan raised {type(cause).__name__}: {cause}") from cause
        _check_plan(name, layer, plan)
        planned.append(PlannedLayer(name, layer, shape, plan))
        shape, before = plan.out_shape, repr(name)
    return planned


def unusable(name: str, layer: Layer, reason: str) -> PluginLoadError:
    """The error for a layer that does not keep its contract."""
    key = getattr(layer, "type_name", type(layer).__name__)
    return PluginLoadError(
        f"layer {name!r} of type {key!r}: {reason}", problems=[PluginProblem(key, reason)]
    )


def _check_plan(name: str, layer: Layer, plan: object) -> None:
    """Hold what a plugin planned against the contract, before anything relies on it."""
    if not isinstance(plan, Plan):
        raise unusable(name, layer, f"plan gave {quoted(plan)}, no Plan")
    arrays = [*plan.params.items(), *plan.state.items()]
    shapes = [plan.out_shape, *(param.shape for _, param in arrays)]
    if any(type(d) is not int or d < 0 for shape in shapes for d in shape):
        raise unusable(name, layer, "plan gave a size that is no whole number of at least 0")
    for key, _ in arrays:
        if not _PARAM_NAME.fullmatch(key):
            raise unusable(name, layer, f"{key!r} is no name for a parameter")
    if plan.params.keys() & plan.state.keys():
        raise unusable(name, layer, "a name is that of a parameter and of a state")
    parts = [part for group in plan.joined.values() for part in group]
    if len(set(parts)) < len(parts) or not plan.params.keys() >= set(parts):
        raise unusable(name, layer, "joined wants each name once, and parameters only")
    for group in plan.joined.values():
        if len({plan.params[p].shape[:-1] for p in group}) != 1 or not plan.params[group[0]].shape:
            reason = f"joined {group}: these may differ in their last axis only"
            raise unusable(name, layer, reason)


def views_of(flat: Array, plan: Plan) -> tuple[dict[str, Array], dict[str, Array]]:
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
