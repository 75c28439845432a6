"""What is wrong with the plugins installed here, and the line that mends each.

``examine`` looks at metadata first and then imports every part, each distribution in a process of
its own. A *problem* stops somebody; a *notice* is worth knowing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from typing import Any

from layerkit.discovery.candidates import FIRST_PARTY, GROUPS, Candidate, installed
from layerkit.discovery.compatibility import admits, requirement
from layerkit.discovery.tools.listing import Listed, listing
from layerkit.discovery.tools.metadata_findings import (
    Finding,
    allowances,
    collisions,
    outdated,
    reinstall,
    requirements,
    unknown_groups,
    unreadable,
)
from layerkit.discovery.tools.trial_import import LIMIT, SLOW, Trial, try_out

__all__ = ["Examination", "examine"]


@dataclass(frozen=True)
class Examination:
    """All findings, problems first, and what was looked at."""

    findings: tuple[Finding, ...]
    types: int
    distributions: int
    imported: int
    seconds: dict[str, float]

    @property
    def problems(self) -> list[Finding]:
        """Those that stop somebody."""
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
    """Look at every plugin that is installed.

    Parameters
    ----------
    limit
        Seconds that one import may take.
    """
    rows = [row for row in listing() if row.candidate.dist is not None]
    dists = sorted({str(row.candidate.dist) for row in rows} | set(_strangers()))
    requiring = {dist: requirement(dist) for dist in dists if dist != FIRST_PARTY}
    trials = list(try_out((row.candidate for row in rows if row.allowed), limit=limit))
    found = [
        *unreadable(),
        *allowances(rows, dists),
        *unknown_groups(),
        *collisions(rows),
        *requirements(requiring),
        *outdated(dists),
        *_imports(trials),
        *_bare_names(rows),
    ]
    found.sort(key=lambda finding: finding.level != "problem")
    seconds: dict[str, float] = {}
    for trial in trials:
        dist = str(trial.candidate.dist)
        seconds[dist] = seconds.get(dist, 0.0) + (trial.seconds or 0.0)
    return Examination(tuple(found), len(rows), len(dists), len(trials), seconds)


def _strangers() -> Iterator[str]:
    """Distributions that have entry points for layerkit in no group that it knows."""
    known = {f"layerkit.{kind}" for kind in GROUPS}
    for group, names in installed().items():
        if group not in known:
            yield from (
                str(candidate.dist) for candidates in names.values() for candidate in candidates
            )


def _imports(trials: Iterable[Trial]) -> Iterator[Finding]:
    for trial in trials:
        candidate = trial.candidate
        subject = f"{candidate.name} ({candidate})"
        if trial.stale:
            message = f"its entry point leads nowhere: there is no {candidate.value}"
            fix = reinstall(str(candidate.dist))
            yield Finding("problem", "stale entry points", subject, message, fix, trial.code)
        elif not trial.ok and not _is_requirement(candidate, trial):
            check = "contract version" if trial.code == "LK-105" else "import"
            message, fix = trial.message or "", trial.hint or ""
            yield Finding("problem", check, subject, message, fix, trial.code)
        if trial.slow:
            yield Finding(
                "notice",
                "slow import",
                subject,
                f"importing it took {trial.seconds:.1f} s ({len(trial.modules)} modules); "
                f"{SLOW:g} s is much",
                f"its author can import heavy modules inside functions; "
                f"python -X importtime -c 'import {candidate.value.partition(':')[0]}' shows which",
            )
        if trial.printed:
            yield Finding(
                "notice",
                "prints",
                subject,
                f"it writes while it is imported: {trial.printed[:80]!r}",
                "tell its author; layerkit sends it to standard error",
            )


def _is_requirement(candidate: Candidate, trial: Trial) -> bool:
    """Whether the distribution as a whole has been told of already."""
    from layerkit import __version__

    wanted = requirement(str(candidate.dist)) if trial.code == "LK-105" else None
    return wanted is not None and not admits(wanted, __version__)


def _bare_names(rows: list[Listed]) -> Iterator[Finding]:
    for row in rows:
        name, dist = row.candidate.name, str(row.candidate.dist)
        if dist != FIRST_PARTY and "." not in name and not row.hidden_by:
            yield Finding(
                "notice",
                "bare name",
                f"{name} ({row.candidate})",
                "a type of a third party without a prefix may collide with one of layerkit's own",
                f"its author can call it {dist.partition('-')[0]}.{name}",
            )
