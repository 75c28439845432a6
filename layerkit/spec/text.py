"""JSON text to a tree, with the line of every field."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np

from layerkit.errors import SpecError, quoted

__all__ = ["Change", "Path", "Source", "decode", "parse", "plain", "spell"]

_LARGEST = 10**300  # beyond it a whole number is no float, and nothing in a spec is so large

Path = tuple[str | int, ...]
"""Keys and indices from the root of a spec to a field."""

_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[{}\[\]:,]|[^\s{}\[\]:,"]+')


class Change(NamedTuple):
    """An override that was applied: the ``path`` it set, and what messages call it."""

    path: Path
    said: str


class Source:
    """A spec as it was written: its tree, where it came from, and the line of each field.

    ``changes`` are overrides that the tree has had, ``original`` is the source without them.
    """

    def __init__(self, tree: Any, *, name: str | None = None, text: str | None = None) -> None:
        self.tree = tree
        self.name = name
        self.changes: tuple[Change, ...] = ()
        self.original: Source | None = None
        self._text = text
        self._lines: dict[Path, int] | None = None

    def changed(self, tree: Any, changes: tuple[Change, ...] = ()) -> Source:
        """The same source after overrides: fields keep the lines they were written on."""
        made = Source(tree, name=self.name, text=self._text)
        made.original, made.changes = self, changes
        return made

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
        tree = decode(text, object_pairs_hook=pairs)
    except json.JSONDecodeError as error:
        raise SpecError(
            f"not valid JSON: {error.msg} (line {error.lineno}, column {error.colno})",
            path=name,
        ) from error
    except SpecError as error:
        error.path = name
        raise
    return Source(tree, name=name, text=text)


def decode(text: str, **hooks: Any) -> Any:
    """JSON ``text`` as a tree, with ``hooks`` of ``json.loads``.

    Raises
    ------
    SpecError
        If it holds NaN or a huge number, or is nested without end.
    json.JSONDecodeError
        If it is not JSON.
    """
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
