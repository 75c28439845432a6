"""Which versions of layerkit a plugin's distribution requires.

pip warns about a conflict but installs the plugin all the same. Only release numbers are compared
here, so a development version of 0.2 counts as 0.2; a clause in an unknown form is no conflict.
"""

from __future__ import annotations

import operator
import re

_REQUIREMENT = re.compile(r"layerkit\s*(?:\[[^\]]*\])?\s*\(?\s*([<>=!~][^;()]*)\)?\s*(;.*)?$", re.I)
_CLAUSE = re.compile(r"(~=|==|!=|<=|>=|<|>)\s*v?(\d+(?:\.\d+)*)([^\s,]*)")

_SIGNS = {
    "==": operator.eq,
    "!=": operator.ne,
    "<=": operator.le,
    ">=": operator.ge,
    "<": operator.lt,
    ">": operator.gt,
}

Numbers = tuple[int, ...]


def requirement(dist: str) -> str | None:
    """The versions of layerkit that an installed distribution requires, such as ``>=0.1,<0.2``.

    None if it requires none, or only under a condition (an extra, a platform).
    """
    from importlib.metadata import PackageNotFoundError, distribution

    try:
        lines = distribution(dist).requires or []
    except PackageNotFoundError:
        return None
    found = [m[1].strip() for m in map(_REQUIREMENT.match, lines) if m and not m[2]]
    return ",".join(found) or None


def allows(required: str, version: str) -> bool:
    """Whether ``version`` is among the versions ``required``.

    >>> allows(">=0.1,<0.2", "0.1.7"), allows(">=0.3", "0.1.7"), allows("==0.1.*", "0.1.7")
    (True, False, True)
    """
    have = _numbers(version)
    return have is None or all(_holds(have, clause.strip()) for clause in required.split(","))


def _holds(have: Numbers, clause: str) -> bool:
    found = _CLAUSE.fullmatch(clause)
    if found is None:
        return True
    sign, text, rest = found.groups()
    given = _numbers(text) or ()
    size = max(len(have), len(given))
    a, b = (numbers + (0,) * (size - len(numbers)) for numbers in (have, given))
    if sign in ("==", "!=") and rest == ".*":
        return (a[: len(given)] == given) == (sign == "==")
    if sign == "~=":
        return a >= b and a[: len(given) - 1] == given[:-1]
    return bool(_SIGNS[sign](a, b))


def _numbers(version: str) -> Numbers | None:
    found = re.match(r"v?(\d+(?:\.\d+)*)", version.strip())
    return None if found is None else tuple(map(int, found[1].split(".")))
