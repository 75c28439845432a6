"""The settings of parts: what the keyword-only arguments of a constructor allow.

No other setting is allowed, and nothing is converted except integers to floats. A setting that
names another part (``PartOf``) is looked up in the registry, and that part's settings are validated
in the same way.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Annotated, Any

from layerkit.core.parts import Part
from layerkit.discovery.registry import REGISTRIES, Registry
from layerkit.errors import PluginError, PluginLoadError, PluginProblem
from layerkit.fields import PartOf
from layerkit.specs.json_source import Path, spell, strict_json
from layerkit.specs.messages import Faults, describe_annotation, mismatch
from layerkit.specs.validate.check_fields import check_fields
from layerkit.specs.validate.declare import fields_of, is_later, map_parts, named_group

_NO_SETTING = frozenset(
    {"layers", "engines", "readers", "exporters", "importers", "figures", "executors", "searches"}
)
"""Groups of which a file has no record (rule 3.6), so that no setting may name one of them."""


def setting_types(part: type[Part]) -> dict[str, Any]:
    """Setting name to annotation, of a part's constructor."""
    return {name: one.annotation for name, one in fields_of(part).items()}


def named_parts(part: type[Part], config: Mapping[str, Any]) -> list[tuple[Path, str, Any]]:
    """Path, group and value of each place in the settings of ``part`` that names another part.

    The settings may be wrong, and so may the annotations of a plugin.
    """
    found: list[tuple[Path, str, Any]] = []
    with suppress(Exception):
        for name, one in fields_of(part).items():
            if name in config:

                def note(group: str, value: Any, at: Path, name: str = name) -> None:
                    found.append(((name, *at), group, value))

                map_parts(one.annotation, config[name], note)
    return found


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
    names of parts that cannot be used, except activations of layers: a model that only predicts
    does not need them. ``beside`` are fields allowed beside the settings.
    """
    found = check_fields(part, config, path, faults, beside=beside)
    if found is None:
        return dict(config)
    resolved: dict[str, Any] = strict_json(found)
    for name, one in fields_of(part).items():
        if named_group(one.annotation) is None:
            continue

        def complete(group: str, value: Any, at: Path, name: str = name) -> Any:
            place: Path = (*path, name, *at)
            if group in _NO_SETTING:
                instead = "; a container has the setting `layers: Layers`"
                reason = f"no setting can name parts of the group {group!r}{instead}"
                problem = PluginProblem(part.type_name, reason, spell(place, faults.prefix))
                faults.add(place, reason, PluginLoadError(reason, problems=[problem]))
                return value
            return validate_part(group, value, place, faults, lenient=lenient)

        resolved[name] = map_parts(one.annotation, resolved[name], complete)
    late = [name for name, one in fields_of(part).items() if is_later(one.annotation)]
    for name in late:
        if resolved[name] == fields_of(part)[name].default:
            del resolved[name]
    return resolved


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
    needed = not lenient or (group == "activations" and path[:1] == ("layers",))
    if faults.full or (not needed and name not in registry):
        return value
    where = spell(path, faults.prefix)
    try:
        part = faults.origins.find(registry, name, where)
        config = faults.origins.current(registry, part, config, where)
    except PluginError as error:
        if needed or faults.origins.settled(group, name):  # at another place: it has one version
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
