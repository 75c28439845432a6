"""Arguments and options that several commands share, so that they mean the same everywhere."""

from __future__ import annotations

from typing import Annotated

import typer

__all__ = ["Data", "Json", "ModelFile", "Quiet", "Settings"]

Json = Annotated[
    bool,
    typer.Option(
        "--json", help="One JSON document on standard output; errors as JSON on standard error."
    ),
]
Settings = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="PATH=VALUE",
        help="Override a field of the spec, such as layers.1.gate_bias=-3; may be repeated.",
    ),
]
Data = Annotated[
    str | None,
    typer.Option(metavar="PATH", help="File or folder of the data; else what the spec names."),
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress.")]
ModelFile = Annotated[
    str, typer.Argument(metavar="MODEL", help="A model file; - reads it from standard input.")
]
