"""``layerkit plugins new``: make a plugin, a distribution around one part."""

from __future__ import annotations

from typing import Annotated

import typer

from layerkit.cli import console, failures, options
from layerkit.discovery.candidates import KINDS, Kind
from layerkit.display import counted, printable

EXAMPLE = console.example(
    "layerkit plugins new acme.spline",
    'layerkit plugins new acme.softsign --kind activation --author "Ada Lovelace"',
)


def new(
    name: Annotated[
        str, typer.Argument(metavar="TYPE", help="Its name in specs, with a prefix: acme.spline.")
    ],
    *,
    out: Annotated[
        str, typer.Option(metavar="DIR", help="Make the plugin's folder in this one.")
    ] = ".",
    kind: Annotated[
        Kind,
        typer.Option(
            metavar="KIND",
            help=f"{', '.join([*KINDS][:-1])} or {[*KINDS][-1]}.",
        ),
    ] = "layer",
    author: Annotated[
        str | None, typer.Option(metavar="NAME", help="Name the copyright holder.")
    ] = None,
    as_json: options.Json = False,
) -> None:
    """Make a new plugin that works at once.

    Creates a distribution with one part, its equations, tests with the conformance kit, a spec that
    uses it, its entry point, README, licence and CI. Replaces no existing file.
    """
    from layerkit.plugintools.scaffold import scaffold

    try:
        made = scaffold(name, out=out, kind=kind, author=author)
    except ValueError as error:
        raise failures.UsageError(str(error)) from error
    if as_json:
        console.emit_json({"type": name, "folder": str(made.folder), "files": list(made.files)})
        return
    console.out(printable(f"{made.folder}: {counted(len(made.files), 'file')}"))
    console.out(f"\nNext:\n  cd {printable(made.folder)}")
    console.out('  python -m pip install -e ".[test]"\n  pytest')
