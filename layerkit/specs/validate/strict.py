"""The strict validator: annotations turned into pydantic models, which say what is wrong where.

Imported only for what ``quick`` did not take, and for the JSON Schema.
"""

from __future__ import annotations

import inspect
from functools import reduce
from operator import or_
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    WithJsonSchema,
    create_model,
)

from layerkit.core.parts import Part
from layerkit.fields import Range
from layerkit.specs.validate.declare import Rule, Section, part_group

__all__ = ["section_model", "settings_model"]

_STRICT = ConfigDict(strict=True, extra="forbid", allow_inf_nan=False, protected_namespaces=())

# By class: building a model takes a millisecond.
_MODELS: dict[type, type[BaseModel]] = {}


def settings_model(part: type[Part], types: dict[str, Any]) -> type[BaseModel]:
    """The model of a part's settings, ``types`` being their annotations; made once a class."""
    if part in _MODELS:
        return _MODELS[part]
    fields: dict[str, Any] = {}
    for name, annotation in types.items():
        default = part.settings()[name].default
        wanted = ... if default is inspect.Parameter.empty else default
        # Mangled, so that a setting may be called like an attribute of pydantic's models.
        fields[f"setting_{name}"] = (_translated(annotation), Field(wanted, alias=name))
    made: type[BaseModel] = create_model(f"{part.__name__}Settings", __config__=_STRICT, **fields)
    _MODELS[part] = made
    return made


def section_model(section: type[Section]) -> type[BaseModel]:
    """The model of a section of the spec; made once a class."""
    if section in _MODELS:
        return _MODELS[section]
    fields: dict[str, Any] = {}
    for name, one in section.model_fields.items():
        wanted: Any = ... if one.is_required() else one.default
        if one.default_factory is not None:
            made_default = Field(default_factory=one.default_factory, description=one.description)
        else:
            made_default = Field(wanted, description=one.description)
        fields[name] = (_translated(one.annotation), made_default)
    made: type[BaseModel] = create_model(
        section.__name__, __config__=_STRICT, __doc__=section.__doc__, **fields
    )
    _MODELS[section] = made
    return made


def _translated(annotation: Any) -> Any:
    """``annotation`` with our marks and sections replaced by pydantic's."""
    if isinstance(annotation, type) and issubclass(annotation, Section):
        return section_model(annotation)
    if part_group(annotation) is not None:
        return Any
    origin, args = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return Annotated[(_translated(args[0]), *(mark for m in args[1:] for mark in _marks(m)))]
    if origin in (Union, UnionType):
        return reduce(or_, (_translated(a) for a in args))
    if origin is tuple and len(args) == 2 and args[1] is Ellipsis:  # JSON has lists only
        origin = list
    if origin is list:
        # Of a list one bad item is told: an error for each would cost a kilobyte a byte.
        return Annotated[list[_translated(args[0])], Field(fail_fast=True)]  # type: ignore[misc]  # made here
    return annotation


def _marks(mark: Any) -> list[Any]:
    if isinstance(mark, Range):
        return [Field(ge=mark.ge, gt=mark.gt, le=mark.le, lt=mark.lt)]
    if isinstance(mark, Rule):
        return [BeforeValidator(_checked(mark)), WithJsonSchema(mark.schema)]
    return [mark]


def _checked(rule: Rule) -> Any:
    def check(value: Any) -> Any:
        if not rule.holds(value):
            raise ValueError
        return value

    return check
