"""``layerkit plugins check``: the conformance kit for one part, or for all that are installed."""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from layerkit.cli import console, options
from layerkit.cli.failures import Misuse
from layerkit.cli.plugins_list import Group
from layerkit.display import printable

if TYPE_CHECKING:
    from layerkit.core.parts import Part
    from layerkit.testing import Report

__all__ = ["EXAMPLE", "check"]

EXAMPLE = console.example(
    "layerkit plugins check acme.spline",
    "layerkit plugins check acme_spline:Spline          a class that is not installed",
    "layerkit plugins check acme.spline --only gradient.inputs --seed 3",
    "layerkit plugins check --all --json",
)


def check(
    target: Annotated[
        str | None,
        typer.Argument(metavar="TYPE|MODULE:CLASS", help="The part; a module may lie right here."),
    ] = None,
    *,
    group: Annotated[
        Group | None, typer.Option(help="Its kind, where several have a part of that name.")
    ] = None,
    only: Annotated[
        list[str] | None,
        typer.Option(metavar="ID", help="Only this check, or gradient.*; may be repeated."),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of all random numbers.")] = 0,
    golden: Annotated[
        list[Path] | None,
        typer.Option(metavar="DIR", help="Kept files of older versions, or a folder of them."),
    ] = None,
    all_: Annotated[bool, typer.Option("--all", help="Check every installed part.")] = False,
    listing: Annotated[bool, typer.Option("--list", help="List the checks; run none.")] = False,
    as_json: options.Json = False,
) -> None:
    """Hold a part against its contract: gradients, declarations, memory, threads, files.

    Exit code 0 if it conforms, 1 if not, 2 for wrong usage.
    """
    with contextlib.redirect_stdout(sys.stderr):  # what a plugin prints is not the report
        parts, broken = _parts(target, group, all_, listing)
    if listing:
        _list(parts[0] if parts else None, group, as_json)
        return
    reports = []
    for i, part in enumerate(parts):
        if len(parts) > 1:
            console.note(f"{i + 1}/{len(parts)} {part.type_name}")
        with contextlib.redirect_stdout(sys.stderr):
            reports.append(_report(part, only, seed, golden))
    if as_json:
        told = [report.as_dict() for report in reports]
        ok = not broken and all(report.ok for report in reports)
        console.emit_json({"ok": ok, "parts": told, "broken": broken} if all_ else told[0])
    else:
        for report in reports:
            console.out(report.summary() if all_ and report.ok else report.text())
        for message in broken:
            console.out(printable(f"FAILED  cannot be checked: {message}"))
    if broken or not all(report.ok for report in reports):
        raise typer.Exit(1)


def _parts(
    target: str | None, group: str | None, all_: bool, listing: bool
) -> tuple[list[type[Part]], list[str]]:
    """The classes to check, and why others of ``--all`` cannot be."""
    from layerkit.errors import LayerkitError
    from layerkit.testing.find_part import find_part, installed_parts

    if target is not None and all_:
        raise Misuse("either a part or --all")
    if "" not in sys.path and str(Path.cwd()) not in sys.path:
        sys.path.insert(0, str(Path.cwd()))  # module:Class may lie in the current folder
    try:
        if all_:
            parts, broken = [], []
            for kind, name in installed_parts(group):
                try:
                    parts.append(find_part(name, kind))
                except LayerkitError as error:  # of one plugin: the others are checked all the same
                    broken.append(str(error))
            return parts, broken
        if target is None and not listing:
            raise Misuse("name a part, or --all: layerkit plugins check acme.spline")
        return ([] if target is None else [find_part(target, group)]), []
    except ValueError as error:
        if type(error) is ValueError:
            raise Misuse(str(error)) from error
        raise


def _report(
    part: type[Part], only: list[str] | None, seed: int, golden: list[Path] | None
) -> Report:
    from layerkit.testing import check_part

    try:
        return check_part(part, only=only or None, seed=seed, golden=golden or None)
    except ValueError as error:
        raise Misuse(str(error)) from error


def _list(part: type[Part] | None, group: str | None, as_json: bool) -> None:
    from layerkit.testing import checks, rules_for

    rules = rules_for(group or "layers") if part is None else [c.rule for c in checks(part)]
    if as_json:
        told = [{"id": r.id, "why": r.why, "fix": r.fix, "needs": r.needs} for r in rules]
        console.emit_json({"checks": told})
        return
    console.out(console.table(("check", "why"), [(r.id, r.why) for r in rules], "ll"))
