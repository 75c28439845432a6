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
from typing import Annotated, Any, ClassVar, Union, get_args, get_origin, get_type_hints

from layerkit.core.parts import Part
from layerkit.fields import Later, Layers, PartOf

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
    """The group of parts that a setting names, or None."""
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


def section_in(annotation: Any) -> type[Section] | None:
    """The section that a field holds, or may hold beside null; None if it holds something else."""
    for one in (annotation, *get_args(annotation)):
        if isinstance(one, type) and issubclass(one, Section):
            return one
    return None
