"""Registries: find parts by name, one ``Registry`` per group of entry points.

Listing names reads metadata and imports nothing; looking up a name imports that one module. So a
broken, slow or colliding plugin affects only code that uses it. Classes registered in the process
(in a notebook) are found beside the installed ones.
"""

from __future__ import annotations

import copy
import json
import warnings
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, Generic, TypeVar

from layerkit.core.callback import Callback
from layerkit.core.executor_source import ExecutorSource
from layerkit.core.layer import Layer
from layerkit.core.optimizer import Optimizer
from layerkit.core.parts import (
    Activation,
    DataSource,
    Exporter,
    Importer,
    Initializer,
    Loss,
    Metric,
    Part,
    Reader,
    Renderer,
    Schedule,
)
from layerkit.core.search import Search
from layerkit.discovery.candidates import (
    ALLOW_VARIABLE,
    FIRST_PARTY,
    KINDS,
    Candidate,
    Group,
    Permit,
    allow_list,
    installed,
    may_import,
    usable_candidates,
)
from layerkit.discovery.importing import import_part
from layerkit.display import nearest, quoted
from layerkit.errors import (
    PluginAmbiguousError,
    PluginError,
    PluginNotAllowedError,
    PluginProblem,
    PluginVersionError,
    SpecError,
    UnknownTypeError,
)
from layerkit.execution.devices.device import Device
from layerkit.execution.engine import Engine

P = TypeVar("P", bound=Part)

_NOUNS = {  # beside those of KINDS
    "layers": "layer type",
    "engines": "engine",
    "data": "data set",
    "readers": "file format",
    "exporters": "export form",
    "importers": "kind of weights",
    "devices": "device",
    "figures": "form of figures",
    "executors": "executor",
    "searches": "search",
}


