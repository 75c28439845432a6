"""How the fields of a header are checked: by tables of checks, and one walker over them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, NamedTuple, NoReturn

from layerkit.codec.names import below, describe
from layerkit.errors import MalformedFileError

__all__ = [
    "ARRAY",
    "MAP",
    "Check",
    "Fields",
    "Table",
    "ascending",
    "check",
    "check_fields",
    "entries",
    "refuse",
]


class Check(NamedTuple):
    """What a value must be.

    Attributes
    ----------
    good : callable
        Tells whether a value is that.
    expected : str
        The same in words, for messages.
    rule : str
        The rule that says so, if it is another than that of the map around.
    """

    good: Callable[[Any], bool]
    expected: str
    rule: str = ""


Table = Mapping[str, Check]
"""Field of a map -> what it must hold, in the order of the checks."""

MAP = Check(lambda value: isinstance(value, dict), "a map")
ARRAY = Check(lambda value: isinstance(value, list), "an array")


def refuse(where: str, rule: str, reason: str) -> NoReturn:
    """Raise MalformedFileError for the field ``where``."""
    raise MalformedFileError(f"rule {rule}: {reason}", at=where)


def check(value: Any, where: str, rule: str, wanted: Check) -> Any:
    """``value``, if it passes."""
    if not wanted.good(value):
        reason = f"expected {wanted.expected}, got {describe(value)}"
        refuse(where, wanted.rule or rule, reason)
    return value


def check_fields(record: dict[str, Any], where: str, rule: str, table: Table) -> None:
    """Check each field of ``record`` that is in the table."""
    for key, wanted in table.items():
        if not wanted.good(record[key]):  # the path is only spelled out for a fault
            check(record[key], f"{where}.{key}", rule, wanted)


def entries(value: object, where: str, rule: str, name: Check) -> Iterator[tuple[str, str, Any]]:
    """Key, path and value of each entry of a map whose keys are names."""
    for key, item in check(value, where, rule, MAP).items():
        at = below(where, key)
        yield check(key, at, rule, name), at, item


def ascending(value: object, where: str, rule: str, wanted: Check) -> None:
    """Check a strictly ascending array of strings."""
    before = None
    for index, item in enumerate(check(value, where, rule, ARRAY)):
        at = f"{where}[{index}]"
        check(item, at, rule, wanted)
        if before is not None and not before < item:
            refuse(at, rule, f"{describe(item)} is repeated or out of order")
        before = item


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

    def closed(self, value: object, where: str, rule: str, table: Table) -> dict[str, Any]:
        """``value`` as a map that has all fields of ``table``, as it says, and no others."""
        record = self.with_keys(value, where, rule, table)
        check_fields(record, where, rule, table)
        return record

    def with_keys(
        self,
        value: object,
        where: str,
        rule: str,
        required: Iterable[str],
        optional: Iterable[str] = (),
    ) -> dict[str, Any]:
        """``value`` as a map that has all required fields and no unknown ones."""
        record: dict[str, Any] = check(value, where, rule, MAP)
        missing = [key for key in required if key not in record]
        if missing:
            refuse(where, rule, f"required field missing: {', '.join(missing)}")
        extra = record.keys() - required - set(optional)
        if extra and not self.newer:
            names = ", ".join(map(describe, sorted(extra)[:10]))
            more = f" and {len(extra) - 10} more" if len(extra) > 10 else ""
            refuse(where, "11.2", f"unknown field {names}{more}")
        self.unknown += [below(where, key) for key in sorted(extra)]
        return record
