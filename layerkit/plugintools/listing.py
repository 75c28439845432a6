"""All available types and where each is installed; reads metadata and imports no plugin."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from layerkit.discovery.candidates import (
    FIRST_PARTY,
    GROUPS,
    Candidate,
    installed,
    may_import,
    usable_candidates,
)

_REGISTRY = "layerkit.discovery.registry"
_HIDES = {None: "a class registered in this process", FIRST_PARTY: "layerkit's own"}


@dataclass(frozen=True)
class TypeEntry:
    """One type, as offered by one distribution."""

    candidate: Candidate
    kind: str  # its group, such as "layers"
    origin: str  # where it is installed, for display
    allowed: bool  # by LAYERKIT_PLUGINS
    hidden_by: str  # what takes precedence: a value of _HIDES, or ""
    rivals: tuple[str, ...]  # "name version" of others that offer it with the same precedence

    @property
    def status(self) -> str:
        """From metadata only: "not checked", "not allowed", "hidden", "claimed twice" or "ok"."""
        if not self.allowed:
            return "not allowed"
        if self.hidden_by:
            return "hidden"
        if self.rivals:
            return "claimed twice"
        return "ok" if self.candidate.dist is None else "not checked"

    def to_json(self) -> dict[str, Any]:
        """All of it as JSON values."""
        return {
            "type": self.candidate.name,
            "group": self.kind,
            "distribution": self.candidate.dist,
            "version": self.candidate.version,
            "origin": self.origin,
            "target": self.candidate.value,
            "status": self.status,
            "hidden_by": self.hidden_by or None,
            "rivals": list(self.rivals),
        }


def list_types(kind: str | None = None) -> list[TypeEntry]:
    """All types of ``kind``, or of all kinds, sorted by kind, type and distribution."""
    origins: dict[str | None, str] = {}
    found = []
    for one in GROUPS if kind is None else (kind,):
        for candidates in _claims(one).values():
            chosen = usable_candidates(candidates)
            for candidate in candidates:
                if candidate.dist not in origins:
                    origins[candidate.dist] = origin(candidate.dist)
                mates = chosen if candidate in chosen else []
                rivals = tuple(str(o) for o in mates if o != candidate)
                allowed = may_import(candidate)
                hidden = _HIDES[chosen[0].dist] if allowed and not mates else ""
                found.append(
                    TypeEntry(candidate, one, origins[candidate.dist], allowed, hidden, rivals)
                )
    return found


def _claims(kind: str) -> dict[str, list[Candidate]]:
    """Name to candidates, sorted by name, with those registered in this process.

    Those are in the registry, which imports NumPy, so it is used only if it is loaded already.
    """
    names = {
        n: list(candidates) for n, candidates in installed().get(f"layerkit.{kind}", {}).items()
    }
    if _REGISTRY in sys.modules:
        registry = sys.modules[_REGISTRY].REGISTRIES[kind]
        names |= {name: registry.candidates(name) for name in registry.names()}
    return dict(sorted(names.items()))


def origin(dist: str | None) -> str:
    """Where a distribution is installed: "first-party", "editable: FOLDER", or its folder.

    None stands for a class registered in this process.
    """
    from importlib.metadata import PackageNotFoundError, distribution

    if dist is None:
        return "in this process"
    if dist == FIRST_PARTY:
        return "first-party"
    folder = editable_folder(dist)
    if folder is not None:
        return f"editable: {folder}"
    try:
        return str(distribution(dist).locate_file(""))
    except PackageNotFoundError:
        return "unknown"


def editable_folder(dist: str) -> Path | None:
    """The project folder of an editable install, or None."""
    from importlib.metadata import PackageNotFoundError, distribution
    from urllib.request import url2pathname

    try:
        given = json.loads(distribution(dist).read_text("direct_url.json") or "{}")
        url, editable = str(given["url"]), given["dir_info"]["editable"] is True
    except (PackageNotFoundError, ValueError, LookupError, TypeError):
        return None
    parts = urlsplit(url)
    if not editable or parts.scheme != "file":
        return None
    return Path(url2pathname(parts.path) if sys.platform == "win32" else unquote(parts.path))
