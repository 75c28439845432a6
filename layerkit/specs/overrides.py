"""Overrides of single fields, as ``--set`` gives them, and which one made a mistake."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from layerkit.display import counted, nearest, quoted
from layerkit.errors import SpecError
from layerkit.specs.json_source import Override, Path, decode, strict_json

_MOST = 3  # overrides blamed for one mistake


class Setting(str):
    """An override, PATH=VALUE, with its ``label`` in messages, such as ``--epochs 5``."""

    label: str

    def __new__(cls, text: str, label: str) -> Setting:
        """The override ``text``."""
        made = super().__new__(cls, text)
        made.label = label
        return made


def _label(setting: str, index: int) -> str:
    if isinstance(setting, Setting):
        return setting.label if len(setting.label) <= 100 else setting.label[:97] + "..."
    return f"settings[{index}] {quoted(setting)}"


def override(
    tree: Any, settings: Sequence[str], *, parts: Mapping[str, str] | None = None
) -> tuple[Any, tuple[Override, ...]]:
    """A copy of ``tree`` with overrides such as ``layers.1.gate_bias=-3`` applied in order.

    A value is read as JSON; what is not JSON is a string. Missing objects on the path are created.
    A part given by name only ("adam"), or left at its default (``parts``, by dotted path), becomes
    {"type": "adam"} when one of its settings is set. Raises SpecError if an override has no "=",
    its value starts like JSON but is not valid, or its path leads through a plain value.
    """
    tree = strict_json(tree)
    changes = []
    for i, setting in enumerate(settings):
        label = _label(setting, i)
        try:
            path = _apply(tree, setting, parts or {})
        except SpecError as error:
            raise SpecError(error.reason, setting=label) from None
        changes.append(Override(path, label))
    return tree, tuple(changes)


def _apply(tree: Any, setting: str, parts: Mapping[str, str]) -> Path:
    """Change ``tree`` in place; returns the path that was set."""
    dotted, equals, word = setting.partition("=")
    value = read_value(word)
    if not equals or not dotted.strip():
        raise SpecError("expected PATH=VALUE, as in layers.1.gate_bias=-3")
    steps = dotted.strip().split(".")
    owner = tree
    path: list[str | int] = []
    for step in steps[:-1]:
        key = _key(owner, step, path)
        owner = _enter(owner, key, path, parts)
        path.append(key)
    key = _key(owner, steps[-1], path)
    owner[key] = value
    return (*path, key)


def read_value(word: str) -> Any:
    """A value as overrides write it: JSON, else text.

    Raises SpecError, without a location, for what begins like JSON and is not.
    """
    try:
        return decode(word)
    except json.JSONDecodeError as error:
        if word.lstrip()[:1] not in ("{", "[", '"'):
            return word
        raise SpecError(
            f"the value is not valid JSON: {error.msg} (column {error.colno} of the value); "
            'a string that starts with {, [ or " must be quoted as JSON'
        ) from None


def _enter(owner: Any, key: Any, path: Sequence[Any], parts: Mapping[str, str]) -> Any:
    """The value at ``key``; nothing, or the name of a part, becomes an object first."""
    if isinstance(owner, dict) and owner.get(key) is None:
        default = parts.get(".".join(map(str, (*path, key))))
        owner[key] = {} if default is None else {"type": default}
    elif isinstance(owner, dict) and isinstance(owner[key], str):
        owner[key] = {"type": owner[key]}
    return owner[key]


def _key(owner: Any, step: str, path: Sequence[Any]) -> str | int:
    """``step`` as a key of ``owner``: a field of an object, or an index of a list."""
    if isinstance(owner, dict):
        return step
    at = ".".join(map(str, path)) or "the spec"
    if not isinstance(owner, list):
        shown = quoted(json.dumps(owner), 60)[1:-1]
        raise SpecError(f"{at} is {shown}, which has no field {quoted(step)}")
    if not owner:
        raise SpecError(f"{at} is an empty list: it has no index {quoted(step)}")
    if not re.fullmatch(r"-?[0-9]{1,9}", step) or not -len(owner) <= int(step) < len(owner):
        near = nearest(step, [str(i) for i in range(min(len(owner), 100))])
        allowed = "index 0" if len(owner) == 1 else f"an index from 0 to {len(owner) - 1}"
        raise SpecError(
            f"{at} is a list of {counted(len(owner), 'item')}: expected {allowed}, "
            f"got {quoted(step)}{near}"
        )
    return int(step) % len(owner)


def setters(path: Path, changes: Sequence[Override]) -> Sequence[Override]:
    """The overrides that set fields inside the one at ``path``, else the last that set it."""
    around = [i for i, c in enumerate(changes) if c.path == path[: len(c.path)]]
    since = changes[around[-1] + 1 :] if around else changes
    within = [c for c in since if path and c.path[: len(path)] == path]
    return (within or [changes[i] for i in around[-1:]])[-_MOST:]


def blamed(
    path: Path, changes: Sequence[Override], *, alone: Collection[Path] | None = None
) -> Sequence[Override]:
    """The overrides that made the mistake at ``path``; empty if it is in the file itself.

    ``alone`` are the paths of the mistakes in the file without overrides. If that has none (None),
    an override is to blame even where the mistake shows up elsewhere.
    """
    beside = [c for c in changes if c.path[:-1] == path[:-1]]
    if found := setters(path, changes) or beside[-_MOST:]:
        return found
    if alone is not None:
        return ()
    shared = [_shared(c.path, path) for c in changes]
    return [c for c, n in zip(changes, shared, strict=True) if n == max(shared)][-_MOST:]


def _shared(one: Path, two: Path) -> int:
    """How many steps two paths share from the start."""
    equal = [a == b for a, b in zip(one, two, strict=False)]
    return equal.index(False) if False in equal else len(equal)
