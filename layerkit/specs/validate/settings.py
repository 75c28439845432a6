"""The settings of parts: what the keyword-only arguments of a constructor allow.

No other setting is allowed, and nothing is converted except integers to floats. A setting that
names another part (``PartOf``) is looked up in the registry, and that part's settings are validated
in the same way.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from layerkit.core.parts import Part
from layerkit.discovery.registry import REGISTRIES, Registry
from layerkit.errors import PluginError
from layerkit.fields import PartOf
from layerkit.specs.json_source import Path, strict_json
from layerkit.specs.messages import Faults, describe_annotation, mismatch
from layerkit.specs.validate.check_fields import check_fields
from layerkit.specs.validate.declare import fields_of, is_later, part_group


def setting_types(part: type[Part]) -> dict[str, Any]:
    """Setting name to annotation, of a part's constructor."""
    return {name: one.annotation for name, one in fields_of(part).items()}


def validate(
    part: type[Part],
    config: Mapping[str, Any],
    path: Path,
    faults: Faults,
    *,
    lenient: bool = False,
    beside: Sequence[str] = (),
) -> dict[str, Any]:
    """The settings with defaults filled in, as JSON values; mistakes go to ``faults``.

    Those that are ``Later`` are there only with other values than their default. ``lenient`` keeps
    names of parts that cannot be resolved, except activations: a model that only predicts does not
    need them. ``beside`` are fields allowed beside the settings.
    """
    found = check_fields(part, config, path, faults, beside=beside)
    if found is None:
        return dict(config)
    resolved: dict[str, Any] = strict_json(found)
    for name, one in fields_of(part).items():
        group = part_group(one.annotation)
        if group is not None and not (resolved[name] is None and _optional(one.annotation)):
            resolved[name] = validate_part(
                group, resolved[name], (*path, name), faults, lenient=lenient
            )
    late = [name for name, one in fields_of(part).items() if is_later(one.annotation)]
    for name in late:
        if resolved[name] == fields_of(part)[name].default:
            del resolved[name]
    return resolved


def _optional(annotation: Any) -> bool:
    return get_origin(annotation) in (Union, UnionType) and type(None) in get_args(annotation)


def validate_part(
    group: str, value: Any, path: Path, faults: Faults, *, lenient: bool = False
) -> Any:
    """The resolved form of a setting that names a part.

    That is the name of a part without settings, else an object with "type" and every setting, so
    that a changed default never changes an old model.
    """
    registry: Registry[Any] = REGISTRIES[group]
    if isinstance(value, str):
        name, config = value, {}
    elif isinstance(value, Mapping) and isinstance(value.get("type"), str):
        config = dict(value)
        name = config.pop("type")
    else:
        expected = describe_annotation(Annotated[str, PartOf(group)])
        faults.add(path, mismatch(f'{expected}, or an object with "type"', value))
        return value
    needed = not lenient or group == "activations"
    if faults.full or (not needed and name not in registry):
        return value
    try:
        candidate = registry.choose(name)
        if not faults.permit(candidate):
            reason = f"{candidate} is not among the allowed distributions ({faults.permit})"
            raise registry.refused(candidate, reason)
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
        except ValueError as error:  # settings that are valid one by one but not together
            faults.add(path, str(error))
    return {"type": name, **resolved} if resolved else name
