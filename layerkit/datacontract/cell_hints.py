"""Hints for text cells that look like numbers or missing values, and what to do about them."""

from __future__ import annotations

import re

MAKE_COLUMNS = (
    "make columns of it, such as the days since a fixed day for a trend, and the month, weekday or "
    "hour for what comes again"
)
"""What to do about a date or time."""

_D = r"[0-9]"
_MISSING = {
    "na", "n/a", "n.a.", "n.a", "<na>", "#n/a", "#na", "null", "none", "nil", "nat", "-", "--",
    "---", ".", "..", "missing", "unknown", "undefined", "not available", "#null!", "#value!",
    "#div/0!", "#ref!", "#num!", "#name?", "\\n", "k.a.", "leer", "empty", "–", "—",
}  # fmt: skip
_DATES = (
    rf"{_D}{{4}}[-/.]{_D}{{1,2}}([-/.]{_D}{{1,2}})?([ T]{_D}{{1,2}}:{_D}{{2}}.*)?",
    rf"{_D}{{1,2}}[-/.]{_D}{{1,2}}[-/.]({_D}{{4}}|{_D}{{2}})([ T]{_D}{{1,2}}:{_D}{{2}}.*)?",
    rf"{_D}{{1,2}}:{_D}{{2}}(:{_D}{{2}}(\.{_D}+)?)?( ?[ap]m)?",
    rf"({_D}{{1,2}}[-. ]+)?(jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*[-., ]+{_D}.*",
)
_DATE = re.compile("|".join(f"(?:{date})" for date in _DATES), re.IGNORECASE)
_DECIMAL_COMMA = re.compile(rf"[+-]?{_D}*,{_D}+(?:e[+-]?{_D}+)?", re.IGNORECASE)
_GROUPS = rf"[+-]?{_D}{{1,3}}(?:%s{_D}{{3}})+"
_COMMA_GROUPS = re.compile(_GROUPS % "," + rf"(?:\.{_D}*)?")
_POINT_GROUPS = re.compile(_GROUPS % r"\." + rf"(?:,{_D}*)?")
_OTHER_GROUPS = re.compile(_GROUPS % "(?P<mark>[ '’_\u00a0\u202f])" + rf"(?:[.,]{_D}*)?")
_TRUTH = {"true", "false", "yes", "no", "t", "f", "y", "n"}
_NUMBER = rf"[+-]?(?:{_D}+[.,]?{_D}*|[.,]{_D}+)"
_PERCENT = re.compile(rf"{_NUMBER} ?%")
_CURRENCY = "(?:[$€£¥]|EUR|USD|GBP|CHF)"
_MONEY = re.compile(rf"[+-]?{_CURRENCY} ?[0-9.,']+|[+-]?[0-9.,']+ ?{_CURRENCY}")
_UNIT = re.compile(rf"{_NUMBER} ?[^\W\d_]+[²³/0-9^\w]*")
_RANGE = re.compile(rf"[<>≤≥~=]+ ?{_NUMBER}|{_NUMBER} ?(?:-|–|\.\.|to) ?{_NUMBER}")
_HEX = re.compile(r"0[xX][0-9a-fA-F]+|0[bB][01]+|0[oO][0-7]+")


def spells_missing(cell: str) -> bool:
    """Whether a text cell is one of the usual words for a missing value, such as NA or null."""
    return cell.strip().lower() in _MISSING


def looks_like(cell: str) -> str | None:
    """The likely meaning of a text cell, and what to do; None if it is just text.

    Examples
    --------
    >>> looks_like("1,5")
    "a decimal comma? set input.decimal to ',', or use --decimal ,"
    """
    text = cell.strip()
    low = text.lower()
    if low in _MISSING:
        return _missing(text)
    if low in _TRUTH:
        return "this looks like true or false: write it as 1 or 0"
    if _COMMA_GROUPS.fullmatch(text) and (text.count(",") > 1 or "." in text):
        return _grouped(",")
    if _POINT_GROUPS.fullmatch(text):
        return _grouped(".")
    if _COMMA_GROUPS.fullmatch(text):
        return (
            "digits in groups of three, or a decimal comma? set input.thousands or input.decimal "
            "to ',', or use --thousands , or --decimal ,"
        )
    if _DECIMAL_COMMA.fullmatch(low):
        return "a decimal comma? set input.decimal to ',', or use --decimal ,"
    if grouped := _OTHER_GROUPS.fullmatch(text):
        return _grouped(grouped["mark"])
    return _other(text)


def is_date_text(cell: str) -> bool:
    """Whether a text looks like a date or a time of day."""
    return _DATE.fullmatch(cell.strip()) is not None


def _missing(text: str) -> str:
    return (
        f"if this stands for a missing value, add it to input.missing_values [{text!r}], or use "
        f"--missing-value={text}; input.missing decides how missing values are filled"
    )


def _grouped(mark: str) -> str:
    decimal = ', and input.decimal to ",", or --decimal ,' if mark == "." else ""
    return (
        f"digits in groups of three? set input.thousands to {mark!r}, or use "
        f"--thousands {mark!r}{decimal}"
    )


def _other(text: str) -> str | None:
    if _DATE.fullmatch(text):
        return f"this looks like a date or time: {MAKE_COLUMNS}"
    if _PERCENT.fullmatch(text):
        return "a percentage: write the number without the percent sign"
    if _MONEY.fullmatch(text):
        return "an amount of money: write the number without the currency"
    if _RANGE.fullmatch(text):
        return "this looks like a range or bound: write one number"
    if _HEX.fullmatch(text):
        return "a number in another base: write it in decimal digits"
    if _UNIT.fullmatch(text):
        return "a number with a unit: write the number alone"
    if not text.isascii() and text.isdecimal():
        return "digits of another script: write them as 0 to 9"
    if "_" in text and text.replace("_", "").isdecimal():
        return _grouped("_")
    return None
