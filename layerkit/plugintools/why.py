"""Explain one type: who offers it, what importing it does, and what to do."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from layerkit.discovery.candidates import GROUPS, Candidate
from layerkit.discovery.compatibility import requirement
from layerkit.discovery.registry import REGISTRIES
from layerkit.errors import PluginError
from layerkit.plugintools.listing import TypeEntry, list_types
from layerkit.plugintools.trial_import import LIMIT, ImportResult, try_imports


@dataclass(frozen=True)
class Claim:
    """One distribution that offers the type, and the result of importing it.

    ``trial`` is None for a class registered in this process, and for one that LAYERKIT_PLUGINS does
    not allow. ``requires`` is the version of layerkit it requires, or None.
    """

    listed: TypeEntry
    requires: str | None
    trial: ImportResult | None

    def to_json(self) -> dict[str, Any]:
        """All of it as JSON values."""
        tried = None
        if self.trial is not None:
            hidden = ("candidate", "stale")
            tried = {key: value for key, value in vars(self.trial).items() if key not in hidden}
        return {**self.listed.to_json(), "requires": self.requires, "import": tried}


@dataclass(frozen=True)
class Explanation:
    """What a type name stands for, within one kind of parts."""

    kind: str  # its group, such as "layers"
    name: str
    claims: tuple[Claim, ...]
    used: Candidate | None  # None if the name cannot be used
    code: str | None = None  # this, message and hint are those of the error that using it raises
    message: str | None = None
    hint: str | None = None

    def to_json(self) -> dict[str, Any]:
        """All of it as JSON values."""
        return {
            "type": self.name,
            "group": self.kind,
            "usable": self.used is not None,
            "used": None if self.used is None else str(self.used),
            "code": self.code,
            "message": self.message,
            "hint": self.hint,
            "claims": [claim.to_json() for claim in self.claims],
        }


def why(name: str, kind: str | None = None, *, limit: float = LIMIT) -> list[Explanation]:
    """Explain the type ``name``, for each kind that has one; imports it in another process.

    ``limit`` is the seconds that one import may take. Raises UnknownTypeError, with the nearest
    names, if there is no such type.
    """
    kinds = GROUPS if kind is None else (kind,)
    found = [one for one in kinds if name in REGISTRIES[one]]
    if not found:
        raise _unknown(name, kinds)
    return [_explained(name, one, limit) for one in found]


def _unknown(name: str, kinds: tuple[str, ...]) -> PluginError:
    """The error of the kind with the nearest names; of layers, if none is near."""
    errors = []
    for kind in kinds:
        try:
            REGISTRIES[kind].choose(name)
        except PluginError as error:
            errors.append(error)
    return next((e for e in errors if "did you mean" in e.message), errors[0])


def _explained(name: str, kind: str, limit: float) -> Explanation:
    claims = tuple(_claims(name, kind, limit))
    try:
        used = REGISTRIES[kind].choose(name)
    except PluginError as error:
        return Explanation(kind, name, claims, None, error.code, error.message, error.hint)
    trial = next(claim.trial for claim in claims if claim.listed.candidate == used)
    if trial is not None and not trial.ok:
        return Explanation(kind, name, claims, None, trial.code, trial.message, trial.hint)
    return Explanation(kind, name, claims, used)


def _claims(name: str, kind: str, limit: float) -> Iterator[Claim]:
    for listed in list_types(kind):
        candidate = listed.candidate
        if candidate.name != name:
            continue
        tried = listed.allowed and candidate.dist is not None
        trial = next(try_imports([candidate], limit=limit)) if tried else None
        yield Claim(listed, requirement(candidate.dist) if candidate.dist else None, trial)
