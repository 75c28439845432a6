"""The layers of a spec: each type is looked up, then its settings are validated.

So a mistake gives one error, from the one constructor that it concerns.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from layerkit.core.layer import Layer
from layerkit.core.parts import Part
from layerkit.discovery.registry import LAYERS
from layerkit.display import quoted
from layerkit.errors import PluginError, PluginLoadError, PluginProblem, SpecError
from layerkit.specs.json_source import JsonSource, Path, spell
from layerkit.specs.messages import Faults, mismatch
from layerkit.specs.validate.declare import holds_layers
from layerkit.specs.validate.settings import validate

_LAYER_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_-]{0,63}")
_LAYER_LIMIT = 10_000  # of the model file; a spec beyond it could not be saved


LayerClass = type[Layer]  # in LayerRecord, ``type`` is a field


@dataclass(frozen=True)
class LayerRecord:
    """One resolved layer: its name, its type and all its settings.

    ``part`` is the class of the type, ``layers`` are those inside a container. ``origin`` is the
    index in the list that the user wrote, before repeats were unrolled; ``place`` is where its
    settings are there, "layers.1". ``tie`` names the parameters that share their numbers with those
    of another layer.
    """

    name: str
    type: str
    config: dict[str, Any]
    part: LayerClass
    layers: tuple[LayerRecord, ...] = ()
    tie: dict[str, str] = field(default_factory=dict)
    origin: int = field(default=0, compare=False)
    place: str = field(default="", compare=False)

    def make(self) -> Layer:
        """Construct the layer and those inside it, without planning it.

        Raises SpecError if settings contradict each other, PluginLoadError if a constructor raises
        anything else.
        """
        settings = dict(self.config)
        if holds_layers(self.part):
            settings["layers"] = make_layers(self.layers)
        try:
            layer = self.part(**settings)
        except SpecError:
            raise
        except ValueError as error:
            raise SpecError(str(error)) from error
        except Exception as cause:  # anything that a plugin's code raises
            reason = f"constructing {self.name!r} raised {type(cause).__name__}: {cause}"
            problem = PluginProblem(self.type, reason, f"layers[{self.origin}]")
            raise PluginLoadError(
                f"layer type {self.type!r}: {reason}", problems=[problem]
            ) from cause
        if self.tie:
            layer.ties = self.tie
        return layer

    def document(self) -> dict[str, Any]:
        """The resolved record, as a spec or a file holds it."""
        found: dict[str, Any] = {"type": self.type, "name": self.name, "config": self.config}
        if holds_layers(self.part):
            found["layers"] = [record.document() for record in self.layers]
        return {**found, "tie": self.tie} if self.tie else found

    def nested(self) -> Iterator[LayerRecord]:
        """The record, then those inside it, depth first."""
        yield self
        for record in self.layers:
            yield from record.nested()


def make_layers(records: Sequence[LayerRecord]) -> list[tuple[str, Layer]]:
    """The layers with their names; raises SpecError, with its place, and PluginLoadError."""
    layers = []
    for i, record in enumerate(records):
        try:
            layers.append((record.name, record.make()))
        except SpecError as error:
            inside = f".{error.location}" if error.location else ""
            raise SpecError(error.reason, location=f"layers[{i}]{inside}") from error
    return layers


def layers_of(entries: list[Any]) -> list[tuple[str, Layer]]:
    """The layers of entries as a spec has them, with their names; raises SpecError, PluginError.

    Its result is what the setting ``layers`` of a container holds.
    """
    faults = Faults(JsonSource({"layers": entries}))
    records = read_layers(entries, faults)
    faults.raise_any()
    return make_layers(records)


def arguments(part: type[Part], settings: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments of a part's constructor; settings have layers inside as a spec has them."""
    inside = settings.get("layers") if holds_layers(part) else None
    if not inside or isinstance(inside[0], tuple):  # none, or made already
        return dict(settings)
    return {**settings, "layers": layers_of(inside)}


Lookup = Callable[[str], type[Layer]]
"""From a type's name to its class; raises PluginError."""


def read_layers(
    items: list[Any],
    faults: Faults,
    *,
    from_file: bool = False,
    lookup: Lookup = LAYERS.__getitem__,
    path: Path = ("layers",),
) -> list[LayerRecord]:
    """The layers of a spec, resolved and unrolled; mistakes go to ``faults``.

    ``from_file`` is for model files: every entry is in resolved form, and parts that only training
    needs may be missing. ``path`` is where the list is.
    """
    return _Reader(faults, from_file, lookup).read(items, path)


class _Entry(NamedTuple):
    """What one entry of a list of layers says; ``at`` is the path of its settings."""

    part: LayerClass
    name: str | None
    repeat: int
    config: dict[str, Any]
    layers: tuple[LayerRecord, ...]
    tie: dict[str, str]
    at: Path


