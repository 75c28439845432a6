"""Settings that are plainly right, taken without pydantic.

Importing pydantic takes longer than all else that loading a model and predicting with it does.
What this module takes, the strict validator takes too, with the same result; of everything else it
says nothing, and the strict validator decides. A kind of annotation that is not known here is
never taken, so a plugin may use whatever pydantic understands.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from math import isfinite
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from layerkit.fields import Range
from layerkit.specs.validate.declare import Rule, Section, part_group

__all__ = ["UnsureError", "taker", "taking_section", "taking_settings"]

_EXACT = 2**53  # whole numbers up to here are floats without rounding

Take = Callable[[Any], Any]
"""From a value to what the strict validator makes of it; raises UnsureError."""


class UnsureError(Exception):
    """The value, or its annotation, is not plainly right: the strict validator is to be asked."""


def taking_settings(types: Mapping[str, Any], parameters: Mapping[str, inspect.Parameter]) -> Take:
    """The taker of a constructor's settings: all of them, defaults filled in.

    Raises
    ------
    UnsureError
        If an annotation or a default is of a kind not known here.
    """
    defaults = {k: p.default for k, p in parameters.items() if p.default is not p.empty}
    if not all(map(_is_plain, defaults.values())):
        raise UnsureError
    return _fields({name: taker(kind) for name, kind in types.items()}, defaults)


def taking_section(section: type[Section]) -> Take:
    """The taker of a section of the spec, as ``taking_settings``.

    Raises
    ------
    UnsureError
        If an annotation is of a kind not known here.
    """
    fields = section.model_fields
    return _fields(
        {name: taker(one.annotation) for name, one in fields.items()},
        {name: one.get_default() for name, one in fields.items() if not one.is_required()},
    )


def taker(annotation: Any) -> Take:
    """The taker of values that ``annotation`` describes.

    Raises
    ------
    UnsureError
        If it is of a kind not known here.

    >>> taker(float | None)(3)
    3.0
    """
    origin, args = get_origin(annotation), get_args(annotation)
    if annotation is Any or part_group(annotation) is not None:  # parts are looked up later
        return lambda value: value
    if isinstance(annotation, type) and issubclass(annotation, Section):
        return taking_section(annotation)
    if isinstance(annotation, type) and annotation in _SCALARS:
        return _SCALARS[annotation]
    if origin is Literal:
        return _literal(args)
    if origin in (Union, UnionType):
        return _union([taker(a) for a in args])
    if origin is list or (origin is tuple and args[1:] == (Ellipsis,)):  # JSON has lists only
        return _list(taker(args[0]))
    if origin is Annotated:
        return _marked(args[0], args[1:])
    raise UnsureError


def _is_plain(value: Any) -> bool:
    if type(value) in (list, tuple):
        return all(map(_is_plain, value))
    return type(value) in (bool, int, float, str, NoneType)


def _exactly(kind: type) -> Take:
    def take(value: Any) -> Any:
        if type(value) is not kind:
            raise UnsureError
        return value

    return take


def _float(value: Any) -> float:
    if type(value) is int and abs(value) <= _EXACT:
        return float(value)
    if type(value) is float and isfinite(value):
        return value
    raise UnsureError


def _text(value: Any) -> str:
    if type(value) is str and (value.isascii() or value.isprintable()):
        return value
    raise UnsureError  # half a surrogate pair, for example


_SCALARS: dict[type, Take] = {
    bool: _exactly(bool),
    int: _exactly(int),
    NoneType: _exactly(NoneType),
    float: _float,
    str: _text,
}


def _literal(allowed: tuple[Any, ...]) -> Take:
    def take(value: Any) -> Any:
        if not any(value == one and type(value) is type(one) for one in allowed):
            raise UnsureError
        return value

    return take


def _union(branches: list[Take]) -> Take:
    """One branch takes the value, or several do and leave it as it is."""

    def take(value: Any) -> Any:
        found = []
        for branch in branches:
            try:
                found.append(branch(value))
            except UnsureError:
                continue
        if len(found) == 1 or (found and all(one is value for one in found)):
            return found[0]
        raise UnsureError

    return take


def _list(item: Take) -> Take:
    def take(value: Any) -> Any:
        if type(value) is not list:
            raise UnsureError
        taken = [item(one) for one in value]
        return value if all(a is b for a, b in zip(taken, value, strict=True)) else taken

    return take


def _marked(base: Any, marks: tuple[Any, ...]) -> Take:
    """A value of ``base`` within the marks' bounds and rules; marks of text only describe."""
    known = [m for m in marks if isinstance(m, (Range, Rule))]
    if len(known) + sum(isinstance(m, str) for m in marks) < len(marks):
        raise UnsureError
    if not all(_bounds(base, m) for m in known if isinstance(m, Range)):
        raise UnsureError
    take_base = taker(base)

    def take(value: Any) -> Any:
        taken = take_base(value)
        for mark in known:
            if not (mark.holds(taken) if isinstance(mark, Rule) else _within(taken, mark)):
                raise UnsureError
        return taken

    return take


def _bounds(base: Any, mark: Range) -> bool:
    """Whether the bounds are numbers of the kind that ``base`` is compared with."""
    kinds = {int: (int,), float: (int, float)}.get(base, ()) if isinstance(base, type) else ()
    given = [b for b in (mark.ge, mark.gt, mark.le, mark.lt) if b is not None]
    return bool(kinds) and all(type(b) in kinds for b in given)


def _within(value: float, bounds: Range) -> bool:
    return (
        (bounds.ge is None or value >= bounds.ge)
        and (bounds.gt is None or value > bounds.gt)
        and (bounds.le is None or value <= bounds.le)
        and (bounds.lt is None or value < bounds.lt)
    )


def _fields(takers: Mapping[str, Take], defaults: Mapping[str, Any]) -> Take:
    """All fields in the order of ``takers``; those not given have their defaults."""

    def take(given: Any) -> dict[str, Any]:
        if type(given) is not dict or not given.keys() <= takers.keys():
            raise UnsureError
        taken = {}
        for name, take_one in takers.items():
            if name in given:
                taken[name] = take_one(given[name])
            elif name in defaults:
                taken[name] = defaults[name]
            else:
                raise UnsureError
        return taken

    return take
