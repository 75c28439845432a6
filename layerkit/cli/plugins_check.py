"""``layerkit plugins check``: run the conformance kit on parts."""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from layerkit.cli import console, failures, options
from layerkit.display import printable

if TYPE_CHECKING:
    from layerkit.core.parts import Part
    from layerkit.testing import Report

EXAMPLE = console.example(
    "layerkit plugins check acme.spline",
    "layerkit plugins check acme_spline:Spline     a class that is not installed",
    "layerkit plugins check acme.spline --only gradient.inputs --seed 3",
    "layerkit plugins check --all --json",
)


def check(
    target: Annotated[
        str | None,
        typer.Argument(
            metavar="TYPE|MODULE:CLASS", help="A part; the module may be in the current folder."
        ),
    ] = None,
    *,
    group: Annotated[
        options.Group | None, options.group_option("Kind of the part, if several share its name")
    ] = None,
    only: Annotated[
        list[str] | None,
        typer.Option(metavar="ID", help="Run only this check, or gradient.*. Repeatable."),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, metavar="N", help="Seed of all random numbers.")] = 0,
    golden: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="PATH", help="Files of older versions, or a folder of them. Repeatable."
        ),
    ] = None,
    all_: Annotated[bool, typer.Option("--all", help="Check all installed parts.")] = False,
    listing: Annotated[bool, typer.Option("--list", help="List the checks; run none.")] = False,
    as_json: options.Json = False,
) -> None:
    """Check that a part keeps its contract.

    Checks gradients, declarations, memory, threads and files. Exits with 1 if a check fails.
    """
    with contextlib.redirect_stdout(sys.stderr):  # keep the output of plugins out of the report
        parts, broken = _parts(target, group, all_, listing)
    if listing:
        _list(parts[0] if parts else None, group, as_json)
        return
    reports = []
    for i, part in enumerate(parts):
        if len(parts) > 1:
            console.err(f"{i + 1}/{len(parts)} {part.type_name}")
        with contextlib.redirect_stdout(sys.stderr):
            reports.append(_report(part, only, seed, golden))
    ok = not broken and all(report.ok for report in reports)
    if as_json:
        values = [report.as_dict() for report in reports]
        console.emit_json({"ok": ok, "parts": values, "broken": broken} if all_ else values[0])
    else:
        width = min(console.width() or 98, 98)
        for report in reports:
            console.out(report.summary() if all_ and report.ok else report.text(width))
        for message in broken:
            console.out(printable(f"FAILED  cannot be checked: {message}"))
    if not ok:
        raise typer.Exit(1)


def _parts(
    target: str | None, group: str | None, all_: bool, listing: bool
) -> tuple[list[type[Part]], list[str]]:
    """The classes to check, and with ``--all`` why others cannot be checked."""
    from layerkit.errors import LayerkitError
    from layerkit.testing.find_part import find_part, installed_parts

    if target is not None and all_:
        raise failures.UsageError("give either a part or --all, not both")
    if target is None and not (all_ or listing):
        raise failures.UsageError("name a part, or use --all: layerkit plugins check acme.spline")
    if "" not in sys.path and str(Path.cwd()) not in sys.path:
        sys.path.insert(0, str(Path.cwd()))  # for MODULE:CLASS in the current folder
    parts, broken = [], []
    try:
        if target is not None:
            parts.append(find_part(target, group))
        for kind, name in installed_parts(group) if all_ else ():
            try:
                parts.append(find_part(name, kind))
            except LayerkitError as error:  # one broken plugin must not stop the check of others
                broken.append(str(error))
    except ValueError as error:
        if type(error) is ValueError:
            raise failures.UsageError(str(error)) from error
        raise
    return parts, broken


def _report(
    part: type[Part], only: list[str] | None, seed: int, golden: list[Path] | None
) -> Report:
    from layerkit.testing import check_part

    try:
        return check_part(part, only=only or None, seed=seed, golden=golden or None)
    except ValueError as error:
        raise failures.UsageError(str(error)) from error


def _list(part: type[Part] | None, group: str | None, as_json: bool) -> None:
    from layerkit.testing import checks, rules_for

    rules = rules_for(group or "layers") if part is None else [c.rule for c in checks(part)]
    if as_json:
        values = [{"id": r.id, "why": r.why, "fix": r.fix, "needs": r.needs} for r in rules]
        console.emit_json({"checks": values})
        return
    console.out(console.table(("check", "why"), [(r.id, r.why) for r in rules], "ll"))
