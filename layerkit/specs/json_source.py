"""JSON text to a tree, with the line of every field."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Any, NamedTuple

import numpy as np

from layerkit.display import quoted
from layerkit.errors import SpecError

__all__ = ["Change", "Path", "Source", "decode", "parse", "plain", "spell"]

_LARGEST = 10**300  # beyond it a whole number is no float, and nothing in a spec is so large

Path = tuple[str | int, ...]
"""Keys and indices from the root of a spec to a field."""

_SPACE = re.compile(r"[ \t\n\r]*")
_WORD = re.compile(r'"(?:[^"\\]|\\.)*"|[{}]')
_scan = json.JSONDecoder(parse_int=str, parse_float=str).raw_decode


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

    def changed(self, tree: Any, changes: tuple[Change, ...] = ()) -> Source:
        """The same source after overrides: fields keep the lines they were written on."""
        made = Source(tree, name=self.name, text=self._text)
        made.original, made.changes = self, changes
        return made

    def line(self, path: Path) -> int | None:
        """Line of the field at ``path``, or of the nearest field around it; None without text."""
        return self.lines([path])[0]

    def lines(self, paths: Sequence[Path]) -> list[int | None]:
        """The line of each, in one pass over the text."""
        if self._text is None:
            return [None] * len(paths)
        found = _lines(self._text, paths)
        return [next(found[p[:n]] for n in range(len(p), -1, -1) if p[:n] in found) for p in paths]


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
            twice = _repeated(k for k, _ in items)
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
        pairs = [(_key(k), plain(v, depth + 1)) for k, v in value.items()]
        made = dict(pairs)
        if len(made) < len(pairs):
            twice = _repeated(k for k, _ in pairs)
            raise SpecError(f"the field {quoted(twice)} is given twice in one object")
        return made
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


def _key(key: Any) -> str:
    """``key`` of a mapping as JSON spells it: numbers and the like become text."""
    if isinstance(key, str):
        return key
    if key is None or isinstance(key, (bool, int, float, np.generic)):
        return json.dumps(key.item() if isinstance(key, np.generic) else key).strip('"')
    raise SpecError(f"a field's name is text, {quoted(key)} is none")


def _repeated(keys: Iterable[str]) -> str:
    """The first key that was there before."""
    seen: set[str] = set()
    return next(key for key in keys if key in seen or seen.add(key))  # type: ignore[func-returns-value]


def _second(text: str, key: str) -> int | None:
    """Line of the first field called ``key`` that its object has already."""
    inside: list[bool] = []  # of each open object, whether it has the key
    for word in _WORD.finditer(text):
        spelled = word.group()
        if spelled == "{":
            inside.append(False)
        elif spelled == "}":
            inside.pop()
        elif _is_key(text, word.end()) and _unquoted(spelled) == key:
            if inside[-1]:
                return text.count("\n", 0, word.start()) + 1
            inside[-1] = True
    return None


def _is_key(text: str, end: int) -> bool:
    space = _SPACE.match(text, end)
    return space is not None and text[space.end() : space.end() + 1] == ":"


def _unquoted(spelled: str) -> Any:
    return json.loads(spelled) if "\\" in spelled else spelled[1:-1]


def _lines(text: str, wanted: Iterable[Path]) -> dict[Path, int]:
    """Lines, counted from 1, of the fields at ``wanted`` and around them in valid JSON ``text``.

    What lies on no wanted path is passed over at the speed of the parser.
    """
    tree: dict[Any, Any] = {}
    for path in wanted:
        node = tree
        for step in path:
            node = node.setdefault(step, {})
    lines = _Lines(text)
    with suppress(RecursionError):
        lines.visit(_after_space(text, 0), tree, ())
    return lines.found


def _after_space(text: str, at: int) -> int:
    space = _SPACE.match(text, at)
    return at if space is None else space.end()


class _Lines:
    """Walks down the wanted paths of a text; ``found`` grows in the order of the text."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.found: dict[Path, int] = {(): 1}
        self._line, self._last = 1, 0

    def visit(self, at: int, node: dict[Any, Any], path: Path) -> int:
        """Look for the fields of ``node`` in the value at ``at``; where that value ends."""
        opener = self.text[at : at + 1]
        if not node or opener not in ("{", "["):
            return _scan(self.text, at)[1]
        at, index = _after_space(self.text, at + 1), 0
        while self.text[at] not in "}]":
            step: str | int = index
            begin = at
            if opener == "{":
                step, at = _scan(self.text, at)
                at = _after_space(self.text, _after_space(self.text, at) + 1)
            if step in node:
                self.found[(*path, step)] = self._count(begin)
            at = _after_space(self.text, self.visit(at, node.get(step, {}), (*path, step)))
            if self.text[at] == ",":
                at = _after_space(self.text, at + 1)
            index += 1
        return at + 1

    def _count(self, at: int) -> int:
        self._line += self.text.count("\n", self._last, at)
        self._last = at
        return self._line
