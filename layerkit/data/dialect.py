"""The dialect of a CSV file: delimiter, number marks, quotes, header, missing values.

A field that is left out is detected from the first lines of the file, or has its usual value.
"""

from __future__ import annotations

import codecs
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, Self

from layerkit.display import quoted
from layerkit.errors import DataError

_NAMED = {"\\t": "\t", "tab": "\t"}
_FORBIDDEN = "\n\r\0"


@dataclass(frozen=True)
class Dialect:
    """The dialect of a CSV file; None (for ``missing_values``: empty) is detected or the default.

    Parameters
    ----------
    delimiter
        The character between cells; by default a comma, semicolon, tab or bar, whichever the first
        lines agree on. ``tab`` means a tab.
    decimal
        The decimal mark, "." or ",".
    thousands
        The character that groups the digits of a number by three, as in 1.234,5.
    quote
        The character around cells that contain delimiters; by default ``"``. "" means none.
    header
        Whether the first line names the columns.
    comment
        Lines that begin with this text are skipped.
    missing_values
        Spellings of a missing value besides an empty cell and ``?``.
    encoding
        Character encoding, as Python names it; by default UTF-8, or UTF-16 if there is its byte
        order mark.

    Raises
    ------
    DataError
        If a field has no valid value, or two contradict each other.
    """

    delimiter: str | None = None
    decimal: str | None = None
    thousands: str | None = None
    quote: str | None = None
    header: bool | None = None
    comment: str | None = None
    missing_values: Sequence[str] = ()  # kept as a tuple
    encoding: str | None = None

    def __post_init__(self) -> None:
        if self.delimiter is not None:
            object.__setattr__(self, "delimiter", _NAMED.get(self.delimiter, self.delimiter))
        given: Any = () if self.missing_values is None else self.missing_values
        cells = (given,) if isinstance(given, str) else given
        object.__setattr__(self, "missing_values", tuple(str(cell).strip() for cell in cells))
        for name in ("delimiter", "decimal", "thousands", "quote"):
            _check_character(name, getattr(self, name))
        if self.decimal not in (None, ".", ","):
            raise _invalid("decimal", self.decimal, "'.' or ','")
        if self.thousands is not None and (self.thousands.isalnum() or self.thousands in "+-"):
            raise _invalid(
                "thousands", self.thousands, "a character other than a digit, letter or sign"
            )
        if self.header not in (None, True, False):
            raise _invalid("header", self.header, "true or false")
        if self.comment is not None and (not isinstance(self.comment, str) or not self.comment):
            raise _invalid("comment", self.comment, "the text that comment lines begin with")
        self._check_together()
        if self.encoding is not None:
            _check_encoding(self.encoding)

    def _check_together(self) -> None:
        """Refuse one character for two purposes."""
        names = ("delimiter", "decimal", "thousands", "quote")
        given = [(name, getattr(self, name)) for name in names if getattr(self, name)]
        for i, (name, value) in enumerate(given):
            for other, same in given[:i]:
                if value == same:
                    raise DataError(
                        f"{quoted(value)} cannot be both {other} and {name}",
                        hint=f"give another {name}, or leave one out to have it detected",
                    )

    @classmethod
    def of(cls, settings: Mapping[str, Any]) -> Self:
        """The dialect among ``settings``; their other keys are ignored."""
        return cls(**{k: settings[k] for k in DIALECT_KEYS if settings.get(k) is not None})

    def given(self) -> dict[str, Any]:
        """The fields that are set, by name: keyword arguments of ``read_rows``."""
        named = {one.name: getattr(self, one.name) for one in fields(self)}
        return {name: value for name, value in named.items() if value not in (None, ())}

    def over(self, other: Dialect) -> Dialect:
        """The fields set here, else those of ``other``."""
        return replace(other, **self.given())


DIALECT_KEYS = tuple(one.name for one in fields(Dialect))
"""The names of the fields."""


def _check_character(name: str, value: object) -> None:
    if value is None or (name == "quote" and value == ""):
        return
    if not isinstance(value, str) or len(value) != 1 or value in _FORBIDDEN:
        raise _invalid(name, value, "one character")


def _check_encoding(encoding: object) -> None:
    try:
        codecs.lookup(str(encoding))
        "".encode(str(encoding))
    except LookupError:
        expected = "an encoding that Python knows (utf-8, latin-1, cp1252, utf-16, ...)"
        raise _invalid("encoding", encoding, expected) from None


def _invalid(name: str, value: object, expected: str) -> DataError:
    return DataError(f"{name}: expected {expected}, got {quoted(value)}")
