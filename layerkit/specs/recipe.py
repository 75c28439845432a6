"""The output and train sections of a spec: rules across fields, and the parts they name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any

from layerkit.core.parts import Link, Loss, Target
from layerkit.discovery.origins import Origins, joined
from layerkit.discovery.registry import DATA, LAYERS, LOSSES, METRICS, REGISTRIES, split_config
from layerkit.display import quoted
from layerkit.errors import PluginError
from layerkit.specs.json_source import Path, spell, strict_json
from layerkit.specs.messages import Faults, describe_annotation, distinct_names, mismatch
from layerkit.specs.sections import DIALECT, SECTIONS, Hint
from layerkit.specs.spec import Spec
from layerkit.specs.validate.check_fields import check_fields
from layerkit.specs.validate.declare import holds_layers
from layerkit.specs.validate.fast_path import NotPlainError, checker
from layerkit.specs.validate.settings import named_parts, validate_part


def check_output_section(output: dict[str, Any], faults: Faults) -> None:
    """Note fields of the output section that contradict each other."""
    for key in ("classes", "column"):
        if output[key] is not None and output["targets"] is not None:
            reason = f"give either {key!r} (classification) or 'targets' (regression), not both"
            faults.add(("output",), reason)
    if output["targets"] is None and output["scale"] is not None:
        faults.add(("output", "scale"), "only 'targets' can be scaled, not classes")
    for key in ("classes", "targets"):
        names = output[key]
        least = 2 if key == "classes" else 1
        if names is not None and (len(names) < least or len(set(names)) < len(names)):
            faults.add(("output", key), distinct_names(least, names))


def link_of(loss: Any) -> Link:
    """The output function that the loss implies; "identity" if the loss is not installed."""
    found = _loss(loss)
    return "identity" if found is None else found.link


def _loss(loss: Any) -> type[Loss] | None:
    try:
        return LOSSES[split_config(loss)[0]]
    except (PluginError, TypeError):  # noted already, or the file holds its own link
        return None


def _target(loss: Any, faults: Faults) -> Target | None:
    """What the loss compares with; None if it is not the one that the file means."""
    found = None if faults.origins.open("losses", split_config(loss)[0]) else _loss(loss)
    return None if found is None else found.target


_NAMED = {"loss": "losses", "optimizer": "optimizers", "schedule": "schedules"}


def parts_of_recipe(train: Mapping[str, Any]) -> Iterator[tuple[Path, str, Any]]:
    """Path, group and value of each place in a training section that names a part."""
    for key, group in {**_NAMED, "data": "data"}.items():
        if train.get(key) is not None:
            yield (key,), group, train[key]
    for group in ("metrics", "callbacks"):
        for i, value in enumerate(train.get(group) or ()):
            yield (group, i), group, value


def read_recipe(
    output: dict[str, Any], train: dict[str, Any], faults: Faults, *, lenient: bool = False
) -> None:
    """Resolve the parts that ``train`` names in place; mistakes go to ``faults``."""
    if train["loss"] is None:
        train["loss"] = "softmax_cross_entropy" if output["targets"] is None else "mse"
    _check_data(train["data"], faults)
    _settle_data(train, faults)
    if not lenient:  # a model file holds checked settings, and nobody asks for its data
        _check_source(train["data"], faults)
    target: Target | None = None
    for key, group in _NAMED.items():
        before = faults.count
        train[key] = validate_part(group, train[key], ("train", key), faults, lenient=lenient)
        if key == "loss" and faults.count == before:
            target = _target(train["loss"], faults)
    named = output["classes"] is not None or output["column"] is not None
    both = named and output["targets"] is not None  # noted by check_output_section
    if target == "real" and named and not both:
        reason = "a regression loss cannot learn classes: name the numbers in output.targets"
        faults.add(("train", "loss"), reason)
    if target == "class" and output["targets"] is not None and not both:
        faults.add(
            ("train", "loss"), "a classification loss cannot learn targets: use mse or huber"
        )
    _label_columns(output, train, faults)
    _metrics(target, train, faults, lenient=lenient)
    if train["early_stopping"] is not None:
        _early_stopping(train, faults)
    for i, value in enumerate(train["callbacks"]):
        path: Path = ("train", "callbacks", i)
        train["callbacks"][i] = validate_part("callbacks", value, path, faults, lenient=lenient)
    _hints(train, faults, lenient=lenient)


def _check_data(data: Any, faults: Faults) -> None:
    """Note mistakes in a ``train.data`` object: paths and dialect."""
    if not isinstance(data, dict) or "type" in data:
        return
    paths = ("path", "train", "test", "format")
    if ("path" in data) == ("train" in data) and data.keys() <= {*paths, *DIALECT}:
        reason = "give either 'path' or 'train'" + (", not both" if "path" in data else "")
        faults.add(("train", "data"), reason)
    if "test" in data and "train" not in data:
        faults.add(("train", "data", "test"), "'test' goes with 'train', not with 'path'")
    fields = SECTIONS["input"].model_fields
    for key, value in data.items():
        path: Path = ("train", "data", key)
        if key not in (*paths, *DIALECT):
            faults.unknown(path, (*paths, *DIALECT))
            continue
        annotation = fields[key].annotation if key in DIALECT else str
        try:
            checker(annotation)(value)
        except NotPlainError:
            faults.add(path, mismatch(describe_annotation(annotation), value))


def _check_source(data: Any, faults: Faults) -> None:
    """Note settings that a data source does not take; one that is not here can be replaced."""
    name = data.get("type") if isinstance(data, Mapping) else None
    if not isinstance(name, str) or name not in DATA:
        return
    try:
        faults.origins.find(DATA, name, spell(("train", "data"), faults.prefix))
    except PluginError:  # training asks for it, if it is not given other data
        return
    validate_part("data", data, ("train", "data"), faults)


def _settle_data(train: dict[str, Any], faults: Faults) -> None:
    """Bring a data source that a model file says something of to the version of its class."""
    data = train["data"]
    if not isinstance(data, (str, Mapping)):
        return
    name, settings = split_config(data)
    if faults.origins.claim("data", name) is not None:
        where = spell(("train", "data"), faults.prefix)
        with suppress(PluginError):  # training asks for it, if it is not given other data
            part = faults.origins.find(DATA, name, where)
            settings = faults.origins.current(DATA, part, settings, where)
            train["data"] = {"type": name, **settings} if settings else data


def require_parts(spec: Spec, *groups: str) -> None:
    """Raise if a part of ``groups`` that the spec names is not the one that its file means.

    The error is a PluginError of the class of the gravest fault; its ``problems`` lists all.
    """
    if not spec.origins.asks:
        return
    faults: list[PluginError] = []
    for path, group, value in _parts_of(spec):
        if group in groups:
            _require(spec.origins, path, group, value, faults)
    if faults:
        instead = "without it the model of the file predicts; only training needs it"
        raise joined(faults, spec.origins.permit, instead=instead)


def _parts_of(spec: Spec) -> Iterator[tuple[Path, str, Any]]:
    """Path, group and value of each part that the spec names, but those in settings of parts."""
    for outer in spec.layers:
        for record in outer.nested():
            steps = record.place.split(".")
            place = [int(step) if step.isdecimal() else step for step in steps]
            for path, group, value in named_parts(record.part, record.config):
                yield (*place, *path), group, value
    for path, group, value in parts_of_recipe(spec.train or {}):
        yield ("train", *path), group, value


def _require(
    origins: Origins, path: Path, group: str, value: Any, faults: list[PluginError]
) -> None:
    """Note what is wrong with the part at ``path`` and those that its settings name."""
    if not isinstance(value, (str, Mapping)):
        return
    name, settings = split_config(value)
    registry = REGISTRIES[group]
    if origins.claim(group, name) is None and name not in registry:
        return
    where = spell(path)
    try:
        part = origins.find(registry, name, where)
        if origins.open(group, name):  # it was not here, or not usable, when the file was read
            origins.check_version(registry, part, settings, where)
    except PluginError as error:
        faults.append(error)
        return
    for at, inner, held in named_parts(part, settings):
        _require(origins, (*path, *at), inner, held, faults)


def _label_columns(output: dict[str, Any], train: dict[str, Any], faults: Faults) -> None:
    """Note a column with the answers that is used for something else too."""
    test = train["test"]
    uses = {
        ("train", "sample_weight"): train["sample_weight"],
        ("train", "test", "column"): test["column"] if isinstance(test, dict) else None,
    }
    for path, column in uses.items():
        if column is not None and column in (output["column"], *(output["targets"] or ())):
            faults.add(path, f"{column!r} is the answer to be learned: use another column")


def _metrics(
    target: Target | None, train: dict[str, Any], faults: Faults, *, lenient: bool
) -> None:
    if train["metrics"] is None:
        train["metrics"] = ["mae", "r2"] if target == "real" else ["accuracy"]
    for i, value in enumerate(train["metrics"]):
        path: Path = ("train", "metrics", i)
        before = faults.count
        found = validate_part("metrics", value, path, faults, lenient=lenient)
        shared = shared_settings(value, found, train["loss"]) if faults.count == before else {}
        if shared and not lenient:
            found = validate_part("metrics", {**found, **shared}, path, faults)
        train["metrics"][i] = found
        name = split_config(train["metrics"][i])[0] if faults.count == before else ""
        if faults.origins.open("metrics", name) or name not in METRICS or target is None:
            continue
        if target not in METRICS[name].target:
            kinds = " or ".join(METRICS[name].target)
            faults.add(path, f"{name!r} needs {kinds} targets, but the loss has {target} targets")


def shared_settings(given: Any, metric: Any, loss: Any) -> dict[str, Any]:
    """Settings of a metric that were not given, as the loss has them: its quantile."""
    if not isinstance(metric, dict) or not isinstance(loss, dict):
        return {}
    own = {*given, "type"} if isinstance(given, dict) else {"type"}
    return {key: loss[key] for key in metric if key in loss and key not in own}


def _hints(train: dict[str, Any], faults: Faults, *, lenient: bool) -> None:
    """Fill in the defaults of ``train.hints`` in place."""
    at: Path = ("train", "hints")
    if train["hints"] and train["teacher"] is None:
        faults.add(at, "hints are a teacher's: set train.teacher.model to its file")
    for i, given in enumerate(train["hints"]):
        if not isinstance(given, dict):
            faults.add((*at, i), mismatch('an object with "layer" and "teacher"', given))
            continue
        found = check_fields(Hint, given, (*at, i), faults)
        if found is None:
            continue
        train["hints"][i] = hint = strict_json(found)
        if hint["alone"] and hint["until_epoch"] is None:
            reason = "with 'alone' nothing else is learned: say until when in 'until_epoch'"
            faults.add((*at, i, "alone"), reason)
        if hint["regressor"] is not None and not lenient:  # a file is read without its training
            place: Path = (*at, i, "regressor")
            hint["regressor"] = validate_part("layers", hint["regressor"], place, faults)
            name = split_config(hint["regressor"])[0]
            if name in LAYERS and holds_layers(LAYERS[name]):
                faults.add(place, "a layer that holds others cannot be a regressor")


def _early_stopping(train: dict[str, Any], faults: Faults) -> None:
    metric = train["early_stopping"]["metric"]
    names = ["loss", *(split_config(m)[0] for m in train["metrics"] if isinstance(m, (str, dict)))]
    if metric not in names:
        listing = ", ".join(quoted(name)[1:-1] for name in names[:20])
        path: Path = ("train", "early_stopping", "metric")
        faults.add(path, mismatch(f"one of {listing}", metric))
