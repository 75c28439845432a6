"""Which whole numbers of a spec may be solved for, and which of them stay equal."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from layerkit.errors import SpecError
from layerkit.specs import Spec
from layerkit.studies.layer_numbers import (
    Together,
    number_at,
    numbers_of,
    together,
    widths_of,
)


@dataclass(frozen=True)
class Freedom:
    """Which numbers may be solved for: ``free`` paths, None for all widths but the last.

    ``tied``: groups of paths, or positions in ``free``, that stay equal; True for all that are
    equal now.
    """

    free: tuple[str, ...] | None = None
    tied: bool | tuple[tuple[str | int, ...], ...] = ()


def groups_of(spec: Spec, freedom: Freedom) -> list[Together]:
    """The numbers to solve for: those that must stay equal are one group.

    Raises SpecError if there are none, or one of them cannot change.
    """
    if freedom.free is None:
        singles = [list(group.paths) for group in widths_of(spec)]
    else:
        named = [number_at(spec, path, "free") for path in freedom.free]
        if twice := [path for i, path in enumerate(named) if path in named[:i]]:
            raise SpecError(f"{twice[0]} is named twice", location="free")
        singles = [[path] for path in named]
    joined = _joined(singles, _tied(spec, freedom, singles))
    found = [(paths, together(spec, paths)) for paths in joined]
    covered = {path for _, group in found if group for path in group.paths[1:]}
    made = [group for _, group in found if group and not covered.issuperset(group.paths)]
    for paths, group in found:
        if group is None and not covered.issuperset(paths):
            reason = f"{paths[0]} cannot change alone: layers or the output would not fit"
            raise SpecError(f"{reason}; free or tie what must change with it", location="free")
    if not made:
        raise no_width()
    return [replace(group, asked=freedom.free is not None) for group in made]


def _tied(spec: Spec, freedom: Freedom, singles: Sequence[list[str]]) -> list[list[str]]:
    """The groups of paths that stay equal."""
    if isinstance(freedom.tied, bool):
        known = numbers_of(spec)
        by_value: dict[int, list[str]] = {}
        for paths in singles if freedom.tied else ():
            by_value.setdefault(known[paths[0]], []).append(paths[0])
        return list(by_value.values())
    return [[_tied_path(spec, one, freedom, singles) for one in group] for group in freedom.tied]


def _tied_path(spec: Spec, one: str | int, freedom: Freedom, singles: Sequence[list[str]]) -> str:
    free = [path for paths in singles for path in paths]
    if isinstance(one, int) and freedom.free is not None and -len(free) <= one < len(free):
        return free[one]
    path = number_at(spec, one, "tied") if isinstance(one, str) else None
    if path not in free:
        reason = f"expected a path that is free ({', '.join(free)}), or its position in 'free'"
        raise SpecError(f"{reason}, got {one!r}", location="tied")
    return path


def _joined(singles: Sequence[list[str]], tied: Sequence[list[str]]) -> list[list[str]]:
    """``singles``, those with paths of one of the ``tied`` groups as one."""
    groups = [list(paths) for paths in singles]
    for wanted in tied:
        parts = [g for g in groups if set(g) & set(wanted)]
        rest = [g for g in groups if not set(g) & set(wanted)]
        groups = [*rest, [path for g in parts for path in g]] if parts else groups
    return groups


def no_width() -> SpecError:
    """The error for a spec in which there is nothing to solve for."""
    return SpecError("there is no width to solve for: none can change without the output",
                     location="free")  # fmt: skip
