"""All that reaches a terminal or a pipe: text made safe, numbers, tables, JSON, whole files.

Human text has no colour and is the same in a pipe. Strings that may come out of a file pass through
``safe``: no control character, escape sequence or change of writing direction gets through.
"""

from __future__ import annotations

import codecs
import io
import json
import math
import os
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import typer

__all__ = [
    "counted",
    "emit_json",
    "example",
    "metric",
    "note",
    "number",
    "out",
    "plain",
    "prepare",
    "safe",
    "size",
    "table",
    "write_file",
]

_SHARE = re.compile(r"(accuracy|top_k)(_\d+)?$")


def prepare() -> None:
    """Make both streams able to write any text: UTF-8 for ASCII, else escapes for what is alien.

    A stream that was closed before we started (``>&-``) becomes one that leads nowhere.
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
    """A line of the result, to standard output."""
    typer.echo(text)


def note(text: str = "") -> None:
    """A line about the work, to standard error."""
    typer.echo(text, err=True)


def safe(text: object) -> str:
    r"""``text`` with every character that does not print (controls, escapes, bidi) spelled out.

    >>> print(safe("a\x1b[31mb\u202e"))
    a\x1b[31mb\u202e
    """
    word = str(text)
    if word.isprintable():
        return word
    return "".join(
        c if c.isprintable() else c.encode("unicode_escape", "surrogatepass").decode() for c in word
    )


def number(value: float) -> str:
    """Thousands separators for whole numbers, 4 significant digits for others.

    >>> number(19306), number(0.05), number(1.0), number(12345.678)
    ('19,306', '0.05000', '1.000', '12,346')
    """
    if isinstance(value, int):
        return f"{value:,}"
    if abs(value) >= 1000 and abs(value) < 1e15:
        return f"{value:,.0f}"
    return f"{value:#.4g}" if math.isfinite(value) else f"{value}"


def counted(count: int, what: str) -> str:
    """A number of things.

    >>> counted(1, "row"), counted(1200, "row")
    ('1 row', '1,200 rows')
    """
    return f"{number(count)} {what}{'' if count == 1 else 's'}"


def metric(name: str, value: float) -> str:
    """A share of right answers in per cent, any other value in 4 significant digits.

    >>> metric("test_accuracy", 0.9673), metric("test_loss", 0.12), metric("r2", math.nan)
    ('96.73 %', '0.1200', 'not defined')
    """
    if math.isnan(value):
        return "not defined"
    if _SHARE.search(name) and math.isfinite(value):
        return f"{100 * value:.2f} %"
    return number(value)


def size(count: int) -> str:
    """A number of bytes, in decimal units.

    >>> size(77), size(77224), size(4_000_000)
    ('77 B', '77.2 kB', '4.0 MB')
    """
    if count < 1000:
        return f"{count} B"
    value = float(count)
    for unit in ("kB", "MB", "GB", "TB", "PB"):
        value /= 1000
        if value < 999.95:
            return f"{value:.1f} {unit}"
    return f"{value / 1000:,.1f} EB"


def table(
    head: Sequence[str], rows: Iterable[Sequence[object]], right: str, *, total: bool = False
) -> str:
    """Aligned columns; ``right`` has "r" for a column of numbers, "l" for text.

    ``total`` sets the last row apart from the others.
    """
    cells = [[safe(cell) for cell in row] for row in (head, *rows)]
    widths = [max(len(row[j]) for row in cells) for j in range(len(head))]
    rule = "  ".join("-" * width for width in widths)
    lines = [
        "  ".join(
            cell.rjust(width) if side == "r" else cell.ljust(width)
            for cell, width, side in zip(row, widths, right, strict=True)
        ).rstrip()
        for row in cells
    ]
    lines.insert(1, rule)
    if total:
        lines.insert(-1, rule)
    return "\n".join(lines)


def example(*lines: str) -> str:
    """The end of a command's help: lines that are not to be wrapped."""
    return "\b\nExamples:\n  " + "\n  ".join(lines)


def plain(value: Any) -> Any:
    """``value`` as JSON values: arrays as lists, bytes as hex, no float that is not finite."""
    if hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, Mapping):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, (bytes, bytearray)):
        return value.hex()
    if isinstance(value, (list, tuple, set, frozenset)):
        return [plain(v) for v in value]
    return str(value)


def emit_json(value: Any, *, err: bool = False) -> None:
    """One JSON document, in ASCII: no terminal and no locale can change what it means."""
    typer.echo(json.dumps(plain(value), indent=2, allow_nan=False), err=err)


def write_file(target: Path, pieces: Iterable[str]) -> None:
    """Write UTF-8 text, all of it or nothing: an old file stays until the new one is whole.

    A link is followed. A pipe or device is written to as it is.

    Raises
    ------
    PathError
        If it cannot be written.
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
