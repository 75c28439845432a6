"""Which settings of a part are read when it is used."""

from __future__ import annotations

import inspect
from contextlib import suppress
from functools import wraps
from types import CodeType, FunctionType
from typing import Any

from layerkit.core.parts import Part
from layerkit.testing.batteries.layer_updates import step
from layerkit.testing.layer_trial import LayerTrial
from layerkit.testing.setting_variants import variants
from layerkit.testing.subject import Subject
from layerkit.testing.verdicts import Failed, Skipped

_OTHERS = {"declared", "settings", "docs", "global", "import", "file", "golden", "recorded"}


def unread_settings(subject: Subject) -> tuple[list[str], list[str]]:
    """(settings that nothing reads, those that the code names, though no example reads them).

    The constructor and ``config`` do not count: storing and listing a setting is no use of it.
    """
    read: set[str] = set()
    twin = Subject(_logging(subject.part, read), seed=subject.seed)
    if subject.kind == "layers":
        _use_layer(twin)
    else:
        _run_checks(subject, twin)
    if "__dict__" in read:  # all of them at once
        return [], []
    missed = [name for name in subject.part.settings() if name not in read]
    named = _names_in(subject.part) if missed else set()
    return [n for n in missed if n not in named], [n for n in missed if n in named]


def _use_layer(twin: Subject) -> None:
    """Plan, passes, advice and an update of each example."""
    for example in variants(twin):
        with suppress(Failed):  # the checks of feed and backprop report it
            trial = LayerTrial(twin, example)
            x, dy = trial.rows(4), trial.cotangent(4)
            trial.predict(x)
            ctx = trial.context()
            trial.run(x, dy, ctx)
            trial.layer.advice(ctx)
            step(trial)


def _run_checks(subject: Subject, twin: Subject) -> None:
    """The checks of the part's kind."""
    for name, check in subject.checks.items():
        if name.partition(".")[0] not in _OTHERS:
            with suppress(Failed, Skipped):  # they are reported where they are run
                check.func(twin)  # type: ignore[attr-defined]  # a partial of the other subject


def _names_in(part: type[Part]) -> set[str]:
    """Attributes that the methods of the class name, the constructor's aside."""
    found: set[str] = set()

    def add(code: CodeType) -> None:
        found.update(code.co_names)
        for one in code.co_consts:
            if isinstance(one, CodeType):
                add(one)

    for name in dir(part):
        method = inspect.getattr_static(part, name)
        method = getattr(method, "fget", None) or getattr(method, "__func__", method)
        if name != "__init__" and isinstance(method, FunctionType):
            add(method.__code__)
    return found


def _logging(part: type[Part], read: set[str]) -> type[Part]:
    """A subclass of ``part`` that notes the names of the attributes that are read, once made."""
    silent: list[object] = []

    @wraps(part.__init__)  # the annotations too: they tell how settings are made and varied
    def start(self: Any, **settings: Any) -> None:
        silent.append(self)
        try:
            part.__init__(self, **settings)
        finally:
            silent.pop()

    def look_up(self: Any, name: str) -> Any:
        if not silent:
            read.add(name)
        return object.__getattribute__(self, name)

    def config(self: Any) -> dict[str, Any]:
        return {name: object.__getattribute__(self, name) for name in part.settings()}

    body = {
        "__module__": part.__module__,
        "__qualname__": part.__qualname__,
        "__doc__": part.__doc__,
        "__init__": start,
        "__getattribute__": look_up,
        "config": property(config),
        "settings": classmethod(lambda cls: part.settings()),
    }
    return type(part.__name__, (part,), body)
