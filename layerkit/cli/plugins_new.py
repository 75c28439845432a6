"""``layerkit plugins new``: a complete distribution around one new part."""

from __future__ import annotations

from typing import Annotated

import typer

from layerkit.cli import console, failures, options
from layerkit.discovery.candidates import Kind
from layerkit.display import printable

__all__ = ["EXAMPLE", "new"]

EXAMPLE = console.example(
    "layerkit plugins new acme.spline",
    'layerkit plugins new acme.softsign --kind activation --author "Ada Lovelace"',
)


def new(
    name: Annotated[
        str, typer.Argument(metavar="TYPE", help="Its name in specs, with a prefix: acme.spline.")
    ],
    *,
    out: Annotated[str, typer.Option(metavar="DIR", help="The folder to make it in.")] = ".",
    kind: Annotated[Kind, typer.Option(help="What it is.")] = "layer",
    author: Annotated[
        str | None, typer.Option(metavar="NAME", help="Who holds the copyright.")
    ] = None,
    as_json: options.Json = False,
) -> None:
    """Make a new plugin: a distribution that works at once.

    One part with its equations, tests that run the conformance kit, a spec that uses it, the entry
    point, README, licence and CI. Nothing that is there is written over.
    """
    from layerkit.discovery.tools.scaffold import scaffold

    try:
        made = scaffold(name, out=out, kind=kind, author=author)
    except ValueError as error:
        raise failures.Misuse(str(error)) from error
    if as_json:
        told = {"type": name, "folder": str(made.folder), "files": list(made.files)}
        console.emit_json(told)
        return
    console.out(printable(f"{made.folder}: {len(made.files)} files"))
    console.out(f"\nNext:\n  cd {printable(made.folder)}")
    console.out('  python -m pip install -e ".[test]"\n  pytest')
