"""Escaping of CSV cells that a spreadsheet would run as formulas.

A spreadsheet takes a cell that begins with ``=``, ``+``, ``-``, ``@``, a tab or a carriage return
for a formula, and a formula may start programs. Such a text gets a ``'`` in front, which makes it
plain text there. So does a text that already has ``'`` before such a beginning, which lets
``original`` undo it. Numbers and texts of signs alone (the classes + and -) stay as they are.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

# Some spreadsheets skip blanks before the sign; the wide signs come from East Asian keyboards.
_FORMULA = re.compile(r"'*[\t\r\n]|['\s]*[=+\-@\uff1d\uff0b\uff0d\uff20]")
_NUMBER = re.compile(r" *[+-]?(\d[\d.,' ]*|[.,]\d+)(e[+-]?\d+)? *%? *", re.I | re.A)
_SIGNS = re.compile(r"[+\-/]+")
_QUOTED = re.compile(r"[\",;|\t\r\n]|^\s|\s$")  # any delimiter that a reader may assume


def cell(text: str, *, raw: bool = False) -> str:
    """``text`` as one cell of CSV, escaped unless ``raw``, and quoted if necessary.

    >>> cell("=1+1"), cell("-1"), cell("a;b")
    ("'=1+1", '-1', '"a;b"')
    """
    if not raw and _runs(text):
        text = f"'{text}"
    return '"' + text.replace('"', '""') + '"' if _QUOTED.search(text) else text


def line(cells: Iterable[object], *, raw: bool = False) -> str:
    """One line of CSV without its end: texts escaped, numbers as they are, None as empty cells."""
    return ",".join(
        [cell(c, raw=raw) if isinstance(c, str) else "" if c is None else str(c) for c in cells]
    )


def original(text: str) -> str:
    """The text that ``cell`` was given, from the cell that a CSV reader found.

    >>> original("'=1+1"), original("'tis")
    ('=1+1', "'tis")
    """
    return text[1:] if text.startswith("'") and _runs(text[1:]) else text


def _runs(text: str) -> bool:
    """Whether a spreadsheet would take ``text``, or ``text`` without its ``'``, for a formula."""
    if _FORMULA.match(text) is None:
        return False
    return _NUMBER.fullmatch(text) is None and _SIGNS.fullmatch(text) is None
