"""Overrides of fields of a spec, as ``--set`` gives them, and which of them made a mistake."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from layerkit.display import nearest, quoted
from layerkit.errors import SpecError
from layerkit.specs.json_source import Change, Path, decode, plain

__all__ = ["Setting", "blamed", "override"]

_TOLD = 3  # overrides that one mistake is put down to, at most


class Setting(str):
    """An override, PATH=VALUE, that knows how the user gave it.

    ``said`` is what messages call it, such as ``--epochs 5``.
    """

    said: str

    def __new__(cls, text: str, said: str) -> Setting:
        """The override ``text``, which messages call ``said``."""
        made = super().__new__(cls, text)
        made.said = said
        return made


def _said(setting: str, index: int) -> str:
    if isinstance(setting, Setting):
        return setting.said if len(setting.said) <= 100 else setting.said[:97] + "..."
    return f"settings[{index}] {quoted(setting)}"


def override(
    tree: Any, settings: Sequence[str], *, parts: Mapping[str, str] | None = None
) -> tuple[Any, tuple[Change, ...]]:
    """A copy of ``tree`` with ``layers.1.gate_bias=-3`` and the like applied, in order.

    A part that is only named, "adam", or left at its default, which ``parts`` gives by dotted path,
    becomes {"type": "adam"} when one of its settings is set.

    A value is read as JSON; what is not JSON is text. Missing objects on the way are made.

    Returns
    -------
    tree, changes
        ``changes`` tells the path that each override has set.

    Raises
    ------
    SpecError
        If an override has no "=", its value begins like JSON and is none, or its path leads through
        something that is no object or list.
    """
    tree = plain(tree)
    changes = []
    for i, setting in enumerate(settings):
        said = _said(setting, i)
        try:
            path = _apply(tree, setting, parts or {})
        except SpecError as error:
            raise SpecError(error.reason, setting=said) from None
        changes.append(Change(path, said))
    return tree, tuple(changes)


def _apply(tree: Any, setting: str, parts: Mapping[str, str]) -> Path:
    """Change ``tree`` in place; the path that was set."""
    dotted, equals, word = setting.partition("=")
    value = _value(word)
    if not equals or not dotted.strip():
        raise SpecError("PATH=VALUE is wanted, as in layers.1.gate_bias=-3")
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


def _value(word: str) -> Any:
    try:
        return decode(word, object_pairs_hook=_distinct)
    except json.JSONDecodeError as error:
        if word.lstrip()[:1] not in ("{", "[", '"'):
            return word
        raise SpecError(
            f"the value begins like JSON and is none: {error.msg} (column {error.colno} of it); "
            "text that begins so is written in quotes, as JSON"
        ) from None


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    seen: dict[str, Any] = {}
    for key, value in pairs:
        if key in seen:
            raise SpecError(f"the field {quoted(key)} is given twice in one object")
        seen[key] = value
    return seen


def _enter(owner: Any, key: Any, path: Sequence[Any], parts: Mapping[str, str]) -> Any:
    """What lies at ``key``; an object is made of nothing and of the name of a part."""
    if isinstance(owner, dict) and owner.get(key) is None:
        default = parts.get(".".join(map(str, (*path, key))))
        owner[key] = {} if default is None else {"type": default}
    elif isinstance(owner, dict) and isinstance(owner[key], str):
        owner[key] = {"type": owner[key]}
    return owner[key]


def _key(owner: Any, step: str, path: Sequence[Any]) -> str | int:
    """``step`` as a key of ``owner``: text of an object, a position in a list from 0."""
    if isinstance(owner, dict):
        return step
    at = ".".join(map(str, path)) or "the spec"
    if not isinstance(owner, list):
        shown = quoted(json.dumps(owner), 60)[1:-1]
        raise SpecError(f"{at} is {shown}, which has no field {quoted(step)}")
    if not owner:
        raise SpecError(f"{at} is an empty list: it has no place {quoted(step)}")
    if not re.fullmatch(r"-?[0-9]{1,9}", step) or not -len(owner) <= int(step) < len(owner):
        near = nearest(step, [str(i) for i in range(min(len(owner), 100))])
        wanted = "index 0" if len(owner) == 1 else f"an index from 0 to {len(owner) - 1}"
        raise SpecError(
            f"{at} is a list of {len(owner)}; {wanted} is wanted, not {quoted(step)}{near}"
        )
    return int(step) % len(owner)


def blamed(
    path: Path, changes: Sequence[Change], *, alone: Collection[Path] | None = None
) -> Sequence[Change]:
    """The overrides that a mistake at ``path`` comes from; empty if it is the file's own.

    ``alone`` are the paths of mistakes that the file has without them, None for a file that has
    none, so that an override is to blame even if the mistake shows elsewhere.
    """
    around = [i for i, c in enumerate(changes) if c.path == path[: len(c.path)]]
    since = changes[around[-1] + 1 :] if around else changes
    within = [c for c in since if path and c.path[: len(path)] == path]
    beside = [c for c in changes if c.path[:-1] == path[:-1]]
    if within or around or beside:
        return (within or [changes[i] for i in around[-1:]] or beside)[-_TOLD:]
    if alone is not None:
        return ()
    shared = [_shared(c.path, path) for c in changes]
    return [c for c, n in zip(changes, shared, strict=True) if n == max(shared)][-_TOLD:]


def _shared(one: Path, two: Path) -> int:
    """How many first steps two paths have in common."""
    equal = [a == b for a, b in zip(one, two, strict=False)]
    return equal.index(False) if False in equal else len(equal)
