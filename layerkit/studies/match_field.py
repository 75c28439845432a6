"""Reading the field ``match`` of a study: which points of the grid cost as much as which."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

from layerkit.display import nearest, quoted
from layerkit.errors import SpecError
from layerkit.studies.budget import COSTS, MOST
from layerkit.studies.freedom import Freedom
from layerkit.studies.sections import ALLOWED, MatchSection

Labels = Mapping[str, str]
"""The label of a point on each axis, or on some."""

_FIELDS = tuple(MatchSection.model_fields)


@dataclass(frozen=True)
class Match:
    """What ``match`` says; ``path`` and ``line`` are where it says so.

    ``to`` is a cost, or the labels of the point whose cost counts: on an axis without a label there
    every point has its own. ``free`` are paths by the label of the points they hold for, None for
    all others.
    """

    what: str
    to: float | Labels
    free: Mapping[str | None, tuple[str, ...]]
    tied: bool | tuple[tuple[str | int, ...], ...]
    allow: float
    path: str | None = None
    line: int | None = None

    def freedom(self, labels: Labels) -> Freedom:
        """What may be solved for at a point."""
        own = (self.free[label] for label in labels.values() if label in self.free)
        return Freedom(next(own, self.free.get(None)), self.tied)

    def error(self, error: SpecError) -> SpecError:
        """An error of the search, with its place in the study."""
        own = error.location in _FIELDS
        inside = f"{error.location}: " if error.location and not own else ""
        location = f"match.{error.location}" if own else "match"
        placed = SpecError(
            f"{inside}{error.reason}", location=location, line=self.line, path=self.path
        )
        placed.hint = error.hint
        return placed


def read_match(given: Any, axes: Mapping[str, Sequence[str]]) -> Match:
    """Check ``match``, for a grid of some labels on each axis.

    Raises SpecError, whose location is that of the field.
    """
    if not isinstance(given, dict):
        _refuse((), f'expected an object such as {{"what": "params", "to": 10000}}, got '
                    f"{quoted(given)}")  # fmt: skip
    for field in given:
        if field not in _FIELDS:
            _refuse((field,), f"unknown field{nearest(field, list(_FIELDS))} (valid fields: "
                              f"{', '.join(_FIELDS)})")  # fmt: skip
    what, allow, tied = given.get("what"), given.get("allow", ALLOWED), given.get("tied", [])
    if what not in COSTS:
        _refuse(("what",), f"expected one of {', '.join(COSTS)}, got {quoted(what)}")
    if type(allow) not in (int, float) or not 0 <= allow < 1:
        expected = "a share of the cost from 0 to 1, such as 0.05"
        _refuse(("allow",), f"expected {expected}, got {quoted(allow)}")
    if not (isinstance(tied, bool) or _is_list_of(tied, list)) or (
        isinstance(tied, list) and not all(_is_list_of(group, (str, int)) for group in tied)
    ):
        expected = "true, or a list of groups of paths, or of positions in 'free'"
        _refuse(("tied",), f"expected {expected}, got {quoted(tied)}")
    groups = tied if isinstance(tied, bool) else tuple(map(tuple, tied))
    return Match(what, _to(given.get("to"), axes), _free(given.get("free"), axes), groups, allow)


def _to(given: Any, axes: Mapping[str, Sequence[str]]) -> float | Labels:
    if type(given) in (int, float):
        if not 0 < given < MOST:
            _refuse(("to",), f"expected a cost > 0 and < {MOST:g}, got {quoted(given)}")
        return float(given)
    if isinstance(given, str):
        on = [axis for axis, labels in axes.items() if given in labels]
        if len(on) == 1:
            return {on[0]: given}
        if on:
            form = json.dumps({on[0]: given})
            _refuse(("to",), f"{quoted(given)} is a label of several axes: expected one, as in "
                             f"{form}")  # fmt: skip
        known = [label for labels in axes.values() for label in labels]
        _refuse(("to",), f"expected a cost, or the label of a point of the grid, got "
                         f"{quoted(given)}{nearest(given, known)}")  # fmt: skip
    if not isinstance(given, dict) or not given:
        expected = 'a cost, a label of the grid, or an object such as {"kind": "highway"}'
        _refuse(("to",), f"expected {expected}, got {quoted(given)}")
    found = {}
    for axis, value in given.items():
        if axis not in axes:
            reason = f"expected an axis of the grid, got {quoted(axis)}{nearest(axis, list(axes))}"
            _refuse(("to", axis), reason)
        label = value if isinstance(value, str) else json.dumps(value)
        if label not in axes[axis]:
            near = nearest(label, list(axes[axis]))
            reason = f"expected a label of that axis, got {quoted(value)}{near}"
            _refuse(("to", axis), reason)
        found[axis] = label
    return found


def _free(given: Any, axes: Mapping[str, Sequence[str]]) -> dict[str | None, tuple[str, ...]]:
    if given is None:
        return {}
    if not isinstance(given, dict):
        return {None: _paths(given, ("free",))}
    known = {label for labels in axes.values() for label in labels}
    for label in given:
        if label not in known:
            _refuse(("free", label), f"expected a label of the grid, got {quoted(label)}"
                                     f"{nearest(label, sorted(known))}")  # fmt: skip
    return {label: _paths(paths, ("free", label)) for label, paths in given.items()}


def _paths(given: Any, at: tuple[str, ...]) -> tuple[str, ...]:
    if not _is_list_of(given, str) or not given:
        expected = 'a list of paths such as ["layers.0.units"], or an object of such by label'
        _refuse(at, f"expected {expected}, got {quoted(given)}")
    return tuple(given)


def _is_list_of(given: Any, kind: type | tuple[type, ...]) -> bool:
    return isinstance(given, list) and all(
        isinstance(one, kind) and not isinstance(one, bool) for one in given
    )


def _refuse(at: tuple[str, ...], reason: str) -> NoReturn:
    raise SpecError(reason, location=".".join(("match", *at)))
