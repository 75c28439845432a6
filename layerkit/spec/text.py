"""JSON text to a tree, with the line of every field, and overrides from the command line."""

from __future__ import annotations

import copy
import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from layerkit.errors import SpecError, quoted
from layerkit.offers import nearest

__all__ = ["Path", "Source", "override", "parse", "plain", "spell"]

_LARGEST = 10**300  # beyond it a whole number is no float, and nothing in a spec is so large

Path = tuple[str | int, ...]
"""Keys and indices from the root of a spec to a field."""

_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[{}\[\]:,]|[^\s{}\[\]:,"]+')


class Source:
    """A spec as it was written: its tree, where it came from, and the line of each field."""

    def __init__(self, tree: Any, *, name: str | None = None, text: str | None = None) -> None:
        self.tree = tree
        self.name = name
        self._text = text
        self._lines: dict[Path, int] | None = None

    def changed(self, tree: Any) -> Source:
        """The same source after overrides: fields keep the lines they were written on."""
        return Source(tree, name=self.name, text=self._text)

    def line(self, path: Path) -> int | None:
        """Line of the field at ``path``, or of the nearest field around it; None without text."""
        if self._text is None:
            return None
        if self._lines is None:
            self._lines = {(): 1, **dict(_walk(self._text))}
        while path and path not in self._lines:
            path = path[:-1]
        return self._lines.get(path)


def spell(path: Path, prefix: str = "") -> str:
    """``("layers", 2, "units")`` as ``layers[2].units``; odd keys as ``layers[2]['a b']``.

    Keys may come out of a file: what does not print never gets into a message.
    """
    text = prefix
    for step in path:
        if isinstance(step, str) and re.fullmatch(r"[\w.-]{1,64}", step, re.ASCII):
            text += f".{step}" if text else step
        else:
            text += f"[{quoted(step)}]"
    return text


def parse(text: str, *, name: str | None = None) -> Source:
    """Parse JSON ``text`` of a spec.

    Raises
    ------
    SpecError
        If it is not JSON (with line and column), gives a field twice, or holds NaN or Infinity.
    """

    def pairs(items: list[tuple[str, Any]]) -> dict[str, Any]:
        seen = dict(items)
        if len(seen) < len(items):
            keys = [k for k, _ in items]
            twice = next(k for k in keys if keys.count(k) > 1)
            line = _second(text, twice)
            raise SpecError(
                f"the field {quoted(twice)} is given twice in one object", line=line, path=name
            )
        return seen

    try:
        tree = _decode(text, object_pairs_hook=pairs)
    except json.JSONDecodeError as error:
        raise SpecError(
            f"not valid JSON: {error.msg} (line {error.lineno}, column {error.colno})",
            path=name,
        ) from error
    except SpecError as error:
        error.path = name
        raise
    return Source(tree, name=name, text=text)


def _decode(text: str, **hooks: Any) -> Any:
    """JSON ``text`` as a tree; NaN, huge numbers and endless nesting are refused."""
    try:
        return json.loads(text, parse_constant=_no_constant, parse_int=_whole, **hooks)
    except RecursionError:
        raise SpecError("nested too deeply") from None


def _no_constant(word: str) -> Any:
    raise SpecError(f"{word} is not JSON: a finite number is wanted")


def _whole(digits: str) -> int:
    if len(digits) > 301 or abs(int(digits)) >= _LARGEST:
        raise SpecError(f"the number {digits[:12]}... is too large")
    return int(digits)


def plain(value: Any, depth: int = 0) -> Any:
    """``value`` as JSON values: tuples as lists, mappings as dicts, NumPy numbers as numbers.

    Raises
    ------
    SpecError
        If something in it is no JSON value, too large or nested too deeply.
    """
    if depth > 100:
        raise SpecError("nested too deeply")
    if isinstance(value, Mapping):
        return {str(k): plain(v, depth + 1) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(v, depth + 1) for v in value]
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, int) and abs(value) >= _LARGEST:
        raise SpecError("a whole number in the spec is too large")
    if isinstance(value, float) and not math.isfinite(value):
        raise SpecError(f"{value} is not JSON: a finite number is wanted")
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    raise SpecError(f"a spec holds JSON values only, {quoted(value)} is none")


