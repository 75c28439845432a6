"""Other settings than those of the examples, found by the annotations of the constructor."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from layerkit.core.layer import Layer
from layerkit.core.parts import Part
from layerkit.discovery.registry import REGISTRIES
from layerkit.fields import PartOf
from layerkit.specs.json_source import JsonSource
from layerkit.specs.messages import Faults
from layerkit.specs.validate.settings import setting_types, validate
from layerkit.testing.subject import Example, Subject

__all__ = ["groups_of", "settings_naming", "variants"]


def variants(subject: Subject) -> Iterator[Example]:
    """The examples, and the first with one of its settings changed at a time."""
    yield from subject.examples
    first = subject.examples[0]
    for name in subject.part.settings():
        for value in _others(subject.part, name, first.config):
            changed = replace(first, config={**first.config, name: value})
            if _accepted(subject.part, changed):
                yield changed
                break


def _others(part: type[Part], name: str, config: dict[str, Any]) -> Iterator[Any]:
    """Values of a setting other than the one that the example has."""
    now = config.get(name, part.settings()[name].default)
    try:
        annotation = setting_types(part)[name]
    except Exception:  # noqa: BLE001  # settings.annotations tells of it
        return
    for group in groups_of(annotation):
        yield from (word for word in REGISTRIES[group].names() if word != now)
        return
    if isinstance(now, bool):
        yield not now
    elif isinstance(now, int):
        yield from (now + 1, now - 1)
    elif isinstance(now, float):
        yield from (now + 0.125, now - 0.125, now * 0.75)
    for args in _literals(annotation):
        yield from (word for word in args if word != now)


def groups_of(annotation: Any) -> Iterator[str]:
    """The kinds of parts that a setting of this annotation may name."""
    if get_origin(annotation) is Annotated:
        yield from (m.group for m in get_args(annotation)[1:] if isinstance(m, PartOf))
    elif get_origin(annotation) in (Union, UnionType):
        for one in get_args(annotation):
            yield from groups_of(one)


def _literals(annotation: Any) -> Iterator[tuple[Any, ...]]:
    if get_origin(annotation) is Literal:
        yield get_args(annotation)
    elif get_origin(annotation) in (Union, UnionType, Annotated):
        for one in get_args(annotation):
            yield from _literals(one)


def _accepted(part: type[Part], example: Example) -> bool:
    """Whether a spec would take these settings, and the constructor and the plan too."""
    faults = Faults(JsonSource({}))
    validate(part, example.config, (), faults)
    if faults.found:
        return False
    try:
        made = part(**example.config)
        if isinstance(made, Layer):
            made.plan(example.shape)
    except Exception:  # noqa: BLE001  # settings that contradict each other may be refused
        return False
    return True


def settings_naming(part: type[Part], group: str) -> list[str]:
    """Settings of ``part`` that name a part of ``group``."""
    try:
        types = setting_types(part)
    except Exception:  # noqa: BLE001  # settings.annotations tells of it
        return []
    return [name for name, annotation in types.items() if group in set(groups_of(annotation))]
