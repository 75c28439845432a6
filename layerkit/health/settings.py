"""Which setting of a layer decides what: found by changing settings and planning the layer again.

So the field to set can be named for the layers of any author.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from layerkit.core.planning import PlannedLayer
from layerkit.specs.validate.declare import part_group
from layerkit.specs.validate.settings import setting_types


def naming(planned: PlannedLayer, group: str) -> list[str]:
    """The settings that name a part of ``group``, such as "activations"."""
    types = setting_types(type(planned.layer))
    return [name for name, annotation in types.items() if part_group(annotation) == group]


def starting(planned: PlannedLayer, param: str) -> str | None:
    """The setting that says how parameter ``param`` starts; None if no setting does alone."""
    init = planned.plan.params[param].init
    for name, value in planned.layer.config.items():
        if type(value) is bool or value != init:
            continue
        other = value + 1.0 if isinstance(value, (int, float)) else "another"
        plan = _planned_with(planned, name, other)
        if plan is not None and param in plan.params and plan.params[param].init == other:
            return name
    return None


def started_by(planned: PlannedLayer, setting: str) -> list[str]:
    """The parameters of which ``setting`` says how they start."""
    return [name for name in planned.plan.params if starting(planned, name) == setting]


def widening(planned: PlannedLayer) -> str | None:
    """The setting that says how wide the output is."""
    width = planned.plan.out_shape[-1:]
    for name, value in planned.layer.config.items():
        if type(value) is int and (value,) == width:
            plan = _planned_with(planned, name, value + 1)
            if plan is not None and plan.out_shape[-1:] == (value + 1,):
                return name
    return None


def default_of(planned: PlannedLayer, setting: str) -> Any:
    """The author's default of ``setting``; None if it has none."""
    default = planned.layer.settings()[setting].default
    return None if default is planned.layer.settings()[setting].empty else default


def with_setting(planned: PlannedLayer, setting: str, value: Any) -> Any:
    """A new layer that differs in one setting; None if it cannot be made."""
    try:
        return type(planned.layer)(**{**planned.layer.config, setting: value})
    except Exception:  # noqa: BLE001  # an author's constructor may raise anything
        return None


def _planned_with(planned: PlannedLayer, setting: str, value: Any) -> Any:
    """The plan of the layer with another setting; None if it has none."""
    layer = with_setting(planned, setting, value)
    try:
        return None if layer is None else layer.plan(planned.in_shape)
    except Exception:  # noqa: BLE001  # an author's plan may raise anything
        return None


def parts_but(current: Any, names: list[str]) -> Iterator[str]:
    """``names`` without the part that ``current`` names already."""
    now = current.get("type") if isinstance(current, dict) else current
    return (name for name in names if name != now)
