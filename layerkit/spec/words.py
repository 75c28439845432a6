"""What was wanted and what came, in words: no reader ever sees the validator's own text."""

from __future__ import annotations

import types
from collections.abc import Callable, Iterable, Mapping
from typing import Annotated, Any, Literal, NamedTuple, Union, get_args, get_origin

from layerkit.errors import PluginError, SpecError, quoted
from layerkit.fields import PartOf, Range
from layerkit.offers import Offer, nearest
from layerkit.registry import REGISTRIES
from layerkit.spec.text import Path, Source, spell

__all__ = ["Fault", "Faults", "Permit", "anyone", "came", "describe", "unknown_field"]

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


def unknown_field(key: str, known: Iterable[str]) -> str:
    """The sentence for a field that nothing knows."""
    known = list(known)
    listing = ", ".join(known) if known else "none"
    return f"unknown field {quoted(key)}{nearest(key, known)} (fields here: {listing})"


class Fault(NamedTuple):
    """One mistake: the path of its field, the sentence, and the error if it has its own class."""

    path: Path
    reason: str
    error: SpecError | PluginError | None = None


Permit = Callable[[Offer], bool]
"""Whether the part behind an offer may be imported."""


def anyone(offer: Offer) -> bool:
    """Every installed distribution's parts may be imported."""
    return True


class Faults:
    """Mistakes gathered while a spec is read, so that a user sees them all at once."""

    def __init__(self, source: Source, prefix: str = "", permit: Permit = anyone) -> None:
        self.source = source
        self.prefix = prefix
        self.permit = permit
        self.found: list[Fault] = []

    def add(self, path: Path, reason: str, error: SpecError | PluginError | None = None) -> None:
        """Note a mistake at ``path``."""
        self.found.append(Fault(path, reason, error))

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
        lines = [self._sentence(f) for f in chosen]
        if plugin:
            raise self._plugin_error(plugin, lines)
        first = chosen[0]
        kind = type(first.error) if first.error is not None else SpecError
        pairs = [(spell(f.path, self.prefix), f.reason) for f in chosen]
        if len(chosen) == 1:
            raise kind(
                first.reason,
                location=pairs[0][0],
                line=self.source.line(first.path),
                path=self.source.name,
                hint=None if first.error is None else first.error.hint,
            )
        text = f"{len(chosen)} mistakes\n  " + "\n  ".join(lines)
        raise SpecError(text, faults=pairs, path=self.source.name)

    def _sentence(self, fault: Fault) -> str:
        line = self.source.line(fault.path)
        at = spell(fault.path, self.prefix) + (f" (line {line})" if line else "")
        return f"{at}: {fault.reason}" if at else fault.reason

    def _plugin_error(self, plugin: list[Fault], lines: list[str]) -> PluginError:
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
        raised = type(first)(
            "\n".join(lines), problems=problems, path=self.source.name, hint=first.hint
        )
        raised.__cause__ = first.__cause__
        return raised
