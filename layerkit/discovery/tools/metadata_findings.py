"""What is wrong with installed plugins as far as their metadata tells: nothing is imported."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from layerkit.discovery.candidates import (
    ALLOW_VARIABLE,
    FIRST_PARTY,
    GROUPS,
    allow_list,
    installed,
    normalised,
)
from layerkit.discovery.compatibility import admits
from layerkit.discovery.tools.listing import Listed, editable_folder
from layerkit.display import nearest

__all__ = [
    "Finding",
    "allowances",
    "collisions",
    "outdated",
    "reinstall",
    "requirements",
    "unknown_groups",
    "unreadable",
]

_SECTION = re.compile(r"^\s*\[\s*layerkit\.", re.MULTILINE)

Level = Literal["problem", "notice"]
Targets = dict[tuple[str, str], str]


@dataclass(frozen=True)
class Finding:
    """One thing found: which check, about what, in words, and the line that mends it.

    ``code`` is that of the error which using the part raises, if it does.
    """

    level: Level
    check: str
    subject: str
    message: str
    fix: str
    code: str | None = None


def unreadable() -> Iterator[Finding]:
    """Distributions whose entry points for layerkit cannot be parsed."""
    from importlib.metadata import distributions

    for dist in distributions():
        try:
            if not _SECTION.search(dist.read_text("entry_points.txt") or ""):
                continue
            found = any(ep.group.startswith("layerkit.") for ep in dist.entry_points)
            reason = "" if found else "no line of it is an entry point"
        except Exception as error:  # noqa: BLE001  # a broken file raises whatever its parser meets
            reason = f"{type(error).__name__}: {error}"
        if reason:
            yield Finding(
                "problem",
                "entry points",
                str(dist.name),
                f"its entry_points.txt cannot be read, so its types are not found: {reason}",
                reinstall(str(dist.name)),
            )


def reinstall(dist: str) -> str:
    """The line that installs a distribution anew."""
    folder = editable_folder(dist)
    if folder is not None:
        return f"python -m pip install --no-deps -e {folder}"
    return f"python -m pip install --force-reinstall --no-deps {dist}"


def allowances(rows: list[Listed], dists: list[str]) -> Iterator[Finding]:
    """What LAYERKIT_PLUGINS names in vain, and whom it keeps out."""
    allowed = allow_list()
    if allowed is None:
        return
    for name in sorted(allowed - set(dists) - {FIRST_PARTY}):
        yield Finding(
            "problem",
            "allow-list",
            ALLOW_VARIABLE,
            f"it names {name!r}, which is not installed or offers nothing here"
            f"{nearest(name, dists)}",
            f"install {name}, or take it out of {ALLOW_VARIABLE}",
        )
    for dist in sorted({str(row.candidate.dist) for row in rows if not row.allowed}):
        yield Finding(
            "notice",
            "allow-list",
            dist,
            f"{ALLOW_VARIABLE} does not name it, so its types are refused",
            f"if you trust it, add {dist} to {ALLOW_VARIABLE}",
            "LK-106",
        )


def unknown_groups() -> Iterator[Finding]:
    """Entry points in a group that nothing reads."""
    known = [f"layerkit.{kind}" for kind in GROUPS]
    for group, names in installed().items():
        if group in known:
            continue
        for name, candidates in names.items():
            for candidate in candidates:
                yield Finding(
                    "problem",
                    "entry points",
                    f"{name} ({candidate})",
                    f"no part of layerkit reads the entry point group {group!r}"
                    f"{nearest(group, known)}",
                    f"correct the group in the pyproject.toml of {candidate.dist}; "
                    f"the groups are {', '.join(known)}",
                )


def collisions(rows: list[Listed]) -> Iterator[Finding]:
    """Types that several distributions claim."""
    for row in rows:
        claims = sorted([str(row.candidate), *row.rivals])
        if row.rivals and claims[0] == str(row.candidate):
            yield Finding(
                "problem",
                "collision",
                f"{row.candidate.name} ({row.kind})",
                f"it is offered by {' and by '.join(claims)}, so it is refused",
                f"python -m pip uninstall {row.candidate.dist}   (or one of the others), "
                f"or name those to use in {ALLOW_VARIABLE}",
                "LK-104",
            )
        elif row.hidden_by:
            ours = "this process" in row.hidden_by
            yield Finding(
                "notice" if ours else "problem",
                "collision",
                f"{row.candidate.name} ({row.kind})",
                f"that of {row.candidate} is not used: {row.hidden_by} has the name",
                "another type_name in the class that is registered here keeps both"
                if ours
                else f"ask the author of {row.candidate.dist} to prefix the name; until then, "
                f"python -m pip uninstall {row.candidate.dist}",
            )


def requirements(requiring: Mapping[str, str | None]) -> Iterator[Finding]:
    """Distributions that require another layerkit."""
    from layerkit import __version__

    for dist, wanted in requiring.items():
        if wanted is not None and not admits(wanted, __version__):
            yield Finding(
                "problem",
                "contract version",
                dist,
                f"it requires layerkit{wanted}, this is layerkit {__version__}",
                f"python -m pip install --upgrade layerkit {dist}",
                "LK-105",
            )


def outdated(dists: Iterable[str]) -> Iterator[Finding]:
    """Editable installs whose pyproject.toml has changed since, or whose folder is gone."""
    for dist in dists:
        folder = editable_folder(dist)
        if folder is None:
            continue
        if not folder.is_dir():
            message = f"it is an editable install of {folder}, which is not there any more"
            fix = f"python -m pip uninstall {dist}"
            yield Finding("problem", "stale entry points", dist, message, fix)
            continue
        declared = _declared(folder / "pyproject.toml", dist)
        if declared is None:
            continue
        held = _held(dist)
        changes = [
            f"{word} {', '.join(f'{n} ({g})' for g, n in sorted(keys))}"
            for word, keys in (
                ("new:", declared.keys() - held.keys()),
                ("gone:", held.keys() - declared.keys()),
                ("changed:", {k for k in declared.keys() & held.keys() if declared[k] != held[k]}),
            )
            if keys
        ]
        if changes:
            yield Finding(
                "problem",
                "stale entry points",
                dist,
                f"its pyproject.toml has other entry points than are installed; "
                f"{'; '.join(changes)}",
                f"python -m pip install --no-deps -e {folder}",
            )


def _declared(path: Path, dist: str) -> Targets | None:
    """(Group, name) to target, as a pyproject.toml has them; None if it does not say."""
    try:
        project = tomllib.loads(path.read_text("utf-8"))["project"]
        if normalised(project["name"]) != dist or "entry-points" in project.get("dynamic", ()):
            return None
        return {
            (group, name): str(target).replace(" ", "")
            for group, names in project.get("entry-points", {}).items()
            if group.startswith("layerkit.")
            for name, target in names.items()
        }
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        return None


def _held(dist: str) -> Targets:
    return {
        (group, name): candidate.value
        for group, names in installed().items()
        for name, candidates in names.items()
        for candidate in candidates
        if candidate.dist == dist
    }
