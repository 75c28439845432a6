"""``layerkit schema``: print the JSON Schema of specs, for editors."""

from __future__ import annotations

from layerkit.cli import console, options

EXAMPLE = console.example("layerkit schema > layerkit.schema.json")


def schema(*, as_json: options.Json = False) -> None:
    """Print the JSON Schema of specs.

    It covers all installed layers. Editors use it to complete and check a spec that begins with
    {"$schema": "./layerkit.schema.json", ... The output is JSON with or without --json.
    """
    from layerkit.specs.jsonschema import json_schema

    console.emit_json(json_schema())
