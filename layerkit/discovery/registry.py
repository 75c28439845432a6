"""Where parts come from: one ``Registry`` class for all groups of entry points.

Metadata first: listing names reads what the installed distributions declare and imports nothing;
asking for one name imports that one module. A broken, slow or colliding plugin hurts only whoever
asks for it. Classes registered in the process (a notebook) come beside the installed ones.
"""

from __future__ import annotations

import json
import re
import warnings
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Generic, TypeVar

from layerkit.core.layer import Layer
from layerkit.core.optimizer import Optimizer
from layerkit.core.parts import Activation, DataSource, Initializer, Loss, Metric, Part, Schedule
from layerkit.discovery.candidates import (
    ALLOW_VARIABLE,
    FIRST_PARTY,
    Candidate,
    installed,
    may_import,
    usable,
)
from layerkit.discovery.importing import import_part
from layerkit.display import nearest, quoted
from layerkit.errors import (
    PluginAmbiguousError,
    PluginNotAllowedError,
    PluginProblem,
    PluginVersionError,
    SpecError,
    UnknownTypeError,
)

__all__ = [
    "REGISTRIES",
    "Registry",
    "activation",
    "initializer",
    "register",
    "schedule",
]

P = TypeVar("P", bound=Part)

TYPE_NAME = re.compile(r"[a-z0-9]([a-z0-9._-]{0,126}[a-z0-9])?")  # that of the model file


