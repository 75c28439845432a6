"""What the installed distributions offer, by their metadata alone: nothing is imported here."""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import cache
from typing import NamedTuple

from layerkit.discovery.metadata import declared, normalised

__all__ = [
    "ALLOW_VARIABLE",
    "FIRST_PARTY",
    "GROUPS",
    "Offer",
    "allow_list",
    "installed",
    "may_import",
    "nearest",
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


_LONGEST = 200  # letters of a word that may be a slip of the finger
_MOST = 5_000  # words to compare with: a quarter of a second


def nearest(word: str, known: list[str]) -> str:
    """``; did you mean 'x'?`` for the known words nearest to ``word``, or the empty string."""
    if len(word) > _LONGEST:
        return ""
    import difflib  # 2 ms, and only for a mistake

    close = difflib.get_close_matches(word.lower(), known[:_MOST], n=2, cutoff=0.6)
    return f"; did you mean {' or '.join(repr(c) for c in close)}?" if close else ""


class Offer(NamedTuple):
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


def allow_list() -> frozenset[str] | None:
    """The distributions that LAYERKIT_PLUGINS names, normalised; None if it is not set.

    Set but empty, it allows layerkit's own parts only.
    """
    given = os.environ.get(ALLOW_VARIABLE)
    if given is None:
        return None
    return frozenset(normalised(word.strip()) for word in given.split(",") if word.strip())


def may_import(offer: Offer) -> bool:
    """Whether LAYERKIT_PLUGINS lets the part behind ``offer`` be imported.

    layerkit's own parts and classes registered in this process always may.
    """
    allowed = allow_list()
    return allowed is None or offer.dist in (None, FIRST_PARTY) or offer.dist in allowed


def usable(offers: Sequence[Offer]) -> list[Offer]:
    """The offers of one name that may stand behind it: one, or none, or several that collide.

    A class registered in this process comes first, then layerkit's own part: a stranger who claims
    one of its names hurts nobody. Of the others, those that LAYERKIT_PLUGINS allows.
    """
    for own in (None, FIRST_PARTY):
        found = [offer for offer in offers if offer.dist == own]
        if found:
            return found
    return [offer for offer in offers if may_import(offer)]


@cache
def installed() -> dict[str, dict[str, tuple[Offer, ...]]]:
    """Group to name to offers, of all installed distributions, sorted for determinism."""
    found: dict[str, dict[str, set[Offer]]] = {}
    for ep in declared("layerkit."):
        offer = Offer(ep.group, ep.name, ep.target, ep.dist, ep.version)
        found.setdefault(ep.group, {}).setdefault(ep.name, set()).add(offer)
    return {
        group: {n: tuple(sorted(offers, key=str)) for n, offers in sorted(names.items())}
        for group, names in found.items()
    }
