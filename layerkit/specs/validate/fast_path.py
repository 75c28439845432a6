"""Validation without pydantic, for values that are plainly right.

Importing pydantic takes longer than loading a model and predicting with it. What this module
accepts, the strict validator accepts with the same result. About everything else it says nothing:
it raises ``NotPlainError``, and the strict validator decides. That includes annotations of a kind
not known here, so a plugin may use anything that pydantic understands.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import isfinite
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from layerkit.fields import Later, Range
from layerkit.specs.validate.declare import Constraint, Field, Section, fields_of, part_group

_EXACT = 2**53  # integers up to here convert to float without rounding

Check = Callable[[Any], Any]
"""From a value to what the strict validator makes of it; raises NotPlainError."""


class NotPlainError(Exception):
    """The value, its annotation or a default is for the strict validator to judge."""


def fields_checker(fields: Mapping[str, Field]) -> Check:
    """A check of an object with these fields; it fills in defaults, in the order of ``fields``.

    Raises NotPlainError if an annotation or a default is of a kind not known here.
    """
    checks = {name: checker(one.annotation) for name, one in fields.items()}
    defaults = {n: one.get_default() for n, one in fields.items() if not one.is_required()}
    if not all(_is_plain(fields[name].default) for name in defaults):
        raise NotPlainError

    def check(given: Any) -> dict[str, Any]:
        if type(given) is not dict or not given.keys() <= checks.keys():
            raise NotPlainError
        checked = {}
        for name, check_one in checks.items():
            if name in given:
                checked[name] = check_one(given[name])
            elif name in defaults:
                checked[name] = defaults[name]
            else:
                raise NotPlainError
        return checked

    return check


def checker(annotation: Any) -> Check:
    """A check of values that ``annotation`` describes; NotPlainError if its kind is not known here.

    >>> checker(float | None)(3)
    3.0
    """
    origin, args = get_origin(annotation), get_args(annotation)
    if annotation is Any or part_group(annotation) is not None:  # parts are looked up later
        return lambda value: value
    if isinstance(annotation, type) and issubclass(annotation, Section):
        return fields_checker(fields_of(annotation))
    if isinstance(annotation, type) and annotation in _SCALARS:
        return _SCALARS[annotation]
    if origin is Literal:
        return _literal(args)
    if origin in (Union, UnionType):
        return _union([checker(a) for a in args])
    if origin is list or (origin is tuple and args[1:] == (Ellipsis,)):  # JSON has lists only
        return _list(checker(args[0]))
    if origin is Annotated:
        return _marked(args[0], args[1:])
    raise NotPlainError


def _is_plain(value: Any) -> bool:
    if type(value) in (list, tuple):
        return all(map(_is_plain, value))
    if type(value) is dict:
        return not value
    return type(value) in (bool, int, float, str, NoneType)


def _exactly(kind: type) -> Check:
    def check(value: Any) -> Any:
        if type(value) is not kind:
            raise NotPlainError
        return value

    return check


def _float(value: Any) -> float:
    if type(value) is int and abs(value) <= _EXACT:
        return float(value)
    if type(value) is float and isfinite(value):
        return value
    raise NotPlainError


def _text(value: Any) -> str:
    if type(value) is str and (value.isascii() or value.isprintable()):
        return value
    raise NotPlainError  # such as a lone surrogate


_SCALARS: dict[type, Check] = {
    bool: _exactly(bool),
    int: _exactly(int),
    NoneType: _exactly(NoneType),
    float: _float,
    str: _text,
}


def _literal(allowed: tuple[Any, ...]) -> Check:
    def check(value: Any) -> Any:
        if not any(value == one and type(value) is type(one) for one in allowed):
            raise NotPlainError
        return value

    return check


def _union(branches: list[Check]) -> Check:
    """The value fits one branch, or several that leave it unchanged."""

    def check(value: Any) -> Any:
        found = []
        for branch in branches:
            try:
                found.append(branch(value))
            except NotPlainError:
                continue
        if len(found) == 1 or (found and all(one is value for one in found)):
            return found[0]
        raise NotPlainError

    return check


def _list(item: Check) -> Check:
    def check(value: Any) -> Any:
        if type(value) is not list:
            raise NotPlainError
        checked = [item(one) for one in value]
        return value if all(a is b for a, b in zip(checked, value, strict=True)) else checked

    return check


def _marked(base: Any, marks: tuple[Any, ...]) -> Check:
    """A value of ``base`` within the marks' bounds and rules; strings among them only describe."""
    known = [m for m in marks if isinstance(m, (Range, Constraint))]
    if len(known) + sum(isinstance(m, (str, Later)) for m in marks) < len(marks):
        raise NotPlainError
    if not all(_bounds(base, m) for m in known if isinstance(m, Range)):
        raise NotPlainError
    check_base = checker(base)

    def check(value: Any) -> Any:
        checked = check_base(value)
        for mark in known:
            if isinstance(mark, Range) and not _within(checked, mark):
                raise NotPlainError
            if isinstance(mark, Constraint) and not mark.holds(checked):
                raise NotPlainError
        return checked

    return check


def _bounds(base: Any, mark: Range) -> bool:
    """Whether the bounds can be compared with values of ``base``."""
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