class Registry(Generic[P]):
    """The parts of one kind: ``registry["dense"]`` is a class, ``registry.create(...)`` a part.

    Parameters
    ----------
    kind
        Plural word that names the kind and its entry point group, ``layerkit.<kind>``.
    base
        The contract class that its parts inherit.
    """

    def __init__(self, kind: str, base: type[P]) -> None:
        self.kind = kind
        self.group = f"layerkit.{kind}"
        self.base = base
        self._local: dict[str, type[P]] = {}
        self._loaded: dict[Candidate, type[P]] = {}

    def names(self) -> list[str]:
        """All names on offer, sorted; imports nothing."""
        return sorted({*installed().get(self.group, {}), *self._local})

    def candidates(self, name: str) -> list[Candidate]:
        """Who provides ``name``; a class registered in the process comes first."""
        local = self._local.get(name)
        here = (
            []
            if local is None
            else [
                Candidate(self.group, name, f"{local.__module__}:{local.__qualname__}", None, None)
            ]
        )
        return [*here, *installed().get(self.group, {}).get(name, ())]

    def choose(self, name: str, *, where: str = "") -> Candidate:
        """The one candidate for ``name``: one registered in the process wins over layerkit's own,
        and that over a stranger's, with a warning.

        Raises
        ------
        UnknownTypeError
            If nobody offers it; the message gives the nearest names.
        PluginAmbiguousError
            If several distributions do.
        PluginNotAllowedError
            If LAYERKIT_PLUGINS names none of those that do.
        """
        candidates = self.candidates(name)
        if not candidates:
            known = self.names()
            reason = f"unknown {self.singular} {quoted(name)}{nearest(name, known)}"
            raise UnknownTypeError(
                f"{where}: {reason}" if where else reason,
                hint=f"installed {self.kind}: {', '.join(known) or 'none'}",
                problems=[PluginProblem(name, reason, where)],
            )
        chosen = usable(candidates)
        if not chosen:
            raise self._not_listed(candidates[0])
        if len(chosen) > 1:
            raise self.ambiguous(name, chosen, where)
        if len(candidates) > 1 and chosen[0].dist == FIRST_PARTY:
            others = " and ".join(
                str(candidate) for candidate in candidates if candidate not in chosen
            )
            warnings.warn(
                f"{self.singular} {name!r} is layerkit's own; that of {others} is not used",
                stacklevel=2,
            )
        return chosen[0]

    def ambiguous(
        self, name: str, candidates: list[Candidate], where: str = ""
    ) -> PluginAmbiguousError:
        """The error that says which distributions claim ``name``."""
        claims = tuple(map(str, candidates))
        reason = f"{self.singular} {quoted(name)} is offered by {' and by '.join(claims)}"
        return PluginAmbiguousError(
            f"{where}: {reason}" if where else reason,
            hint=f"uninstall all but one of them, or name those to use in {ALLOW_VARIABLE}",
            problems=[PluginProblem(name, reason, where, installed=claims)],
        )

    def refused(
        self, candidate: Candidate, reason: str, hint: str | None = None
    ) -> PluginNotAllowedError:
        """The error for a candidate that the caller does not allow."""
        problem = PluginProblem(candidate.name, reason, installed=(str(candidate),))
        return PluginNotAllowedError(
            f"{self.singular} {candidate.name!r}: {reason}",
            hint=hint or f"if you trust it, add {candidate.dist!r} to allow_plugins",
            problems=[problem],
        )

    def _not_listed(self, candidate: Candidate) -> PluginNotAllowedError:
        return self.refused(
            candidate,
            f"{candidate} is not among the distributions that {ALLOW_VARIABLE} names",
            f"if you trust it, add {candidate.dist} to {ALLOW_VARIABLE}, or unset that variable",
        )

    @property
    def singular(self) -> str:
        """The kind as a word for one part, for messages."""
        irregular = {"layers": "layer type", "losses": "loss", "data": "data set"}
        return irregular.get(self.kind, self.kind.removesuffix("s"))

    def load(self, candidate: Candidate) -> type[P]:
        """Import the class behind ``candidate``.

        Raises
        ------
        PluginLoadError, PluginVersionError
            As ``importing.import_part``.
        PluginNotAllowedError
            If LAYERKIT_PLUGINS does not name its distribution.
        """
        if candidate.dist is None:
            return self._local[candidate.name]
        if not may_import(candidate):
            raise self._not_listed(candidate)
        if candidate not in self._loaded:
            self._loaded[candidate] = import_part(candidate, self.base, self.singular)
        return self._loaded[candidate]

    def origin(self, part: type[P]) -> Candidate:
        """Who provides the class ``part``: a distribution, or this process."""
        for candidate, loaded in self._loaded.items():
            if loaded is part:
                return candidate
        value = f"{part.__module__}:{part.__qualname__}"
        return Candidate(self.group, part.type_name, value, None, None)

    def __getitem__(self, name: str) -> type[P]:
        return self.load(self.choose(name))

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and bool(self.candidates(name))

    def register(self, part: type[P]) -> type[P]:
        """Make ``part`` known in this process, in place of one of the same name."""
        self._local[part.type_name] = part
        _forget()
        return part

    def unregister(self, name: str) -> None:
        """Forget a class registered in this process."""
        self._local.pop(name, None)
        _forget()

    def create(self, config: str | Mapping[str, Any]) -> P:
        """A part from its name, or from its settings with the name under "type".

        Raises
        ------
        PluginError
            If there is no such part, or it cannot be imported.
        SpecError
            If the part refuses the settings.
        """
        name, settings = split_config(config)
        try:
            return self[name](**settings)
        except TypeError as cause:
            raise SpecError(f"{self.singular} {name!r} refuses its settings: {cause}") from cause

    def migrated(
        self, part: type[P], config: dict[str, Any], version: int, *, where: str = ""
    ) -> dict[str, Any]:
        """``config`` of settings version ``version`` brought to that of the class.

        Raises
        ------
        PluginVersionError
            If the settings are newer than the class, or older and it cannot read them.
        """
        if version == part.config_version:
            return config
        reason = f"settings of version {version}; {part.__name__} has {part.config_version}"
        problem = PluginProblem(part.type_name, reason, where)
        if version > part.config_version:
            raise PluginVersionError(
                f"{where}: {part.type_name!r} is too old here: the file holds {reason}",
                hint=f"python -m pip install --upgrade {self.origin(part).dist or part.__module__}",
                problems=[problem],
            )
        candidate = self.origin(part)
        hint = (
            f"another version of {candidate.dist or part.__module__} may read them; the file "
            "itself is sound, and inspect, verify and load_tensors work without the plugin"
        )
        try:
            found = part.migrate(dict(config), version)
        except (Exception, SystemExit) as cause:  # whatever a plugin's own code raises
            raised = (
                f"{part.__name__}.migrate of {candidate} raised {type(cause).__name__}: {cause}"
            )
            raise PluginVersionError(
                f"{where}: {part.type_name!r} cannot migrate {reason}: {raised}",
                hint=hint,
                problems=[problem],
            ) from cause
        if not isinstance(found, dict):
            raise PluginVersionError(
                f"{where}: {part.type_name!r} cannot migrate {reason}: {part.__name__}.migrate of "
                f"{candidate} gave {quoted(found)}, not the new settings",
                hint=hint,
                problems=[problem],
            )
        return found


