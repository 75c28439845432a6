"""Where the parameters of a layer lie in a flat vector.

Matrices with equally many rows lie side by side, so that one product of an input serves all of
them; then comes everything else, both in declared order.
"""

from __future__ import annotations

import math

from layerkit.core.context import Array
from layerkit.core.layer import Plan


def views_of(flat: Array, plan: Plan) -> tuple[dict[str, Array], dict[str, Array]]:
    """Views of ``flat`` (size,) by parameter name, in declared order, and of ``Plan.joined`` ones.

    The latter are of version 1: the wholes of parameters that lie side by side, by their names.
    The parameters of parts follow those of their container, part by part.
    """
    views, wholes, start = _own_views(flat, plan.own)
    for part in plan.parts:
        inner = views_of(flat[start : start + part.size], part.plan)
        for named, found in zip((views, wholes), inner, strict=True):
            named |= {f"{part.name}.{name}": array for name, array in found.items()}
        start += part.size
    return views, wholes


def _own_views(flat: Array, plan: Plan) -> tuple[dict[str, Array], dict[str, Array], int]:
    """The views of a layer without parts, and where the first element after them lies."""
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
    return views, dict(zip(plan.joined, wholes, strict=False)), start


def _side_by_side(plan: Plan) -> list[list[str]]:
    """The matrices by their numbers of rows."""
    groups: dict[int, list[str]] = {}
    for name, param in plan.params.items():
        if len(param.shape) == 2:
            groups.setdefault(param.shape[0], []).append(name)
    return list(groups.values())
