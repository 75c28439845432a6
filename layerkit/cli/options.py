"""Arguments and options that several commands share, so that they mean the same everywhere."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from layerkit.data import Dialect
else:
    Dialect = object  # not imported for --help

__all__ = ["Data", "Dialect", "Json", "ModelFile", "Quiet", "Settings", "extended", "tabular"]


def _as_given(settings: list[str] | None) -> list[str] | None:
    """Overrides that know how messages name them."""
    from layerkit.specs.overrides import Setting

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


def extended(
    command: Callable[..., None],
    run: Callable[..., None],
    options: Mapping[str, Any],
    *,
    of: str = "",
) -> Callable[..., None]:
    """``run`` with the arguments of ``command`` and further options.

    Parameters
    ----------
    command
        A command, documented and annotated.
    run
        Calls it.
    options
        Annotation of each further option by name; their default is None.
    of
        The argument of ``command`` that they stand for, if there is one.
    """
    signature = inspect.signature(command, eval_str=True)
    further = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=kind)
        for name, kind in options.items()
    ]
    given = list(signature.parameters.values())
    at = [p.name for p in given].index(of) if of else len(given)
    parameters = [*given[:at], *further, *given[at + 1 :]]
    made = functools.wraps(command)(run)
    made.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
    made.__annotations__ = {p.name: p.annotation for p in parameters} | {"return": None}
    return made


_TABLE = "How tables are written"
_DIALECT = {
    "delimiter": Annotated[
        str | None,
        typer.Option(
            metavar="CHARACTER", rich_help_panel=_TABLE, help="Between cells; 'tab' is a tab."
        ),
    ],
    "decimal": Annotated[
        str | None,
        typer.Option(metavar=".|,", rich_help_panel=_TABLE, help="What begins the decimals."),
    ],
    "thousands": Annotated[
        str | None,
        typer.Option(
            metavar="CHARACTER", rich_help_panel=_TABLE, help="What groups digits by three."
        ),
    ],
    "quote": Annotated[
        str | None,
        typer.Option(
            metavar="CHARACTER",
            rich_help_panel=_TABLE,
            help="Around cells; '' where there is none.",
        ),
    ],
    "header": Annotated[
        bool | None,
        typer.Option(
            "--header/--no-header",
            rich_help_panel=_TABLE,
            help="Whether the first line names the columns.",
        ),
    ],
    "comment": Annotated[
        str | None,
        typer.Option(
            metavar="TEXT", rich_help_panel=_TABLE, help="Lines that begin with it are skipped."
        ),
    ],
    "missing_values": Annotated[
        list[str] | None,
        typer.Option(
            "--missing-value",
            metavar="TEXT",
            rich_help_panel=_TABLE,
            help="A spelling of a missing value, such as NA; may be repeated.",
        ),
    ],
    "encoding": Annotated[
        str | None,
        typer.Option(metavar="NAME", rich_help_panel=_TABLE, help="Such as latin-1; else UTF-8."),
    ],
}


def tabular(command: Callable[..., None]) -> Callable[..., None]:
    """``command`` with an option for each field of its argument ``dialect``."""

    def run(*args: Any, **options: Any) -> None:
        from layerkit.data import Dialect

        given = {name: options.pop(name) for name in _DIALECT}
        command(*args, dialect=Dialect.of(given), **options)

    return extended(command, run, _DIALECT, of="dialect")
