"""How the fields of a header are checked: by tables of checks, and one walker over them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, NamedTuple, NoReturn

from layerkit.codec.names import below, describe_value
from layerkit.display import few
from layerkit.errors import MalformedFileError


class FieldCheck(NamedTuple):
    """What a value must be, as a test and in words for messages."""

    good: Callable[[Any], bool]
    words: str
    rule: str = ""  # if it is not that of the map around it


Table = Mapping[str, FieldCheck]
"""Field of a map -> what it must hold, in the order of the checks."""

MAP = FieldCheck(lambda value: isinstance(value, dict), "a map")
ARRAY = FieldCheck(lambda value: isinstance(value, list), "an array")


def refuse(where: str, rule: str, reason: str) -> NoReturn:
    """Raise MalformedFileError for the field ``where``."""
    raise MalformedFileError(f"rule {rule}: {reason}", at=where)


def check(value: Any, where: str, rule: str, expected: FieldCheck) -> Any:
    """``value``, if it passes."""
    if not expected.good(value):
        reason = f"expected {expected.words}, got {describe_value(value)}"
        refuse(where, expected.rule or rule, reason)
    return value


def check_table(record: dict[str, Any], where: str, rule: str, table: Table) -> None:
    """Check each field of ``record`` that is in the table."""
    for key, expected in table.items():
        if not expected.good(record[key]):  # the path is only spelled out for a fault
            check(record[key], f"{where}.{key}", rule, expected)


def entries(
    value: object, where: str, rule: str, name: FieldCheck
) -> Iterator[tuple[str, str, Any]]:
    """Key, path and value of each entry of a map whose keys are names."""
    for key, item in check(value, where, rule, MAP).items():
        at = below(where, key)
        yield check(key, at, rule, name), at, item


def ascending(value: object, where: str, rule: str, expected: FieldCheck) -> None:
    """Check a strictly ascending array of strings."""
    before = None
    for index, item in enumerate(check(value, where, rule, ARRAY)):
        at = f"{where}[{index}]"
        check(item, at, rule, expected)
        if before is not None and not before < item:
            refuse(at, rule, f"{describe_value(item)} is repeated or out of order")
        before = item


class Fields:
    """Checks closed maps; in a file of a newer minor version it collects unknown fields."""

    def __init__(self, *, newer: bool) -> None:
        self.newer = newer
        self.unknown: list[str] = []  # paths of the fields that were ignored (rule 11.2)

    def closed(self, value: object, where: str, rule: str, table: Table) -> dict[str, Any]:
        """``value``, if it is a map that has the fields of ``table`` and passes its checks."""
        record = self.with_keys(value, where, rule, table)
        check_table(record, where, rule, table)
        return record

    def with_keys(
        self,
        value: object,
        where: str,
        rule: str,
        required: Iterable[str],
        optional: Iterable[str] = (),
    ) -> dict[str, Any]:
        """``value``, if it is a map that has all required fields and no unknown ones."""
        record: dict[str, Any] = check(value, where, rule, MAP)
        missing = [key for key in required if key not in record]
        if missing:
            refuse(where, rule, f"required field missing: {', '.join(missing)}")
        extra = record.keys() - required - set(optional)
        if extra and not self.newer:
            names = [describe_value(key) for key in sorted(extra)]
            refuse(where, "11.2", f"unknown field {few(names, 10)}")
        self.unknown += [below(where, key) for key in sorted(extra)]
        return record
