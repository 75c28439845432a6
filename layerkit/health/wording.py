"""Words that findings share."""

from __future__ import annotations

from collections.abc import Collection

from layerkit.display import few, quoted
from layerkit.health.subject import Subject


def percent(share: float) -> str:
    """A share in per cent.

    >>> percent(1.0), percent(0.523), percent(0.004)
    ('100 %', '52 %', '0.4 %')
    """
    digits = 0 if share >= 0.1 or share == 0 else 1
    return f"{100 * share:.{digits}f} %"


def layers_text(subject: Subject, indices: Collection[int]) -> str:
    """The names of layers: ``highway_1 to highway_8``."""
    names = [subject.network.planned[i].name for i in sorted(indices)]
    run = len(names) > 2 and max(indices) - min(indices) == len(names) - 1
    if run:
        return f"{names[0]} to {names[-1]}"
    return few(names, 4)


def some(names: Collection[object], most: int = 5) -> str:
    """The first names, and how many more there are.

    >>> some(["a", "b"]), some(range(9), 2)
    ("'a', 'b'", '0, 1 and 7 more')
    """
    return few([quoted(name, 40) for name in names], most)
