"""What is wrong with the installed plugins, and how to fix each issue.

``examine`` reads metadata, then imports every part, with one process per distribution. A *problem*
makes a part unusable; a *notice* is worth knowing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from typing import Any

from layerkit.discovery.candidates import FIRST_PARTY, Candidate, all_installed
from layerkit.discovery.compatibility import allows, requirement
from layerkit.plugintools.listing import TypeEntry, list_types
from layerkit.plugintools.metadata_checks import (
    Issue,
    allow_list_issues,
    name_collisions,
    reinstall_command,
    stale_editables,
    unknown_groups,
    unreadable_metadata,
    version_conflicts,
)
from layerkit.plugintools.trial_import import LIMIT, SLOW, ImportResult, try_imports


@dataclass(frozen=True)
class Examination:
    """All issues, problems first, and what was examined."""

    findings: tuple[Issue, ...]
    types: int
    distributions: int
    imported: int
    seconds: dict[str, float]

    @property
    def problems(self) -> list[Issue]:
        """The issues that make a part unusable."""
        return [finding for finding in self.findings if finding.level == "problem"]

    def to_json(self) -> dict[str, Any]:
        """All of it as JSON values."""
        return {
            "types": self.types,
            "distributions": self.distributions,
            "imported": self.imported,
            "problems": len(self.problems),
            "findings": [asdict(finding) for finding in self.findings],
            "seconds": self.seconds,
        }


def examine(*, limit: float = LIMIT) -> Examination:
    """Examine every installed plugin; ``limit`` is the seconds that one import may take."""
    rows = [row for row in list_types() if row.candidate.dist is not None]
    dists = sorted({str(candidate.dist) for candidate in all_installed()})
    requiring = {dist: requirement(dist) for dist in dists if dist != FIRST_PARTY}
    trials = list(try_imports((row.candidate for row in rows if row.allowed), limit=limit))
    found = [
        *unreadable_metadata(),
        *allow_list_issues(rows, dists),
        *unknown_groups(),
        *name_collisions(rows),
        *version_conflicts(requiring),
        *stale_editables(dists),
        *_imports(trials),
        *_bare_names(rows),
    ]
    found.sort(key=lambda finding: finding.level != "problem")
    seconds: dict[str, float] = {}
    for trial in trials:
        dist = str(trial.candidate.dist)
        seconds[dist] = seconds.get(dist, 0.0) + (trial.seconds or 0.0)
    return Examination(tuple(found), len(rows), len(dists), len(trials), seconds)


def _imports(trials: Iterable[ImportResult]) -> Iterator[Issue]:
    for trial in trials:
        candidate = trial.candidate
        subject = f"{candidate.name} ({candidate})"
        if trial.stale:
            message = f"its entry point names {candidate.value}, which does not exist"
            fix = reinstall_command(str(candidate.dist))
            yield Issue("problem", "stale entry points", subject, message, fix, trial.code)
        elif not trial.ok and not _is_requirement(candidate, trial):
            check = "contract version" if trial.code == "LK-105" else "import"
            message, fix = trial.message or "", trial.hint or ""
            yield Issue("problem", check, subject, message, fix, trial.code)
        if trial.slow:
            yield Issue(
                "notice",
                "slow import",
                subject,
                f"importing it took {trial.seconds:.1f} s ({len(trial.modules)} modules); "
                f"less than {SLOW:g} s is normal",
                "its author can import heavy modules inside functions; "
                f"python -X importtime -c 'import {candidate.value.partition(':')[0]}' shows which",
            )
        if trial.printed:
            yield Issue(
                "notice",
                "prints",
                subject,
                f"it prints while it is imported: {trial.printed[:80]!r}",
                "tell its author; layerkit sends the text to standard error",
            )


def _is_requirement(candidate: Candidate, trial: ImportResult) -> bool:
    """Whether the whole distribution is reported already."""
    from layerkit import __version__

    required = requirement(str(candidate.dist)) if trial.code == "LK-105" else None
    return required is not None and not allows(required, __version__)


def _bare_names(rows: list[TypeEntry]) -> Iterator[Issue]:
    for row in rows:
        name, dist = row.candidate.name, str(row.candidate.dist)
        if dist != FIRST_PARTY and "." not in name and not row.hidden_by:
            yield Issue(
                "notice",
                "bare name",
                f"{name} ({row.candidate})",
                "without a prefix, the type name may collide with one of layerkit's own",
                f"its author can rename it to {dist.partition('-')[0]}.{name}",
            )
