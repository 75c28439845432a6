"""A part's constructor, turned into a strict validator: the one list of its settings.

The annotations of the keyword-only constructor become a pydantic model that allows no other field
and converts nothing but whole numbers to floats. A setting that names another part (``PartOf``) is
looked up in the registry and its own settings are validated the same way.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from functools import reduce
from operator import or_
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin, get_type_hints

from pydantic import BaseModel, ConfigDict, Field, ValidationError, create_model

from layerkit.errors import PluginError, PluginLoadError, PluginProblem
from layerkit.fields import PartOf, Range
from layerkit.layer import Part
from layerkit.offers import nearest
from layerkit.registry import REGISTRIES, Registry
from layerkit.spec.text import Path, plain
from layerkit.spec.words import Faults, came, describe, unknown_field

__all__ = [
    "STRICT",
    "part_group",
    "setting_types",
    "settings_model",
    "validate",
    "validate_part",
]

STRICT = ConfigDict(strict=True, extra="forbid", allow_inf_nan=False, protected_namespaces=())


# By class: reading annotations evaluates text, and building a model takes a millisecond. So a
# second load neither compiles nor evaluates anything.
_TYPES: dict[type[Part], dict[str, Any]] = {}
_MODELS: dict[type[Part], type[BaseModel]] = {}


def setting_types(part: type[Part]) -> dict[str, Any]:
    """Setting name to annotation, of a part's constructor; read once a class."""
    if part not in _TYPES:
        hints = get_type_hints(part.__init__, include_extras=True)
        _TYPES[part] = {name: hints.get(name, Any) for name in part.settings()}
    return _TYPES[part]


def part_group(annotation: Any) -> str | None:
    """The group of parts that a setting names, or None."""
    origin, args = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return next((m.group for m in args[1:] if isinstance(m, PartOf)), None)
    if origin in (Union, UnionType):
        return next((g for g in map(part_group, args) if g is not None), None)
    return None


def _translated(annotation: Any) -> Any:
    """``annotation`` with our marks replaced by pydantic's."""
    if part_group(annotation) is not None:
        return Any
    origin, args = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        marks = [
            Field(ge=m.ge, gt=m.gt, le=m.le, lt=m.lt) if isinstance(m, Range) else m
            for m in args[1:]
        ]
        return Annotated[(_translated(args[0]), *marks)]
    if origin in (Union, UnionType):
        return reduce(or_, (_translated(a) for a in args))
    if origin is tuple and len(args) == 2 and args[1] is Ellipsis:  # JSON has lists only
        origin = list
    if origin is list:
        return list[_translated(args[0])]  # type: ignore[misc]  # a type made at run time
    return annotation


def settings_model(part: type[Part]) -> type[BaseModel]:
    """The pydantic model of a part's settings; made once a class."""
    if part in _MODELS:
        return _MODELS[part]
    fields: dict[str, Any] = {}
    for name, annotation in setting_types(part).items():
        default = part.settings()[name].default
        wanted = ... if default is inspect.Parameter.empty else default
        # Mangled, so that a setting may be called like an attribute of pydantic's models.
        fields[f"setting_{name}"] = (_translated(annotation), Field(wanted, alias=name))
    made: type[BaseModel] = create_model(f"{part.__name__}Settings", __config__=STRICT, **fields)
    _MODELS[part] = made
    return made


def validate(
    part: type[Part],
    config: Mapping[str, Any],
    path: Path,
    faults: Faults,
    *,
    lenient: bool = False,
    beside: Sequence[str] = (),
) -> dict[str, Any]:
    """The settings with defaults filled in, as plain JSON values; mistakes go to ``faults``.

    ``lenient`` leaves names of parts that cannot be resolved as they are, except activations: a
    model that only infers does not need them. ``beside`` are fields that stand beside the settings,
    for the nearest name.
    """
    try:
        known = setting_types(part)
        model = settings_model(part)
    except Exception as cause:  # noqa: BLE001  # whatever a plugin's annotations lead to
        reason = f"the annotations of {part.__name__}'s constructor cannot be used: {cause!r:.200}"
        problem = PluginProblem(getattr(part, "type_name", part.__name__), reason)
        error = PluginLoadError(reason, problems=[problem])
        error.__cause__ = cause
        faults.add(path, reason, error)
        return dict(config)
    for key in config:
        if key not in known:
            faults.add((*path, str(key)), unknown_field(str(key), [*known, *beside]))
    given = {k: v for k, v in config.items() if k in known}
    try:
        checked = model(**given)
    except ValidationError as error:
        bad = {str(e["loc"][0]): e["type"] for e in reversed(error.errors())}
        for name, kind in bad.items():
            if kind == "missing" and any(_meant(key, name) for key in config if key not in known):
                continue  # told already, as a misspelt field
            if kind == "missing":
                reason = f"the field {name!r} is required: {describe(known[name])}"
                faults.add((*path, name), reason)
            else:
                value = config[name]
                faults.add((*path, name), f"{describe(known[name])} is wanted, {came(value)} came")
        return dict(given)
    resolved: dict[str, Any] = plain(checked.model_dump(by_alias=True, warnings=False))
    for name, annotation in known.items():
        group = part_group(annotation)
        if group is not None and not (resolved[name] is None and _optional(annotation)):
            resolved[name] = validate_part(
                group, resolved[name], (*path, name), faults, lenient=lenient
            )
    return resolved


def _meant(word: str, name: str) -> bool:
    return f"mean {name!r}" in nearest(str(word), [name])


def _optional(annotation: Any) -> bool:
    return get_origin(annotation) in (Union, UnionType) and type(None) in get_args(annotation)


def validate_part(
    group: str, value: Any, path: Path, faults: Faults, *, lenient: bool = False
) -> Any:
    """The resolved form of a setting that names a part: its name, or all its settings.

    A part without settings of its own is its name; another one an object with "type" and every
    setting, so that a changed default never changes an old model.
    """
    registry: Registry[Any] = REGISTRIES[group]
    if isinstance(value, str):
        name, config = value, {}
    elif isinstance(value, Mapping) and isinstance(value.get("type"), str):
        config = dict(value)
        name = config.pop("type")
    else:
        wanted = describe(Annotated[str, PartOf(group)])
        faults.add(path, f'{wanted}, or an object with "type", is wanted, {came(value)} came')
        return value
    try:
        offer = registry.choose(name)
        if not faults.permit(offer):
            raise registry.refused(offer, f"{offer} is not among the allowed distributions")
        part = registry.load(offer)
    except PluginError as error:
        if not lenient or group == "activations":
            reason = error.problems[0].reason if error.problems else error.message
            at = path if isinstance(value, str) else (*path, "type")
            faults.add(at, reason, error)
        return value
    before = len(faults.found)
    resolved = validate(part, config, path, faults, lenient=lenient)
    if len(faults.found) == before:
        try:
            part(**resolved)
        except ValueError as error:  # settings that are right one by one and not together
            faults.add(path, str(error))
    return {"type": name, **resolved} if resolved else name
