"""The JSON Schema of specs with every installed part, for completion and checks in editors."""

from __future__ import annotations

from contextlib import suppress
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from layerkit.core.parts import Part
from layerkit.discovery.registry import REGISTRIES
from layerkit.errors import PluginError
from layerkit.specs.sections import SECTIONS, Hint, InputCategories, SpecDocument
from layerkit.specs.validate.declare import holds_layers, named_group, part_group
from layerkit.specs.validate.settings import setting_types
from layerkit.specs.validate.strict import settings_model

_DIALECT = "https://json-schema.org/draft/2020-12/schema"


def json_schema() -> dict[str, Any]:
    """The schema (draft 2020-12) of a spec, with the parts installed now.

    Imports every plugin; those that cannot be imported are left out.
    """
    schema = settings_model(SpecDocument).model_json_schema()
    definitions = schema.setdefault("$defs", {})
    definitions["InputCategories"] = settings_model(InputCategories).model_json_schema()
    column = {"anyOf": [{"type": "string"}, {"$ref": "#/$defs/InputCategories"}]}
    listed = {"type": "array", "items": column}
    definitions["Input"]["properties"]["columns"]["anyOf"] = [listed, {"type": "null"}]
    definitions["Hint"] = settings_model(Hint).model_json_schema()
    definitions["Train"]["properties"]["hints"]["items"] = {"$ref": "#/$defs/Hint"}
    for name, section in (("Input", "input"), ("Output", "output"), ("Train", "train")):
        _name_parts(definitions[name], SECTIONS[section].model_fields)
    for kind in REGISTRIES:
        if kind not in ("layers", "data"):
            definitions[f"{kind}-part"] = _choice(_parts(kind))
    layers = _parts("layers")
    definitions["layer"] = {"oneOf": [_layer(name, part) for name, part in layers.items()]}
    schema["properties"]["layers"]["items"] = {"$ref": "#/$defs/layer"}
    schema["properties"]["$schema"] = {"type": "string"}
    schema["title"] = "layerkit spec"
    return {"$schema": _DIALECT, **schema}


def _name_parts(section: dict[str, Any], fields: Any) -> None:
    """Let the fields of a section that name parts refer to the schema of those parts."""
    for field, info in fields.items():
        group = part_group(info.annotation)
        held = section["properties"][field]
        if group is not None:
            reference = {"$ref": f"#/$defs/{group}-part"}
            nullable = info.default is None
            held["anyOf"] = [reference, {"type": "null"}] if nullable else [reference]
        elif field == "metrics":
            items = {"type": "array", "items": {"$ref": "#/$defs/metrics-part"}}
            held["anyOf"] = [items, {"type": "null"}]
        elif field == "callbacks":
            held["items"] = {"$ref": "#/$defs/callbacks-part"}


def _parts(kind: str) -> dict[str, type[Part]]:
    """Name to class of all parts that can be imported."""
    found = {}
    for name in REGISTRIES[kind].names():
        with suppress(PluginError):
            found[name] = REGISTRIES[kind][name]
    return found


def _choice(parts: dict[str, type[Part]]) -> dict[str, Any]:
    """A part by name, or as an object with its settings."""
    objects = [_object(part, {"type": {"const": name}}, ["type"]) for name, part in parts.items()]
    return {"anyOf": [{"enum": list(parts)}, *objects]}


def _object(part: type[Part], beside: dict[str, Any], required: list[str]) -> dict[str, Any]:
    settings = _settings(part)
    return {
        "type": "object",
        "description": (part.__doc__ or "").strip().partition("\n")[0],
        "properties": {**beside, **settings["properties"]},
        "required": [*required, *settings.get("required", ())],
        "additionalProperties": False,
    }


def _settings(part: type[Part]) -> dict[str, Any]:
    schema = settings_model(part).model_json_schema()
    schema.setdefault("properties", {})
    for name, annotation in setting_types(part).items():
        if named_group(annotation) is not None:
            held = _naming(annotation)
            default = schema["properties"][name].get("default")
            schema["properties"][name] = {**held, "default": default} if default else held
    return schema


def _naming(annotation: Any) -> dict[str, Any]:
    """The schema of a setting, or of a branch or item of one, that names parts."""
    origin, args = get_origin(annotation), get_args(annotation)
    if annotation is type(None):
        return {"type": "null"}
    if origin in (Union, UnionType):
        return {"anyOf": [_naming(one) for one in args]}
    group = part_group(annotation)
    if group is not None:
        return {"$ref": f"#/$defs/{group}-part"}
    if origin is Annotated:
        return _naming(args[0])
    if origin in (list, tuple):
        return {"type": "array", "items": _naming(args[0])}
    if named_group(annotation) is not None:
        return {"type": "object", "additionalProperties": _naming(args[1])}
    return {}  # a branch of a union that names no part


def _layer(name: str, part: type[Part]) -> dict[str, Any]:
    """One layer entry: its settings flat, or under ``config`` as in a saved file."""
    beside = {
        "type": {"const": name},
        "name": {"type": "string", "pattern": "^[A-Za-z0-9_][A-Za-z0-9_-]{0,63}$"},
        "repeat": {"type": "integer", "minimum": 1, "default": 1},
        "tie": {"type": "object", "additionalProperties": {"type": "string"}},
    }
    flat, config = _object(part, beside, ["type"]), _object(part, {}, [])
    inside: dict[str, Any] = {}
    if holds_layers(part):
        entries = {"type": "array", "items": {"$ref": "#/$defs/layer"}, "minItems": 1}
        inside = {"layers": entries}
        flat["properties"] |= inside
        del config["properties"]["layers"]
        config["required"] = [one for one in config["required"] if one != "layers"]
    resolved = {
        "type": "object",
        "properties": {**beside, "config": config, **inside},
        "required": ["type", "config", *inside],
        "additionalProperties": False,
    }
    return {"oneOf": [flat, resolved]}
