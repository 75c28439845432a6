"""``layerkit plugins list``: what the installed distributions offer, read from their metadata."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from layerkit.cli import console, options

__all__ = ["EXAMPLE", "Group", "list_"]

EXAMPLE = console.example("layerkit plugins list", "layerkit plugins list --group layers --json")
Group = Literal[
    "layers",
    "activations",
    "initializers",
    "losses",
    "optimizers",
    "schedules",
    "metrics",
    "data",
]


def list_(
    *,
    group: Annotated[Group | None, typer.Option(help="Only parts of this kind.")] = None,
    as_json: options.Json = False,
) -> None:
    """List all types and who provides them.

    No plugin is imported: the list is what installed distributions declare.
    """
    from layerkit.registry import REGISTRIES

    found = [
        {
            "type": offer.name,
            "group": kind,
            "distribution": offer.dist,
            "version": offer.version,
            "module": offer.value.partition(":")[0],
            "usable": len(registry.offers(name)) == 1,
        }
        for kind, registry in REGISTRIES.items()
        if group in (None, kind)
        for name in registry.names()
        for offer in registry.offers(name)
    ]
    if as_json:
        console.emit_json({"plugins": found})
        return
    head = ("type", "group", "distribution", "version", "module")
    console.out(console.table(head, [[row[key] for key in head] for row in found], "lllll"))
    for row in found:
        if not row["usable"]:
            name = console.safe(f"{row['distribution']} {row['version']}: {row['type']}")
            console.note(f"warning: {name} is offered by another distribution too (LK-104)")
