"""Parts that installed distributions declare in their metadata; nothing is imported."""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import cache
from typing import Literal, NamedTuple, get_args

from layerkit.discovery.metadata import entry_points, normalised

Group = Literal[
    "layers",
    "activations",
    "initializers",
    "losses",
    "optimizers",
    "schedules",
    "metrics",
    "callbacks",
    "engines",
    "data",
    "readers",
    "exporters",
    "importers",
    "devices",
    "figures",
    "executors",
    "searches",
]
"""A kind of parts; its entry point group is ``layerkit.GROUP``."""

GROUPS: tuple[Group, ...] = get_args(Group)
"""All kinds of parts."""

Kind = Literal[
    "layer", "activation", "initializer", "loss", "optimizer", "schedule", "metric", "callback"
]
"""The kinds that ``plugins new`` makes: singulars of the groups, in the same order."""

KINDS: dict[Kind, Group] = dict(zip(get_args(Kind), GROUPS, strict=False))
"""Kind to group, such as "loss" to "losses"."""

FIRST_PARTY = "layerkit"
"""The name of layerkit's own distribution, whose parts are always allowed."""

ALLOW_VARIABLE = "LAYERKIT_PLUGINS"
"""Environment variable: the distributions that may be imported, separated by commas."""


class Candidate(NamedTuple):
    """A distribution that offers a part under a name; nothing of it has been imported.

    ``dist`` and ``version`` are None for a class registered in this process; ``value`` is the
    target of the entry point, module:Class.
    """

    group: str
    name: str
    value: str
    dist: str | None
    version: str | None

    def __str__(self) -> str:
        return f"{self.dist} {self.version}" if self.dist else "registered in this process"


class Permit(NamedTuple):
    """The distributions whose parts a caller allows to be imported, normalised; None for all.

    Parts registered in this process are always allowed: importing them runs no new code.
    """

    names: frozenset[str] | None

    def __call__(self, candidate: Candidate) -> bool:
        """Whether the part behind ``candidate`` may be imported."""
        return self.names is None or candidate.dist is None or candidate.dist in self.names

    def __str__(self) -> str:
        return ", ".join(sorted(self.names or ())) or "none"


ANYONE = Permit(None)


def allow_list() -> frozenset[str] | None:
    """The distributions that LAYERKIT_PLUGINS names, normalised; None if it is not set.

    If it is empty, only layerkit's own parts are allowed.
    """
    given = os.environ.get(ALLOW_VARIABLE)
    if given is None:
        return None
    return frozenset(normalised(word.strip()) for word in given.split(",") if word.strip())


def may_import(candidate: Candidate) -> bool:
    """Whether LAYERKIT_PLUGINS allows ``candidate`` to be imported.

    layerkit's own parts and classes registered in this process are always allowed.
    """
    allowed = allow_list()
    return allowed is None or candidate.dist in (None, FIRST_PARTY) or candidate.dist in allowed


def usable_candidates(candidates: Sequence[Candidate]) -> list[Candidate]:
    """Which of the candidates for one name may be used: one, none, or several that collide.

    A class registered in this process comes first, then layerkit's own part, so that no other
    distribution can take its names; then all others that LAYERKIT_PLUGINS allows.
    """
    for own in (None, FIRST_PARTY):
        found = [candidate for candidate in candidates if candidate.dist == own]
        if found:
            return found
    return [candidate for candidate in candidates if may_import(candidate)]


@cache
def installed() -> dict[str, dict[str, tuple[Candidate, ...]]]:
    """Group to name to candidates, of all installed distributions, in a fixed order."""
    found: dict[str, dict[str, set[Candidate]]] = {}
    for ep in entry_points("layerkit."):
        candidate = Candidate(ep.group, ep.name, ep.target, ep.dist, ep.version)
        found.setdefault(ep.group, {}).setdefault(ep.name, set()).add(candidate)
    return {
        group: {n: tuple(sorted(candidates, key=str)) for n, candidates in sorted(names.items())}
        for group, names in found.items()
    }


def all_installed() -> list[Candidate]:
    """The candidates of ``installed`` in one list, also those in groups layerkit does not know."""
    return [one for names in installed().values() for found in names.values() for one in found]
