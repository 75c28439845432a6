"""How one field is checked: small guards that name the field, the rule and what is there."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, NoReturn

from layerkit.codec.names import below, shown
from layerkit.errors import MalformedFileError

__all__ = ["Fields", "a_map", "ascending", "refuse", "want"]


def refuse(where: str, rule: str, reason: str) -> NoReturn:
    """Raise MalformedFileError for the field ``where``."""
    raise MalformedFileError(f"rule {rule}: {reason}", at=where)


class Fields:
    """Checks closed maps; in a file of a newer minor it collects what it does not know.

    Attributes
    ----------
    unknown : list of str
        Paths of the fields that were ignored (rule 11.2).
    """

    def __init__(self, *, newer: bool) -> None:
        self.newer = newer
        self.unknown: list[str] = []

    def closed(
        self,
        value: object,
        where: str,
        rule: str,
        required: Iterable[str],
        optional: Iterable[str] = (),
    ) -> dict[str, Any]:
        """``value`` as a map that has all required fields and no unknown ones."""
        record = a_map(value, where, rule)
        missing = [key for key in required if key not in record]
        if missing:
            refuse(where, rule, f"required field missing: {', '.join(missing)}")
        extra = record.keys() - required - set(optional)
        if extra and not self.newer:
            names = ", ".join(map(shown, sorted(extra)[:10]))
            more = f" and {len(extra) - 10} more" if len(extra) > 10 else ""
            refuse(where, "11.2", f"unknown field {names}{more}")
        self.unknown += [below(where, key) for key in sorted(extra)]
        return record


def a_map(value: object, where: str, rule: str) -> dict[str, Any]:
    """``value``, if it is a map."""
    if not isinstance(value, dict):
        refuse(where, rule, f"a map is wanted, not {shown(value)}")
    return value


def want(value: object, where: str, rule: str, good: bool, wanted: str) -> None:
    """Refuse ``value`` unless it is ``good``; ``wanted`` says in words what would be."""
    if not good:
        refuse(where, rule, f"{wanted} is wanted, not {shown(value)}")


def ascending(
    value: object, where: str, rule: str, good: Callable[[object], bool], wanted: str
) -> list[str]:
    """``value``, if it is a strictly ascending array of good strings."""
    if not isinstance(value, list):
        refuse(where, rule, f"an array is wanted, not {shown(value)}")
    for index, item in enumerate(value):
        want(item, f"{where}[{index}]", rule, good(item), wanted)
        if index and not value[index - 1] < item:
            refuse(f"{where}[{index}]", rule, f"{shown(item)} is repeated or out of order")
    return value
