"""What was wanted and what came, in words: no reader ever sees the validator's own text."""

from __future__ import annotations

import types
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Annotated, Any, Literal, NamedTuple, Union, get_args, get_origin

from layerkit.discovery.candidates import Candidate
from layerkit.discovery.registry import REGISTRIES
from layerkit.display import nearest, quoted
from layerkit.errors import PluginError, SpecError, place
from layerkit.fields import PartOf, Range
from layerkit.specs.json_source import Path, Source, spell
from layerkit.specs.overrides import blamed

__all__ = ["Fault", "Faults", "Permit", "anyone", "came", "describe"]

_PLAIN = {
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    str: "text",
    dict: "an object",
    list: "a list",
    type(None): "null",
}


_HUGE = 2**63  # no bound that anybody wants to read of, unless a number is beyond it


def describe(annotation: Any) -> str:
    """The values that ``annotation`` allows, as a phrase.

    >>> describe(Annotated[int, Range(ge=1)])
    'a whole number of at least 1'
    """
    origin, args = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        for mark in args[1:]:
            if isinstance(mark, PartOf):
                return f"the name of {_article(REGISTRIES[mark.group].singular)}"
            if isinstance(mark, Range):
                return describe(args[0]) + _bounds(mark)
            if isinstance(mark, str):
                return mark
        return describe(args[0])
    if origin is Literal:
        return ("one of " if len(args) > 1 else "") + ", ".join(repr(a) for a in args)
    if origin in (Union, types.UnionType):
        return " or ".join(describe(a) for a in args)
    if origin in (list, tuple):
        return f"a list ({describe(args[0])} each)"
    if origin is not None and isinstance(origin, type) and issubclass(origin, Mapping):
        return "an object"
    return _PLAIN.get(annotation, "an object")


def _bounds(mark: Range) -> str:
    words = [
        (mark.ge, "of at least"),
        (mark.gt, "above"),
        (mark.le, "of at most"),
        (mark.lt, "below"),
    ]
    told = [f"{word} {_number(bound)}" for bound, word in words if bound not in (None, _HUGE)]
    return " " + " and ".join(told) if told else ""


def _number(bound: float) -> str:
    return str(bound) if isinstance(bound, int) else f"{bound:g}"


def _article(noun: str) -> str:
    return ("an " if noun[0] in "aeio" else "a ") + noun


def came(value: Any) -> str:
    """The value that was found, with its JSON type."""
    kind = {bool: "", type(None): "", str: " (text)", list: " (a list)", dict: " (an object)"}
    shown = {True: "true", False: "false", None: "null"}
    if value is None or isinstance(value, bool):
        return shown[value]
    if type(value) is int and value >= _HUGE:
        return f"{quoted(value, 60)} (too large for a model file: at most {_HUGE - 1})"
    return quoted(value, 60) + kind.get(type(value), "")


def unknown_field(key: str, known: Iterable[str], *, suggest: bool = True) -> str:
    """The sentence for a field that nothing knows."""
    known = list(known)
    listing = ", ".join(known) if known else "none"
    near = nearest(key, known) if suggest else ""
    return f"unknown field {quoted(key)}{near} (fields here: {listing})"


_MOST = 100  # mistakes are told
_SUGGESTED = 10  # of them with the nearest word, which takes a millisecond to find


class Fault(NamedTuple):
    """One mistake: the path of its field, the sentence, and the error if it has its own class."""

    path: Path
    reason: str
    error: SpecError | PluginError | None = None


Permit = Callable[[Candidate], bool]
"""Whether the part behind a candidate may be imported."""


def anyone(candidate: Candidate) -> bool:
    """Every installed distribution's parts may be imported."""
    return True


class Faults:
    """Mistakes gathered while a spec is read, so that a user sees them all at once.

    At most a hundred are kept, whatever a spec holds; ``count`` goes on.
    """

    def __init__(
        self,
        source: Source,
        prefix: str = "",
        permit: Permit = anyone,
        alone: Callable[[Source], list[Fault]] | None = None,
    ) -> None:
        self.source = source
        self._alone = alone
        self.prefix = prefix
        self.permit = permit
        self.found: list[Fault] = []
        self.count = 0

    @property
    def full(self) -> bool:
        """Whether there are more mistakes than anyone will read."""
        return self.count >= _MOST

    def add(self, path: Path, reason: str, error: SpecError | PluginError | None = None) -> None:
        """Note a mistake at ``path``."""
        if not self.full:
            self.found.append(Fault(path, reason, error))
        self.count += 1

    def unknown(self, path: Path, known: Iterable[str]) -> None:
        """Note that there is no such field as the last step of ``path``."""
        if self.full:
            self.count += 1
        else:
            few = self.count < _SUGGESTED
            self.add(path, unknown_field(str(path[-1]), known, suggest=few))

    def raise_any(self) -> None:
        """Raise what was gathered, plugin faults first.

        Raises
        ------
        PluginError
            If a part is unknown or unusable; the class is that of the gravest fault.
        SpecError
            Otherwise, if there is any fault.
        """
        if not self.found:
            return
        plugin = [f for f in self.found if isinstance(f.error, PluginError)]
        chosen = plugin or self.found
        settings = self._settings(chosen)
        at = self.source.lines([f.path for f in chosen])
        at = [None if said else line for line, said in zip(at, settings, strict=True)]
        lines = [
            self._sentence(f, line, said)
            for f, line, said in zip(chosen, at, settings, strict=True)
        ]
        name = None if all(settings) else self.source.name
        if plugin:
            raise self._plugin_error(plugin, lines, name)
        first = chosen[0]
        kind = type(first.error) if first.error is not None else SpecError
        pairs = [(spell(f.path, self.prefix), f.reason) for f in chosen]
        if len(chosen) == 1:
            raise kind(
                first.reason,
                location=pairs[0][0],
                line=at[0],
                setting=settings[0],
                path=name,
                hint=None if first.error is None else first.error.hint,
            )
        count = f"{self.count} mistakes" + (", of which these come first" if self.full else "")
        text = f"{count}\n  " + "\n  ".join(lines)
        raise SpecError(text, faults=pairs, path=name)

    def _settings(self, chosen: Sequence[Fault]) -> list[str | None]:
        """For each mistake the overrides that made it, or None if it stands in the file."""
        changes, original = self.source.changes, self.source.original
        if not changes or original is None or self._alone is None:
            return [None] * len(chosen)
        before = self._alone(original)
        told = {(f.path, f.reason) for f in before}
        paths = [f.path for f in before] or None
        found = [
            () if (f.path, f.reason) in told else blamed(f.path, changes, alone=paths)
            for f in chosen
        ]
        return [" ".join(change.said for change in some) or None for some in found]

    def _sentence(self, fault: Fault, line: int | None, setting: str | None) -> str:
        at = place(spell(fault.path, self.prefix), line, setting)
        return f"{at}: {fault.reason}" if at else fault.reason

    def _plugin_error(self, plugin: list[Fault], lines: list[str], name: str | None) -> PluginError:
        rank = [
            "UnknownTypeError",
            "PluginMissingError",
            "PluginAmbiguousError",
            "PluginNotAllowedError",
            "PluginLoadError",
            "PluginVersionError",
        ]
        errors = [f.error for f in plugin if isinstance(f.error, PluginError)]
        first = min(errors, key=lambda e: rank.index(type(e).__name__))
        problems = [problem for e in errors for problem in e.problems]
        raised = type(first)("\n".join(lines), problems=problems, path=name, hint=first.hint)
        raised.__cause__ = first.__cause__
        return raised
