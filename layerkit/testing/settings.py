"""Settings: the constructor's keywords, stored as they are, and the same after a spec."""

from __future__ import annotations

import inspect
import json
from dataclasses import replace
from typing import Any

import numpy as np

from layerkit.core.layer import Layer
from layerkit.display import quoted
from layerkit.errors import LayerkitError, SpecError
from layerkit.specs.json_source import JsonSource
from layerkit.specs.messages import Faults, describe
from layerkit.specs.validate.settings import setting_types, validate, validate_part
from layerkit.testing.models import spec_of
from layerkit.testing.rules import Battery, Failed
from layerkit.testing.subject import Example, Subject, calling, told
from layerkit.testing.variation import groups_of, variants

__all__ = ["BATTERY"]

BATTERY = Battery("settings.constructor")

_Kind = inspect.Parameter
_WRONG_KIND = {
    _Kind.POSITIONAL_ONLY: "takes {!r} by position: a setting has a name in a spec",
    _Kind.POSITIONAL_OR_KEYWORD: "takes {!r} by position as well as by name",
    _Kind.VAR_POSITIONAL: "takes any number of arguments, *{}",
    _Kind.VAR_KEYWORD: "takes any keyword, **{}: a misspelt setting would pass unnoticed",
}


@BATTERY.rule(
    "settings.keywords",
    why="In a spec and in a file every setting has a name; none can be given by its place.",
    fix="write the constructor's arguments with a `*` first: "
    "`def __init__(self, *, units: Size, slope: float = 0.1) -> None:`",
    needs=(),
)
def _keywords(subject: Subject) -> str | None:
    part = subject.part
    # Without a constructor of its own a class has that of object, and no settings.
    own = {} if part.__init__ is object.__init__ else inspect.signature(part).parameters
    for name, parameter in own.items():
        if parameter.kind in _WRONG_KIND:
            raise Failed(f"the constructor {_WRONG_KIND[parameter.kind].format(name)}")
    return None


@BATTERY.rule(
    "settings.constructor",
    why="A part is rebuilt from the settings that it holds: files keep those, and only those.",
    fix="store each argument under its own name, `self.units = units`, and do nothing else",
    needs=("declared.methods", "declared.examples"),
)
def _constructor(subject: Subject) -> str | None:
    for example in variants(subject):
        _stores(subject, example.config)
    return None


def _stores(subject: Subject, config: dict[str, Any]) -> None:
    """One construction: every argument kept as it came, and nothing computed."""
    part = subject.make(config)
    wanted = {n: p.default for n, p in subject.part.settings().items()} | config
    for name, value in wanted.items():
        if not hasattr(part, name):
            raise Failed(f"the setting {name!r} is not stored", f"write `self.{name} = {name}`")
        kept = getattr(part, name)
        if kept is not value and not (type(kept) is type(value) and kept == value):
            raise Failed(
                f"{name}={quoted(value)} was given, and self.{name} is {quoted(kept)}",
                f"store it as it came, `self.{name} = {name}`, and derive other values in `plan` "
                "or `feed`",
            )
    arrays = [n for n, v in vars(part).items() if isinstance(v, np.ndarray)]
    if arrays:
        raise Failed(
            f"the constructor made an array, self.{arrays[0]}",
            "declare parameters in `plan`: Plan(out_shape, {'W': Param((i, o), 'glorot_uniform')});"
            " the model allocates them and `feed` finds them in self.params",
        )
    if isinstance(part, Layer) and (part.params or part.grads or part.state):
        raise Failed("the constructor filled params, grads or state", "`plan` declares them")
    with calling(subject.part, "config"):
        config_again = dict(part.config)
    if list(config_again) != list(wanted):
        raise Failed(f"`config` has {list(config_again)}, the constructor takes {list(wanted)}")
    again = subject.make(config_again)
    if again.config != config_again:
        raise Failed(f"built again from its own config it has {quoted(again.config, 200)}")


