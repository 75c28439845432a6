"""A part's constructor, turned into a strict validator: the one list of its settings.

The annotations of the keyword-only constructor say what is allowed: no other field, and nothing is
converted but whole numbers to floats. A setting that names another part (``PartOf``) is looked up
in the registry and its own settings are validated the same way.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import UnionType
from typing import TYPE_CHECKING, Annotated, Any, Union, get_args, get_origin, get_type_hints

from layerkit.core.parts import Part
from layerkit.discovery.registry import REGISTRIES, Registry
from layerkit.display import nearest
from layerkit.errors import PluginError, PluginLoadError, PluginProblem
from layerkit.fields import PartOf
from layerkit.specs.json_source import Path, plain
from layerkit.specs.messages import Faults, came, describe
from layerkit.specs.validate.declare import part_group
from layerkit.specs.validate.fast_path import Take, UnsureError, taking_settings

if TYPE_CHECKING:
    from pydantic import BaseModel

__all__ = ["part_group", "setting_types", "settings_model", "validate", "validate_part"]


# By class: reading annotations evaluates text, so a second load evaluates nothing.
_TYPES: dict[type[Part], dict[str, Any]] = {}
_TAKERS: dict[type[Part], Take | None] = {}


def setting_types(part: type[Part]) -> dict[str, Any]:
    """Setting name to annotation, of a part's constructor; read once a class."""
    if part not in _TYPES:
        hints = get_type_hints(part.__init__, include_extras=True)
        _TYPES[part] = {name: hints.get(name, Any) for name in part.settings()}
    return _TYPES[part]


def settings_model(part: type[Part]) -> type[BaseModel]:
    """The pydantic model of a part's settings."""
    from layerkit.specs.validate.strict import settings_model as made

    return made(part, setting_types(part))


def _quick(part: type[Part], config: Mapping[str, Any]) -> dict[str, Any] | None:
    """The settings with defaults filled in, if they are plainly right; else None."""
    if part not in _TAKERS:
        _TAKERS[part] = _taker(part)
    take = _TAKERS[part]
    try:
        return None if take is None else dict(take(config))
    except UnsureError:
        return None


def _taker(part: type[Part]) -> Take | None:
    try:
        return taking_settings(setting_types(part), part.settings())
    except Exception:  # noqa: BLE001  # whatever a plugin's annotations lead to: strict tells it
        return None


def _strict(
    part: type[Part], config: Mapping[str, Any], path: Path, faults: Faults, beside: Sequence[str]
) -> dict[str, Any] | None:
    """The same of any settings; None, with ``faults``, if some are wrong."""
    try:
        from pydantic import ValidationError

        known = setting_types(part)
        model = settings_model(part)
    except Exception as cause:  # noqa: BLE001  # whatever a plugin's annotations lead to
        reason = f"the annotations of {part.__name__}'s constructor cannot be used: {cause!r:.200}"
        problem = PluginProblem(getattr(part, "type_name", part.__name__), reason)
        error = PluginLoadError(reason, problems=[problem])
        error.__cause__ = cause
        faults.add(path, reason, error)
        return None
    for key in config:
        if key not in known:
            faults.unknown((*path, str(key)), [*known, *beside])
    try:
        checked = model(**{k: v for k, v in config.items() if k in known})
    except ValidationError as error:
        told = error.errors(include_url=False, include_context=False, include_input=False)
        bad = {str(e["loc"][0]): e["type"] for e in reversed(told)}
        for name, kind in bad.items():
            unknown = [key for key in config if key not in known]
            if kind == "missing" and any(_meant(key, name) for key in unknown[:10]):
                continue  # told already, as a misspelt field
            if kind == "missing":
                reason = f"the field {name!r} is required: {describe(known[name])}"
                faults.add((*path, name), reason)
            else:
                value = config[name]
                faults.add((*path, name), f"{describe(known[name])} is wanted, {came(value)} came")
        return None
    return checked.model_dump(by_alias=True, warnings=False)


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
    found = _quick(part, config)
    if found is None:
        found = _strict(part, config, path, faults, beside)
    if found is None:
        return dict(config)
    resolved: dict[str, Any] = plain(found)
    for name, annotation in setting_types(part).items():
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
    needed = not lenient or group == "activations"
    if faults.full or (not needed and name not in registry):
        return value
    try:
        candidate = registry.choose(name)
        if not faults.permit(candidate):
            raise registry.refused(candidate, f"{candidate} is not among the allowed distributions")
        part = registry.load(candidate)
    except PluginError as error:
        if needed:
            reason = error.problems[0].reason if error.problems else error.message
            at = path if isinstance(value, str) else (*path, "type")
            faults.add(at, reason, error)
        return value
    before = faults.count
    resolved = validate(part, config, path, faults, lenient=lenient)
    if faults.count == before:
        try:
            part(**resolved)
        except ValueError as error:  # settings that are right one by one and not together
            faults.add(path, str(error))
    return {"type": name, **resolved} if resolved else name
