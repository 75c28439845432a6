"""Arguments and options that several commands share, so that they mean the same everywhere."""

from __future__ import annotations

import functools
import inspect
import re
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from layerkit.cli.failures import UsageError
from layerkit.discovery.candidates import GROUPS
from layerkit.discovery.candidates import Group as Group

if TYPE_CHECKING:
    from layerkit import Limits
    from layerkit.data import Dialect as Dialect
else:
    Dialect = object  # not imported for --help

_KINDS = f"{', '.join(GROUPS[:-1])} or {GROUPS[-1]}"


def _named_for_messages(settings: list[str] | None) -> list[str] | None:
    """Overrides that know how messages name them."""
    from layerkit.specs.overrides import Setting

    return settings and [Setting(text, f"--set {text}") for text in settings]


def output_option(default: str, text: str = "Save to this file.") -> Any:
    """The option ``--output``; ``default`` says where output goes without it."""
    return typer.Option("--output", "-o", metavar="OUT", help=text, show_default=default)


Json = Annotated[
    bool, typer.Option("--json", help="Print one JSON document; errors go to stderr, as JSON too.")
]
Settings = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="PATH=VALUE",
        help="Override a field of the spec, such as layers.1.gate_bias=-3. Repeatable.",
        callback=_named_for_messages,
    ),
]
Data = Annotated[
    str | None,
    typer.Option(
        metavar="PATH",
        help="Read the data from this file, folder or data source instead of the spec's.",
    ),
]
Validation = Annotated[
    str | None,
    typer.Option(metavar="PATH", help="Validate on the rows of this file instead of the spec's."),
]
Checkpoint = Annotated[
    float,
    typer.Option(
        min=0, metavar="SECONDS", help="Save NAME-checkpoint.layerkit this often; 0 saves none."
    ),
]
MaxSeconds = Annotated[
    float | None,
    typer.Option(
        min=0.001,
        metavar="SECONDS",
        help="End each run when its time is up, after its last complete epoch.",
    ),
]
Device = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        help="Where to run: cpu (the default), or cuda with the extra of that name.",
    ),
]
Replace = Annotated[
    bool, typer.Option("--replace", help="Replace OUT even if it holds a model of another spec.")
]
ModelOutput = Annotated[
    str | None, output_option("./NAME.layerkit", "Save to this file or folder.")
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Show no progress.")]
ModelFile = Annotated[str, typer.Argument(metavar="MODEL", help="A model file; - reads stdin.")]
ImportLimit = Annotated[
    float,
    typer.Option("--limit", min=0.1, metavar="SECONDS", help="Give up an import after SECONDS."),
]


def group_option(text: str) -> Any:
    """The option ``--group``; ``text`` says what a command does with the kind of part."""
    return typer.Option("--group", metavar="GROUP", help=f"{text}: {_KINDS}.")


def _extended(
    command: Callable[..., None],
    run: Callable[..., None],
    options: Mapping[str, Any],
    *,
    replaced: str = "",
) -> Callable[..., None]:
    """``run``, which calls ``command``, with the signature and docstring of ``command``.

    Further ``options``, name to annotation, take the place of the argument ``replaced``, or come
    last; their default is None.
    """
    signature = inspect.signature(command, eval_str=True)
    further = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=kind)
        for name, kind in options.items()
    ]
    own = list(signature.parameters.values())
    at = [p.name for p in own].index(replaced) if replaced else len(own)
    parameters = [*own[:at], *further, *own[at + 1 :]]
    made = functools.wraps(command)(run)
    made.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
    made.__annotations__ = {p.name: p.annotation for p in parameters} | {"return": None}
    return made


_LIMIT = Annotated[
    list[str] | None,
    typer.Option(
        "--limit",
        metavar="FIELD=N",
        help="Raise a limit on what a model file may hold, such as tensors=100000; only for "
        "files you trust. Repeatable.",
    ),
]


def with_limits(command: Callable[..., None]) -> Callable[..., None]:
    """``command`` with the option ``--limit``, valid for every model file it reads or writes."""

    def run(*args: Any, limit: list[str] | None = None, **options: Any) -> None:
        if not limit:
            command(*args, **options)
            return
        from layerkit.codec.limits import using_limits

        with using_limits(_parse_limits(limit)):
            command(*args, **options)

    return _extended(command, run, {"limit": _LIMIT})


def _parse_limits(words: Sequence[str]) -> Limits:
    """The limits in ``FIELD=N`` words; raises UsageError for a word that is not one."""
    from dataclasses import fields

    from layerkit import Limits
    from layerkit.display import nearest, quoted

    known = [field.name for field in fields(Limits)]
    limits: dict[str, int] = {}
    for word in words:
        field, _, number = word.partition("=")
        if field not in known:
            raise UsageError(
                f"--limit {word[:80]}: expected FIELD=N, as in tensors=100000"
                f"{nearest(field[:80], known)}; the fields are {', '.join(known)}"
            )
        if not re.fullmatch(r"[0-9][0-9_]{0,30}", number):
            raise UsageError(f"--limit {word[:80]}: expected an integer, got {quoted(number)}")
        limits[field] = int(number.replace("_", ""))
    try:
        return Limits(**limits)
    except ValueError as error:
        raise UsageError(f"--limit: {error}") from None


def _dialect_option(text: str, *names: str, metavar: str | None = "CHARACTER") -> Any:
    return typer.Option(*names, metavar=metavar, help=text)


_DIALECT = {
    "delimiter": Annotated[
        str | None, _dialect_option("Character between the cells of a table; 'tab' for a tab.")
    ],
    "decimal": Annotated[str | None, _dialect_option("Decimal mark.", metavar=".|,")],
    "thousands": Annotated[str | None, _dialect_option("Character between thousands.")],
    "quote": Annotated[str | None, _dialect_option("Character around cells; '' for none.")],
    "header": Annotated[
        bool | None,
        _dialect_option(
            "Whether the first line names the columns.", "--header/--no-header", metavar=None
        ),
    ],
    "comment": Annotated[
        str | None, _dialect_option("Skip lines that begin with TEXT.", metavar="TEXT")
    ],
    "missing_values": Annotated[
        list[str] | None,
        _dialect_option(
            "Read TEXT, such as NA, as a missing value. Repeatable.",
            "--missing-value",
            metavar="TEXT",
        ),
    ],
    "encoding": Annotated[
        str | None, _dialect_option("Text encoding, such as latin-1.", metavar="NAME")
    ],
}


def with_dialect(command: Callable[..., None]) -> Callable[..., None]:
    """``command`` with one option per field of its argument ``dialect``."""

    def run(*args: Any, **options: Any) -> None:
        from layerkit.data import Dialect

        given = {name: options.pop(name) for name in _DIALECT}
        command(*args, dialect=Dialect.of(given), **options)

    return _extended(command, run, _DIALECT, replaced="dialect")
