"""The strict validator: declared fields turned into pydantic models, which find what is wrong.

Imported only when ``fast_path`` cannot decide, and for the JSON Schema.
"""

from __future__ import annotations

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
from layerkit.fields import Later, Range
from layerkit.specs.validate.declare import Constraint, Section, fields_of, part_group, section_in

_STRICT = ConfigDict(strict=True, extra="forbid", allow_inf_nan=False, protected_namespaces=())


# By class: building a model takes a millisecond.
_MODELS: dict[type, type[BaseModel]] = {}


def settings_model(owner: type[Part] | type[Section]) -> type[BaseModel]:
    """The pydantic model of a section, or of a part's settings."""
    if owner not in _MODELS:
        _MODELS[owner] = _model(owner)
    return _MODELS[owner]


def _model(owner: type[Part] | type[Section]) -> type[BaseModel]:
    fields: dict[str, Any] = {}
    for name, one in fields_of(owner).items():
        given: dict[str, Any] = {"default": ... if one.is_required() else one.default}
        if given["default"] == {} and section_in(one.annotation):
            given = {"default_factory": one.get_default}
        # Prefixed, so that a setting may have the name of an attribute of pydantic's models.
        fields[f"field_{name}"] = (
            _translated(one.annotation),
            Field(**given, alias=name, description=one.description or None),
        )
    return create_model(owner.__name__, __config__=_STRICT, __doc__=owner.__doc__, **fields)


def _translated(annotation: Any) -> Any:
    """``annotation`` with our marks and sections replaced by pydantic's."""
    if isinstance(annotation, type) and issubclass(annotation, Section):
        return settings_model(annotation)
    if part_group(annotation) is not None:
        return Any
    origin, args = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        marks = [mark for m in args[1:] for mark in _marks(m)]
        return Annotated[(_translated(args[0]), *marks)] if marks else _translated(args[0])
    if origin in (Union, UnionType):
        return reduce(or_, (_translated(a) for a in args))
    if origin is tuple and len(args) == 2 and args[1] is Ellipsis:  # JSON has lists only
        origin = list
    if origin is list:
        # Only the first bad item is reported: an error for each would cost a kilobyte per byte.
        return Annotated[list[_translated(args[0])], Field(fail_fast=True)]  # type: ignore[misc]  # made here
    return annotation


def _marks(mark: Any) -> list[Any]:
    if isinstance(mark, Range):
        return [Field(ge=mark.ge, gt=mark.gt, le=mark.le, lt=mark.lt)]
    if isinstance(mark, Constraint):
        return [BeforeValidator(_validator(mark)), WithJsonSchema(mark.schema)]
    return [] if isinstance(mark, Later) else [mark]


def _validator(rule: Constraint) -> Any:
    def check(value: Any) -> Any:
        if not rule.holds(value):
            raise ValueError
        return value

    return check
