"""Variants of an example: other values of its settings, found by the constructor's annotations."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from functools import partial
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from layerkit.core.layer import Layer
from layerkit.core.parts import Part
from layerkit.discovery.registry import REGISTRIES
from layerkit.fields import PartOf
from layerkit.specs.json_source import JsonSource, Path
from layerkit.specs.layers import arguments
from layerkit.specs.messages import Fault, Faults
from layerkit.specs.validate.declare import map_parts, named_group
from layerkit.specs.validate.settings import setting_types, validate
from layerkit.testing.subject import Example, Subject

_NUMBERS: dict[Any, tuple[Any, ...]] = {int: (2, 1, 3, 4), float: (0.5, 2.0), bool: (True,)}


def variants(subject: Subject) -> Iterator[Example]:
    """The examples, then the first one with a single setting changed, for each of its settings."""
    yield from subject.examples
    yield from _changed(subject, list(subject.part.settings()))


def varied(subject: Subject) -> Iterator[Example]:
    """The first example with a single setting changed, for each that holds a number or a word."""
    try:
        types = setting_types(subject.part)
    except Exception:  # noqa: BLE001  # settings.annotations reports it
        return
    yield from _changed(subject, [n for n, one in types.items() if not any(kinds_named(one))])


def _changed(subject: Subject, names: Iterable[str]) -> Iterator[Example]:
    first = subject.examples[0]
    for name in names:
        for value in _others(subject.part, name, first.config):
            config = {**first.config, name: value}
            changed = replace(first, name=f"{first.name} with another {name!r}", config=config)
            if _accepted(subject.part, changed):
                yield changed
                break


def changed_in(subject: Subject, example: Example, setting: str) -> Iterator[Example]:
    """The example with each other value of one setting."""
    for value in _others(subject.part, setting, example.config):
        name = f"{example.name} with {setting}={value!r}"
        changed = replace(example, name=name, config={**example.config, setting: value})
        if _accepted(subject.part, changed):
            yield changed


def _others(part: type[Part], name: str, config: dict[str, Any]) -> Iterator[Any]:
    """Values of a setting other than that of the example."""
    now = config.get(name, part.settings()[name].default)
    try:
        annotation = setting_types(part)[name]
    except Exception:  # noqa: BLE001  # settings.annotations reports it
        return
    for kind in kinds_named(annotation):
        yield from (word for word in REGISTRIES[kind].names() if word != now)
        return
    if (group := named_group(annotation)) is not None:  # of several parts
        for word in REGISTRIES[group].names():
            yield map_parts(annotation, now, partial(_instead, word))
    if isinstance(now, bool):
        yield not now
    elif isinstance(now, int):
        yield from (now + 1, now - 1)
    elif isinstance(now, float):
        yield from (now + 0.125, now - 0.125, now * 0.75)
    elif now is None:
        yield from (number for one in _members(annotation) for number in _NUMBERS.get(one, ()))
    for one in _members(annotation):
        if get_origin(one) is Literal:
            yield from (word for word in get_args(one) if word != now)


def _instead(word: str, group: str, value: Any, at: Path) -> str:
    """``word`` in place of the part that a setting names."""
    return word


def _members(annotation: Any) -> Iterator[Any]:
    """The annotation, or those that it joins: of ``int | None``, int and None."""
    yield annotation
    if get_origin(annotation) in (Union, UnionType, Annotated):
        for one in get_args(annotation):
            yield from _members(one)


def kinds_named(annotation: Any) -> Iterator[str]:
    """The kinds of parts that a setting with this annotation may name."""
    for one in _members(annotation):
        if isinstance(one, PartOf):
            yield one.group


def settings_naming(part: type[Part], kind: str) -> list[str]:
    """Settings of ``part`` that name a part of ``kind``."""
    try:
        types = setting_types(part)
    except Exception:  # noqa: BLE001  # settings.annotations reports it
        return []
    return [name for name, annotation in types.items() if kind in set(kinds_named(annotation))]


def fault_in(part: type[Part], config: dict[str, Any]) -> Fault | None:
    """The first fault that the annotations find in the settings, if any."""
    faults = Faults(JsonSource({}))
    validate(part, config, (), faults)
    return faults.found[0] if faults.found else None


def _accepted(part: type[Part], example: Example) -> bool:
    """Whether a spec would accept these settings, and the constructor and the plan too."""
    if fault_in(part, example.config) is not None:
        return False
    try:
        made = part(**arguments(part, example.config))
        if isinstance(made, Layer):
            made.plan(example.shape)
    except Exception:  # noqa: BLE001  # settings that contradict each other may be refused
        return False
    return True
