"""Declarations of what a spec may hold: fields with their types, defaults and descriptions.

``Section`` declares a section of the spec; the constructor of a part declares its settings.
pydantic is not imported here, since that takes longer than everything else that loading a model
does: ``fast_path`` reads these declarations directly, ``strict`` turns them into pydantic models.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from contextlib import suppress
from types import UnionType
from typing import Annotated, Any, ClassVar, Literal, Union, get_args, get_origin, get_type_hints

from layerkit.core.parts import Part
from layerkit.fields import Later, Layers, PartOf
from layerkit.specs.json_source import Path

_REQUIRED: Any = object()  # the default of a field without one


class Field:
    """One field: its annotation, its default, and what it means."""

    __slots__ = ("annotation", "default", "description")

    def __init__(self, default: Any, description: str = "", annotation: Any = Any) -> None:
        self.annotation = annotation
        self.default = default
        self.description = description

    def is_required(self) -> bool:
        """Whether it has no default."""
        return self.default is _REQUIRED

    def get_default(self) -> Any:
        """A copy of the default; for a section, all of its defaults."""
        section = section_in(self.annotation)
        return section.defaults() if section and self.default == {} else copy.copy(self.default)


def field(default: Any = _REQUIRED, *, description: str) -> Any:
    """Declare a field: ``epochs: Size = field(10, description="...")``."""
    return Field(default, description)


class Section:
    """Base class of the sections: a list of fields. No other field is allowed.

    Sections are declared and never instantiated: what is read are plain dictionaries.
    """

    model_fields: ClassVar[Mapping[str, Field]] = {}

    def __init_subclass__(cls) -> None:
        fields = {name: vars(cls)[name] for name in cls.__annotations__}
        for name, annotation in cls.__annotations__.items():
            fields[name].annotation = annotation
        cls.model_fields = fields

    @classmethod
    def defaults(cls) -> dict[str, Any]:
        """The section as it is when left out."""
        return {name: one.get_default() for name, one in cls.model_fields.items()}


class Constraint:
    """A mark for an annotation: which values are valid, and the same as JSON Schema."""

    __slots__ = ("holds", "schema")

    def __init__(self, holds: Callable[[Any], bool], schema: dict[str, Any]) -> None:
        self.holds = holds
        self.schema = schema


# By class: reading annotations evaluates strings, so each constructor is read once.
_SETTINGS: dict[type[Part], dict[str, Field]] = {}


def fields_of(owner: type[Part] | type[Section]) -> Mapping[str, Field]:
    """The fields of a section, or the settings that a part's constructor takes."""
    if issubclass(owner, Section):
        return owner.model_fields
    if owner not in _SETTINGS:
        hints = get_type_hints(owner.__init__, include_extras=True)
        _SETTINGS[owner] = {
            name: Field(_REQUIRED if p.default is p.empty else p.default, "", hints.get(name, Any))
            for name, p in owner.settings().items()
        }
    return _SETTINGS[owner]


def part_group(annotation: Any) -> str | None:
    """The group of parts of which a setting names one, or None."""
    origin, args = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return next((m.group for m in args[1:] if isinstance(m, PartOf)), None)
    if origin in (Union, UnionType):
        return next((g for g in map(part_group, args) if g is not None), None)
    return None


def holds_layers(part: type[Part]) -> bool:
    """Whether a layer is a container: its setting ``layers`` holds layers."""
    if "layers" not in part.settings():
        return False
    with suppress(Exception):  # annotations that cannot be used are reported where settings are
        return bool(fields_of(part)["layers"].annotation == Layers)
    return False


def is_later(annotation: Any) -> bool:
    """Whether a setting is marked as younger than its part."""
    return any(isinstance(mark, Later) for mark in getattr(annotation, "__metadata__", ()))


def named_group(annotation: Any) -> str | None:
    """The group of parts that a setting names, also several in a list or an object; or None."""
    direct = part_group(annotation)
    if direct is not None or get_origin(annotation) is Literal:
        return direct
    return next((g for g in map(named_group, get_args(annotation)) if g is not None), None)


def map_parts(annotation: Any, value: Any, change: Callable[[str, Any, Path], Any]) -> Any:
    """``value`` with each place that names a part changed: ``change(group, value there, path)``.

    The path is that within ``value``: () for a setting that is a name itself, (2,) in a list.
    """
    return _mapped(annotation, value, change, ())


def _mapped(annotation: Any, value: Any, change: Callable[[str, Any, Path], Any], at: Path) -> Any:
    origin, args = get_origin(annotation), get_args(annotation)
    if named_group(annotation) is None:
        return value
    if origin in (Union, UnionType):
        if value is None and type(None) in args:
            return None
        chosen = [one for one in args if _holds(one, value)]
        return _mapped(chosen[0], value, change, at) if chosen else value
    group = part_group(annotation)
    if group is not None:
        return change(group, value, at)
    if origin is Annotated:
        return _mapped(args[0], value, change, at)
    if _is_mapping(origin) and isinstance(value, Mapping):
        return {key: _mapped(args[1], one, change, (*at, key)) for key, one in value.items()}
    if origin in (list, tuple) and isinstance(value, (list, tuple)):
        return [_mapped(args[0], one, change, (*at, i)) for i, one in enumerate(value)]
    return value


def _holds(annotation: Any, value: Any) -> bool:
    """Whether a branch of a union names the parts in ``value``: a list those in a list."""
    if named_group(annotation) is None:
        return False
    listed = part_group(annotation) is None and not _is_mapping(get_origin(annotation))
    return listed == isinstance(value, (list, tuple))


def _is_mapping(origin: Any) -> bool:
    return isinstance(origin, type) and issubclass(origin, Mapping)


def section_in(annotation: Any) -> type[Section] | None:
    """The section that a field holds, or may hold beside null; None if it holds something else."""
    for one in (annotation, *get_args(annotation)):
        if isinstance(one, type) and issubclass(one, Section):
            return one
    return None
