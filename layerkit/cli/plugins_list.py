"""``layerkit plugins list``: what the installed distributions offer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from layerkit.cli import console, options
from layerkit.discovery.candidates import Group
from layerkit.display import printable

if TYPE_CHECKING:
    from layerkit.discovery.candidates import Candidate
    from layerkit.discovery.tools.listing import TypeEntry
    from layerkit.discovery.tools.trial_import import Trial

__all__ = ["EXAMPLE", "Group", "Limit", "list_"]

EXAMPLE = console.example(
    "layerkit plugins list",
    "layerkit plugins list --group layers --json",
    "layerkit plugins list --check                also import each one, in another process",
)
Limit = Annotated[
    float,
    typer.Option("--limit", min=0.1, metavar="SECONDS", help="What one import may take."),
]


def list_(
    *,
    group: Annotated[Group | None, typer.Option(help="Only parts of this kind.")] = None,
    check: Annotated[
        bool, typer.Option("--check", help="Import each one in another process, and say how it is.")
    ] = False,
    limit: Limit = 30.0,
    as_json: options.Json = False,
) -> None:
    """List all types and who provides them.

    Without --check no plugin is imported: the list is what installed distributions declare. With
    it, the exit code is 1 if any cannot be used.
    """
    from layerkit.discovery.tools.listing import list_types

    rows = list_types(group)
    trials: dict[Candidate, Trial] = {}
    if check:
        from layerkit.discovery.tools.trial_import import try_imports

        candidates = [
            row.candidate for row in rows if row.allowed and row.candidate.dist is not None
        ]
        trials = {trial.candidate: trial for trial in try_imports(candidates, limit=limit)}
    if as_json:
        told = [_told(row, trials.get(row.candidate)) if check else row.to_json() for row in rows]
        console.emit_json({"plugins": told})
    else:
        _show(rows, trials, check=check)
    if any(not trial.ok for trial in trials.values()) or (check and any(r.rivals for r in rows)):
        raise typer.Exit(1)


def _told(row: TypeEntry, trial: Trial | None) -> dict[str, Any]:
    """A row with what came of importing it; None where it was not imported."""
    told = row.to_json()
    keys = ("seconds", "code", "message", "hint", "printed")
    tried = {key: None if trial is None else getattr(trial, key) for key in keys}
    return {**told, **tried, "status": _status(row, trial)}


def _status(row: TypeEntry, trial: Trial | None) -> str:
    if row.status != "not checked" or trial is None:
        return row.status
    if trial.code is not None:
        return f"broken ({trial.code})"
    return f"slow ({trial.seconds:.1f} s)" if trial.slow else "ok"


def _show(rows: list[TypeEntry], trials: dict[Candidate, Trial], *, check: bool) -> None:
    head = ["type", "group", "distribution", "version", "origin"]
    odd = check or any(row.status not in ("not checked", "ok") for row in rows)
    cells = [
        [
            row.candidate.name,
            row.kind,
            row.candidate.dist or "",
            row.candidate.version or "",
            row.origin,
            *([_status(row, trials.get(row.candidate))] if odd else []),
        ]
        for row in rows
    ]
    head += ["status"] if odd else []
    console.out(console.table(head, cells, "l" * len(head)))
    for row in rows:
        trial = trials.get(row.candidate)
        if row.rivals:
            rivals = " and ".join(row.rivals)
            told = f"{row.candidate.name} of {row.candidate} is offered by {rivals} too (LK-104)"
            console.note(f"warning: {printable(told)}")
        elif row.hidden_by:
            told = (
                f"{row.candidate.name} of {row.candidate} is not used: {row.hidden_by} has the name"
            )
            console.note(f"warning: {printable(told)}")
        elif trial is not None and trial.code is not None:
            told = f"{row.candidate.name} of {row.candidate}: {trial.message} ({trial.code})"
            console.note(f"warning: {printable(told)}")
            if trial.hint:
                console.note(f"  {printable(trial.hint)}")
