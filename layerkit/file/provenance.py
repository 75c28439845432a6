"""The origin of each part in a model file: recorded by ``save``, asked by ``load`` and training.

A file has a record for every layer type, and for every other part that is not layerkit's own (rule
3.6). Loading needs the layers and their activations; what only training needs is asked for when a
training begins.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any, Literal

from layerkit.codec import LayerEntry, Limits, layer_records
from layerkit.core.layer import Layer
from layerkit.core.parts import Part
from layerkit.discovery.candidates import ANYONE, FIRST_PARTY, Candidate, Permit
from layerkit.discovery.metadata import normalised
from layerkit.discovery.origins import Origins, claimed_class, joined
from layerkit.discovery.registry import ACTIVATIONS, LAYERS, REGISTRIES, split_config
from layerkit.display import quoted
from layerkit.errors import PluginError
from layerkit.specs import LayerRecord, Spec
from layerkit.specs.json_source import spell
from layerkit.specs.recipe import parts_of_recipe
from layerkit.specs.validate.settings import named_parts

AllowPlugins = Collection[str] | Literal[False] | None
"""Distributions whose parts may be imported: None for all, False for layerkit's own only."""

_MOST = 1000  # unusable types after which the others are not tried
_INSTEAD = (
    "until then, layerkit inspect, verify, diff and upgrade --as-is, and "
    "layerkit.load_tensors, need no plugin"
)


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


def provenance(spec: Spec) -> dict[str, dict[str, Any]]:
    """The ``types`` section: type key to distribution, version and settings version.

    It has every layer type, and other parts (``activations/NAME`` and so on) that are not
    layerkit's own. Of parts that are not here it has what the file of the spec says.
    """
    records = [one for outer in spec.layers for one in outer.nested()]
    types = {
        key: _record(candidate, part)
        for key, candidate, part in parts_of(spec)
        if "/" not in key or candidate.dist != FIRST_PARTY
    }
    if absent := spec.origins.unsettled():
        words = set(_words([spec.train, *(record.config for record in records)]))
        types |= {k: dict(claim) for k, claim in absent.items() if k.partition("/")[2] in words}
    return types


def parts_of(spec: Spec) -> Iterator[tuple[str, Candidate, type[Part]]]:
    """Type key, origin and class of each part that a spec names and that was found."""
    records = [one for outer in spec.layers for one in outer.nested()]
    for record in records:
        yield record.type, LAYERS.origin(record.part), record.part
    for group, name, part in _other_parts(spec, records):
        yield f"{group}/{name}", REGISTRIES[group].origin(part), part


def _record(candidate: Candidate, part: type[Part]) -> dict[str, Any]:
    return {
        "config_version": part.config_version,
        "dist": candidate.dist,
        "version": candidate.version,
    }


def _other_parts(spec: Spec, records: list[LayerRecord]) -> Iterator[tuple[str, str, type[Part]]]:
    """Group, name and class of each named part that is not a layer and was found."""
    for record in records:
        for _, group, value in named_parts(record.part, record.config):
            yield from _part(spec, group, value)
    for _, group, value in parts_of_recipe(spec.train or {}):
        yield from _part(spec, group, value)


def _part(spec: Spec, group: str, config: Any) -> Iterator[tuple[str, str, type[Part]]]:
    if not isinstance(config, (str, Mapping)):
        return
    name, settings = split_config(config)
    # A data file, or a part that only training needs.
    if name not in REGISTRIES[group] or spec.origins.open(group, name):
        return
    try:
        part = REGISTRIES[group][name]
    except PluginError:
        return
    yield group, name, part
    for _, inner, value in named_parts(part, settings):
        yield from _part(spec, inner, value)


def _words(value: Any) -> Iterator[str]:
    """All texts in a JSON value."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, (Mapping, list)):
        for one in value.values() if isinstance(value, Mapping) else value:
            yield from _words(one)


def resolve_types(
    header: dict[str, Any], origins: Origins, limits: Limits | None
) -> tuple[dict[str, type[Layer]], dict[str, dict[str, Any]]]:
    """Type key to class, and place of a layer to its settings, migrated to the class's version.

    Raises PluginError if a layer or an activation of one cannot be used. All are tried, until a
    thousand failed; the error is of the class of the gravest fault, and its ``problems`` lists all.
    """
    layers = layer_records(header, limits=limits)
    where: dict[str, str] = {}
    for layer in layers:
        where.setdefault(layer.record["type"], layer.where)
    classes: dict[str, type[Layer]] = {}
    faults: list[PluginError] = []
    for key, claim in header["types"].items():
        if "/" in key:
            continue
        try:
            classes[key] = claimed_class(LAYERS, key, claim, where[key], origins.permit)
        except PluginError as error:
            faults.append(error)
        if len(faults) >= _MOST:
            break
    configs = _migrated(layers, header["types"], classes, faults)
    if any(key.startswith("activations/") for key in header["types"]):
        _check_activations(layers, classes, configs, origins, faults)
    if faults:
        raise joined(faults, origins.permit, instead=_INSTEAD)
    return classes, configs


def _migrated(
    layers: list[LayerEntry],
    types: Mapping[str, Any],
    classes: Mapping[str, type[Layer]],
    faults: list[PluginError],
) -> dict[str, dict[str, Any]]:
    configs: dict[str, dict[str, Any]] = {}
    for layer in layers:
        key = layer.record["type"]
        version = types[key]["config_version"]
        if key not in classes or classes[key].config_version == version:
            continue
        where = f"{layer.where}.config"
        try:
            config = layer.record["config"]
            configs[layer.where] = LAYERS.migrated(classes[key], config, version, where=where)
        except PluginError as error:
            faults.append(error)
    return configs


def _check_activations(
    layers: list[LayerEntry],
    classes: Mapping[str, type[Layer]],
    configs: Mapping[str, dict[str, Any]],
    origins: Origins,
    faults: list[PluginError],
) -> None:
    """Note which activations of the layers are not those that the file means."""
    seen: set[str] = set()
    for layer in layers:
        if layer.record["type"] not in classes:
            continue
        part = classes[layer.record["type"]]
        config = configs.get(layer.where, layer.record["config"])
        for path, group, value in named_parts(part, config):
            if group != "activations" or not isinstance(value, (str, Mapping)):
                continue
            name = split_config(value)[0]
            if name in seen or origins.claim(group, name) is None:
                continue
            seen.add(name)
            try:
                place = spell(path, f"{layer.where}.config")
                origins.find(ACTIVATIONS, name, place)
            except PluginError as error:
                faults.append(error)