@BATTERY.rule(
    "settings.annotations",
    why="Annotations are what a spec is validated by: a wrong one lets mistakes through, or "
    "refuses what is right.",
    fix="annotate every setting with a plain type or one of layerkit.fields: Size, Positive, "
    "Fraction, ActivationName, InitializerName, bool, float, Literal['a', 'b']",
)
def _annotations(subject: Subject) -> str | None:
    part = subject.part
    try:
        known = setting_types(part)
    except Exception as error:  # whatever a plugin's annotations lead to
        raise Failed(f"the annotations cannot be used: {told(error, part)}") from error
    for name, annotation in known.items():
        if annotation is Any:
            raise Failed(f"the setting {name!r} has no annotation: any value would be taken")
    for example in subject.examples:
        faults = Faults(JsonSource({}))
        with calling(part, "validating the settings"):
            validate(part, example.config, (), faults)
        if faults.found:
            fault = faults.found[0]
            where = str(fault.path[-1]) if fault.path else "settings"
            raise Failed(
                f"{example}: its annotation refuses {where!r}: {fault.reason}",
                f"change the annotation of {where!r} in the constructor, or the example",
            )
    for name, annotation in known.items():
        default = part.settings()[name].default
        if default is inspect.Parameter.empty:
            continue
        faults = Faults(JsonSource({}))
        validate(part, {**subject.examples[0].config, name: _as_json(default)}, (), faults)
        if faults.found:
            raise Failed(
                f"the default {name}={quoted(default)} is not {describe(annotation)}, which its "
                "annotation wants"
            )
    return None


@BATTERY.rule(
    "settings.round_trip",
    why="A model is rebuilt from the settings in its file: what is lost or changed there makes "
    "another model.",
    fix="keep settings to JSON values (numbers, text, true/false, null, lists, objects) and store "
    "each as it came",
    needs=("settings.annotations", "declared.type_name"),
)
def _round_trip(subject: Subject) -> str | None:
    for example in variants(subject):
        given = dict(subject.make(example.config).config)
        with subject.known():
            again = _through_a_spec(subject, replace(example, config=given))
        for name, annotation in setting_types(subject.part).items():
            wanted, came = given[name], again.get(name, "missing")
            for group in groups_of(annotation):
                wanted, came = (_resolved(group, one) for one in (wanted, came))
            if _as_json(came) != _as_json(wanted):
                raise Failed(f"{name} was {quoted(wanted)}, after a spec it is {quoted(came)}")
    return None


def _as_json(value: Any) -> Any:
    """``value`` with its tuples as lists, the only ones that JSON has."""
    if isinstance(value, (tuple, list)):
        return [_as_json(one) for one in value]
    if isinstance(value, dict):
        return {key: _as_json(one) for key, one in value.items()}
    return value


def _resolved(group: str, value: Any) -> Any:
    """A setting that names a part, with all settings of that part."""
    return value if value is None else validate_part(group, value, (), Faults(JsonSource({})))


def _through_a_spec(subject: Subject, example: Example) -> dict[str, Any]:
    """The settings after a resolved spec, written as JSON, was read again."""
    config = example.config
    from layerkit.specs import read_spec

    try:
        text = json.dumps(config, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise Failed(f"the settings are no JSON: {error}") from error
    if subject.kind == "layers":
        try:
            spec = read_spec(spec_of(subject, json.loads(text), example.shape))
            spec = read_spec(json.loads(json.dumps(spec.to_document())))
        except LayerkitError as error:
            raise Failed(f"a spec with these settings is refused: {error}") from error
        return dict(spec.layers[0].make().config)
    faults = Faults(JsonSource({}))
    found: Any = json.loads(text)
    for _ in range(2):
        given = {"type": subject.name, **found} if isinstance(found, dict) else found
        found = json.loads(json.dumps(validate_part(subject.kind, given, (), faults)))
    if faults.found:
        raise Failed(f"a spec with these settings is refused: {faults.found[0].reason}")
    settings = {} if isinstance(found, str) else {k: v for k, v in found.items() if k != "type"}
    return dict(subject.make(settings).config)


@BATTERY.rule(
    "settings.unknown",
    why="A misspelt setting that is ignored trains another model than the one that was asked for.",
    fix="do not override settings() and take no **kwargs: the constructor's own names are checked",
    needs=("settings.annotations", "declared.type_name"),
)
def _unknown(subject: Subject) -> str | None:
    example = subject.examples[0]
    word = "no_such_setting"
    with subject.known():
        if subject.kind != "layers":
            faults = Faults(JsonSource({}))
            validate_part(
                subject.kind, {"type": subject.name, **example.config, word: 1}, (), faults
            )
            paths = [fault.path for fault in faults.found]
            if (word,) not in paths:
                raise Failed(f"a setting called {word!r} was accepted")
            return None
        from layerkit.specs import read_spec

        try:
            read_spec(spec_of(subject, {**example.config, word: 1}, example.shape))
        except SpecError as error:
            if word not in error.location:
                raise Failed(f"the refusal does not say where: {error}") from error
            return None
    raise Failed(f"a setting called {word!r} was accepted")
