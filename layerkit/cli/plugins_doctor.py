"""``layerkit plugins doctor``: what is wrong with the plugins here, and how to mend it."""

from __future__ import annotations

import typer

from layerkit.cli import console, options
from layerkit.cli.plugins_list import Limit

__all__ = ["EXAMPLE", "doctor"]

EXAMPLE = console.example("layerkit plugins doctor", "layerkit plugins doctor --json")


def doctor(*, limit: Limit = 30.0, as_json: options.Json = False) -> None:
    """Find what is wrong with the installed plugins.

    Entry points that lead nowhere or are out of date, types claimed twice, imports that fail, are
    slow or print, versions that do not fit, and what LAYERKIT_PLUGINS keeps out. Every plugin is
    imported, in another process. The exit code is 1 if there is a problem; notices do not count.
    """
    from layerkit.plugins.doctor import examine

    seen = examine(limit=limit)
    if as_json:
        console.emit_json(seen.to_json())
    else:
        for finding in seen.findings:
            code = f" {finding.code}" if finding.code else ""
            title = f"{finding.level}{code} ({finding.check}): {finding.subject}"
            console.out(console.safe(title))
            console.out(f"  {console.safe(finding.message)}")
            console.out(f"  fix: {console.safe(finding.fix)}\n")
        notices = len(seen.findings) - len(seen.problems)
        console.out(
            f"{_count(seen.types, 'type')} of {_count(seen.distributions, 'distribution')}, "
            f"{seen.imported} imported: {_count(len(seen.problems), 'problem')}, "
            f"{_count(notices, 'notice')}"
        )
    if seen.problems:
        raise typer.Exit(1)


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
