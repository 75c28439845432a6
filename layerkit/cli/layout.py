"""Text and tables that fit the terminal: nothing is lost, and nothing is broken in mid-word.

A line that is too long continues, indented, on the next one. A table that is too wide has its last
column of text wrapped; or it is shown in several tables below each other, all with the first
column; or, where even that is too wide, as one block per row. In a pipe everything keeps its
natural width, unless COLUMNS says otherwise.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterable, Sequence
from typing import TextIO

from layerkit.display import printable

_COMMAND = re.compile(  # on a line of its own or after a colon, to the end of the line
    r"(?:^\s*(?:(?:\$|again) +)?|: +)"
    r"(?=(?:layerkit (?:build|train|resume|eval|infer|compare|inspect|verify|diff|upgrade|deploy|"
    r"models|schema|explain|plugins|demo|doctor|spec|study|lens|export|import)|"
    r"python -m|cd) [^\s,;]+)"
)
_LABELLED = re.compile(r"(\s*\S[^\n]{0,24}?\s{2,})\S")  # a label, and its text in a column
_NARROWEST = 20
_GAP = "  "

Rows = list[list[str]]


def width(stream: TextIO | None = None) -> int | None:
    """How many columns a line may have: COLUMNS, else those of the terminal; None in a pipe."""
    given = os.environ.get("COLUMNS", "")
    columns = int(given) if given.isdecimal() and len(given) < 6 else 0
    if not columns:
        try:
            columns = os.get_terminal_size((stream or sys.stdout).fileno()).columns
        except (OSError, ValueError, AttributeError):  # no terminal, or no file at all
            return None
    return max(columns, _NARROWEST) if columns else None


def fitted(text: str, limit: int | None) -> str:
    """``text`` with every line cut at spaces into lines of at most ``limit`` characters.

    A command to copy stays on one line, and so does a word that is longer.
    """
    if limit is None:
        return text
    return "\n".join(part for line in text.split("\n") for part in _folded(line, limit))


def _folded(line: str, limit: int, *, prose: bool = False) -> list[str]:
    """The parts of ``line``; in ``prose`` there are no commands to copy."""
    if len(line) <= limit:
        return [line]
    command = None if prose else _COMMAND.search(line)
    labelled = _LABELLED.match(line)
    hang = 2 + len(line) - len(line.lstrip())
    if labelled and labelled.end() - 1 <= limit // 2:
        hang = labelled.end() - 1
    if command and line[: command.end()].strip() in ("", "$", "again"):
        return [line]
    if command:
        before, after = line[: command.end()].rstrip(), line[command.end() :]
        return [*_folded(before, limit), " " * hang + after]
    found: list[str] = []
    rest = line
    while len(rest) > limit:
        least = hang if found else len(rest) - len(rest.lstrip())
        at = rest.rfind(_GAP, limit // 2, limit + 1)  # between two facts, better than in one
        at = at if at > least else rest.rfind(" ", least + 1, limit + 1)
        if at <= least:  # the first word is longer than a line
            at = rest.find(" ", limit)
        if at < 0 or not rest[at:].strip():
            break
        found.append(rest[:at].rstrip())
        rest = " " * hang + rest[at:].lstrip()
    return [*found, rest.rstrip()]


def table(
    head: Sequence[str],
    rows: Iterable[Sequence[object]],
    align: str,
    *,
    total: int = 0,
    limit: int | None = None,
) -> str:
    """A table of text; ``align`` has one letter per column, "l" or "r".

    A line is drawn above the last ``total`` rows. ``limit`` is the width it may have, by default
    that of the terminal.
    """
    cells = [[printable(cell) for cell in row] for row in (head, *rows)]
    limit = width() if limit is None else limit
    widths = [max(len(row[j]) for row in cells) for j in range(len(head))]
    if limit is None or len(head) == 1:
        return _drawn(cells, align, total)
    room = limit - sum(widths[:-1]) - len(_GAP) * (len(widths) - 1)
    if widths[-1] <= room:
        return _drawn(cells, align, total)
    if align[-1] == "l" and room >= max(_NARROWEST, limit // 3):
        return _drawn(cells, align, total, last=room)
    groups = _groups(widths, limit)
    if groups is None:
        return "\n\n".join(_block(cells[0], row, limit) for row in cells[1:])
    return "\n\n".join(
        _drawn([[row[j] for j in group] for row in cells], "".join(align[j] for j in group), total)
        for group in groups
    )


def _groups(widths: Sequence[int], limit: int) -> list[list[int]] | None:
    """The columns of tables that fit, each with the first one; None if there are none."""
    groups = [[0]]
    for j in range(1, len(widths)):
        taken = sum(widths[k] + len(_GAP) for k in groups[-1])
        if taken + widths[j] > limit and len(groups[-1]) > 1:
            groups.append([0])
            taken = widths[0] + len(_GAP)
        if taken + widths[j] > limit:
            return None
        groups[-1].append(j)
    return groups


def _block(head: Sequence[str], row: Sequence[str], limit: int) -> str:
    """One row as its first cell and a line for each other one."""
    longest = max([len(name) for name in head[1:] if len(name) <= limit // 2], default=0)
    lines = [row[0] or head[0]]
    for name, cell in zip(head[1:], row[1:], strict=True):
        if not cell:
            continue
        if not name:
            lines.append(f"  {cell}")
        elif max(longest, len(name)) + len(cell) + 4 <= limit:
            lines.append(f"  {name.ljust(longest)}  {cell}")
        else:
            lines += [f"  {name}", f"    {cell}"]
    return fitted("\n".join(lines), limit)


def _drawn(cells: Rows, align: str, total: int, *, last: int | None = None) -> str:
    """The rows below the headings; the last column is folded to ``last`` characters."""
    if total and not any(cell for row in cells[-total:] for cell in row[1:]):
        cells, total = cells[:-total], 0  # they are in another table
    if last is not None:
        cells = [part for row in cells for part in _folded_row(row, last)]
    widths = [max(len(row[j]) for row in cells) for j in range(len(cells[0]))]
    rule = _GAP.join("-" * width for width in widths)
    lines = [
        _GAP.join(
            cell.rjust(width) if side == "r" else cell.ljust(width)
            for cell, width, side in zip(row, widths, align, strict=True)
        ).rstrip()
        for row in cells
    ]
    lines.insert(1, rule)
    if total and len(lines) > total + 2:
        lines.insert(-total, rule)
    return "\n".join(lines)


def _folded_row(row: Sequence[str], last: int) -> Rows:
    """``row``, and below it rows that hold the rest of its last cell."""
    first, *more = [part.strip() for part in _folded(row[-1], last - 2, prose=True)]
    return [[*row[:-1], first], *([*[""] * (len(row) - 1), f"  {part}"] for part in more)]