class _Reader:
    """Reads lists of layers, those inside containers too."""

    def __init__(self, faults: Faults, from_file: bool, lookup: Lookup) -> None:
        self.faults, self.from_file, self.lookup = faults, from_file, lookup

    def read(self, items: list[Any], path: Path) -> list[LayerRecord]:
        """The layers of the list at ``path``."""
        faults = self.faults
        records: list[LayerRecord] = []
        counts: dict[str, int] = {}
        taken: dict[str, int] = {}
        size = 0  # layers inside others included
        for i, item in enumerate(items):
            if faults.full:
                break
            entry = self._entry(item, (*path, i))
            if entry is None:
                continue
            kind = entry.part.type_name
            more = entry.repeat * (1 + sum(1 for one in entry.layers for _ in one.nested()))
            if size + more > _LAYER_LIMIT:
                faults.add((*path, i, "repeat"), f"a model has at most {_LAYER_LIMIT:,} layers")
                continue
            size += more
            for k in range(entry.repeat):
                counts[kind] = counts.get(kind, 0) + 1
                called = f"{kind.replace('.', '-')[:50]}_{counts[kind]}"
                if entry.name is not None:
                    called = entry.name if entry.repeat == 1 else f"{entry.name}_{k + 1}"
                if not _LAYER_NAME.fullmatch(called):
                    reason = f"the name {called!r} would be longer than 64 characters"
                    faults.add((*path, i, "name"), reason)
                    break
                if called in taken:
                    other = spell((*path, taken[called]))
                    faults.add((*path, i, "name"), f"{other} has the name {called!r} too")
                taken[called] = i
                place = ".".join(map(str, entry.at))
                records.append(
                    LayerRecord(
                        called,
                        kind,
                        entry.config,
                        entry.part,
                        entry.layers,
                        entry.tie,
                        i,
                        place,
                    )
                )
        return records

    def _entry(self, item: Any, path: Path) -> _Entry | None:
        """One entry, flat or in resolved form."""
        faults = self.faults
        if not isinstance(item, dict):
            faults.add(path, mismatch('an object such as {"type": "dense"}', item))
            return None
        fields = dict(item)
        kind, name = fields.pop("type", None), fields.pop("name", None)
        repeat = fields.pop("repeat", 1)
        if not isinstance(kind, str):
            expected = "the name of a layer type"
            reason = f"missing field 'type': expected {expected}"
            faults.add((*path, "type"), reason if kind is None else mismatch(expected, kind))
            return None
        if name is not None and not (isinstance(name, str) and _LAYER_NAME.fullmatch(name)):
            expected = "a name of at most 64 letters, digits, '_' or '-'"
            faults.add((*path, "name"), mismatch(expected, name))
            return None
        if type(repeat) is not int or repeat < 1:
            faults.add((*path, "repeat"), mismatch("an integer >= 1", repeat))
            return None
        try:
            part = self.lookup(kind)
        except PluginError as error:
            reason = error.problems[0].reason if error.problems else error.message
            faults.add((*path, "type"), reason, error)
            return None
        at, container = path, holds_layers(part)
        inside = fields.pop("layers", None) if container else None
        tie = {} if "tie" in part.settings() else self._tie(fields.pop("tie", {}), path)
        if _is_resolved(fields, part, self.from_file):
            config = fields.pop("config")
            for key in fields:
                reason = (
                    f"unknown field {quoted(key)} beside 'config': put settings inside 'config'"
                )
                faults.add((*path, str(key)), reason)
            if not isinstance(config, dict):
                faults.add((*path, "config"), mismatch("an object", config))
                return None
            fields, at = config, (*path, "config")
        layers: tuple[LayerRecord, ...] = ()
        if container:
            layers = self._inside(fields.get("layers", inside), path)
            fields = {**fields, "layers": []}
        beside = ("type", "name", "repeat", "tie") if at == path else ()
        lenient = self.from_file
        config = validate(part, fields, at, faults, lenient=lenient, beside=beside)
        if container:
            config.pop("layers")
        return _Entry(part, name, repeat, config, layers, tie, at)

    def _tie(self, given: Any, path: Path) -> dict[str, str]:
        """Parameter to the parameter whose numbers it shares."""
        expected = 'an object such as {"W": "dense_1.W"}'
        if not isinstance(given, dict):
            self.faults.add((*path, "tie"), mismatch(expected, given))
            return {}
        for name, target in given.items():
            if not isinstance(target, str):
                wanted = 'a parameter of another layer, such as "dense_1.W"'
                self.faults.add((*path, "tie", name), mismatch(wanted, target))
                return {}
        return given

    def _inside(self, items: Any, path: Path) -> tuple[LayerRecord, ...]:
        """The layers inside the container at ``path``."""
        expected = 'a list of one or more layers, such as [{"type": "dense"}]'
        if not isinstance(items, list) or not items:
            reason = f"missing field 'layers': expected {expected}"
            reason = reason if items is None else mismatch(expected, items)
            self.faults.add((*path, "layers"), reason)
            return ()
        return tuple(self.read(items, (*path, "layers")))


def _is_resolved(fields: dict[str, Any], part: type[Layer], from_file: bool) -> bool:
    """Whether the settings are under ``config``, which may also be the name of a setting."""
    if "config" not in fields:
        return False
    if from_file or "config" not in part.settings():
        return True
    inner = fields["config"]
    return len(fields) == 1 and isinstance(inner, dict) and set(inner) <= set(part.settings())
