"""Who provided a layer type: recorded in a file when it is saved, resolved when it is loaded.

A type is looked up among the entry points of the distribution that the file names, and nowhere
else; a type without a distribution only among the classes registered in this process.
"""

from __future__ import annotations

import copy
from collections.abc import Collection, Iterable, Mapping
from typing import Any, Literal

from layerkit.errors import (
    PluginAmbiguousError,
    PluginError,
    PluginLoadError,
    PluginMissingError,
    PluginNotAllowedError,
    PluginProblem,
    PluginVersionError,
)
from layerkit.format import LayerRecord as FileRecord
from layerkit.format import Limits, layer_records
from layerkit.layer import Layer
from layerkit.offers import Offer, normalised
from layerkit.registry import LAYERS
from layerkit.spec import LayerRecord
from layerkit.spec.words import Permit, anyone

__all__ = ["AllowPlugins", "permission", "provenance", "resolve_types"]

AllowPlugins = Collection[str] | Literal[False] | None
"""Distributions whose parts may be imported: None for all, False for layerkit's own only."""


def permission(allow: AllowPlugins) -> Permit:
    """Whether the part behind an offer may be imported; names are compared normalised (PEP 503).

    Parts registered in this process are always allowed: importing them runs no new code.

    Raises
    ------
    ValueError
        If ``allow`` is none of its forms.
    """
    if allow is None:
        return anyone
    names = {"layerkit"} if allow is False else {allow} if isinstance(allow, str) else allow
    if isinstance(names, bool) or not all(isinstance(name, str) for name in names):
        raise ValueError("allow_plugins is None, False or a collection of distribution names")
    known = {normalised(name) for name in names}
    return lambda offer: offer.dist is None or offer.dist in known


_RANK: list[type[PluginError]] = [
    PluginMissingError,
    PluginAmbiguousError,
    PluginNotAllowedError,
    PluginLoadError,
    PluginVersionError,
]


def provenance(records: Iterable[LayerRecord]) -> dict[str, dict[str, Any]]:
    """The file's ``types`` section: type key to distribution, version and settings version."""
    types = {}
    for record in records:
        offer = LAYERS.origin(record.part)
        types[record.type] = {
            "config_version": record.part.config_version,
            "dist": offer.dist,
            "version": offer.version,
        }
    return types


def resolve_types(
    header: dict[str, Any], allow: AllowPlugins, limits: Limits | None
) -> tuple[dict[str, type[Layer]], dict[int, dict[str, Any]]]:
    """The classes behind the types of a file, and the settings that had to be migrated.

    Returns
    -------
    tuple
        Type key to class; index of a layer to its settings at the class's version.

    Raises
    ------
    PluginError
        If a type cannot be used. All types are tried first; the class is that of the gravest
        fault and ``problems`` lists every one.
    SpecError, UnsupportedFormatError
        If the list of layers is not well formed, or its schema is newer.
    """
    records = layer_records(header, limits=limits)
    where: dict[str, str] = {}
    for record in _flat(records):
        where.setdefault(record.record["type"], record.where)
    classes: dict[str, type[Layer]] = {}
    permit = permission(allow)
    faults: list[PluginError] = []
    for key, claim in header["types"].items():
        try:
            classes[key] = _class_of(key, claim, where[key], permit)
        except PluginError as error:
            faults.append(error)
    configs = _migrated(header, classes, faults)
    if faults:
        raise _gravest(faults)
    return classes, configs


def _flat(records: Iterable[FileRecord]) -> Iterable[FileRecord]:
    for record in records:
        yield record
        yield from _flat(record.nested)


def _class_of(key: str, claim: Mapping[str, Any], where: str, permit: Permit) -> type[Layer]:
    dist, version = claim["dist"], claim["version"]
    claimed = f"{dist} {version}" if dist else None
    offers = LAYERS.offers(key)
    fitting = [offer for offer in offers if offer.dist == dist]
    if not fitting:
        raise _missing(key, claimed, where, offers)
    if len(fitting) > 1:
        raise LAYERS.ambiguous(key, fitting, where)
    if not permit(fitting[0]):
        reason = f"layer type {key!r} of {claimed} is not among the allowed distributions"
        problem = PluginProblem(key, reason, where, claimed, (str(fitting[0]),))
        hint = f"if you trust it, add {dist!r} to allow_plugins"
        raise PluginNotAllowedError(f"{where}: {reason}", hint=hint, problems=[problem])
    part = LAYERS.load(fitting[0])
    if claim["config_version"] > part.config_version:
        reason = (
            f"layer type {key!r}: the file claims settings of version {claim['config_version']}, "
            f"{fitting[0]} has version {part.config_version}"
        )
        problem = PluginProblem(key, reason, where, claimed, (str(fitting[0]),))
        raise PluginVersionError(
            f"{where}: {reason}", hint=f"upgrade {dist or 'the class'}", problems=[problem]
        )
    return part


def _missing(key: str, claimed: str | None, where: str, offers: list[Offer]) -> PluginMissingError:
    if claimed is None:
        reason = f"layer type {key!r} was registered in the process that saved the file, not here"
    else:
        reason = f"layer type {key!r}: the file claims it comes from {claimed}"
        reason += ", which is not installed or does not offer it"
    if offers:
        reason += f"; {' and '.join(map(str, offers))} offers a type of that name"
    problem = PluginProblem(key, reason, where, claimed, tuple(map(str, offers)))
    return PluginMissingError(f"{where}: {reason}", hint=_remedy([problem]), problems=[problem])


def _remedy(missing: list[PluginProblem]) -> str:
    """What to do about all types that are ``missing``: one pip line for those of distributions."""
    wanted = sorted({p.claimed.replace(" ", "==") for p in missing if p.claimed})
    lines = [f"install what is missing: python -m pip install {' '.join(wanted)}"] if wanted else []
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


def _gravest(faults: list[PluginError]) -> PluginError:
    """One error for all: the class in the format's order, every problem listed."""

    def rank(error: PluginError) -> int:
        return next(i for i, kind in enumerate(_RANK) if isinstance(error, kind))

    first = min(faults, key=rank)
    if len(faults) == 1:
        return first
    missing = [p for e in faults if isinstance(e, PluginMissingError) for p in e.problems]
    others = [e.hint for e in faults if e.hint and not isinstance(e, PluginMissingError)]
    hints = [*([_remedy(missing)] if missing else []), *others]
    raised = type(first)(
        "\n".join(error.message for error in faults),
        problems=[problem for error in faults for problem in error.problems],
        hint="\n".join(dict.fromkeys(hints)) or None,
    )
    raised.__cause__ = first.__cause__
    return raised
