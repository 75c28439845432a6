"""The top level of a spec: its sections, validated, with each mistake told in our own words."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any, get_args, get_origin

from layerkit.specs.json_source import Path, Source
from layerkit.specs.messages import Faults, came, describe
from layerkit.specs.sections import SECTIONS, SpecDocument
from layerkit.specs.validate.declare import Section
from layerkit.specs.validate.fast_path import Take, UnsureError, taking_section

if TYPE_CHECKING:
    from pydantic import ValidationError

__all__ = ["annotation_at", "read_document"]


def read_document(source: Source, faults: Faults) -> dict[str, Any] | None:
    """The validated sections of a spec, all but its layers, with their defaults filled in.

    None, with ``faults``, if any is wrong.
    """
    tree = source.tree
    if not isinstance(tree, dict):
        faults.add((), f"a spec is a JSON object, {came(tree)} came")
        return None
    tree = {k: v for k, v in tree.items() if k != "$schema"}
    try:
        taken = _taker()(tree)
    except UnsureError:
        return _strict(tree, faults)
    return {key: _copied(value) for key, value in taken.items() if key != "layers"}


def _copied(value: Any) -> Any:
    """``value`` with lists and objects of its own: the recipe is resolved in place."""
    if isinstance(value, dict):
        return {key: _copied(inner) for key, inner in value.items()}
    return [_copied(inner) for inner in value] if isinstance(value, list) else value


@cache
def _taker() -> Take:
    return taking_section(SpecDocument)


def _strict(tree: dict[str, Any], faults: Faults) -> dict[str, Any] | None:
    from pydantic import ValidationError

    from layerkit.specs.validate.strict import section_model

    known = _known(tree, (), faults)
    before = faults.count
    try:
        made = section_model(SpecDocument)(**known)
    except ValidationError as error:
        for path, kind in _first_errors(error):
            faults.add(path, _reason(tree, path, kind))
    if faults.count > before or known is not tree:
        return None
    return made.model_dump(exclude={"layers"}, warnings=False)


def _known(tree: dict[str, Any], path: Path, faults: Faults) -> dict[str, Any]:
    """``tree`` itself, or where there are fields that nobody knows, what is left without them.

    They are told here, so that the validator, which makes an error of each, gets none.
    """
    section = _section(path)
    assert section is not None  # noqa: S101  # only sections are looked into
    kept = {}
    for key, value in tree.items():
        inner = (*path, key)
        if key not in section.model_fields:
            faults.unknown(inner, section.model_fields)
        elif isinstance(value, dict) and _section(inner) is not None:
            kept[key] = _known(value, inner, faults)
        else:
            kept[key] = value
    same = len(kept) == len(tree) and all(kept[key] is value for key, value in tree.items())
    return tree if same else kept


def _first_errors(error: ValidationError) -> list[tuple[Path, str]]:
    """One (path, kind) a mistake: the branches of a union count as one."""
    found: dict[Path, str] = {}
    for one in error.errors(include_url=False, include_context=False, include_input=False):
        path: Path = tuple(one["loc"])
        while path and not _reachable(path):
            path = path[:-1]
        found.setdefault(path, one["type"])
    return list(found.items())


def _reachable(path: Path) -> bool:
    """Whether ``path`` names a field of a section (a union's branch names do not)."""
    return annotation_at(path) is not None or (len(path) > 0 and _section(path[:-1]) is not None)


def _section(path: Path) -> type[Section] | None:
    return SECTIONS.get(".".join(map(str, path)))


def annotation_at(path: Path) -> Any:
    """The annotation of the field at ``path``; of its items for an index; None if unknown."""
    if path and isinstance(path[-1], int):
        owner = annotation_at(path[:-1])
        for branch in (owner, *get_args(owner)):
            if get_origin(branch) is list and len(get_args(owner)) <= 2:
                return get_args(branch)[0]
        return None
    section = _section(path[:-1])
    info = None if section is None else section.model_fields.get(str(path[-1]))
    return None if info is None else info.annotation


def _reason(tree: Any, path: Path, kind: str) -> str:
    value = tree
    for step in path:
        value = value.get(step) if isinstance(value, dict) else value[int(step)]
    wanted = describe(annotation_at(path))
    if kind == "missing":
        return f"the field {str(path[-1])!r} is required: {wanted}"
    return f"{wanted} is wanted, {came(value)} came"
