"""The resolved spec: what a user wrote, with every default filled in and every repeat unrolled.

Mistakes are gathered and raised together, each with its path and line.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from layerkit.core.parts import Link
from layerkit.discovery.origins import Origins
from layerkit.discovery.registry import LAYERS
from layerkit.display import counted
from layerkit.errors import PluginError, SpecError
from layerkit.paths import path_errors
from layerkit.specs.check_shapes import check_fit
from layerkit.specs.columns import name_of, read_columns
from layerkit.specs.document import read_document
from layerkit.specs.json_source import JsonSource, parse, strict_json
from layerkit.specs.layers import LayerRecord, Lookup, read_layers
from layerkit.specs.messages import Fault, Faults
from layerkit.specs.overrides import override
from layerkit.specs.ready import open_spec
from layerkit.specs.recipe import check_output_section, link_of, read_recipe
from layerkit.specs.sections import SECTIONS
from layerkit.specs.spec import Spec

if TYPE_CHECKING:
    from pathlib import Path as FilePath


def read_spec(spec: str | FilePath | Mapping[str, Any], *, settings: Sequence[str] = ()) -> Spec:
    """Read and resolve a spec: a JSON file, a ready spec by name, or the parsed object itself.

    ``settings`` are overrides such as ``layers.1.gate_bias=-3``. Raises SpecError, with the path
    and line of a wrong field, PluginError if a part cannot be used, PathError if a file cannot be
    read.
    """
    if not isinstance(spec, (str, os.PathLike)):
        source = JsonSource(strict_json(spec))
    else:
        name = os.fspath(spec)
        with open_spec(name) as file, path_errors(name):
            raw = file.read()
        try:
            text = raw.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            raise SpecError(
                f"expected UTF-8, got an invalid byte at position {error.start}", path=str(spec)
            ) from error
        source = parse(text, name=str(spec))
    if settings:
        source = overridden(source, settings)
    return resolve(source)


def as_spec(spec: str | FilePath | Mapping[str, Any] | Spec, settings: Sequence[str] = ()) -> Spec:
    """A resolved spec from any of its forms, overrides applied; same errors as ``read_spec``."""
    if not isinstance(spec, Spec):
        return read_spec(spec, settings=settings)
    return read_spec(spec.to_document(), settings=settings) if settings else spec


def overridden(source: JsonSource, settings: Sequence[str]) -> JsonSource:
    """``source`` with overrides such as ``layers.1.gate_bias=-3`` applied.

    Raises SpecError if an override is malformed or leads nowhere.
    """
    fields = SECTIONS["train"].model_fields
    parts = {f"train.{key}": fields[key].default for key in ("optimizer", "schedule")}
    return source.changed(*override(source.tree, settings, parts=parts))


def resolve(
    source: JsonSource,
    *,
    lenient: bool = False,
    prefix: str = "",
    origins: Origins | None = None,
    lookup: Lookup = LAYERS.__getitem__,
) -> Spec:
    """Validate the tree of ``source`` and fill in all defaults; raises SpecError or PluginError.

    The keywords are for reading a model file: ``lenient`` keeps parts of the recipe that are not
    installed, ``prefix`` is the path of the spec in the file, ``origins`` is what the file says of
    parts, ``lookup`` finds the layer classes.
    """
    return _resolved(source, Faults(source, prefix, origins, _mistakes), lenient, lookup)


def _mistakes(source: JsonSource) -> list[Fault]:
    """The mistakes in ``source`` that reading it finds."""
    faults = Faults(source)
    with suppress(SpecError, PluginError):
        _resolved(source, faults, lenient=False, lookup=LAYERS.__getitem__)
    return faults.found


def _resolved(source: JsonSource, faults: Faults, lenient: bool, lookup: Lookup) -> Spec:
    document = read_document(source, faults)
    items = source.tree.get("layers") if isinstance(source.tree, dict) else None
    layers: list[LayerRecord] = []
    if isinstance(items, list):
        layers = read_layers(items, faults, from_file=lenient, lookup=lookup)
    faults.raise_any()
    assert document is not None  # noqa: S101  # raise_any has raised otherwise
    spec = _complete(document, tuple(layers), faults, lenient=lenient)
    faults.raise_any()
    if not spec.learns:
        spec._planned.append(check_fit(spec, faults))
        faults.raise_any()
    return spec


def check_sections(spec: Spec, *, prefix: str = "") -> None:
    """Check all of ``spec`` but its layers again: its recipe may have changed (``with_train``).

    Raises SpecError if a field is wrong; ``prefix`` is the path of the spec in the file.
    """
    faults = Faults(JsonSource({**spec.to_document(), "layers": []}), prefix)
    read_document(faults.source, faults)
    faults.raise_any()


def _complete(
    document: dict[str, Any], layers: tuple[LayerRecord, ...], faults: Faults, *, lenient: bool
) -> Spec:
    """The spec of ``layers`` and the other sections, whose parts are resolved in place.

    Fields that contradict each other go to ``faults``.
    """
    given, output, train = document["input"], document["output"], document["train"]
    _name_positions(output, train)
    columns = given["columns"]
    if (given["shape"] is None) == (columns is None):
        reason = "give either 'shape' or 'columns'"
        faults.add(("input",), reason + (", not both" if columns is not None else ""))
    read_columns(given, faults)
    answers = {output["column"], *(output["targets"] or ())}
    for i, name in enumerate(map(name_of, columns or ())):
        if name in answers:
            faults.add(
                ("input", "columns", i), f"{name!r} is the answer to be learned (see 'output')"
            )
    _check_scale(given, faults)
    check_output_section(output, faults)
    link: Link | None = output.pop("link")
    if train is not None:
        read_recipe(output, train, faults, lenient=lenient)
    if link is None:
        link = link_of(train["loss"]) if train else "identity"
        if train is None and output["classes"]:
            link = "softmax"
    if link == "exp" and output["scale"] is not None:
        reason = "expected null: targets whose logarithm is learned (link exp) are not scaled"
        faults.add(("output", "scale"), reason)
    origins = faults.origins
    name, dtype, source = document["name"], document["dtype"], faults.source
    return Spec(name, dtype, given, layers, output, link, train, origins, source)


def _name_positions(output: dict[str, Any], train: dict[str, Any] | None) -> None:
    """Name the columns given by position after it, as in tables without a header."""
    output["column"] = _named(output["column"])
    if output["targets"] is not None:
        output["targets"] = [_named(column) for column in output["targets"]]
    if train is not None:
        train["sample_weight"] = _named(train["sample_weight"])
        if isinstance(train["test"], dict):
            train["test"]["column"] = _named(train["test"]["column"])


def _named(column: str | int | None) -> str | None:
    return str(column) if isinstance(column, int) else column


def _check_scale(given: dict[str, Any], faults: Faults) -> None:
    """Note a list in ``input.scale`` that is not as long as the last axis."""
    if not isinstance(given["scale"], dict) or (given["shape"] or given["columns"]) is None:
        return
    columns = given["columns"]
    width = sum(isinstance(c, str) for c in columns) if columns else given["shape"][-1]
    for key, value in given["scale"].items():
        if isinstance(value, list) and len(value) != width:
            expected = f"one number, or a list of {counted(width, 'number')}"
            faults.add(("input", "scale", key), f"expected {expected}, got {len(value)}")
