"""Arguments and options that several commands share, so that they mean the same everywhere."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from layerkit.data import Dialect

__all__ = [
    "Comment",
    "Data",
    "Decimal",
    "Delimiter",
    "Encoding",
    "Header",
    "Json",
    "MissingValues",
    "ModelFile",
    "Quiet",
    "Quote",
    "Settings",
    "Thousands",
    "dialect",
]


def _as_given(settings: list[str] | None) -> list[str] | None:
    """Overrides that know how messages name them."""
    from layerkit.spec.overrides import Setting

    return settings and [Setting(text, f"--set {text}") for text in settings]


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
        callback=_as_given,
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
_TABLE = "How tables are written"

Delimiter = Annotated[
    str | None,
    typer.Option(
        metavar="CHARACTER", rich_help_panel=_TABLE, help="Between cells; 'tab' is a tab."
    ),
]
Decimal = Annotated[
    str | None,
    typer.Option(metavar=".|,", rich_help_panel=_TABLE, help="What begins the decimals."),
]
Thousands = Annotated[
    str | None,
    typer.Option(metavar="CHARACTER", rich_help_panel=_TABLE, help="What groups digits by three."),
]
Quote = Annotated[
    str | None,
    typer.Option(
        metavar="CHARACTER", rich_help_panel=_TABLE, help="Around cells; '' where there is none."
    ),
]
Header = Annotated[
    bool | None,
    typer.Option(
        "--header/--no-header",
        rich_help_panel=_TABLE,
        help="Whether the first line names the columns.",
    ),
]
Comment = Annotated[
    str | None,
    typer.Option(
        metavar="TEXT", rich_help_panel=_TABLE, help="Lines that begin with it are skipped."
    ),
]
MissingValues = Annotated[
    list[str] | None,
    typer.Option(
        "--missing-value",
        metavar="TEXT",
        rich_help_panel=_TABLE,
        help="A spelling of a missing value, such as NA; may be repeated.",
    ),
]
Encoding = Annotated[
    str | None,
    typer.Option(metavar="NAME", rich_help_panel=_TABLE, help="Such as latin-1; else UTF-8."),
]


def dialect(**given: Any) -> Dialect:
    """How tables are written, by the options of these names.

    Raises
    ------
    DataError
        If one is no such thing.
    """
    from layerkit.data import Dialect

    return Dialect.of(given)
