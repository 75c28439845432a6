"""All there is to say about one type: who claims it, what importing it does, what to do."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from layerkit.discovery.candidates import GROUPS, Candidate
from layerkit.discovery.compatibility import requirement
from layerkit.discovery.registry import REGISTRIES
from layerkit.discovery.tools.listing import Listed, listing
from layerkit.discovery.tools.trial_import import LIMIT, Trial, try_out
from layerkit.errors import PluginError

__all__ = ["Claim", "Reason", "why"]


@dataclass(frozen=True)
class Claim:
    """One distribution's claim to the type, and what came of importing it.

    ``trial`` is None for a class registered in this process, and for one that LAYERKIT_PLUGINS
    does not let be imported. ``requires`` is what it requires of layerkit, or None.
    """

    listed: Listed
    requires: str | None
    trial: Trial | None

    def to_json(self) -> dict[str, Any]:
        """All of it as JSON values."""
        trial = self.trial
        tried = None
        if trial is not None:
            tried = {
                "seconds": trial.seconds,
                "modules": list(trial.modules),
                "printed": trial.printed,
                "contract_version": trial.contract_version,
                "config_version": trial.config_version,
                "code": trial.code,
                "message": trial.message,
                "hint": trial.hint,
                "traceback": trial.traceback,
            }
        return {**self.listed.to_json(), "requires": self.requires, "import": tried}


@dataclass(frozen=True)
class Reason:
    """What a type of one kind is.

    Attributes
    ----------
    kind
        Its group, such as "layers".
    name
        Of the type.
    claims
        Everyone who provides it.
    used
        The candidate behind the name; None if it cannot be used.
    code, message, hint
        Why not, as the error that using it raises; None if it can.
    """

    kind: str
    name: str
    claims: tuple[Claim, ...]
    used: Candidate | None
    code: str | None = None
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


def why(name: str, kind: str | None = None, *, limit: float = LIMIT) -> list[Reason]:
    """Explain the type ``name``, for each kind that has one.

    Every claim is imported in a process of its own.

    Parameters
    ----------
    name
        Of the type.
    kind
        Only parts of this group.
    limit
        Seconds that one import may take.

    Raises
    ------
    UnknownTypeError
        If nobody offers it; the message gives the nearest names.
    """
    kinds = GROUPS if kind is None else (kind,)
    found = [one for one in kinds if name in REGISTRIES[one]]
    if not found:
        raise _unknown(name, kinds)
    return [_reason(name, one, limit) for one in found]


def _unknown(name: str, kinds: tuple[str, ...]) -> PluginError:
    """The error of the kind whose names are nearest; of layers, if none is near."""
    errors = []
    for kind in kinds:
        try:
            REGISTRIES[kind].choose(name)
        except PluginError as error:
            errors.append(error)
    return next((e for e in errors if "did you mean" in e.message), errors[0])


def _reason(name: str, kind: str, limit: float) -> Reason:
    claims = tuple(_claims(name, kind, limit))
    try:
        used = REGISTRIES[kind].choose(name)
    except PluginError as error:
        return Reason(kind, name, claims, None, error.code, error.message, error.hint)
    trial = next(claim.trial for claim in claims if claim.listed.candidate == used)
    if trial is not None and not trial.ok:
        return Reason(kind, name, claims, None, trial.code, trial.message, trial.hint)
    return Reason(kind, name, claims, used)


def _claims(name: str, kind: str, limit: float) -> Iterator[Claim]:
    for listed in listing(kind):
        candidate = listed.candidate
        if candidate.name != name:
            continue
        tried = listed.allowed and candidate.dist is not None
        trial = next(try_out([candidate], limit=limit)) if tried else None
        yield Claim(listed, requirement(candidate.dist) if candidate.dist else None, trial)
