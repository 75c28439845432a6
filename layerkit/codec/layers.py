"""The layer records of a spec, checked without knowing the layer types (step 14, first half)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

from layerkit.codec.limits import Limits, limits_in_use
from layerkit.codec.names import LAYER_NAME, TYPE_KEY, describe_value, is_int, matches
from layerkit.display import quoted
from layerkit.errors import MalformedFileError, SpecError, UnsupportedFormatError

SCHEMA = 1


class LayerEntry(NamedTuple):
    """One layer record of a spec."""

    path: str  # names from the outermost layer down, joined by dots: prefix of its tensor names
    where: str  # such as "spec.model.layers[2]"
    record: dict[str, Any]  # ``type``, ``name``, ``config`` and what the spec schema adds


def layer_records(header: dict[str, Any], *, limits: Limits | None = None) -> list[LayerEntry]:
    """All layers of a header's spec, nested ones too, depth first, in order of application.

    Raises UnsupportedFormatError for a newer spec schema and SpecError for a bad layer record (rule
    3.4), MalformedFileError if ``types`` has an extra record or lacks one (rule 3.6).
    """
    spec = header["spec"]
    schema = spec.get("schema")
    if is_int(schema, SCHEMA + 1):
        raise UnsupportedFormatError(
            f"the file needs a newer layerkit: its spec is of schema {schema}, this one reads "
            f"{SCHEMA}",
            needs=(f"spec schema {schema}",),
        )
    found: list[LayerEntry] = []
    _walk(spec["model"], "spec.model", "", found, limits_in_use(limits))
    used = {layer.record["type"] for layer in found}
    lone = sorted(used ^ {key for key in header["types"] if "/" not in key})
    if lone:
        what = "used but not described" if lone[0] in used else "described but not used"
        raise MalformedFileError(f"rule 3.6: {quoted(lone[0])} is {what}", at="types")
    return found


def _walk(
    owner: dict[str, Any], where: str, prefix: str, found: list[LayerEntry], limits: Limits
) -> None:
    """Append all layers of ``owner`` to ``found``."""
    layers = owner.get("layers")
    if not isinstance(layers, list):
        raise SpecError(
            f"expected an array, got {describe_value(layers)}", location=f"{where}.layers"
        )
    names: set[str] = set()
    for index, record in enumerate(layers):
        here = f"{where}.layers[{index}]"
        limits.check("layers", len(found) + 1)
        name = _check_record(record, here)
        if name in names:
            raise SpecError(f"the name {quoted(name)} is repeated", location=f"{here}.name")
        names.add(name)
        path = prefix + name
        found.append(LayerEntry(path, here, record))
        if "layers" in record:
            _walk(record, here, path + ".", found, limits)


def _check_record(record: object, where: str) -> str:
    """Check the fields that every layer record must have; returns its name."""
    if not isinstance(record, dict):
        raise SpecError(f"expected a layer record, got {describe_value(record)}", location=where)
    for key, expected, good in (
        ("type", "a type key", matches(record.get("type"), TYPE_KEY)),
        ("name", "a layer's name", matches(record.get("name"), LAYER_NAME)),
        ("config", "a map", isinstance(record.get("config"), dict)),
    ):
        if not good:
            found = describe_value(record[key]) if key in record else "nothing"
            raise SpecError(f"expected {expected}, got {found}", location=f"{where}.{key}")
    name: str = record["name"]
    return name


def unowned_tensors(header: dict[str, Any], layers: Iterable[LayerEntry]) -> list[str]:
    """Names of params, states and aliases whose layer the spec does not have (part of rule 4.4)."""
    paths = {layer.path for layer in layers}
    names = [item["name"] for item in header["tensors"] if item["role"] in ("param", "state")]
    return [name for name in (*names, *header["aliases"]) if name.rpartition(".")[0] not in paths]
