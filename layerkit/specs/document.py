"""The sections of a spec, validated: everything but its layers."""

from __future__ import annotations

from typing import Any

from layerkit.specs.json_source import JsonSource, Path, strict_json
from layerkit.specs.messages import Faults, got
from layerkit.specs.sections import SECTIONS, SpecDocument
from layerkit.specs.validate.check_fields import annotation_in, check_fields


def read_document(source: JsonSource, faults: Faults) -> dict[str, Any] | None:
    """The sections of a spec with their defaults filled in, without its layers.

    None, with ``faults``, if a value is wrong.
    """
    tree = source.tree
    if not isinstance(tree, dict):
        faults.add((), f"expected a JSON object, got {got(tree)}")
        return None
    tree = {key: value for key, value in tree.items() if key != "$schema"}
    checked = check_fields(SpecDocument, tree, (), faults)
    if checked is None:
        return None
    del checked["layers"]
    document: dict[str, Any] = strict_json(checked)  # a copy: the recipe is resolved in place
    return document


def annotation_at(path: Path) -> Any:
    """The annotation at ``path`` of a spec: a field's, or that of list items; None if unknown."""
    section = SECTIONS.get(".".join(map(str, path[:-1])))  # that of objects in a list, too
    if section is not None and path[-1] in section.model_fields:
        return section.model_fields[str(path[-1])].annotation
    return annotation_in(SpecDocument, path)
