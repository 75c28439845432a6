"""Everything a command writes: lines, tables, JSON, files.

Text for people has no colour, fits the terminal, and has its natural width in a pipe. Whatever may
come from a file passes through ``display.printable``, so no control character, escape sequence or
change of writing direction reaches a terminal.
"""

from __future__ import annotations

import codecs
import io
import json
import math
import os
import sys
import textwrap
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import typer

from layerkit.cli.layout import fitted
from layerkit.cli.layout import table as table
from layerkit.cli.layout import width as width
from layerkit.display import jsonable, printable


def prepare() -> None:
    """Make both streams accept any text: UTF-8 instead of ASCII, escapes in any other encoding.

    A stream that was closed before we started (``>&-``) is replaced by the null device.
    """
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, Path(os.devnull).open("w", encoding="utf-8"))  # noqa: SIM115  # kept
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            ascii_only = codecs.lookup(stream.encoding).name == "ascii"
            encoding = "utf-8" if ascii_only else stream.encoding
            stream.reconfigure(encoding=encoding, errors="backslashreplace")


def out(text: str = "") -> None:
    """Write lines of the result to standard output, folded to the terminal's width."""
    typer.echo(fitted(text, width(sys.stdout)))


def sentence(text: str) -> None:
    """Print a sentence, folded to the terminal's width or 100 columns."""
    wide = width()
    out(textwrap.fill(printable(text), wide or 100, subsequent_indent="  ",
                      break_long_words=False, break_on_hyphens=wide is None))  # fmt: skip


def data(text: str) -> None:
    """Write what programs read to standard output, as it is."""
    typer.echo(text)


def err(text: str) -> None:
    """Write lines about the work to standard error, folded to the terminal's width."""
    typer.echo(fitted(text, width(sys.stderr)), err=True)


def note(text: object) -> None:
    """Write "note: TEXT" to standard error: what the user may want to know."""
    err(labelled("note", text))


def warning(text: object) -> None:
    """Write "warning: TEXT" to standard error: what may spoil the result."""
    err(labelled("warning", text))


def labelled(label: str, text: object) -> str:
    """``text``, made printable, behind its label; further lines are indented."""
    return f"{label}: " + "\n  ".join(map(printable, str(text).split("\n")))


def number(value: float) -> str:
    """An integer with thousands separators, a float with 4 significant digits.

    >>> number(19306), number(0.05), number(1.0), number(12345.678)
    ('19,306', '0.05000', '1.000', '12,346')
    """
    if isinstance(value, int):
        return f"{value:,}"
    if abs(value) >= 1000 and abs(value) < 1e15:
        return f"{value:,.0f}"
    return f"{value:#.4g}" if math.isfinite(value) else f"{value}"


def metric(name: str, value: float) -> str:
    """An accuracy in per cent, any other metric with 4 significant digits.

    >>> metric("test_accuracy", 0.9673), metric("test_loss", 0.12), metric("r2", math.nan)
    ('96.73 %', '0.1200', 'not defined')
    """
    from layerkit.reporting.numbers import is_share

    if math.isnan(value):
        return "not defined"
    if is_share(name) and math.isfinite(value):
        return f"{100 * value:.2f} %"
    return number(value)


def example(*lines: str) -> str:
    """The examples at the end of a command's help, which typer must not wrap."""
    return "\b\nExamples:\n  " + "\n  ".join(lines)


def emit_json(value: Any, *, err: bool = False) -> None:
    """Write one JSON document, in ASCII so that no terminal or locale can garble it."""
    typer.echo(json.dumps(jsonable(value), indent=2, allow_nan=False), err=err)


def write_file(target: Path, pieces: Iterable[str]) -> None:
    """Write UTF-8 text to a file, all of it or nothing: an old file stays until the end.

    A link is followed; a pipe or device is written piece by piece. Raises PathError.
    """
    from layerkit.codec.atomic import replace_file
    from layerkit.codec.gather import Gather
    from layerkit.paths import expanded, path_errors

    def produce(gather: Gather) -> None:
        for piece in pieces:
            gather.put(piece.encode())

    target = Path(expanded(str(target)))
    with path_errors(str(target), writing=True):
        if target.exists() and not (target.is_file() or target.is_dir()):
            with target.open("w", encoding="utf-8") as stream:
                stream.writelines(pieces)
            return
        replace_file(target, produce)
