"""What the installed distributions offer, by their metadata alone: nothing is imported here."""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from importlib.metadata import Distribution, EntryPoint

__all__ = ["Offer", "installed", "nearest", "normalised"]


def nearest(word: str, known: list[str]) -> str:
    """``; did you mean 'x'?`` for the known words nearest to ``word``, or the empty string."""
    close = difflib.get_close_matches(word.lower(), known, n=2, cutoff=0.6)
    return f"; did you mean {' or '.join(repr(c) for c in close)}?" if close else ""


@dataclass(frozen=True)
class Offer:
    """A distribution's claim to provide a name, before anything is imported.

    ``dist`` and ``version`` are None for a class registered in the process; ``value`` is the
    entry point's target, module:Class.
    """

    group: str
    name: str
    value: str
    dist: str | None
    version: str | None

    def __str__(self) -> str:
        return f"{self.dist} {self.version}" if self.dist else "registered in this process"


@cache
def installed() -> dict[str, dict[str, tuple[Offer, ...]]]:
    """Group to name to offers, of all installed distributions, sorted for determinism."""
    from importlib.metadata import distributions

    found: dict[str, dict[str, set[Offer]]] = {}
    seen: set[str] = set()
    for dist in distributions():
        name = normalised(dist.name or "unknown")
        if name in seen:  # the first on sys.path is the one that is imported
            continue
        seen.add(name)
        for ep in _entry_points(dist):
            if ep.group.startswith("layerkit."):
                target = f"{ep.module}:{ep.attr}"
                offer = Offer(ep.group, ep.name, target, name, dist.version)
                found.setdefault(ep.group, {}).setdefault(ep.name, set()).add(offer)
    return {
        group: {n: tuple(sorted(offers, key=str)) for n, offers in sorted(names.items())}
        for group, names in found.items()
    }


def _entry_points(dist: Distribution) -> list[EntryPoint]:
    """Those of ``dist``; none if its metadata cannot be parsed, which must hurt nobody else."""
    try:
        return [ep for ep in dist.entry_points if ep.module]
    except Exception:  # noqa: BLE001  # a broken file raises whatever its parser meets
        return []


def normalised(name: str) -> str:
    """A distribution's name in the one spelling of PEP 503."""
    return re.sub(r"[-_.]+", "-", name).lower()
