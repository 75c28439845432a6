"""Settings of every part: keywords of the constructor, stored unchanged, the same after a spec."""

from __future__ import annotations

import inspect
import json
from typing import Any

import numpy as np

from layerkit.core.layer import Layer
from layerkit.display import quoted
from layerkit.errors import LayerkitError, SpecError
from layerkit.specs import read_spec
from layerkit.specs.json_source import JsonSource, Path
from layerkit.specs.messages import Faults, describe_annotation
from layerkit.specs.validate.declare import map_parts
from layerkit.specs.validate.settings import setting_types, validate_part
from layerkit.testing.models import spec_of
from layerkit.testing.rules import Battery
from layerkit.testing.setting_variants import fault_in, variants
from layerkit.testing.subject import Subject, Trial
from layerkit.testing.unread_settings import unread_settings
from layerkit.testing.verdicts import Failed, at, catch_errors, describe_error

BATTERY = Battery("settings.constructor")

_Kind = inspect.Parameter
_WRONG_KIND = {
    _Kind.POSITIONAL_ONLY: "takes {!r} by position: a setting has a name in a spec",
    _Kind.POSITIONAL_OR_KEYWORD: "takes {!r} by position as well as by name",
    _Kind.VAR_POSITIONAL: "takes any number of arguments, *{}",
    _Kind.VAR_KEYWORD: "takes any keyword, **{}: a misspelt setting would pass unnoticed",
}


@BATTERY.once(
    "settings.keywords",
    why="In a spec and in a file every setting has a name; none can be given by position.",
    fix="write the constructor's arguments with a `*` first: "
    "`def __init__(self, *, units: Size, slope: float = 0.1) -> None:`",
    needs=(),
)
def _keywords(subject: Subject) -> None:
    part = subject.part
    # A class without its own constructor has that of object, and no settings.
    own = {} if part.__init__ is object.__init__ else inspect.signature(part).parameters
    for name, parameter in own.items():
        if parameter.kind in _WRONG_KIND:
            raise Failed(f"the constructor {_WRONG_KIND[parameter.kind].format(name)}")