class Registry(Generic[P]):
    """The parts of one kind: ``registry["dense"]`` is a class, ``registry.create(...)`` a part.

    ``base`` is the base class of its parts; messages call one of them a ``singular``, and list
    the names in ``beside`` too, which need no part.
    """

    def __init__(self, kind: Group, base: type[P], *, beside: Sequence[str] = ()) -> None:
        self.kind = kind
        self.beside = beside
        self.group = f"layerkit.{kind}"
        self.base = base
        nouns: dict[str, str] = {plural: noun for noun, plural in KINDS.items()}
        self.singular = {**nouns, **_NOUNS}[kind]
        self._local: dict[str, type[P]] = {}
        self._loaded: dict[Candidate, type[P]] = {}

    def names(self) -> list[str]:
        """All names, sorted; imports nothing."""
        return sorted({*installed().get(self.group, {}), *self._local})

    def candidates(self, name: str) -> list[Candidate]:
        """Everything that provides ``name``; a class registered in the process comes first."""
        local = [self._registered(part) for key, part in self._local.items() if key == name]
        return [*local, *installed().get(self.group, {}).get(name, ())]

    def choose(self, name: str, *, where: str = "") -> Candidate:
        """The candidate that ``name`` stands for.

        A class registered in the process wins over layerkit's own part, and that over another
        distribution's, with a warning. Raises UnknownTypeError, with the nearest names, if there is
        none, PluginAmbiguousError if several distributions offer it, PluginNotAllowedError if
        LAYERKIT_PLUGINS names none of those that do.
        """
        candidates = self.candidates(name)
        if not candidates:
            known = self.names()
            reason = f"unknown {self.singular} {quoted(name)}{nearest(name, known)}"
            raise UnknownTypeError(
                f"{where}: {reason}" if where else reason,
                hint=f"installed {self.kind}: {', '.join([*self.beside, *known]) or 'none'}",
                problems=[PluginProblem(name, reason, where)],
            )
        chosen = usable_candidates(candidates)
        if not chosen:
            raise self._not_listed(candidates[0])
        if len(chosen) > 1:
            raise self.ambiguous(name, chosen, where)
        if len(candidates) > 1 and chosen[0].dist == FIRST_PARTY:
            others = " and ".join(str(one) for one in candidates if one not in chosen)
            warnings.warn(
                f"{self.singular} {name!r} is layerkit's own; the one in {others} is not used",
                stacklevel=2,
            )
        return chosen[0]

    def ambiguous(
        self, name: str, candidates: list[Candidate], where: str = ""
    ) -> PluginAmbiguousError:
        """The error for a ``name`` that several distributions offer."""
        claims = tuple(map(str, candidates))
        reason = f"{self.singular} {quoted(name)} is offered by {' and by '.join(claims)}"
        return PluginAmbiguousError(
            f"{where}: {reason}" if where else reason,
            hint=f"uninstall all but one of them, or name the ones to use in {ALLOW_VARIABLE}",
            problems=[PluginProblem(name, reason, where, installed=claims)],
        )

    def refused(
        self, candidate: Candidate, reason: str, hint: str | None = None
    ) -> PluginNotAllowedError:
        """The error for a candidate that is not allowed."""
        problem = PluginProblem(candidate.name, reason, installed=(str(candidate),))
        return PluginNotAllowedError(
            f"{self.singular} {candidate.name!r}: {reason}",
            hint=hint or f"if you trust it, add {candidate.dist!r} to allow_plugins",
            problems=[problem],
        )

    def _not_listed(self, candidate: Candidate) -> PluginNotAllowedError:
        allowed = Permit(allow_list())
        return self.refused(
            candidate,
            f"{candidate} is not among the distributions in {ALLOW_VARIABLE} ({allowed})",
            f"if you trust it, add {candidate.dist} to {ALLOW_VARIABLE}, or unset that variable",
        )

    def load(self, candidate: Candidate) -> type[P]:
        """Import the class behind ``candidate``.

        Raises PluginNotAllowedError if LAYERKIT_PLUGINS does not name its distribution,
        PluginLoadError and PluginVersionError same as ``import_part``.
        """
        if candidate.dist is None:
            return self._local[candidate.name]
        if not may_import(candidate):
            raise self._not_listed(candidate)
        if candidate not in self._loaded:
            self._loaded[candidate] = import_part(candidate, self.base, self.singular)
        return self._loaded[candidate]

    def origin(self, part: type[P]) -> Candidate:
        """The candidate behind the class ``part``: of a distribution, or of this process."""
        for candidate, loaded in self._loaded.items():
            if loaded is part:
                return candidate
        return self._registered(part)

    def _registered(self, part: type[P]) -> Candidate:
        """The candidate for a class of this process."""
        value = f"{part.__module__}:{part.__qualname__}"
        return Candidate(self.group, part.type_name, value, None, None)

    def __getitem__(self, name: str) -> type[P]:
        return self.load(self.choose(name))

    def usable(self) -> dict[str, type[P]]:
        """All parts by name, without those that cannot be used: they must not spoil a search."""
        found = {}
        for name in self.names():
            try:
                found[name] = self[name]
            except PluginError:
                continue
        return found

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and bool(self.candidates(name))

    def register(self, part: type[P]) -> type[P]:
        """Register ``part`` in this process; it replaces one of the same name."""
        self._local[part.type_name] = part
        _forget()
        return part

    def unregister(self, name: str) -> None:
        """Remove a class registered in this process."""
        self._local.pop(name, None)
        _forget()

    def create(self, config: str | Mapping[str, Any]) -> P:
        """Construct a part from its name, or from its settings with the name under "type".

        Raises PluginError if the part cannot be used, SpecError if it does not accept the settings.
        """
        name, settings = split_config(config)
        try:
            return self[name](**settings)
        except TypeError as cause:
            raise SpecError(
                f"{self.singular} {name!r} does not accept its settings: {cause}"
            ) from cause

    def migrated(
        self, part: type[P], config: dict[str, Any], version: int, *, where: str = ""
    ) -> dict[str, Any]:
        """``config`` converted from settings version ``version`` to that of the class.

        Raises PluginVersionError if they are newer than the class, or it cannot convert them.
        """
        if version == part.config_version:
            return config
        reason = f"settings of version {version}; {part.__name__} has {part.config_version}"
        candidate = self.origin(part)
        dist = candidate.dist or part.__module__

        def error(text: str, hint: str) -> PluginVersionError:
            told = f"{part.type_name!r} {text}"
            problem = PluginProblem(part.type_name, told, where)
            return PluginVersionError(f"{where}: {told}", hint=hint, problems=[problem])

        if version > part.config_version:
            hint = f"python -m pip install --upgrade {dist}"
            raise error(f"is too old here: the file claims {reason}", hint)
        hint = (
            f"another version of {dist} may read them; the file itself is sound, and inspect, "
            "verify and load_tensors work without the plugin"
        )
        failure = f"cannot migrate {reason}: {part.__name__}.migrate of {candidate}"
        try:
            found = part.migrate(copy.deepcopy(config), version)
        except (Exception, SystemExit) as cause:  # anything that a plugin's code raises
            raise error(f"{failure} raised {type(cause).__name__}: {cause}", hint) from cause
        if not isinstance(found, dict):
            raise error(f"{failure} returned {quoted(found)}, not the new settings", hint)
        return found


