"""Check an object against declared fields: the settings of a part, or the sections of a spec."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, get_args, get_origin

from layerkit.core.parts import Part
from layerkit.display import nearest
from layerkit.errors import PluginLoadError, PluginProblem
from layerkit.specs.json_source import Path
from layerkit.specs.messages import Faults, describe_annotation, mismatch
from layerkit.specs.validate.declare import Section, fields_of, section_in
from layerkit.specs.validate.fast_path import Check, NotPlainError, fields_checker

if TYPE_CHECKING:
    from pydantic import ValidationError

Owner = type[Part] | type[Section]

_CHECKS: dict[Owner, Check] = {}  # made once per class


def check_fields(
    owner: Owner,
    given: Mapping[str, Any],
    path: Path,
    faults: Faults,
    *,
    beside: Sequence[str] = (),
) -> dict[str, Any] | None:
    """``given`` with all defaults filled in; None if a value is wrong. Mistakes go to ``faults``.

    ``beside`` are other fields allowed at ``path``; messages about unknown fields list them too.
    """
    try:
        if owner not in _CHECKS:
            _CHECKS[owner] = _fast_check(owner)
        return dict(_CHECKS[owner](given))
    except NotPlainError:
        return _strict_check(owner, given, path, faults, beside)


def _fast_check(owner: Owner) -> Check:
    try:
        return fields_checker(fields_of(owner))
    except Exception:  # noqa: BLE001  # a plugin's annotations: the strict validator reports them
        return _undecided


def _undecided(value: Any) -> Any:
    raise NotPlainError


def _strict_check(
    owner: Owner, given: Mapping[str, Any], path: Path, faults: Faults, beside: Sequence[str]
) -> dict[str, Any] | None:
    try:
        from pydantic import ValidationError

        from layerkit.specs.validate.strict import settings_model

        model = settings_model(owner)
    except Exception as cause:  # noqa: BLE001  # whatever a plugin's annotations lead to
        reason = f"the annotations of {owner.__name__}'s constructor cannot be used: {cause!r:.200}"
        problem = PluginProblem(getattr(owner, "type_name", owner.__name__), reason)
        error = PluginLoadError(reason, problems=[problem])
        error.__cause__ = cause
        faults.add(path, reason, error)
        return None
    unknown: list[Path] = []
    known = _known(owner, given, path, faults, beside, unknown)
    try:
        made = model(**known)
    except ValidationError as error:
        for at, kind in _first_errors(owner, error):
            annotation = annotation_in(owner, at)
            expected = describe_annotation(annotation)
            if kind != "missing":
                value = _value_at(given, at)
                near = nearest(value, _words(annotation)) if isinstance(value, str) else ""
                faults.add((*path, *at), mismatch(expected, value) + near)
            elif not any(_misspelt(one, (*path, *at)) for one in unknown[:10]):
                faults.add((*path, *at), f"missing field {at[-1]!r}: expected {expected}")
        return None
    return made.model_dump(by_alias=True, warnings=False)


def _known(
    owner: Owner,
    given: Mapping[str, Any],
    path: Path,
    faults: Faults,
    beside: Sequence[str],
    unknown: list[Path],
) -> dict[str, Any]:
    """``given`` without unknown fields, which are noted here: pydantic would make an error of each.

    Their paths are added to ``unknown``.
    """
    fields = fields_of(owner)
    kept = {}
    for key, value in given.items():
        at = (*path, str(key))
        section = section_in(fields[key].annotation) if key in fields else None
        if key not in fields:
            faults.unknown(at, [*fields, *beside])
            unknown.append(at)
        elif section is not None and isinstance(value, dict):
            kept[key] = _known(section, value, at, faults, (), unknown)
        else:
            kept[key] = value
    return kept


def _words(annotation: Any) -> list[str]:
    """The texts among the literals that ``annotation`` allows."""
    args = get_args(annotation)
    if get_origin(annotation) is Literal:
        return [one for one in args if isinstance(one, str)]
    return [word for one in args for word in _words(one)]


def _misspelt(unknown: Path, missing: Path) -> bool:
    """Whether the ``unknown`` field was probably meant to be the ``missing`` one."""
    name = str(missing[-1])
    return unknown[:-1] == missing[:-1] and bool(nearest(str(unknown[-1]), [name]))


def _first_errors(owner: Owner, error: ValidationError) -> list[tuple[Path, str]]:
    """(path, kind) of each mistake: one per setting, or per field or list item of a section."""
    found: dict[Path, str] = {}
    for one in error.errors(include_url=False, include_context=False, include_input=False):
        path: Path = one["loc"] if issubclass(owner, Section) else one["loc"][:1]
        while annotation_in(owner, path) is None:  # pydantic adds the names of a union's branches
            path = path[:-1]
        found.setdefault(path, one["type"])
    return list(found.items())


def annotation_in(owner: Owner, path: Path) -> Any:
    """The annotation at ``path`` within ``owner``: of a field, or of the items of a list.

    None if there is no such field.
    """
    annotation: Any = owner
    for step in path:
        if isinstance(step, int):
            branches = (annotation, *get_args(annotation))
            items = [get_args(one)[0] for one in branches if get_origin(one) is list]
            annotation = items[0] if len(items) == 1 else None
        else:
            holder = owner if annotation is owner else section_in(annotation)
            found = None if holder is None else fields_of(holder).get(step)
            annotation = None if found is None else found.annotation
    return annotation


def _value_at(given: Any, path: Path) -> Any:
    for step in path:
        given = given.get(step) if isinstance(given, Mapping) else given[step]
    return given
