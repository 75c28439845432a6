"""Read JSON text into a tree, and find the line of each field."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from layerkit.display import quoted
from layerkit.errors import SpecError

_LARGEST = 10**300  # integers beyond it do not convert to float, and no spec needs them

Path = tuple[str | int, ...]
"""Keys and indices from the root of a spec to a field."""

_NOT_FINITE = "{} is not JSON: expected a finite number"
_SPACE = re.compile(r"[ \t\n\r]*")
_KEY_END = re.compile(r"[ \t\n\r]*:")
_WORD = re.compile(r'"(?:[^"\\]|\\.)*"|[{}]')
_scan = json.JSONDecoder(parse_int=str, parse_float=str).raw_decode


class Override(NamedTuple):
    """An override that was applied: the ``path`` it set, and its ``label`` in messages."""

    path: Path
    label: str


class JsonSource:
    """A spec as it was written: its tree, its file name, and the line of each field.

    ``changes`` are the overrides that were applied, ``original`` is the source without them.
    """

    def __init__(self, tree: Any, *, name: str | None = None, text: str | None = None) -> None:
        self.tree = tree
        self.name = name
        self.changes: tuple[Override, ...] = ()
        self.original: JsonSource | None = None
        self._text = text

    def changed(self, tree: Any, changes: tuple[Override, ...] = ()) -> JsonSource:
        """The same source after overrides: fields keep the lines they were written on."""
        made = JsonSource(tree, name=self.name, text=self._text)
        made.original, made.changes = self, changes
        return made

    def lines(self, paths: Sequence[Path]) -> list[int | None]:
        """The line of the field at each path, or of the nearest field around it; None without text.

        All in one pass over the text.
        """
        if self._text is None:
            return [None] * len(paths)
        found = _lines(self._text, paths)
        return [next(found[p[:n]] for n in range(len(p), -1, -1) if p[:n] in found) for p in paths]


def spell(path: Path, prefix: str = "") -> str:
    """``("layers", 2, "units")`` as ``layers[2].units``; other keys as ``layers[2]['a b']``.

    Keys may come from a hostile file, so characters that do not print are escaped.
    """
    text = prefix
    for step in path:
        if isinstance(step, str) and re.fullmatch(r"[\w.-]{1,64}", step, re.ASCII):
            text += f".{step}" if text else step
        else:
            text += f"[{quoted(step)}]"
    return text


def parse(text: str, *, name: str | None = None) -> JsonSource:
    """Parse JSON ``text`` of a spec; raises SpecError, with line and column, if it is malformed."""
    try:
        tree = decode(text)
    except json.JSONDecodeError as error:
        raise SpecError(
            f"not valid JSON: {error.msg} (line {error.lineno}, column {error.colno})",
            path=name,
        ) from error
    except SpecError as error:
        error.path = name
        raise
    return JsonSource(tree, name=name, text=text)


def decode(text: str) -> Any:
    """JSON ``text`` as a tree; raises json.JSONDecodeError if it is not JSON.

    Raises SpecError if it gives a field twice, holds NaN or a huge number, or is nested too deeply.
    """
    try:
        return json.loads(
            text,
            parse_constant=_no_constant,
            parse_int=_integer,
            object_pairs_hook=partial(_distinct, text),
        )
    except RecursionError:
        raise SpecError("nested too deeply") from None


def _no_constant(word: str) -> Any:
    raise SpecError(_NOT_FINITE.format(word))


def _integer(digits: str) -> int:
    if len(digits) > 301 or abs(int(digits)) >= _LARGEST:
        raise SpecError(f"the number {digits[:12]}... is too large")
    return int(digits)


def strict_json(value: Any, depth: int = 0) -> Any:
    """A copy of ``value`` as JSON values: tuples become lists, NumPy numbers Python's.

    Raises SpecError if part of it is not a JSON value, is too large or is nested too deeply.
    """
    if depth > 100:
        raise SpecError("nested too deeply")
    if isinstance(value, Mapping):
        return _distinct("", [(_key(k), strict_json(v, depth + 1)) for k, v in value.items()])
    if isinstance(value, (list, tuple)):
        return [strict_json(v, depth + 1) for v in value]
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, int) and abs(value) >= _LARGEST:
        raise SpecError("an integer in the spec is too large")
    if isinstance(value, float) and not math.isfinite(value):
        raise SpecError(_NOT_FINITE.format(value))
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    raise SpecError(f"expected a JSON value, got {quoted(value)}")


def _key(key: Any) -> str:
    """``key`` of a mapping as a string, as ``json.dumps`` would write it."""
    if isinstance(key, str):
        return key
    if key is None or isinstance(key, (bool, int, float, np.generic)):
        return json.dumps(key.item() if isinstance(key, np.generic) else key).strip('"')
    raise SpecError(f"expected a string as the name of a field, got {quoted(key)}")


def _distinct(text: str, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object of JSON ``text``; raises SpecError if it gives a field twice."""
    made = dict(pairs)
    if len(made) < len(pairs):
        seen: set[str] = set()
        twice = next(k for k, _ in pairs if k in seen or seen.add(k))  # type: ignore[func-returns-value]
        reason = f"the field {quoted(twice)} is given twice in one object"
        raise SpecError(reason, line=_second(text, twice))
    return made


def _second(text: str, key: str) -> int | None:
    """Line of the second field called ``key`` in one object."""
    inside: list[bool] = []  # of each open object, whether it has the key
    for word in _WORD.finditer(text):
        spelled = word.group()
        if spelled == "{":
            inside.append(False)
        elif spelled == "}":
            inside.pop()
        elif _KEY_END.match(text, word.end()) and json.loads(spelled) == key:
            if inside[-1]:
                return text.count("\n", 0, word.start()) + 1
            inside[-1] = True
    return None


def _lines(text: str, paths: Iterable[Path]) -> dict[Path, int]:
    """Line, counted from 1, of each field on the ``paths`` in valid JSON ``text``.

    Everything else is skipped at the speed of the parser.
    """
    tree: dict[Any, Any] = {}
    for path in paths:
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
    """Walks down the paths in a text; ``found`` grows in the order of the text."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.found: dict[Path, int] = {(): 1}
        self._line, self._last = 1, 0

    def visit(self, at: int, node: dict[Any, Any], path: Path) -> int:
        """Find the fields of ``node`` in the value at ``at``; returns where that value ends."""
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
