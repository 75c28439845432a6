"""How messages show things: values, counts, sizes, similar names, JSON."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from typing import Any

_LONGEST = 200  # characters of a word that may be misspelt
_MOST = 5_000  # words to compare with, which takes a quarter of a second


def quoted(value: object, limit: int = 80) -> str:
    """``value`` as repr, cut to ``limit`` characters and without characters that do not print."""
    value = _start(value, limit)
    text = ascii(value) if isinstance(value, str) and not value.isprintable() else repr(value)
    return shortened(text, limit)


def shortened(text: str, limit: int = 60) -> str:
    """``text`` cut to ``limit`` characters."""
    return text if len(text) <= limit else text[: limit - 3] + "..."


def few(texts: Sequence[str], most: int) -> str:
    """The first of some texts, and how many more there are.

    >>> few("abcd", 2), few("ab", 2)
    ('a, b and 2 more', 'a, b')
    """
    more = f" and {len(texts) - most:,} more" if len(texts) > most else ""
    return ", ".join(texts[:most]) + more


def _start(value: object, limit: int) -> object:
    """The start of ``value``, enough for ``limit`` characters of its repr: it may be huge."""
    if type(value) in (str, bytes):
        return value[: limit + 1]  # type: ignore[index]  # str or bytes, see the line above
    if type(value) in (list, tuple):
        short = [_start(item, limit) for item in value[: limit + 1]]  # type: ignore[index]
        return short if type(value) is list else tuple(short)
    if type(value) is dict:
        some = itertools.islice(value.items(), limit + 1)
        return {key: _start(item, limit) for key, item in some}
    return value


def nearest(word: str, known: list[str]) -> str:
    """``; did you mean 'x'?`` for known words similar to ``word``, or an empty string."""
    if len(word) > _LONGEST:
        return ""
    import difflib  # takes 2 ms, and only mistakes need it

    spelled = {name.lower(): name for name in known[:_MOST]}
    close = difflib.get_close_matches(word.lower(), list(spelled), n=2, cutoff=0.6)
    return f"; did you mean {' or '.join(repr(spelled[c]) for c in close)}?" if close else ""


def counted(count: int, noun: str) -> str:
    """A count with its noun.

    >>> counted(1, "row"), counted(1200, "row")
    ('1 row', '1,200 rows')
    """
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def byte_size(count: int) -> str:
    """A number of bytes, in decimal units.

    >>> byte_size(77), byte_size(77224), byte_size(4_000_000)
    ('77 B', '77.2 kB', '4.0 MB')
    """
    if count < 1000:
        return f"{count} B"
    if count >= 10**24:  # a float may not hold it
        return "over 1,000,000 EB"
    value = float(count)
    for unit in ("kB", "MB", "GB", "TB", "PB"):
        value /= 1000
        if value < 999.95:
            return f"{value:.1f} {unit}"
    return f"{value / 1000:,.1f} EB"


def printable(text: object) -> str:
    r"""``text`` with every character that does not print (controls, escapes, bidi) spelled out.

    >>> print(printable("a\x1b[31mb\u202e"))
    a\x1b[31mb\u202e
    """
    word = str(text)
    if word.isprintable():
        return word
    return "".join(
        c if c.isprintable() else c.encode("unicode_escape", "surrogatepass").decode() for c in word
    )


def jsonable(value: Any) -> Any:
    """``value`` as JSON values: arrays as lists, bytes as hex, NaN and infinities as null."""
    if hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, Mapping):
        return {str(k): jsonable(v) for k, v in value.items()}
    if isinstance(value, (bytes, bytearray)):
        return value.hex()
    if isinstance(value, (list, tuple, set, frozenset)):
        return [jsonable(v) for v in value]
    return str(value)
