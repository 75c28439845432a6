"""``layerkit plugins why``: show where a part comes from and why it cannot be used."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from layerkit.cli import console, options
from layerkit.display import printable

if TYPE_CHECKING:
    from layerkit.plugintools.why import Claim, Explanation

EXAMPLE = console.example("layerkit plugins why highway", "layerkit plugins why acme.spline --json")


def why(
    name: Annotated[str, typer.Argument(metavar="TYPE", help="Its name in a spec.")],
    *,
    group: Annotated[options.Group | None, options.group_option("Look in one kind only")] = None,
    limit: options.ImportLimit = 30.0,
    as_json: options.Json = False,
) -> None:
    """Show where a part comes from and how it loads.

    Imports the part in another process. Prints who provides it, how long its import takes, what it
    prints, the traceback if it fails, and whether a layer is recorded. Exits with 1 if the part
    cannot be used.
    """
    from layerkit.plugintools.why import why as explain

    found = explain(name, group, limit=limit)
    if as_json:
        console.emit_json({"type": name, "reasons": [reason.to_json() for reason in found]})
    else:
        console.out("\n\n".join("\n".join(_lines(reason)) for reason in found))
    if any(reason.used is None for reason in found):
        raise typer.Exit(1)


def _lines(reason: Explanation) -> list[str]:
    title = f"{reason.name} ({reason.kind})"
    if reason.used is not None:
        lines = [printable(f"{title}: {reason.used}")]
    else:
        lines = [printable(f"{title} cannot be used: {reason.code}"), ""]
        lines += [f"  {printable(line)}" for line in (reason.message or "").split("\n")]
        lines += [f"  {printable(line)}" for line in (reason.hint or "").split("\n") if line]
    for claim in reason.claims:
        lines += ["", *_claim(claim, alone=len(reason.claims) == 1)]
    return lines


def _claim(claim: Claim, *, alone: bool) -> list[str]:
    trial, listed = claim.trial, claim.listed
    facts = {
        "provider": str(listed.candidate),
        "origin": listed.origin,
        "target": listed.candidate.value,
    }
    if claim.requires:
        facts["requires"] = f"layerkit{claim.requires}"
    if trial is None:
        reason = "in this process" if listed.allowed else "LAYERKIT_PLUGINS does not name it"
        facts["import"] = f"not tried: {reason}"
    else:
        facts["import"] = "did not finish" if trial.seconds is None else _import(trial.seconds)
        facts["modules"] = _modules(trial.modules)
        if trial.ok:
            facts["contract"] = str(trial.contract_version)
            facts["settings"] = f"version {trial.config_version}"
            facts["recorded"] = trial.recorded or ""
        elif not alone:  # else it is shown above
            facts["error"] = f"{trial.code}: {trial.message}"
    lines = [f"  {name:<9} {printable(fact)}" for name, fact in facts.items() if fact]
    if trial is not None:
        for title, text in (("output", trial.printed), ("traceback", trial.traceback)):
            if text:
                lines += [f"  {title}:", *(f"    {printable(t)}" for t in text.splitlines())]
    return lines


def _import(seconds: float) -> str:
    return f"{1000 * seconds:.0f} ms" if seconds < 1 else f"{seconds:.1f} s"


def _modules(names: tuple[str, ...]) -> str:
    """How many modules an import loads, by package."""
    counts: dict[str, int] = {}
    for name in names:
        package = name.partition(".")[0]
        counts[package] = counts.get(package, 0) + 1
    most = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    shown = ", ".join(f"{package} {count}" for package, count in most[:8])
    more = f", and {len(most) - 8} other packages" if len(most) > 8 else ""
    return f"{len(names)} ({shown}{more})" if names else "none"
