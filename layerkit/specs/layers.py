"""The layer entries of a spec: type looked up first, then that one constructor's settings."""

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
from layerkit.specs.messages import Faults, came
from layerkit.specs.validate.settings import validate

__all__ = ["LayerRecord", "read_layers"]

_LAYER_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_-]{0,63}")
_LAYER_LIMIT = 10_000  # of the model file; a spec beyond it could not be saved


LayerClass = type[Layer]


@dataclass(frozen=True)
class LayerRecord:
    """One layer, resolved: its name, its type and all its settings.

    ``part`` is the class behind the type. ``origin`` is its place in the list the user wrote,
    before repeats were unrolled.
    """

    name: str
    type: str
    config: dict[str, Any]
    part: LayerClass
    origin: int = field(default=0, compare=False)

    def make(self) -> Layer:
        """The layer object, not yet planned.

        Raises
        ------
        SpecError
            If its settings contradict each other.
        PluginLoadError
            If its constructor raises anything else.
        """
        try:
            return self.part(**self.config)
        except ValueError as error:
            raise SpecError(str(error)) from error
        except Exception as cause:  # whatever a plugin's own code raises
            reason = f"making {self.name!r} raised {type(cause).__name__}: {cause}"
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

    ``from_file``: every entry is in resolved form, and parts that only training needs may be
    missing.
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
        part, name, repeat, config = read
        kind = part.type_name
        if len(records) + repeat > _LAYER_LIMIT:
            faults.add((*path, "repeat"), f"at most {_LAYER_LIMIT} layers are allowed")
            continue
        for k in range(repeat):
            counts[kind] = counts.get(kind, 0) + 1
            stem = kind.replace(".", "-")[:50]
            default = f"{stem}_{counts[kind]}"
            called = default if name is None else name if repeat == 1 else f"{name}_{k + 1}"
            if not _LAYER_NAME.fullmatch(called):
                reason = f"{called!r} would be too long a name: at most 64 letters are allowed"
                faults.add((*path, "name"), reason)
                break
            if called in taken:
                reason = f"the name {called!r} is that of layers[{taken[called]}] too"
                faults.add((*path, "name"), reason)
            taken[called] = i
            records.append(LayerRecord(called, kind, config, part, i))
    return records


def _layer(
    item: Any, path: Path, faults: Faults, from_file: bool, lookup: Lookup
) -> tuple[type[Layer], str | None, int, dict[str, Any]] | None:
    """(class, name, repeat, settings) of one entry, flat or in resolved form."""
    if not isinstance(item, dict):
        faults.add(path, f'an object such as {{"type": "dense"}} is wanted, {came(item)} came')
        return None
    fields = dict(item)
    kind, name, repeat = (
        fields.pop(k, d) for k, d in (("type", None), ("name", None), ("repeat", 1))
    )
    if not isinstance(kind, str):
        reason = "the field 'type' is required: the name of a layer type"
        wrong = f"the name of a layer type is wanted, {came(kind)} came"
        faults.add((*path, "type"), reason if kind is None else wrong)
        return None
    if name is not None and not (isinstance(name, str) and _LAYER_NAME.fullmatch(name)):
        reason = "a name of at most 64 letters, digits, '_' or '-' is wanted"
        faults.add((*path, "name"), f"{reason}, {came(name)} came")
        return None
    if type(repeat) is not int or repeat < 1:
        reason = f"a whole number of at least 1 is wanted, {came(repeat)} came"
        faults.add((*path, "repeat"), reason)
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
            reason = f"unknown field {quoted(key)} beside 'config': settings go inside it"
            faults.add((*path, str(key)), reason)
        if not isinstance(config, dict):
            faults.add((*path, "config"), f"an object is wanted, {came(config)} came")
            return None
        fields, at = config, (*path, "config")
    beside = ("type", "name", "repeat") if at == path else ()
    resolved = validate(part, fields, at, faults, lenient=from_file, beside=beside)
    return part, name, repeat, resolved


def _is_resolved(fields: dict[str, Any], part: type[Layer], from_file: bool) -> bool:
    """Whether the settings stand under ``config``; a layer may have a setting of that name."""
    if "config" not in fields:
        return False
    if from_file or "config" not in part.settings():
        return True
    inner = fields["config"]
    return len(fields) == 1 and isinstance(inner, dict) and set(inner) <= set(part.settings())
