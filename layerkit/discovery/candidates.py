"""Parts that installed distributions provide, by their metadata alone: nothing is imported."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from functools import cache
from typing import NamedTuple

from layerkit.discovery.metadata import declared, normalised

__all__ = [
    "ALLOW_VARIABLE",
    "FIRST_PARTY",
    "GROUPS",
    "Candidate",
    "Permit",
    "allow_list",
    "anyone",
    "installed",
    "may_import",
    "normalised",
    "usable",
]

GROUPS = (
    "layers", "activations", "initializers", "losses", "optimizers", "schedules", "metrics", "data",
)  # fmt: skip
"""The kinds of parts; the entry point group of each is ``layerkit.KIND``."""

FIRST_PARTY = "layerkit"
"""The distribution whose parts are always allowed."""

ALLOW_VARIABLE = "LAYERKIT_PLUGINS"
"""Environment variable: distributions whose parts may be imported, separated by commas."""


class Candidate(NamedTuple):
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


Permit = Callable[[Candidate], bool]
"""Whether a caller allows the part behind a candidate to be imported."""


def anyone(candidate: Candidate) -> bool:
    """The ``Permit`` that allows every distribution."""
    return True


def allow_list() -> frozenset[str] | None:
    """The distributions that LAYERKIT_PLUGINS names, normalised; None if it is not set.

    Set but empty, it allows layerkit's own parts only.
    """
    given = os.environ.get(ALLOW_VARIABLE)
    if given is None:
        return None
    return frozenset(normalised(word.strip()) for word in given.split(",") if word.strip())


def may_import(candidate: Candidate) -> bool:
    """Whether LAYERKIT_PLUGINS lets the part behind ``candidate`` be imported.

    layerkit's own parts and classes registered in this process always may.
    """
    allowed = allow_list()
    return allowed is None or candidate.dist in (None, FIRST_PARTY) or candidate.dist in allowed


def usable(candidates: Sequence[Candidate]) -> list[Candidate]:
    """The candidates for one name that may be used: one, none, or several that collide.

    A class registered in this process comes first, then layerkit's own part: a stranger who claims
    one of its names hurts nobody. Of the others, those that LAYERKIT_PLUGINS allows.
    """
    for own in (None, FIRST_PARTY):
        found = [candidate for candidate in candidates if candidate.dist == own]
        if found:
            return found
    return [candidate for candidate in candidates if may_import(candidate)]


@cache
def installed() -> dict[str, dict[str, tuple[Candidate, ...]]]:
    """Group to name to candidates, of all installed distributions, sorted for determinism."""
    found: dict[str, dict[str, set[Candidate]]] = {}
    for ep in declared("layerkit."):
        candidate = Candidate(ep.group, ep.name, ep.target, ep.dist, ep.version)
        found.setdefault(ep.group, {}).setdefault(ep.name, set()).add(candidate)
    return {
        group: {n: tuple(sorted(candidates, key=str)) for n, candidates in sorted(names.items())}
        for group, names in found.items()
    }
