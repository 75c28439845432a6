"""The provider of each layer type: recorded when a file is saved, found when it is loaded.

A type is looked up only among the entry points of the distribution that the file names, or, without
a distribution, among the classes registered in this process.
"""

from __future__ import annotations

import copy
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any, Literal, TypeVar

from layerkit.codec import Limits, layer_records
from layerkit.core.layer import Layer
from layerkit.core.parts import Part
from layerkit.discovery.candidates import ANYONE, FIRST_PARTY, Candidate, Permit, allow_list
from layerkit.discovery.metadata import normalised
from layerkit.discovery.registry import ACTIVATIONS, LAYERS, REGISTRIES, Registry, split_config
from layerkit.display import quoted
from layerkit.errors import (
    PluginError,
    PluginMissingError,
    PluginNotAllowedError,
    PluginProblem,
    PluginVersionError,
    joined_plugin_errors,
)
from layerkit.specs import LayerRecord
from layerkit.specs.validate.declare import part_group
from layerkit.specs.validate.settings import setting_types

AllowPlugins = Collection[str] | Literal[False] | None
"""Distributions whose parts may be imported: None for all, False for layerkit's own only."""


def permission(allow: AllowPlugins) -> Permit:
    """The permit for ``allow_plugins``; names are compared normalised (PEP 503).

    Raises ValueError for any other value.
    """
    if allow is None:
        return ANYONE
    names = {"layerkit"} if allow is False else {allow} if isinstance(allow, str) else allow
    if isinstance(names, bool) or not all(isinstance(name, str) for name in names):
        raise ValueError(
            f"allow_plugins: expected None, False or distribution names, got {quoted(allow)}"
        )
    return Permit(frozenset(map(normalised, names)))


P = TypeVar("P", bound=Part)

_LONGEST = 10  # distributions in a pip command
_MOST = 1000  # unusable types after which the others are not tried


def provenance(
    records: Iterable[LayerRecord], recipe: Mapping[str, Any] | None = None
) -> dict[str, dict[str, Any]]:
    """The ``types`` section: type key to distribution, version and settings version.

    It has every layer type, and other parts (``activations/NAME`` and so on) that are not
    layerkit's own.
    """
    types = {}
    records = [one for outer in records for one in outer.nested()]
    for record in records:
        types[record.type] = _record(LAYERS.origin(record.part), record.part)
    for group, name, part in _other_parts(records, recipe or {}):
        candidate = REGISTRIES[group].origin(part)
        if candidate.dist != FIRST_PARTY:
            types[f"{group}/{name}"] = _record(candidate, part)
    return types


def _record(candidate: Candidate, part: type[Part]) -> dict[str, Any]:
    return {
        "config_version": part.config_version,
        "dist": candidate.dist,
        "version": candidate.version,
    }


def _other_parts(
    records: Iterable[LayerRecord], train: Mapping[str, Any]
) -> Iterator[tuple[str, str, type[Part]]]:
    """Group, name and class of each named and installed part that is not a layer."""
    for record in records:
        yield from _parts_in(record.part, record.config)
    for group, key in (("losses", "loss"), ("optimizers", "optimizer"), ("schedules", "schedule")):
        yield from _part(group, train.get(key))
    for group in ("metrics", "callbacks"):
        for config in train.get(group) or ():
            yield from _part(group, config)
    yield from _part("data", train.get("data"))


def _parts_in(part: type[Part], config: Mapping[str, Any]) -> Iterator[tuple[str, str, type[Part]]]:
    for name, annotation in setting_types(part).items():
        group = part_group(annotation)
        if group is not None:
            yield from _part(group, config.get(name))


def _part(group: str, config: Any) -> Iterator[tuple[str, str, type[Part]]]:
    if not isinstance(config, (str, Mapping)):
        return
    name, settings = split_config(config)
    if name not in REGISTRIES[group]:  # a data file, or a part that only training needs
        return
    try:
        part = REGISTRIES[group][name]
    except PluginError:
        return
    yield group, name, part
    yield from _parts_in(part, settings)


def resolve_types(
    header: dict[str, Any], allow: AllowPlugins, limits: Limits | None
) -> tuple[dict[str, type[Layer]], dict[int, dict[str, Any]]]:
    """Type key to class, and index of a layer to its settings, migrated to the class's version.

    Raises PluginError if a type cannot be used. All types are tried, until a thousand failed; the
    error is of the class of the gravest fault, and its ``problems`` lists all.
    """
    where: dict[str, str] = {}
    for layer in layer_records(header, limits=limits):
        where.setdefault(layer.record["type"], layer.where)
    classes: dict[str, type[Layer]] = {}
    permit = permission(allow)
    faults: list[PluginError] = []
    for key, claim in header["types"].items():
        group, slash, name = key.rpartition("/")
        try:
            if not slash:
                classes[key] = _class_of(LAYERS, key, claim, where[key], permit)
            elif group == "activations":  # the only other parts that a prediction needs
                _check_activation(name, claim, permit)
        except PluginError as error:
            faults.append(error)
        if len(faults) >= _MOST:
            break
    configs = _migrated(header, classes, faults)
    if faults:
        raise _joined(faults, lure=allow is None)
    return classes, configs