@BATTERY.rule(
    "settings.constructor",
    why="A part is rebuilt from the settings that it stores: files keep those, and only those.",
    fix="store each argument under its own name, `self.units = units`, and do nothing else",
    needs=("declared.methods", "declared.examples"),
    over=variants,
)
def _constructor(trial: Trial) -> None:
    part = trial.part
    settings = {n: p.default for n, p in trial.subject.part.settings().items()}
    settings |= trial.arguments
    for name, value in settings.items():
        if not hasattr(part, name):
            raise Failed(f"the setting {name!r} is not stored", f"write `self.{name} = {name}`")
        kept = getattr(part, name)
        if kept is not value and not (type(kept) is type(value) and kept == value):
            raise Failed(
                f"{name}={quoted(value)} was given, but self.{name} is {quoted(kept)}",
                f"store it unchanged, `self.{name} = {name}`, and derive other values in `plan` or "
                "`feed`",
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
    with trial.catch("config"):
        config = dict(part.config)
    if list(config) != list(settings):
        raise Failed(f"`config`: expected the settings {list(settings)}, got {list(config)}")
    again = trial.subject.make(config)
    if again.config != config:
        raise Failed(
            f"rebuilt from its config: expected {quoted(config, 200)}, got "
            f"{quoted(again.config, 200)}"
        )


@BATTERY.once(
    "settings.annotations",
    why="A spec is validated by the annotations: a wrong one accepts mistakes, or refuses what is "
    "right.",
    fix="annotate every setting with a plain type or one of layerkit.fields: Size, Positive, "
    "Fraction, ActivationName, InitializerName, bool, float, Literal['a', 'b']",
)
def _annotations(subject: Subject) -> None:
    part = subject.part
    try:
        annotations = setting_types(part)
    except Exception as error:  # whatever a plugin's annotations lead to
        raise Failed(f"the annotations cannot be used: {describe_error(error, part)}") from error
    for name, annotation in annotations.items():
        if annotation is Any:
            raise Failed(f"the setting {name!r} has no annotation: any value would be accepted")
    for example in subject.examples:
        with at(example):
            with catch_errors(part, "validating the settings"):
                fault = fault_in(part, example.config)
            if fault is not None:
                name = str(fault.path[-1]) if fault.path else "settings"
                raise Failed(
                    f"its annotation refuses {name!r}: {fault.reason}",
                    f"change the annotation of {name!r} in the constructor, or the example",
                )
    for name, annotation in annotations.items():
        default = part.settings()[name].default
        if default is inspect.Parameter.empty:
            continue
        if fault_in(part, {**subject.examples[0].config, name: _listed(default)}):
            raise Failed(
                f"the default of {name!r}: expected {describe_annotation(annotation)}, as in its "
                f"annotation, got {quoted(default)}"
            )


@BATTERY.rule(
    "settings.round_trip",
    why="A model is rebuilt from the settings in its file: lost or changed settings make another "
    "model.",
    fix="keep settings to JSON values (numbers, text, true/false, null, lists, objects) and store "
    "each unchanged",
    needs=("settings.annotations", "declared.type_name"),
    over=variants,
)
def _round_trip(trial: Trial) -> None:
    given = dict(trial.part.config)
    with trial.subject.registered():
        again = _through_a_spec(trial, given)
    for name, annotation in setting_types(trial.subject.part).items():
        before, after = given[name], again.get(name, "missing")
        before, after = (map_parts(annotation, value, _resolved) for value in (before, after))
        if _listed(after) != _listed(before):
            raise Failed(f"a spec changes {name} from {quoted(before)} to {quoted(after)}")


def _listed(value: Any) -> Any:
    """``value`` with lists in place of tuples, which JSON does not have."""
    if isinstance(value, (tuple, list)):
        return [_listed(one) for one in value]
    if isinstance(value, dict):
        return {key: _listed(one) for key, one in value.items()}
    return value


def _resolved(kind: str, value: Any, at: Path) -> Any:
    """What names a part in a setting, with all settings of that part."""
    return validate_part(kind, value, at, Faults(JsonSource({})))


def _through_a_spec(trial: Trial, config: dict[str, Any]) -> dict[str, Any]:
    """The settings after writing a resolved spec as JSON and reading it again."""
    subject = trial.subject
    try:
        found: Any = json.loads(json.dumps(config, allow_nan=False))
    except (TypeError, ValueError) as error:
        raise Failed(f"the settings are not JSON: {error}") from error
    if subject.kind == "layers":
        try:
            spec = read_spec(spec_of(subject, found, trial.example.shape))
            spec = read_spec(json.loads(json.dumps(spec.to_document())))
        except LayerkitError as error:
            raise Failed(f"a spec with these settings is refused: {error}") from error
        return dict(spec.layers[0].make().config)
    faults = Faults(JsonSource({}))
    for _ in range(2):
        named = {"type": subject.name, **found} if isinstance(found, dict) else found
        found = json.loads(json.dumps(validate_part(subject.kind, named, (), faults)))
    if faults.found:
        raise Failed(f"a spec with these settings is refused: {faults.found[0].reason}")
    settings = {} if isinstance(found, str) else {k: v for k, v in found.items() if k != "type"}
    return dict(subject.make(settings).config)


@BATTERY.once(
    "settings.read",
    why="A setting that nothing reads promises what does not happen: every value of it is the "
    "same.",
    fix="use self.NAME in `plan`, `feed` or the other methods, or remove the setting",
    needs=("settings.annotations", "plan.shape", "pass.runs"),
)
def _read(subject: Subject) -> str | None:
    if not subject.part.settings():
        return None
    unread, named = unread_settings(subject)
    if unread:
        raise Failed(f"nothing reads self.{' or self.'.join(unread)}")
    return f"not read in any example: {', '.join(named)}" if named else None


@BATTERY.once(
    "settings.unknown",
    why="A misspelt setting that is ignored trains a different model than the spec describes.",
    fix="do not override settings() and take no **kwargs: the constructor's own names are checked",
    needs=("settings.annotations", "declared.type_name"),
)
def _unknown(subject: Subject) -> None:
    example = subject.examples[0]
    word = "no_such_setting"
    config = {**example.config, word: 1}
    with subject.registered():
        if subject.kind != "layers":
            faults = Faults(JsonSource({}))
            validate_part(subject.kind, {"type": subject.name, **config}, (), faults)
            if (word,) in [fault.path for fault in faults.found]:
                return
        else:
            try:
                read_spec(spec_of(subject, config, example.shape))
            except SpecError as error:
                if word not in error.location:
                    raise Failed(f"the error does not say where: {error}") from error
                return
    raise Failed(f"a setting called {word!r} is accepted")
