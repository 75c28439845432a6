"""CSV cells that a spreadsheet shows instead of running.

A spreadsheet takes a cell that begins with ``=``, ``+``, ``-``, ``@``, a tab or a carriage return
for a formula, and a formula may start programs. Such a text gets a ``'`` in front, which makes it
text there. So does a text that has one or more ``'`` before such a beginning: what was written can
always be got back (``original``). What reads as a number, or is nothing but signs (the classes +
and -), is left alone.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

__all__ = ["cell", "line", "original"]

# Blanks before the sign are skipped by some; the wide signs are what East Asian keyboards give.
_FORMULA = re.compile(r"'*[\t\r\n]|['\s]*[=+\-@\uff1d\uff0b\uff0d\uff20]")
_NUMBER = re.compile(r" *[+-]?(\d[\d.,' ]*|[.,]\d+)(e[+-]?\d+)? *%? *", re.I | re.A)
_SIGNS = re.compile(r"[+\-/]+")
_QUOTED = re.compile(r"[\",;|\t\r\n]|^\s|\s$")  # any delimiter that the reader may assume


def cell(text: str, *, raw: bool = False) -> str:
    """``text`` as one cell of CSV, quoted where it must be.

    Parameters
    ----------
    raw
        Whether the text stays as it is, even if a spreadsheet would run it.

    >>> cell("=1+1"), cell("-1"), cell("a;b")
    ("'=1+1", '-1', '"a;b"')
    """
    if not raw and _runs(text):
        text = f"'{text}"
    return '"' + text.replace('"', '""') + '"' if _QUOTED.search(text) else text


def line(cells: Iterable[object], *, raw: bool = False) -> str:
    """One line, without its end: texts made safe, numbers as they are, nothing for None."""
    return ",".join(
        [cell(c, raw=raw) if isinstance(c, str) else "" if c is None else str(c) for c in cells]
    )


def original(text: str) -> str:
    """What ``cell`` was given, from the text that a CSV reader found.

    >>> original("'=1+1"), original("'tis")
    ('=1+1', "'tis")
    """
    return text[1:] if text.startswith("'") and _runs(text[1:]) else text


def _runs(text: str) -> bool:
    """Whether a spreadsheet would take ``text`` for a formula, or one does with the quotes off."""
    if _FORMULA.match(text) is None:
        return False
    return _NUMBER.fullmatch(text) is None and _SIGNS.fullmatch(text) is None
