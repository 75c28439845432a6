"""``layerkit plugins doctor``: find problems of installed plugins and say how to fix them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from layerkit.cli import console, options
from layerkit.display import byte_size, counted, printable

if TYPE_CHECKING:
    from layerkit.plugintools.metadata_checks import Issue

EXAMPLE = console.example(
    "layerkit plugins doctor",
    "layerkit plugins doctor --folder runs",
    "layerkit plugins doctor --json",
)

_TEMPORARY = re.compile(r"\..*\.layerkit-[0-9a-f]{16}\.tmp")


def doctor(
    *,
    limit: options.ImportLimit = 30.0,
    folder: Annotated[
        Path, typer.Option(metavar="DIR", help="Look here for temporary files of killed commands.")
    ] = Path(),
    as_json: options.Json = False,
) -> None:
    """Find problems of installed plugins.

    Reports entry points that lead nowhere or are out of date, types claimed twice, imports that
    fail, take long or print, versions that do not fit, and what LAYERKIT_PLUGINS excludes. Imports
    every plugin, in another process. Also reports, but does not delete, temporary files of commands
    that were killed while saving. Exits with 1 if there is a problem; notices do not count.
    """
    from dataclasses import replace

    from layerkit.plugintools.doctor import examine

    diagnosis = examine(limit=limit)
    diagnosis = replace(diagnosis, findings=(*diagnosis.findings, *_left_over(folder)))
    if as_json:
        console.emit_json(diagnosis.to_json())
    else:
        for finding in diagnosis.findings:
            code = f" {finding.code}" if finding.code else ""
            title = f"{finding.level}{code} ({finding.check}): {finding.subject}"
            console.out(printable(title))
            console.out(f"  {printable(finding.message)}")
            console.out(f"  fix: {printable(finding.fix)}\n")
        notices = len(diagnosis.findings) - len(diagnosis.problems)
        types = counted(diagnosis.types, "type")
        console.out(
            f"{types} of {counted(diagnosis.distributions, 'distribution')}, "
            f"{diagnosis.imported} imported: {counted(len(diagnosis.problems), 'problem')}, "
            f"{counted(notices, 'notice')}"
        )
    if diagnosis.problems:
        raise typer.Exit(1)


def _left_over(folder: Path) -> list[Issue]:
    """A notice for each temporary file in ``folder`` that a killed save has left."""
    from layerkit.plugintools.metadata_checks import Issue

    found = sorted(path for path in folder.iterdir() if _TEMPORARY.fullmatch(path.name))
    return [
        Issue(
            "notice",
            "left-over file",
            str(path),
            f"left over from a save that was interrupted ({byte_size(path.stat().st_size)})",
            "delete it, unless a command is saving there right now",
        )
        for path in found
    ]
