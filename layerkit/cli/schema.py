"""``layerkit schema``: the JSON Schema of specs, for editors."""

from __future__ import annotations

from layerkit.cli import console, options

__all__ = ["EXAMPLE", "schema"]

EXAMPLE = console.example(
    "layerkit schema > layerkit.schema.json",
    'then begin a spec with {"$schema": "./layerkit.schema.json", "layerkit": 1, ...',
)


def schema(*, as_json: options.Json = False) -> None:
    """Print the JSON Schema of specs.

    It covers every layer that is installed here. Editors complete and check a spec that names it as
    "$schema". The output is JSON with or without --json.
    """
    from layerkit.specs.jsonschema import json_schema

    console.emit_json(json_schema())
