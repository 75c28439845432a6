"""How the sections of a spec are declared: fields with their types, defaults and meanings.

Nothing of pydantic is here, since importing it takes longer than all else that loading a model
does: ``quick`` reads these declarations directly, ``strict`` turns them into pydantic's models.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import UnionType
from typing import Annotated, Any, ClassVar, Union, get_args, get_origin

from layerkit.fields import PartOf

__all__ = ["Field", "Rule", "Section", "field", "part_group"]

_REQUIRED: Any = object()


class Field:
    """One field of a section: what it takes, its default, and what it means."""

    __slots__ = ("annotation", "default", "default_factory", "description")

    def __init__(
        self, default: Any, description: str, default_factory: Callable[[], Any] | None = None
    ) -> None:
        self.annotation: Any = Any
        self.default = default
        self.default_factory = default_factory
        self.description = description

    def is_required(self) -> bool:
        """Whether it has no default."""
        return self.default is _REQUIRED and self.default_factory is None

    def get_default(self, *, call_default_factory: bool = True) -> Any:
        """Its default, made anew where it is an object; None if there is none."""
        if self.default_factory is not None:
            return self.default_factory() if call_default_factory else None
        return None if self.default is _REQUIRED else self.default


def field(default: Any = _REQUIRED, *, description: str, default_factory: Any = None) -> Any:
    """Declare a field: ``epochs: Size = field(10, description="...")``."""
    return Field(default, description, default_factory)


class Section:
    """Base of the sections: a list of fields, beside which nothing is allowed.

    Only declared, never made: what is read is plain dictionaries.
    """

    model_fields: ClassVar[Mapping[str, Field]] = {}

    def __init_subclass__(cls) -> None:
        fields = {name: vars(cls)[name] for name in cls.__annotations__}
        for name, annotation in cls.__annotations__.items():
            fields[name].annotation = annotation
        cls.model_fields = fields

    @classmethod
    def defaults(cls) -> dict[str, Any]:
        """The section when nothing is written in it."""
        return {name: one.get_default() for name, one in cls.model_fields.items()}


class Rule:
    """A mark for an annotation: which values hold, and how JSON Schema says the same."""

    __slots__ = ("holds", "schema")

    def __init__(self, holds: Callable[[Any], bool], schema: dict[str, Any]) -> None:
        self.holds = holds
        self.schema = schema


def part_group(annotation: Any) -> str | None:
    """The group of parts that a setting names, or None."""
    origin, args = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return next((m.group for m in args[1:] if isinstance(m, PartOf)), None)
    if origin in (Union, UnionType):
        return next((g for g in map(part_group, args) if g is not None), None)
    return None