def _check_activation(name: str, claim: Mapping[str, Any], permit: Permit) -> None:
    """Compare the activation that layers will find by ``name`` with the record in the file."""
    where = "spec.model"
    part = _class_of(ACTIVATIONS, name, claim, where, permit)
    found = ACTIVATIONS.choose(name, where=where)
    if found.dist != claim["dist"]:
        raise ACTIVATIONS.ambiguous(name, ACTIVATIONS.candidates(name), where)
    if claim["config_version"] < part.config_version:
        reason = (
            f"activation {name!r}: the file claims settings of version {claim['config_version']}, "
            f"{found} has version {part.config_version}"
        )
        problem = PluginProblem(name, reason, where, installed=(str(found),))
        hint = f"another version of {found.dist or 'the class'} reads them"
        raise PluginVersionError(f"{where}: {reason}", hint=hint, problems=[problem])


def _class_of(
    registry: Registry[P], key: str, claim: Mapping[str, Any], where: str, permit: Permit
) -> type[P]:
    dist, version = claim["dist"], claim["version"]
    claimed = f"{dist} {version}" if dist else None
    candidates = registry.candidates(key)
    fitting = [candidate for candidate in candidates if candidate.dist == dist]
    kind = registry.singular
    if not fitting:
        raise _missing(kind, key, claimed, where, candidates)
    if len(fitting) > 1:
        raise registry.ambiguous(key, fitting, where)
    if not permit(fitting[0]):
        reason = f"{kind} {key!r} of {claimed} is not among the allowed distributions ({permit})"
        problem = PluginProblem(key, reason, where, claimed, (str(fitting[0]),))
        hint = f"if you trust it, add {dist!r} to allow_plugins"
        raise PluginNotAllowedError(f"{where}: {reason}", hint=hint, problems=[problem])
    part = registry.load(fitting[0])
    if claim["config_version"] > part.config_version:
        reason = (
            f"{kind} {key!r}: the file claims settings of version {claim['config_version']}, "
            f"{fitting[0]} has version {part.config_version}"
        )
        problem = PluginProblem(key, reason, where, claimed, (str(fitting[0]),))
        raise PluginVersionError(
            f"{where}: {reason}", hint=f"upgrade {dist or 'the class'}", problems=[problem]
        )
    return part


def _missing(
    kind: str, key: str, claimed: str | None, where: str, candidates: list[Candidate]
) -> PluginMissingError:
    if claimed is None:
        reason = f"{kind} {key!r} was registered in the process that saved the file, not here"
    else:
        reason = f"{kind} {key!r}: the file claims it comes from {claimed}"
        reason += ", which is not installed or does not offer it"
    if candidates:
        verb = "offers" if len(candidates) == 1 else "offer"
        reason += f"; {' and '.join(map(str, candidates))} {verb} a type of that name"
    problem = PluginProblem(key, reason, where, claimed, tuple(map(str, candidates)))
    return PluginMissingError(f"{where}: {reason}", problems=[problem])


def _remedy(missing: list[PluginProblem], *, lure: bool = True) -> str:
    """What to do about the ``missing`` types: one pip command, or registering the class.

    The file chose the names, so there is no command if the caller limits whom to trust (``lure``
    is false).
    """
    names = sorted({p.claimed.replace(" ", "==") for p in missing if p.claimed})[:_LONGEST]
    lines = []
    if names and lure and allow_list() is None:
        lines.append(
            "the file claims that this provides it; install it only if you know it and trust it: "
            f"python -m pip install {' '.join(names)}"
        )
    if any(p.claimed is None for p in missing):
        lines.append("define the class and decorate it with layerkit.register before loading")
    lines.append("until then, layerkit inspect, verify, diff and upgrade --as-is, and "
                 "layerkit.load_tensors, need no plugin")  # fmt: skip
    return "\n".join(lines)


def _migrated(
    header: dict[str, Any], classes: Mapping[str, type[Layer]], faults: list[PluginError]
) -> dict[int, dict[str, Any]]:
    configs: dict[int, dict[str, Any]] = {}
    for i, layer in enumerate(header["spec"]["model"]["layers"]):
        key = layer["type"]
        version = header["types"][key]["config_version"]
        if key not in classes or classes[key].config_version == version:
            continue
        where = f"spec.model.layers[{i}].config"
        try:
            config = copy.deepcopy(layer["config"])
            configs[i] = LAYERS.migrated(classes[key], config, version, where=where)
        except PluginError as error:
            faults.append(error)
    return configs


def _joined(faults: list[PluginError], *, lure: bool) -> PluginError:
    """One error for all faults, with the remedies."""
    missing = [p for e in faults if isinstance(e, PluginMissingError) for p in e.problems]
    others = [e.hint for e in faults if e.hint and not isinstance(e, PluginMissingError)]
    hints = [*([_remedy(missing, lure=lure)] if missing else []), *others]
    message = "\n".join(error.message for error in faults)
    return joined_plugin_errors(faults, message, hint="\n".join(dict.fromkeys(hints)) or None)
