"""Whether a distribution's own requirement on layerkit admits the one that runs.

pip warns of such a conflict and installs all the same. Only the numbers of a release count here,
so a development version of 0.2 counts as 0.2; a form that is not understood is no conflict.
"""

from __future__ import annotations

import re
from collections.abc import Callable

__all__ = ["admits", "requirement"]

_REQUIREMENT = re.compile(r"layerkit\s*(?:\[[^\]]*\])?\s*\(?\s*([<>=!~][^;()]*)\)?\s*(;.*)?$", re.I)
_CLAUSE = re.compile(r"(~=|==|!=|<=|>=|<|>)\s*v?(\d+(?:\.\d+)*)([^\s,]*)")

Numbers = tuple[int, ...]


def requirement(dist: str) -> str | None:
    """The versions of layerkit that an installed distribution requires, such as ``>=0.1,<0.2``.

    None if it names none, or only under a condition (an extra, a platform).
    """
    from importlib.metadata import PackageNotFoundError, distribution

    try:
        lines = distribution(dist).requires or []
    except PackageNotFoundError:
        return None
    found = [m[1].strip() for m in map(_REQUIREMENT.match, lines) if m and not m[2]]
    return ",".join(found) or None


def admits(wanted: str, version: str) -> bool:
    """Whether ``version`` is among the versions ``wanted``.

    >>> admits(">=0.1,<0.2", "0.1.7"), admits(">=0.3", "0.1.7"), admits("==0.1.*", "0.1.7")
    (True, False, True)
    """
    have = _numbers(version)
    return have is None or all(_holds(have, clause.strip()) for clause in wanted.split(","))


def _holds(have: Numbers, clause: str) -> bool:
    found = _CLAUSE.fullmatch(clause)
    if found is None:
        return True
    sign, text, rest = found.groups()
    given = _numbers(text) or ()
    if sign in ("==", "!=") and rest == ".*":
        return (_filled(have, len(given))[: len(given)] == given) == (sign == "==")
    if sign == "~=":
        return (
            _compare(have, given) >= 0 and _filled(have, len(given))[: len(given) - 1] == given[:-1]
        )
    return _SIGNS[sign](_compare(have, given))


_SIGNS: dict[str, Callable[[int], bool]] = {
    "==": lambda c: c == 0,
    "!=": lambda c: c != 0,
    "<=": lambda c: c <= 0,
    ">=": lambda c: c >= 0,
    "<": lambda c: c < 0,
    ">": lambda c: c > 0,
}


def _compare(a: Numbers, b: Numbers) -> int:
    size = max(len(a), len(b))
    x, y = _filled(a, size), _filled(b, size)
    return (x > y) - (x < y)


def _filled(numbers: Numbers, size: int) -> Numbers:
    return numbers + (0,) * (size - len(numbers))


def _numbers(version: str) -> Numbers | None:
    found = re.match(r"v?(\d+(?:\.\d+)*)", version.strip())
    return None if found is None else tuple(map(int, found[1].split(".")))