def split_config(config: str | Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """("tanh", {}) for "tanh"; the name under "type" and the rest for a mapping."""
    if isinstance(config, str):
        return config, {}
    rest = dict(config)
    return str(rest.pop("type", "")), rest


LAYERS = Registry("layers", Layer)  # type: ignore[type-abstract]  # a contract, not called
ACTIVATIONS = Registry("activations", Activation)  # type: ignore[type-abstract]
INITIALIZERS = Registry("initializers", Initializer)  # type: ignore[type-abstract]
LOSSES = Registry("losses", Loss)  # type: ignore[type-abstract]
OPTIMIZERS = Registry("optimizers", Optimizer)  # type: ignore[type-abstract]
SCHEDULES = Registry("schedules", Schedule)  # type: ignore[type-abstract]
METRICS = Registry("metrics", Metric)  # type: ignore[type-abstract]
DATA = Registry("data", DataSource)  # type: ignore[type-abstract]

REGISTRIES: dict[str, Registry[Any]] = {
    r.kind: r
    for r in (LAYERS, ACTIVATIONS, INITIALIZERS, LOSSES, OPTIMIZERS, SCHEDULES, METRICS, DATA)
}


def _shared(kind: str, config: str | Mapping[str, Any]) -> Any:
    """One object for equal configurations; layers ask for their activations at every feed."""
    if isinstance(config, str):
        return _named(kind, config)
    return _configured(kind, json.dumps(config, sort_keys=True))


@lru_cache(maxsize=256)
def _named(kind: str, name: str) -> Any:
    return REGISTRIES[kind].create(name)


@lru_cache(maxsize=256)
def _configured(kind: str, config: str) -> Any:
    return REGISTRIES[kind].create(json.loads(config))


def _forget() -> None:
    """After a class was registered or taken back: make the shared objects anew."""
    _named.cache_clear()
    _configured.cache_clear()


def activation(config: str | Mapping[str, Any]) -> Activation:
    """The activation of that name or configuration; the same object for equal ones.

    Raises
    ------
    PluginError, SpecError
        As ``Registry.create``.
    """
    part: Activation = _shared("activations", config)
    return part


def initializer(config: str | Mapping[str, Any]) -> Initializer:
    """The initializer of that name or configuration; the same object for equal ones.

    Raises
    ------
    PluginError, SpecError
        As ``Registry.create``.
    """
    part: Initializer = _shared("initializers", config)
    return part


def schedule(config: str | Mapping[str, Any]) -> Schedule:
    """The schedule of that name or configuration; the same object for equal ones.

    Raises
    ------
    PluginError, SpecError
        As ``Registry.create``.
    """
    part: Schedule = _shared("schedules", config)
    return part


def register(part: type[P]) -> type[P]:
    """Class decorator: make a part known in this process, for notebooks and tests.

    A model file records such a layer as unpackaged: another process must register it too before
    it can load the file. A class whose name is that of an installed part hides it in this process,
    which a warning says.

    Returns
    -------
    type
        The class itself.

    Raises
    ------
    TypeError
        If the class inherits none of the contracts, or has no type_name.
    ValueError
        If its type_name is not made of lower-case letters, digits, ".", "_" and "-".
    """
    name = getattr(part, "type_name", None)
    if not isinstance(name, str):
        raise TypeError(f"{part.__name__} needs a class attribute type_name, its registry name")
    if not TYPE_NAME.fullmatch(name):
        raise ValueError(
            f"type_name {name!r}: lower-case letters, digits, '.', '_', '-' are wanted"
        )
    for registry in REGISTRIES.values():
        if issubclass(part, registry.base):
            hidden = registry.candidates(name)
            if hidden and hidden[0].dist is not None:
                warnings.warn(
                    f"{part.__qualname__} hides the {registry.singular} {name!r} of "
                    f"{' and '.join(map(str, hidden))} in this process; "
                    "another type_name keeps both",
                    stacklevel=2,
                )
            registry.register(part)
            return part
    raise TypeError(f"{part.__name__} inherits none of the contracts of layerkit's parts")
