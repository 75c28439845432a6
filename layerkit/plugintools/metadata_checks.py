"""Issues with installed plugins that show in their metadata; nothing is imported."""

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
    all_installed,
    allow_list,
)
from layerkit.discovery.compatibility import allows
from layerkit.discovery.metadata import normalised
from layerkit.display import nearest
from layerkit.plugintools.listing import TypeEntry, editable_folder

_SECTION = re.compile(r"^\s*\[\s*layerkit\.", re.MULTILINE)

Level = Literal["problem", "notice"]
Targets = dict[tuple[str, str], str]


@dataclass(frozen=True)
class Issue:
    """One issue: the check that found it, what it is about, a message, and how to fix it.

    ``code`` is the code of the error that using the part raises, if any.
    """

    level: Level
    check: str
    subject: str
    message: str
    fix: str
    code: str | None = None


def unreadable_metadata() -> Iterator[Issue]:
    """Distributions whose entry points for layerkit cannot be parsed."""
    from importlib.metadata import distributions

    for dist in distributions():
        try:
            if not _SECTION.search(dist.read_text("entry_points.txt") or ""):
                continue
            found = any(ep.group.startswith("layerkit.") for ep in dist.entry_points)
            reason = "" if found else "it has no valid line"
        except Exception as error:  # noqa: BLE001  # a broken file may raise anything
            reason = f"{type(error).__name__}: {error}"
        if reason:
            yield Issue(
                "problem",
                "entry points",
                str(dist.name),
                f"its entry_points.txt cannot be read, so its types are not found: {reason}",
                reinstall_command(str(dist.name)),
            )


def reinstall_command(dist: str) -> str:
    """The command that reinstalls a distribution."""
    folder = editable_folder(dist)
    if folder is not None:
        return f"python -m pip install --no-deps -e {folder}"
    return f"python -m pip install --force-reinstall --no-deps {dist}"


def allow_list_issues(rows: list[TypeEntry], dists: list[str]) -> Iterator[Issue]:
    """Names in LAYERKIT_PLUGINS that are not installed, and distributions it does not name."""
    allowed = allow_list()
    if allowed is None:
        return
    for name in sorted(allowed - set(dists) - {FIRST_PARTY}):
        yield Issue(
            "problem",
            "allow-list",
            ALLOW_VARIABLE,
            f"it names {name!r}, which is not installed or offers no part{nearest(name, dists)}",
            f"install {name}, or remove it from {ALLOW_VARIABLE}",
        )
    for dist in sorted({str(row.candidate.dist) for row in rows if not row.allowed}):
        yield Issue(
            "notice",
            "allow-list",
            dist,
            f"{ALLOW_VARIABLE} does not name it, so its types are refused",
            f"if you trust it, add {dist} to {ALLOW_VARIABLE}",
            "LK-106",
        )


def unknown_groups() -> Iterator[Issue]:
    """Entry points in a group that layerkit does not know."""
    known = [f"layerkit.{kind}" for kind in GROUPS]
    for candidate in all_installed():
        group = candidate.group
        if group not in known:
            yield Issue(
                "problem",
                "entry points",
                f"{candidate.name} ({candidate})",
                f"layerkit does not know the entry point group {group!r}{nearest(group, known)}",
                f"correct the group in the pyproject.toml of {candidate.dist}; "
                f"the groups are {', '.join(known)}",
            )


def name_collisions(rows: list[TypeEntry]) -> Iterator[Issue]:
    """Types that several distributions offer."""
    for row in rows:
        claims = sorted([str(row.candidate), *row.rivals])
        if row.rivals and claims[0] == str(row.candidate):
            yield Issue(
                "problem",
                "collision",
                f"{row.candidate.name} ({row.kind})",
                f"it is offered by {' and by '.join(claims)}, so it cannot be used",
                f"python -m pip uninstall {row.candidate.dist}   (or one of the others), "
                f"or name the ones to use in {ALLOW_VARIABLE}",
                "LK-104",
            )
        elif row.hidden_by:
            ours = "this process" in row.hidden_by
            yield Issue(
                "notice" if ours else "problem",
                "collision",
                f"{row.candidate.name} ({row.kind})",
                f"the one in {row.candidate} is not used: {row.hidden_by} has the same name",
                "change the type_name of the class registered here to use both"
                if ours
                else f"ask the author of {row.candidate.dist} to prefix the name; until then, "
                f"python -m pip uninstall {row.candidate.dist}",
            )


def version_conflicts(requiring: Mapping[str, str | None]) -> Iterator[Issue]:
    """Distributions that require another version of layerkit."""
    from layerkit import __version__

    for dist, required in requiring.items():
        if required is not None and not allows(required, __version__):
            yield Issue(
                "problem",
                "contract version",
                dist,
                f"it requires layerkit{required}, this is layerkit {__version__}",
                f"python -m pip install --upgrade layerkit {dist}",
                "LK-105",
            )


def stale_editables(dists: Iterable[str]) -> Iterator[Issue]:
    """Editable installs whose pyproject.toml has changed, or whose folder is gone."""
    for dist in dists:
        folder = editable_folder(dist)
        if folder is None:
            continue
        if not folder.is_dir():
            message = f"it is an editable install of {folder}, which no longer exists"
            fix = f"python -m pip uninstall {dist}"
            yield Issue("problem", "stale entry points", dist, message, fix)
            continue
        declared = _declared(folder / "pyproject.toml", dist)
        if declared is None:
            continue
        held = {(c.group, c.name): c.value for c in all_installed() if c.dist == dist}
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
            yield Issue(
                "problem",
                "stale entry points",
                dist,
                f"the entry points in its pyproject.toml differ from those installed; "
                f"{'; '.join(changes)}",
                f"python -m pip install --no-deps -e {folder}",
            )


def _declared(path: Path, dist: str) -> Targets | None:
    """(Group, name) to target, as in a pyproject.toml; None if it does not list them."""
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
