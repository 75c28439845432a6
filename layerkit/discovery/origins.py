"""The origin of parts: what a model file says of them, held against what is installed here.

A part that a file says something of (rule 3.6 of its format) is looked up only among the entry
points of the distribution that the file names, or, without a distribution, among the classes
registered in this process.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, TypeVar

from layerkit.core.parts import Part
from layerkit.discovery.candidates import (
    ALLOW_VARIABLE,
    ANYONE,
    Candidate,
    Permit,
    allow_list,
    usable_candidates,
)
from layerkit.discovery.registry import Registry
from layerkit.errors import (
    PluginAmbiguousError,
    PluginError,
    PluginMissingError,
    PluginNotAllowedError,
    PluginProblem,
    PluginVersionError,
    joined_plugin_errors,
)

P = TypeVar("P", bound=Part)

Claim = Mapping[str, Any]
"""What a file says of a part: ``dist``, ``version``, ``config_version``."""

_LONGEST = 10  # distributions in a pip command


class Origins:
    """How the parts of a spec are found, apart from its layers.

    Parameters
    ----------
    permit
        Whose parts may be imported.
    claims
        What the model file of the spec says, by group and name ("optimizers/acme.lion"); it says
        nothing of layerkit's own parts.
    """

    def __init__(
        self, permit: Permit = ANYONE, claims: Mapping[str, Claim] = MappingProxyType({})
    ) -> None:
        self.permit = permit
        self._claims = claims
        self._settled: set[str] = set()
        self._failed: dict[str, PluginVersionError] = {}

    def find(self, registry: Registry[P], name: str, where: str = "") -> type[P]:
        """The class that ``name`` stands for, which must be the one that the file means.

        Raises PluginError if it is not here, not the one that would be used, or not allowed.
        """
        claim = self.claim(registry.kind, name)
        if claim is not None:
            part = claimed_class(registry, name, claim, where, self.permit)
            _check_use(registry, name, claim, where)
            return part
        candidate = registry.choose(name)
        if not self.permit(candidate):
            reason = f"{candidate} is not among the allowed distributions ({self.permit})"
            raise registry.refused(candidate, reason)
        return registry.load(candidate)

    def current(
        self, registry: Registry[P], part: type[P], settings: dict[str, Any], where: str
    ) -> dict[str, Any]:
        """``settings`` in the version of the class, which ``find`` has found.

        Raises PluginVersionError if they are newer than the class, or it cannot migrate them.
        """
        claim, key = self.claim(registry.kind, part.type_name), f"{registry.kind}/{part.type_name}"
        if claim is None:
            return settings
        if key in self._failed:  # all places that name it keep the version of the file
            raise self._failed[key]
        try:
            version = claim["config_version"]
            settings = registry.migrated(part, settings, version, where=where)
        except PluginVersionError as error:
            if key not in self._settled:
                self._failed[key] = error
            raise
        self._settled.add(key)
        return settings

    def check_version(
        self, registry: Registry[P], part: type[P], settings: dict[str, Any], where: str
    ) -> None:
        """Raise PluginVersionError if ``settings``, as the file has them, are not of the class."""
        if self.current(registry, part, settings, where) == settings:
            return
        self._settled.discard(f"{registry.kind}/{part.type_name}")
        reason = f"{registry.singular} {part.type_name!r} was not here when the file was read"
        problem = PluginProblem(part.type_name, reason, where)
        hint = "load the file again: its settings are of an older version"
        raise PluginVersionError(f"{where}: {reason}", hint=hint, problems=[problem])

    @property
    def asks(self) -> bool:
        """Whether a part may be another one than its name stands for here, or not allowed."""
        return bool(self._claims) or self.permit.names is not None

    def claim(self, group: str, name: str) -> Claim | None:
        """What the file says of a part; None if it says nothing."""
        return self._claims.get(f"{group}/{name}")

    def settled(self, group: str, name: str) -> bool:
        """Whether the file says something of a part that has been found, and its settings read."""
        return f"{group}/{name}" in self._settled

    def open(self, group: str, name: str) -> bool:
        """Whether the file says something of a part that has not been found here."""
        return f"{group}/{name}" in self._claims and not self.settled(group, name)

    def unsettled(self) -> dict[str, Claim]:
        """What the file says of parts that were not found here."""
        return {key: claim for key, claim in self._claims.items() if key not in self._settled}


def claimed_class(
    registry: Registry[P], name: str, claim: Claim, where: str, permit: Permit
) -> type[P]:
    """The class called ``name`` of the distribution in ``claim``.

    Raises PluginMissingError if it is not here, PluginNotAllowedError, PluginLoadError, and
    PluginVersionError if it is older than its settings.
    """
    dist = claim["dist"]
    claimed = _claimed(claim)
    candidates = registry.candidates(name)
    fitting = [candidate for candidate in candidates if candidate.dist == dist]
    kind = registry.singular
    if not fitting:
        raise _missing(kind, name, claimed, where, candidates)
    if len(fitting) > 1:
        raise registry.ambiguous(name, fitting, where)
    if not permit(fitting[0]):
        reason = f"{kind} {name!r} of {claimed} is not among the allowed distributions ({permit})"
        problem = PluginProblem(name, reason, where, claimed, (str(fitting[0]),))
        hint = f"if you trust it, add {dist!r} to allow_plugins"
        raise PluginNotAllowedError(f"{where}: {reason}", hint=hint, problems=[problem])
    part = registry.load(fitting[0])
    if claim["config_version"] > part.config_version:
        reason = (
            f"{kind} {name!r}: the file claims settings of version {claim['config_version']}, "
            f"{fitting[0]} has version {part.config_version}"
        )
        problem = PluginProblem(name, reason, where, claimed, (str(fitting[0]),))
        raise PluginVersionError(
            f"{where}: {reason}", hint=f"upgrade {dist or 'the class'}", problems=[problem]
        )
    return part


def _claimed(claim: Claim) -> str | None:
    return f"{claim['dist']} {claim['version']}" if claim["dist"] else None


def _check_use(registry: Registry[P], name: str, claim: Claim, where: str) -> None:
    """Raise if ``name`` stands for another part here: layers look it up by its name alone."""
    candidates = registry.candidates(name)
    used = usable_candidates(candidates)
    if [one.dist for one in used] == [claim["dist"]]:
        return
    claimed = _claimed(claim)
    meant = claimed or "the process that saved it"
    others = " and ".join(str(one) for one in used if one.dist != claim["dist"])
    reason = f"{registry.singular} {name!r}: the file claims it comes from {meant}; here it "
    if len(used) > 1:
        reason += f"may be that of {others} too"
        hint = f"name the distributions to use in {ALLOW_VARIABLE}, without {others}"
    else:
        reason += f"is the one {others}" if used[0].dist is None else f"is that of {others}"
        hint = "give the other one another type_name"
    installed = tuple(map(str, candidates))
    problem = PluginProblem(name, reason, where, claimed, installed)
    raise PluginAmbiguousError(f"{where}: {reason}", hint=hint, problems=[problem])


def _missing(
    kind: str, name: str, claimed: str | None, where: str, candidates: list[Candidate]
) -> PluginMissingError:
    if claimed is None:
        reason = f"{kind} {name!r} was registered in the process that saved the file, not here"
    else:
        reason = f"{kind} {name!r}: the file claims it comes from {claimed}"
        reason += ", which is not installed or does not offer it"
    if candidates:
        verb = "offers" if len(candidates) == 1 else "offer"
        reason += f"; {' and '.join(map(str, candidates))} {verb} a type of that name"
    problem = PluginProblem(name, reason, where, claimed, tuple(map(str, candidates)))
    return PluginMissingError(f"{where}: {reason}", problems=[problem])


def _remedy(missing: list[PluginProblem], *, lure: bool, instead: str) -> str:
    """What to do about the ``missing`` parts: one pip command, or registering the class.

    The file chose the names, so there is no command if the caller limits whom to trust (``lure``
    is false).
    """
    names = sorted({p.claimed.replace(" ", "==") for p in missing if p.claimed})[:_LONGEST]
    lines = []
    if names and lure and allow_list() is None:
        lines.append(
            "the file claims that this provides it; install it only if you know it and trust it: "
            f"python -m pip install {' '.join(names)}"
        )
    if any(p.claimed is None for p in missing):
        lines.append("define the class and decorate it with layerkit.register before loading")
    return "\n".join([*lines, instead])


def joined(faults: list[PluginError], permit: Permit, *, instead: str) -> PluginError:
    """One error for all faults, with the remedies; ``instead`` says what can be done without."""
    missing = [p for e in faults if isinstance(e, PluginMissingError) for p in e.problems]
    others = [e.hint for e in faults if e.hint and not isinstance(e, PluginMissingError)]
    remedies = [_remedy(missing, lure=permit.names is None, instead=instead)] if missing else []
    message = "\n".join(error.message for error in faults)
    hint = "\n".join(dict.fromkeys([*remedies, *others])) or None
    return joined_plugin_errors(faults, message, hint=hint)
