"""``layerkit plugins doctor``: what is wrong with the plugins here, and how to mend it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from layerkit.cli import console, options
from layerkit.cli.plugins_list import Limit
from layerkit.display import byte_size, counted, printable

if TYPE_CHECKING:
    from layerkit.discovery.tools.metadata_checks import Issue

__all__ = ["EXAMPLE", "doctor"]

EXAMPLE = console.example(
    "layerkit plugins doctor",
    "layerkit plugins doctor --folder runs",
    "layerkit plugins doctor --json",
)

_TEMPORARY = re.compile(r"\..*\.layerkit-[0-9a-f]{16}\.tmp")


def doctor(
    *,
    limit: Limit = 30.0,
    folder: Annotated[
        Path,
        typer.Option(metavar="DIR", help="Where files of killed commands are looked for."),
    ] = Path(),
    as_json: options.Json = False,
) -> None:
    """Find what is wrong with the installed plugins, and what killed commands have left.

    Entry points that lead nowhere or are out of date, types claimed twice, imports that fail, are
    slow or print, versions that do not fit, and what LAYERKIT_PLUGINS keeps out. Every plugin is
    imported, in another process. Temporary files of commands that were killed while they saved are
    named; none is deleted. The exit code is 1 if there is a problem; notices do not count.
    """
    from dataclasses import replace

    from layerkit.discovery.tools.doctor import examine

    seen = examine(limit=limit)
    seen = replace(seen, findings=(*seen.findings, *_left_over(folder)))
    if as_json:
        console.emit_json(seen.to_json())
    else:
        for finding in seen.findings:
            code = f" {finding.code}" if finding.code else ""
            title = f"{finding.level}{code} ({finding.check}): {finding.subject}"
            console.out(printable(title))
            console.out(f"  {printable(finding.message)}")
            console.out(f"  fix: {printable(finding.fix)}\n")
        notices = len(seen.findings) - len(seen.problems)
        console.out(
            f"{counted(seen.types, 'type')} of {counted(seen.distributions, 'distribution')}, "
            f"{seen.imported} imported: {counted(len(seen.problems), 'problem')}, "
            f"{counted(notices, 'notice')}"
        )
    if seen.problems:
        raise typer.Exit(1)


def _left_over(folder: Path) -> list[Issue]:
    """A notice for each temporary file of ``folder`` that a save which was killed has left."""
    from layerkit.discovery.tools.metadata_checks import Issue

    found = sorted(path for path in folder.iterdir() if _TEMPORARY.fullmatch(path.name))
    return [
        Issue(
            "notice",
            "left-over file",
            str(path),
            f"a save that did not end has left it ({byte_size(path.stat().st_size)})",
            "delete it, unless a command is saving there now",
        )
        for path in found
    ]