def _second(text: str, key: str) -> int | None:
    """Line of the first field called ``key`` that its object has already."""
    seen: set[Path] = set()
    for path, line in _walk(text):
        if path in seen and path[-1] == key:
            return line
        seen.add(path)
    return None


def _walk(text: str) -> Iterator[tuple[Path, int]]:
    """Path and line, counted from 1, of each field and list item of valid JSON ``text``."""
    stack: list[str | int] = []
    openers: list[str] = []
    line, last = 1, 0
    key_next = False
    for token in _TOKEN.finditer(text):
        line += text.count("\n", last, token.start())
        last = token.start()
        word = token.group()
        if word == ":":
            continue
        if word in "]}":
            if openers.pop() == "[" or not key_next:
                stack.pop()
            key_next = False
        elif word == ",":
            if openers[-1] == "[":
                stack[-1] = int(stack[-1]) + 1
            else:
                stack.pop()
                key_next = True
        elif key_next:
            stack.append(json.loads(word))
            key_next = False
            yield tuple(stack), line
        else:
            if openers and openers[-1] == "[":
                yield tuple(stack), line
            if word in "[{":
                openers.append(word)
                key_next = word == "{"
                if word == "[":
                    stack.append(0)


def override(tree: Any, settings: Sequence[str], *, parts: Mapping[str, str] | None = None) -> Any:
    """A copy of ``tree`` with ``layers.1.gate_bias=-3`` and the like applied, in order.

    A part that is only named, "adam", or left at its default, which ``parts`` gives by dotted path,
    becomes {"type": "adam"} when one of its settings is set.

    A value is read as JSON; what is not JSON is text. Missing objects on the way are made.

    Raises
    ------
    SpecError
        If an override has no "=", or its path leads through something that is no object or list.
    """
    tree = copy.deepcopy(tree)
    for setting in settings:
        try:
            value = _value(setting.partition("=")[2])
        except SpecError as error:
            raise SpecError(f"--set {setting[:60]}: {error.reason}") from None
        dotted, equals, _ = setting.partition("=")
        if not equals or not dotted.strip():
            raise SpecError(f"--set {setting}: PATH=VALUE is wanted, as in layers.1.gate_bias=-3")
        steps = dotted.strip().split(".")
        owner = tree
        for i, step in enumerate(steps[:-1]):
            owner = _enter(owner, step, setting, ".".join(steps[:i]), parts or {})
        _assign(owner, steps[-1], value, setting, ".".join(steps[:-1]))
    return tree


def _value(word: str) -> Any:
    try:
        return _decode(word)
    except json.JSONDecodeError:
        return word


def _enter(owner: Any, step: str, setting: str, where: str, parts: Mapping[str, str]) -> Any:
    key: Any = step if isinstance(owner, dict) else _index(owner, step, setting, where)
    if isinstance(owner, dict) and owner.get(step) is None:
        default = parts.get(f"{where}.{step}")
        owner[step] = {} if default is None else {"type": default}
    elif isinstance(owner, dict) and isinstance(owner[step], str):
        owner[step] = {"type": owner[step]}
    return owner[key]


def _assign(owner: Any, step: str, value: Any, setting: str, where: str) -> None:
    if isinstance(owner, dict):
        owner[step] = value
    else:
        owner[_index(owner, step, setting, where)] = value


def _json(value: Any) -> str:
    return quoted(json.dumps(value), 60)[1:-1]


def _index(owner: Any, step: str, setting: str, where: str) -> int:
    at = where or "the spec"
    if not isinstance(owner, list):
        raise SpecError(f"--set {setting}: {at} is {_json(owner)}, which has no field {step!r}")
    if not re.fullmatch(r"-?\d+", step) or not -len(owner) <= int(step) < len(owner):
        known = [str(i) for i in range(len(owner))]
        raise SpecError(
            f"--set {setting}: {at} is a list of {len(owner)}; an index from 0 to "
            f"{len(owner) - 1} is wanted, not {step!r}{nearest(step, known)}"
        )
    return int(step)
