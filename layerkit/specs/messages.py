"""What a spec should hold and what it holds, in words, and the mistakes found in one.

Users never see the text of pydantic's errors.
"""

from __future__ import annotations

import re
import types
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Annotated, Any, Literal, NamedTuple, Union, get_args, get_origin

from layerkit.discovery.origins import Origins
from layerkit.discovery.registry import REGISTRIES
from layerkit.display import counted, nearest, quoted
from layerkit.errors import PluginError, SpecError, joined_plugin_errors
from layerkit.fields import PartOf, Range
from layerkit.specs.json_source import JsonSource, Path, spell
from layerkit.specs.overrides import blamed

_NOUNS = {
    int: "an integer",
    float: "a number",
    bool: "true or false",
    str: "a string",
    dict: "an object",
    list: "a list",
    type(None): "null",
}
_HUGE = 2**63  # the bound of integers in a model file; too large to be worth a mention


def describe_annotation(annotation: Any) -> str:
    """The values that ``annotation`` allows, in words.

    >>> describe_annotation(Annotated[int, Range(ge=1)])
    'an integer >= 1'
    """
    origin, args = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        for mark in args[1:]:
            if isinstance(mark, PartOf):
                noun = REGISTRIES[mark.group].singular
                return f"the name of {'an' if noun[0] in 'aeio' else 'a'} {noun}"
            if isinstance(mark, Range):
                return describe_annotation(args[0]) + _bounds(mark)
            if isinstance(mark, str):
                return mark
        return describe_annotation(args[0])
    if origin is Literal:
        return ("one of " if len(args) > 1 else "") + ", ".join(repr(a) for a in args)
    if origin in (Union, types.UnionType):
        return " or ".join(describe_annotation(a) for a in args)
    if origin in (list, tuple):
        item = describe_annotation(args[0])
        plural = re.sub(r"^an? (\w+)", r"a list of \1s", item)
        return f"a list (each item {item})" if plural == item or " or " in item else plural
    if origin is not None and isinstance(origin, type) and issubclass(origin, Mapping):
        return "an object"
    return _NOUNS.get(annotation, "an object")


def _bounds(mark: Range) -> str:
    bounds = [(">=", mark.ge), (">", mark.gt), ("<=", mark.le), ("<", mark.lt)]
    given = [(sign, bound) for sign, bound in bounds if bound not in (None, _HUGE)]
    words = [f"{s} {b if isinstance(b, int) else format(b, 'g')}" for s, b in given]
    return " " + " and ".join(words) if words else ""


def got(value: Any) -> str:
    """A value found in a spec, with its JSON type where the value does not show it."""
    if value is None or isinstance(value, bool):
        return {True: "true", False: "false", None: "null"}[value]
    shown = quoted(value, 60)
    if type(value) is int and value >= _HUGE:
        return f"{shown} (too large for a model file: at most {_HUGE - 1})"
    if isinstance(value, str) and re.search("[\ud800-\udfff]", value):
        return f"{shown} (a string with half of a surrogate pair, which is not valid Unicode)"
    return f"{shown} ({_NOUNS[type(value)]})" if isinstance(value, (str, list, dict)) else shown


def mismatch(expected: str, value: Any) -> str:
    """The sentence about a value that is not the ``expected`` one."""
    return f"expected {expected}, got {got(value)}"


def distinct_names(least: int, names: Sequence[Any]) -> str:
    """The sentence about a list of names that is too short or has one twice."""
    many = {1: "one", 2: "two"}[least]
    twice = next((name for name, count in Counter(names).items() if count > 1), None)
    found = counted(len(names), "name") if twice is None else f"{quoted(twice)} twice"
    return f"expected {many} or more distinct names, got {found}"


def unknown_field(key: str, known: Iterable[str], *, suggest: bool = True) -> str:
    """The sentence about a field that does not exist."""
    known = list(known)
    near = nearest(key, known) if suggest else ""
    return f"unknown field {quoted(key)}{near} (valid fields: {', '.join(known) or 'none'})"


_MOST = 100  # mistakes that are kept
_SUGGESTED = 10  # of them with a suggestion, which takes a millisecond to find


class Fault(NamedTuple):
    """One mistake: the path of its field, the sentence, and the error if it needs its own class."""

    path: Path
    reason: str
    error: SpecError | PluginError | None = None


class Faults:
    """Mistakes gathered while a spec is read, so that a user sees all of them at once.

    At most a hundred are kept; ``count`` counts all. ``unchanged`` finds the mistakes of the source
    as it was before overrides, to tell which override made a mistake.
    """

    def __init__(
        self,
        source: JsonSource,
        prefix: str = "",
        origins: Origins | None = None,
        unchanged: Callable[[JsonSource], list[Fault]] | None = None,
    ) -> None:
        self.source = source
        self._unchanged = unchanged
        self.prefix = prefix
        self.origins = Origins() if origins is None else origins
        self.found: list[Fault] = []
        self.count = 0

    @property
    def full(self) -> bool:
        """Whether no more mistakes are kept."""
        return self.count >= _MOST

    def add(self, path: Path, reason: str, error: SpecError | PluginError | None = None) -> None:
        """Note a mistake at ``path``."""
        if not self.full:
            self.found.append(Fault(path, reason, error))
        self.count += 1

    def unknown(self, path: Path, known: Iterable[str]) -> None:
        """Note that the last step of ``path`` is not among the ``known`` fields."""
        if self.full:
            self.count += 1
        else:
            few = self.count < _SUGGESTED
            self.add(path, unknown_field(str(path[-1]), known, suggest=few))

    def raise_any(self) -> None:
        """Raise what was gathered: the gravest PluginError if there is one, else a SpecError."""
        if not self.found:
            return
        plugin = [f for f in self.found if isinstance(f.error, PluginError)]
        chosen = plugin or self.found
        settings = self._settings(chosen)
        found = self.source.lines([f.path for f in chosen])
        lines = [None if said else line for line, said in zip(found, settings, strict=True)]
        places = [spell(f.path, self.prefix) for f in chosen]
        sentences = [
            SpecError(f.reason, location=at, line=line, setting=setting).message
            for f, at, line, setting in zip(chosen, places, lines, settings, strict=True)
        ]
        name = None if all(settings) else self.source.name
        if plugin:
            errors = [f.error for f in plugin if isinstance(f.error, PluginError)]
            raise joined_plugin_errors(errors, "\n".join(sentences), path=name)
        if len(chosen) == 1:
            first, error = chosen[0], chosen[0].error
            raise (SpecError if error is None else type(error))(
                first.reason,
                location=places[0],
                line=lines[0],
                setting=settings[0],
                path=name,
                hint=None if error is None else error.hint,
            )
        count = f"{self.count} mistakes" + (f"; the first {_MOST} are" if self.full else "")
        raise SpecError(
            "\n  ".join([count, *sentences]),
            faults=[(at, f.reason) for at, f in zip(places, chosen, strict=True)],
            path=name,
        )

    def _settings(self, chosen: Sequence[Fault]) -> list[str | None]:
        """For each mistake the overrides that made it, or None if it stands in the file."""
        changes, original = self.source.changes, self.source.original
        if not changes or original is None or self._unchanged is None:
            return [None] * len(chosen)
        before = self._unchanged(original)
        known = {(f.path, f.reason) for f in before}
        paths = [f.path for f in before] or None
        found = [
            () if (f.path, f.reason) in known else blamed(f.path, changes, alone=paths)
            for f in chosen
        ]
        return [" ".join(change.label for change in some) or None for some in found]
