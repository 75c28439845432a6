"""The layers of a spec: each type is looked up, then its settings are validated.

So a mistake gives one error, from the one constructor that it concerns.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from layerkit.core.layer import Layer
from layerkit.discovery.registry import LAYERS
from layerkit.display import quoted
from layerkit.errors import PluginError, PluginLoadError, PluginProblem, SpecError
from layerkit.specs.json_source import Path
from layerkit.specs.messages import Faults, mismatch
from layerkit.specs.validate.settings import validate

_LAYER_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_-]{0,63}")
_LAYER_LIMIT = 10_000  # of the model file; a spec beyond it could not be saved


LayerClass = type[Layer]  # in LayerRecord, ``type`` is a field


@dataclass(frozen=True)
class LayerRecord:
    """One resolved layer: its name, its type and all its settings.

    ``part`` is the class of the type. ``origin`` is the index in the list that the user wrote,
    before repeats were unrolled; ``place`` is where its settings are there, "layers.1".
    """

    name: str
    type: str
    config: dict[str, Any]
    part: LayerClass
    origin: int = field(default=0, compare=False)
    place: str = field(default="", compare=False)

    def make(self) -> Layer:
        """Construct the layer, without planning it.

        Raises SpecError if its settings contradict each other, PluginLoadError if its constructor
        raises anything else.
        """
        try:
            return self.part(**self.config)
        except ValueError as error:
            raise SpecError(str(error)) from error
        except Exception as cause:  # anything that a plugin's code raises
            reason = f"constructing {self.name!r} raised {type(cause).__name__}: {cause}"
            problem = PluginProblem(self.type, reason, f"layers[{self.origin}]")
            raise PluginLoadError(
                f"layer type {self.type!r}: {reason}", problems=[problem]
            ) from cause


Lookup = Callable[[str], type[Layer]]
"""From a type's name to its class; raises PluginError."""


def read_layers(
    items: list[Any],
    faults: Faults,
    *,
    from_file: bool = False,
    lookup: Lookup = LAYERS.__getitem__,
) -> list[LayerRecord]:
    """The layers of a spec, resolved and unrolled; mistakes go to ``faults``.

    ``from_file`` is for model files: every entry is in resolved form, and parts that only training
    needs may be missing.
    """
    records: list[LayerRecord] = []
    counts: dict[str, int] = {}
    taken: dict[str, int] = {}
    for i, item in enumerate(items):
        if faults.full:
            break
        path: Path = ("layers", i)
        read = _layer(item, path, faults, from_file, lookup)
        if read is None:
            continue
        part, name, repeat, config, at = read
        kind = part.type_name
        if len(records) + repeat > _LAYER_LIMIT:
            faults.add((*path, "repeat"), f"a model has at most {_LAYER_LIMIT:,} layers")
            continue
        for k in range(repeat):
            counts[kind] = counts.get(kind, 0) + 1
            stem = kind.replace(".", "-")[:50]
            default = f"{stem}_{counts[kind]}"
            called = default if name is None else name if repeat == 1 else f"{name}_{k + 1}"
            if not _LAYER_NAME.fullmatch(called):
                reason = f"the name {called!r} would be longer than 64 characters"
                faults.add((*path, "name"), reason)
                break
            if called in taken:
                reason = f"layers[{taken[called]}] has the name {called!r} too"
                faults.add((*path, "name"), reason)
            taken[called] = i
            records.append(LayerRecord(called, kind, config, part, i, ".".join(map(str, at))))
    return records


def _layer(
    item: Any, path: Path, faults: Faults, from_file: bool, lookup: Lookup
) -> tuple[type[Layer], str | None, int, dict[str, Any], Path] | None:
    """(class, name, repeat, settings, their path) of one entry, flat or in resolved form."""
    if not isinstance(item, dict):
        faults.add(path, mismatch('an object such as {"type": "dense"}', item))
        return None
    fields = dict(item)
    kind, name, repeat = fields.pop("type", None), fields.pop("name", None), fields.pop("repeat", 1)
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
        part = lookup(kind)
    except PluginError as error:
        reason = error.problems[0].reason if error.problems else error.message
        faults.add((*path, "type"), reason, error)
        return None
    at = path
    if _is_resolved(fields, part, from_file):
        config = fields.pop("config")
        for key in fields:
            reason = f"unknown field {quoted(key)} beside 'config': put settings inside 'config'"
            faults.add((*path, str(key)), reason)
        if not isinstance(config, dict):
            faults.add((*path, "config"), mismatch("an object", config))
            return None
        fields, at = config, (*path, "config")
    beside = ("type", "name", "repeat") if at == path else ()
    resolved = validate(part, fields, at, faults, lenient=from_file, beside=beside)
    return part, name, repeat, resolved, at


def _is_resolved(fields: dict[str, Any], part: type[Layer], from_file: bool) -> bool:
    """Whether the settings are under ``config``, which may also be the name of a setting."""
    if "config" not in fields:
        return False
    if from_file or "config" not in part.settings():
        return True
    inner = fields["config"]
    return len(fields) == 1 and isinstance(inner, dict) and set(inner) <= set(part.settings())
