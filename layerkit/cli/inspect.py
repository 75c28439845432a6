"""``layerkit inspect``: show what a model file holds."""

from __future__ import annotations

import math
import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from layerkit.cli import console, options
from layerkit.display import byte_size, counted, printable, shortened

if TYPE_CHECKING:
    from layerkit.file.inspection import Inspection

_PAGE = 80
_NAME = 30
_LISTED = 100  # categories

EXAMPLE = console.example(
    "layerkit inspect highway-digits.layerkit",
    "layerkit inspect old.layerkit --spec > net.json    a spec to build or change",
)


def inspect(
    model: options.ModelFile,
    *,
    spec: Annotated[
        bool, typer.Option("--spec", help="Print the spec, as JSON that layerkit build reads.")
    ] = False,
    tensors: Annotated[bool, typer.Option("--tensors", help="List every tensor.")] = False,
    as_json: options.Json = False,
) -> None:
    """Show what a model file holds.

    Imports no plugin and reads no weights. Checks the header against its digest; layerkit verify
    checks the weights too.
    """
    from layerkit import inspect as inspect_file

    seen = inspect_file(sys.stdin.buffer if model == "-" else model)
    if spec:
        console.emit_json(seen.document)
    elif as_json:
        console.emit_json(seen.to_json())
    elif tensors:
        console.out(_tensors(seen))
    else:
        parts = [*_facts(seen), *_columns(seen), "", _layers(seen)]
        parts += [*_other_parts(seen), *_metrics(seen)]
        console.out("\n".join(parts))


def _facts(seen: Inspection) -> list[str]:
    major, minor = seen.version
    producer = _at(seen.header, "producer") or {}
    facts = {
        "name": _at(seen.header, "spec", "model", "name"),
        "file": "standard input" if seen.path is None else seen.path,
        "id": seen.file_id,
        "size": f"{byte_size(seen.size)}, format {major}.{minor}",
        "written by": " ".join(map(str, producer.values())),
        "parameters": console.number(seen.parameters),
        "input": _contract(seen, "input", *([] if _raw_columns(seen) else ["columns"])),
        "output": _contract(seen, "output", "classes", "targets"),
        "fitted": _fitted(seen),
        "teacher": _teacher(seen),
        "metadata": _listed(seen.header["metadata"]),
        "ignored": ", ".join(seen.unknown_fields),
    }
    return [f"{name:<10}  {printable(fact)}" for name, fact in facts.items() if fact]


def _at(tree: Any, *keys: str) -> Any:
    """The value at ``keys``, or None: files of other writers may lack any of them."""
    for key in keys:
        tree = tree.get(key) if isinstance(tree, dict) else None
    return tree


def _contract(seen: Inspection, half: str, *names: str) -> str:
    """The input or output half of the data contract in words; "" if the file has none."""
    shape = _at(seen.header, "spec", "data", half, "shape")
    words = [] if shape is None else [_short(shape)]
    for name in names:
        listed = _at(seen.header, "spec", "data", half, name)
        words += [] if listed is None else [f"{name} {_short(listed)}"]
    return ", ".join(words)


def _raw_columns(seen: Inspection) -> list[dict[str, Any]]:
    """The maps of the raw columns, if some of them hold categories."""
    fields = _at(seen.header, "spec", "data", "table", "fields")
    maps = [f for f in fields if isinstance(f, dict)] if isinstance(fields, list) else []
    return maps if any(isinstance(f.get("categories"), list) for f in maps) else []


def _columns(seen: Inspection) -> list[str]:
    """A table of the raw columns with their categories, cut to the width of a page."""
    rows = []
    for field in _raw_columns(seen):
        listed, kind = field.get("categories"), "numbers"
        text = "" if field.get("fill") is None else f"missing: {console.number(field['fill'])}"
        if isinstance(listed, list):
            kind = f"{len(listed):,}"
            kind += ", missing" if field.get("missing") == "category" else ""
            kind += ", other" if field.get("unknown") == "other" else ""
            text = ", ".join(map(str, listed[:_LISTED]))
        rows.append([shortened(printable(field.get("name")), _NAME), kind, text])
    if not rows:
        return []
    left = _PAGE - sum(max(len(row[j]) for row in rows) + 2 for j in (0, 1))
    cut = [[name, kind, shortened(printable(text), left)] for name, kind, text in rows]
    return ["", console.table(("column", "categories", ""), cut, "lll")]


def _fitted(seen: Inspection) -> str:
    """On how many rows and with which kernels; "" if the file does not say."""
    count = _at(seen.header, "spec", "fit", "rows", "count")
    kernels = _at(seen.header, "spec", "fit", "kernels")
    if type(count) is not int or not isinstance(kernels, dict):
        return ""
    return f"on {counted(count, 'row')}, with {_listed(kernels)}"


def _teacher(seen: Inspection) -> str:
    """The teacher's file and its id; "" if the model had none."""
    given = _at(seen.header, "spec", "model", "train", "teacher")
    path, file_id = (_at(given, key) for key in ("model", "file_id"))
    known = f", {str(file_id)[:19]}..." if file_id else ""
    return f"{_short(path)}{known}" if path else ""


def _short(value: Any) -> str:
    return shortened(", ".join(map(str, value)) if isinstance(value, list) else str(value))


def _listed(facts: Any) -> str:
    items = facts.items() if isinstance(facts, dict) else ()
    return ", ".join(f"{name} {_short(value)}" for name, value in items)


def _layers(seen: Inspection) -> str:
    from layerkit.codec import layer_records

    types = seen.header["types"]
    counts: dict[str, int] = {}
    ties = seen.ties
    for record in seen.tensors.values():
        if record.role == "param" and record.name not in ties:
            owner = record.name.rpartition(".")[0]
            counts[owner] = counts.get(owner, 0) + math.prod(record.shape)
    rows = []
    for layer in layer_records(seen.header):
        kind = layer.record["type"]
        given = types[kind]
        dist = _provider(given)
        rows.append([layer.path, kind, dist, console.number(counts.get(layer.path, 0))])
    table = console.table(("layer", "type", "provider", "parameters"), rows, "lllr")
    shared = [f"{printable(name)} is {printable(owner)}" for name, owner in ties.items()]
    return "\n".join([table, *(["", f"{'tied':<10}  {', '.join(shared)}"] if shared else [])])


def _provider(given: dict[str, Any]) -> str:
    return f"{given['dist']} {given['version']}" if given.get("dist") else "unpackaged"


def _other_parts(seen: Inspection) -> list[str]:
    """A table of the parts that are neither layers nor layerkit's own."""
    rows = [
        [name, group, _provider(given)]
        for key, given in seen.header["types"].items()
        for group, slash, name in [key.rpartition("/")]
        if slash
    ]
    return ["", console.table(("part", "group", "provider"), rows, "lll")] if rows else []


def _metrics(seen: Inspection) -> list[str]:
    metrics = seen.header.get("metrics", {})
    if not metrics:
        return []
    rows = [[name, console.metric(name, value)] for name, value in metrics.items()]
    return ["", console.table(("metric", "value"), rows, "lr")]


def _tensors(seen: Inspection) -> str:
    rows = [
        [t.name, t.role, t.dtype, " x ".join(map(str, t.shape)), byte_size(t.nbytes),
         t.sha256.hex()[:16]]
        for t in seen.tensors.values()
    ]  # fmt: skip
    return console.table(("tensor", "role", "dtype", "shape", "size", "sha256"), rows, "llllrl")