def split_config(config: str | Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """The name of a part and its settings: ("tanh", {}) for "tanh"."""
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
CALLBACKS = Registry("callbacks", Callback)
ENGINES = Registry("engines", Engine)  # type: ignore[type-abstract]
DATA = Registry("data", DataSource)  # type: ignore[type-abstract]
READERS = Registry("readers", Reader)  # type: ignore[type-abstract]
EXPORTERS = Registry("exporters", Exporter)  # type: ignore[type-abstract]
IMPORTERS = Registry("importers", Importer)  # type: ignore[type-abstract]
DEVICES = Registry("devices", Device, beside=("cpu",))  # type: ignore[type-abstract]
FIGURES = Registry("figures", Renderer)  # type: ignore[type-abstract]
EXECUTORS = Registry("executors", ExecutorSource)  # type: ignore[type-abstract]
SEARCHES = Registry("searches", Search)  # type: ignore[type-abstract]

REGISTRIES: dict[str, Registry[Any]] = {
    r.kind: r
    for r in (
        LAYERS,
        ACTIVATIONS,
        INITIALIZERS,
        LOSSES,
        OPTIMIZERS,
        SCHEDULES,
        METRICS,
        CALLBACKS,
        ENGINES,
        DATA,
        READERS,
        EXPORTERS,
        IMPORTERS,
        DEVICES,
        FIGURES,
        EXECUTORS,
        SEARCHES,
    )
}


def _shared(kind: str, config: str | Mapping[str, Any]) -> Any:
    """One object for equal configurations: layers look up their activations in every feed."""
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
    """Drop the shared objects, after a class was registered or removed."""
    _named.cache_clear()
    _configured.cache_clear()


def activation(config: str | Mapping[str, Any]) -> Activation:
    """The activation with this name or configuration; equal ones are the same object.

    Raises
    ------
    PluginError, SpecError
        Same as ``Registry.create``.
    """
    part: Activation = _shared("activations", config)
    return part


def initializer(config: str | Mapping[str, Any]) -> Initializer:
    """The initializer with this name or configuration; equal ones are the same object.

    Raises
    ------
    PluginError, SpecError
        Same as ``Registry.create``.
    """
    part: Initializer = _shared("initializers", config)
    return part


def optimizer(config: str | Mapping[str, Any]) -> Optimizer:
    """The optimizer with this name or configuration; equal ones are the same object, not bound.

    Raises
    ------
    PluginError, SpecError
        Same as ``Registry.create``.
    """
    part: Optimizer = _shared("optimizers", config)
    return part


def schedule(config: str | Mapping[str, Any]) -> Schedule:
    """The schedule with this name or configuration; equal ones are the same object.

    Raises
    ------
    PluginError, SpecError
        Same as ``Registry.create``.
    """
    part: Schedule = _shared("schedules", config)
    return part


def engine(name: str) -> Engine:
    """The engine with this name; always the same object.

    Raises
    ------
    PluginError
        Same as ``Registry.create``.
    """
    part: Engine = _shared("engines", name)
    return part


def register(part: type[P]) -> type[P]:
    """Class decorator that registers a part in this process, for notebooks and tests.

    Model files record such a layer as unpackaged: another process must register it too before it
    can load the file. A class with the name of an installed part hides that part in this process,
    with a warning.

    Returns
    -------
    type
        The class itself.

    Raises
    ------
    TypeError
        If the class is not a subclass of a part's base class, or has no type_name.
    ValueError
        If its type_name has other characters than lower-case letters, digits, ".", "_" and "-".
    """
    from layerkit.codec.names import TYPE_KEY  # loads slowly, and only registering needs it

    name = getattr(part, "type_name", None)
    if not isinstance(name, str):
        raise TypeError(f"{part.__name__} needs a class attribute type_name, its name in specs")
    if not TYPE_KEY.fullmatch(name):
        raise ValueError(
            f"expected lower-case letters, digits, '.', '_' and '-' as type_name, got {name!r}"
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
    raise TypeError(f"{part.__name__} must inherit a base class of parts, such as layerkit.Layer")
