"""How a table is written as text: what stands between cells, in numbers, and for a missing value.

Every field may be left open. Then it is told from the first lines of the file, or has the value
that most files have.
"""

from __future__ import annotations

import codecs
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, Self

from layerkit.display import quoted
from layerkit.errors import DataError

__all__ = ["DIALECT_KEYS", "Dialect"]

_NAMED = {"\\t": "\t", "tab": "\t"}
_FORBIDDEN = "\n\r\0"


@dataclass(frozen=True)
class Dialect:
    """The dialect of a table. None (for ``missing_values``: empty) is: detect it, or the default.

    Parameters
    ----------
    delimiter
        The one character between cells; by default a comma, semicolon, tab or bar, as the first
        lines agree. ``tab`` is a tab, too.
    decimal
        "." or ",": what begins the decimals of a number.
    thousands
        The one character that groups the digits of a number by three, as in 1.234,5.
    quote
        The one character around cells that hold others; by default ``"``. "" is none.
    header
        Whether the first line names the columns.
    comment
        Lines that begin with this text are skipped.
    missing_values
        Further spellings of a missing value, beside an empty cell and ``?``.
    encoding
        Of the characters, as Python names it; by default UTF-8, or UTF-16 after its byte order
        mark.

    Raises
    ------
    DataError
        If a field cannot be what it says, or two contradict each other.
    """

    delimiter: str | None = None
    decimal: str | None = None
    thousands: str | None = None
    quote: str | None = None
    header: bool | None = None
    comment: str | None = None
    missing_values: tuple[str, ...] = ()
    encoding: str | None = None

    def __post_init__(self) -> None:
        if self.delimiter is not None:
            object.__setattr__(self, "delimiter", _NAMED.get(self.delimiter, self.delimiter))
        if isinstance(self.missing_values, str) or self.missing_values is None:
            given = () if self.missing_values is None else (self.missing_values,)
            object.__setattr__(self, "missing_values", given)
        cells = tuple(str(cell).strip() for cell in self.missing_values)
        object.__setattr__(self, "missing_values", cells)
        for name in ("delimiter", "decimal", "thousands", "quote"):
            _check_character(name, getattr(self, name))
        if self.decimal not in (None, ".", ","):
            raise _refused("decimal", self.decimal, "'.' or ','")
        if self.thousands is not None and (self.thousands.isalnum() or self.thousands in "+-"):
            raise _refused(
                "thousands", self.thousands, "a character that is no digit, letter or sign"
            )
        if self.header not in (None, True, False):
            raise _refused("header", self.header, "true or false")
        if self.comment is not None and (not isinstance(self.comment, str) or not self.comment):
            raise _refused("comment", self.comment, "the text that comment lines begin with")
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
                        hint=f"give another {name}, or leave one out: it is then detected",
                    )

    @classmethod
    def of(cls, settings: Mapping[str, Any]) -> Self:
        """The dialect among ``settings``; their other keys are ignored."""
        given = {k: settings[k] for k in DIALECT_KEYS if settings.get(k) is not None}
        if "missing_values" in given and not isinstance(given["missing_values"], str):
            given["missing_values"] = tuple(given["missing_values"])
        return cls(**given)

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
        raise _refused(name, value, "one character")


def _check_encoding(encoding: object) -> None:
    try:
        codecs.lookup(str(encoding))
        "".encode(str(encoding))
    except LookupError:
        wanted = "an encoding that Python knows (utf-8, latin-1, cp1252, utf-16, ...)"
        raise _refused("encoding", encoding, wanted) from None


def _refused(name: str, value: object, wanted: str) -> DataError:
    return DataError(f"{name}: expected {wanted}, got {quoted(value)}")
