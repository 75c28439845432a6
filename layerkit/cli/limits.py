"""``--limit FIELD=N``: what a model file may ask for, raised for one command."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from layerkit.cli.failures import Misuse
from layerkit.cli.options import extended

if TYPE_CHECKING:
    from layerkit import Limits

__all__ = ["limited"]

_OPTION = Annotated[
    list[str] | None,
    typer.Option(
        "--limit",
        metavar="FIELD=N",
        help="Raise a limit on what a model file may hold, such as tensors=100000; may be "
        "repeated. Only for files you trust.",
    ),
]


def limited(command: Callable[..., None]) -> Callable[..., None]:
    """``command`` with the option ``--limit``, which counts wherever it reads or writes models."""

    def run(*args: Any, limit: list[str] | None = None, **options: Any) -> None:
        if not limit:
            command(*args, **options)
            return
        from layerkit.codec.limits import using_limits

        with using_limits(_chosen(limit)):
            command(*args, **options)

    return extended(command, run, {"limit": _OPTION})


def _chosen(words: Sequence[str]) -> Limits:
    """The limits that ``FIELD=N`` words name.

    Raises
    ------
    Misuse
        For a word of another form, a field that there is not, or a number out of bounds.
    """
    from dataclasses import fields

    from layerkit import Limits
    from layerkit.display import nearest

    known = [field.name for field in fields(Limits)]
    found: dict[str, int] = {}
    for word in words:
        field, _, number = word.partition("=")
        if field not in known:
            raise Misuse(
                f"--limit {word[:80]}: expected FIELD=N, as in tensors=100000"
                f"{nearest(field[:80], known)}; the fields are {', '.join(known)}"
            )
        if not re.fullmatch(r"[0-9][0-9_]{0,30}", number):
            raise Misuse(f"--limit {word[:80]}: expected a whole number for {field}")
        found[field] = int(number.replace("_", ""))
    try:
        return Limits(**found)
    except ValueError as error:
        raise Misuse(f"--limit: {error}") from None
