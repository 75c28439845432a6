"""Solve the widths of a study's points, once: what its folder holds is not solved again."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from layerkit.codec.atomic import replace_bytes
from layerkit.display import jsonable
from layerkit.errors import SpecError, StudyError
from layerkit.paths import path_errors
from layerkit.studies.budget import Matched, check_remainder, matched
from layerkit.studies.document import Point, StudyPlan
from layerkit.studies.layer_numbers import with_numbers
from layerkit.studies.match_field import Match

_FILE = "matched.json"
_FIELDS = {"what", "target", "cost", "remainder", "widths", "interval"}

Solutions = dict[str, Any]
"""By the hash of a point's spec and what it is to match: JSON values, as in ``matched.json``."""


def solutions_in(folder: Path) -> Solutions:
    """What ``keep_solutions`` kept in the folder; raises StudyError if it is damaged."""
    file = folder / _FILE
    if not file.exists():
        return {}
    with path_errors(str(file)):
        raw = file.read_bytes()
    try:
        found = json.loads(raw)
        whole = all(
            set(one) >= _FIELDS and all(type(n) is int for n in one["widths"].values())
            for one in found.values()
        )
    except (AttributeError, TypeError, ValueError):
        whole = False
    if not whole:
        raise StudyError(
            f"{file}: expected solved widths, as a study writes them",
            hint="delete the file, and they are solved again",
        )
    return dict(found)


def keep_solutions(folder: Path, solutions: Solutions, points: Sequence[Point]) -> None:
    """Keep solutions in the folder, beside those of other points, and all specs to look at.

    Raises StudyError if another process has kept others for the same points meanwhile.
    """
    if not solutions:
        return
    known = solutions_in(folder)
    if any(known.get(key, one) != one for key, one in solutions.items()):
        reason = "another process has solved the widths meanwhile: start the study again"
        raise StudyError(f"{folder / _FILE}: {reason}")
    if not solutions.keys() <= known.keys():
        _write(folder / _FILE, {**known, **solutions})
        names = Counter(point.spec.name for point in points)
        for point in points:
            name = point.spec.name
            apart = f"-{point.recipe[:8]}" if names[name] > 1 else ""  # names are cut
            _write(folder / "specs" / f"{name}{apart}.json", point.spec.to_document())


def _write(file: Path, value: Any) -> None:
    text = json.dumps(value, indent=1).encode() + b"\n"
    with path_errors(str(file), writing=True):
        file.parent.mkdir(exist_ok=True)
        replace_bytes(file, text, durable=file.name == _FILE)


def match_points(
    plan: StudyPlan, stored: Mapping[str, Any], *, measure: bool = True
) -> tuple[StudyPlan, Solutions]:
    """The study with solved widths, and the solutions: those ``stored`` are used as they are.

    Without ``measure``, points whose seconds have not been measured stay as they are. Raises
    SpecError if no widths are near enough, or those of a spec cannot be solved.
    """
    match = plan.match
    if match is None:
        return plan, {}
    by_labels = {tuple(sorted(point.labels.items())): point for point in plan.points}
    points, solutions = [], Solutions()
    for point in plan.points:
        to = _target(point, match, by_labels)
        key = _key(point, match, to)
        known = solutions.get(key) or stored.get(key)
        unmeasured = known is None and match.what == "seconds" and not measure
        if unmeasured or (isinstance(to, Point) and to.recipe == point.recipe):
            points.append(point)
            continue
        found = _solved(point, match, to) if known is None else _read(known)
        _check(point, match, found)
        solutions.setdefault(key, {"point": dict(point.labels), **jsonable(asdict(found))})
        points.append(replace(point, spec=with_numbers(point.spec, found.widths), matched=found))
    return replace(plan, points=tuple(points)), solutions


def _target(
    point: Point, match: Match, by_labels: Mapping[tuple[tuple[str, str], ...], Point]
) -> Point | float:
    """The point, or the cost, that ``point`` is to match."""
    if not isinstance(match.to, Mapping):
        return match.to
    return by_labels[tuple(sorted({**point.labels, **match.to}.items()))]


def _key(point: Point, match: Match, to: Point | float) -> str:
    freedom = match.freedom(point.labels)
    target = to.recipe if isinstance(to, Point) else to
    text = json.dumps([point.recipe, match.what, target, freedom.free, freedom.tied])
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def _read(held: Mapping[str, Any]) -> Matched:
    fields = {key: value for key, value in held.items() if key != "point"}
    interval = fields["interval"]
    return Matched(**{**fields, "interval": interval and (interval[0], interval[1])})


def _solved(point: Point, match: Match, to: Point | float) -> Matched:
    target = to.spec if isinstance(to, Point) else to
    try:
        return matched(point.spec, target, match.what, match.freedom(point.labels))
    except SpecError as error:
        raise _placed(error, point, match) from error


def _check(point: Point, match: Match, found: Matched) -> None:
    try:
        check_remainder(found, match.allow)
    except SpecError as error:
        raise _placed(error, point, match) from error


def _placed(error: SpecError, point: Point, match: Match) -> SpecError:
    placed = match.error(error)
    if point.labels:
        at = ", ".join(f"{axis} {label}" for axis, label in point.labels.items())
        at = f"at the point of the grid: {at}"
        placed.hint = at if placed.hint is None else f"{placed.hint}\n{at}"
    return placed
