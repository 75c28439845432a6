"""``layerkit plugins list``: list the parts that installed distributions provide."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from layerkit.cli import console, options
from layerkit.display import printable

if TYPE_CHECKING:
    from layerkit.discovery.candidates import Candidate
    from layerkit.plugintools.listing import TypeEntry
    from layerkit.plugintools.trial_import import ImportResult

EXAMPLE = console.example(
    "layerkit plugins list",
    "layerkit plugins list --group layers --json",
    "layerkit plugins list --check    also import each part",
)


def list_(
    *,
    group: Annotated[options.Group | None, options.group_option("List one kind only")] = None,
    check: Annotated[
        bool, typer.Option("--check", help="Import each part, in another process.")
    ] = False,
    limit: options.ImportLimit = 30.0,
    as_json: options.Json = False,
) -> None:
    """List all parts and who provides them.

    Without --check, reads metadata only and imports no plugin. With it, exits with 1 if any part
    cannot be used.
    """
    from layerkit.plugintools.listing import list_types

    rows = list_types(group)
    trials: dict[Candidate, ImportResult] = {}
    if check:
        from layerkit.plugintools.trial_import import try_imports

        candidates = [
            row.candidate for row in rows if row.allowed and row.candidate.dist is not None
        ]
        trials = {trial.candidate: trial for trial in try_imports(candidates, limit=limit)}
    if as_json:
        values = [_values(r, trials.get(r.candidate)) if check else r.to_json() for r in rows]
        console.emit_json({"plugins": values})
    else:
        _show(rows, trials, check=check)
    if any(not trial.ok for trial in trials.values()) or (check and any(r.rivals for r in rows)):
        raise typer.Exit(1)


def _values(row: TypeEntry, trial: ImportResult | None) -> dict[str, Any]:
    """A row and the result of its import; None where it was not imported."""
    keys = ("seconds", "code", "message", "hint", "printed")
    tried = {key: None if trial is None else getattr(trial, key) for key in keys}
    return {**row.to_json(), **tried, "status": _status(row, trial)}


def _status(row: TypeEntry, trial: ImportResult | None) -> str:
    if row.status != "not checked" or trial is None:
        return row.status
    if trial.code is not None:
        return f"broken ({trial.code})"
    return f"slow ({trial.seconds:.1f} s)" if trial.slow else "ok"


def _show(rows: list[TypeEntry], trials: dict[Candidate, ImportResult], *, check: bool) -> None:
    head = ["type", "group", "distribution", "version", "origin"]
    cells = [
        [r.candidate.name, r.kind, r.candidate.dist or "", r.candidate.version or "", r.origin]
        for r in rows
    ]
    if check or any(row.status not in ("not checked", "ok") for row in rows):
        head.append("status")
        for row, line in zip(rows, cells, strict=True):
            line.append(_status(row, trials.get(row.candidate)))
    console.out(console.table(head, cells, "l" * len(head)))
    for row in rows:
        trial = trials.get(row.candidate)
        claim = f"{row.candidate.name} of {row.candidate}"
        if row.rivals:
            rivals = " and ".join(row.rivals)
            console.warning(f"{claim} is also provided by {rivals} (LK-104)")
        elif row.hidden_by:
            console.warning(f"{claim} is not used: {row.hidden_by} has the name")
        elif trial is not None and trial.code is not None:
            console.warning(f"{claim}: {trial.message} ({trial.code})")
            if trial.hint:
                console.err(f"  {printable(trial.hint)}")
