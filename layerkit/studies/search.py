"""The field ``search`` of a study: a budget of trials that every point of the grid gets alike.

A trial trains a point with settings drawn from its space, on its training rows alone. The best on
validation rows is then trained with the seeds of the study, and only that is tested.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NoReturn, Protocol

from layerkit.core.search import Dimension, Search
from layerkit.discovery.registry import SEARCHES
from layerkit.display import nearest, quoted
from layerkit.errors import PluginError, SpecError
from layerkit.specs import Spec, read_spec
from layerkit.specs.json_source import JsonSource
from layerkit.specs.messages import Faults
from layerkit.specs.overrides import Setting
from layerkit.specs.validate.check_fields import check_fields
from layerkit.specs.validate.settings import validate_part
from layerkit.studies.layer_numbers import with_numbers
from layerkit.studies.sections import SearchSection
from layerkit.training.recipe import loss_and_metrics

if TYPE_CHECKING:
    from layerkit.studies.document import Point

_FIELD = "search"
_MOST = 1e300  # of the ends of a range
_SHARES = (0.0, 0.37, 1.0)  # of each range, at which specs are tried before anything is trained


@dataclass(frozen=True)
class SearchPlan:
    """A valid search. ``spaces`` are those of the points; ``changes`` hold for trials alone.

    ``path`` and ``line`` are where the study says how many rows a trial gets.
    """

    trials: int
    spaces: tuple[Mapping[str, Dimension], ...]
    changes: tuple[Setting, ...]
    on: str
    higher_is_better: bool
    rows: int | None
    seconds: float | None
    engine: Search
    name: str
    seed: int
    document: Mapping[str, Any]
    path: str | None = None
    line: int | None = None

    @property
    def adaptive(self) -> bool:
        """Whether the engine looks at the finished trials."""
        return self.engine.batch is not None

    @property
    def batch(self) -> int:
        """How many trials of a point are started together."""
        return self.engine.batch or (4 if self.seconds else self.trials)


class Reader(Protocol):
    """What of the reader of a study is used here."""

    source: JsonSource
    path: str | None

    def settings(self, at: tuple[str, ...], fields: Any) -> list[Setting]:
        """The overrides that ``fields`` stand for."""

    def refuse(self, at: tuple[str, ...], reason: str) -> NoReturn:
        """Raise the SpecError of the field at ``at``."""


def read_search(
    given: Any, base: Any, points: Sequence[Point], validation: str | None, reader: Reader
) -> SearchPlan:
    """Check the field ``search``; ``base`` is the spec that the points set fields of.

    Raises SpecError and PluginError, also for what only one point of the grid does not allow.
    """
    if not isinstance(given, dict):
        reader.refuse((_FIELD,), f"expected an object with trials and space, got {quoted(given)}")
    faults = Faults(reader.source)
    checked = check_fields(SearchSection, given, (_FIELD,), faults)
    faults.raise_any()
    assert checked is not None  # noqa: S101  # raise_any has raised otherwise
    engine = validate_part("searches", checked["engine"], (_FIELD, "engine"), faults)
    faults.raise_any()
    changes = tuple(reader.settings((_FIELD, "set"), checked["set"]))
    spaces = _Spaces(checked, points, reader).of_points()
    metric = checked["on"]
    for point, space in zip(points, spaces, strict=True):
        _refuse_clashes(point, space, checked["set"], reader)
    for point, space in zip(points, spaces, strict=True):
        try:
            spec = _check_space(base, point, space, changes)
        except (SpecError, PluginError) as error:
            error.path = reader.path
            raise
        metric, higher = _metric(spec, metric, reader)
        if not validation and not (spec.train or {})["validation"]:
            reason = (
                f"{point.title} has no validation rows, which decide between trials: set "
                "train.validation (0.1, say), here in 'set' or for all"
            )
            reader.refuse((_FIELD,), reason)
    return SearchPlan(
        trials=checked["trials"],
        spaces=spaces,
        changes=changes,
        on=metric,
        higher_is_better=higher,
        rows=checked["rows"],
        seconds=checked["seconds"],
        engine=SEARCHES.create(engine),
        name=engine if isinstance(engine, str) else engine["type"],
        seed=checked["seed"],
        document={**checked, "engine": engine, "on": metric},
        path=reader.path,
        line=reader.source.lines([(_FIELD, "rows")])[0],
    )


class _Spaces:
    """The space of each point: what all search, and what only those with a label do."""

    def __init__(self, checked: Mapping[str, Any], points: Sequence[Point], reader: Reader) -> None:
        self.points, self.reader = points, reader
        self.common = self._space((_FIELD, "space"), checked["space"])
        self.only = {
            (axis, label): self._space((_FIELD, "only", axis, label), fields)
            for axis, labels in checked["only"].items()
            for label, fields in self._labels(axis, labels)
        }

    def of_points(self) -> tuple[Mapping[str, Dimension], ...]:
        """The spaces, none of which is empty."""
        found = []
        for point in self.points:
            space = dict(self.common)
            for (axis, label), fields in self.only.items():
                if point.labels[axis] == label:
                    space |= fields
            if not space:
                reason = f"expected a field to search for every point, got none for {point.title}"
                self.reader.refuse((_FIELD, "space"), reason)
            found.append(space)
        return tuple(found)

    def _labels(self, axis: str, labels: Any) -> Iterator[tuple[str, Any]]:
        at = (_FIELD, "only", axis)
        axes = list(self.points[0].labels)
        if axis not in axes:
            reason = f"expected an axis of the grid ({', '.join(axes) or 'it has none'})"
            self.reader.refuse(at, f"{reason}, got {quoted(axis)}{nearest(axis, axes)}")
        if not isinstance(labels, dict):
            self.reader.refuse(at, f"expected an object from label to space, got {quoted(labels)}")
        known = list(dict.fromkeys(point.labels[axis] for point in self.points))
        for label, fields in labels.items():
            if label not in known:
                reason = f"expected a label of the axis ({', '.join(known)}), got {quoted(label)}"
                self.reader.refuse((*at, label), f"{reason}{nearest(label, known)}")
            yield label, fields

    def _space(self, at: tuple[str, ...], fields: Any) -> dict[str, Dimension]:
        self.reader.settings(at, fields)  # refuses paths that are none
        return {path: self._dimension((*at, path), value) for path, value in fields.items()}

    def _dimension(self, at: tuple[str, ...], value: Any) -> Dimension:
        if isinstance(value, list) and len({json.dumps(v) for v in value}) == len(value) > 1:
            return Dimension(tuple(value))
        expected = (
            'two or more different values, or a range such as {"from": 0.001, "to": 1, "log": true}'
        )
        if not isinstance(value, dict):
            self.reader.refuse(at, f"expected {expected}, got {quoted(value)}")
        known = ["from", "to", "log", "whole"]
        for name in value:
            if name not in known:
                reason = f"unknown field{nearest(name, known)} (valid fields: {', '.join(known)})"
                self.reader.refuse((*at, name), reason)
        if missing := [name for name in ("from", "to") if name not in value]:
            self.reader.refuse(at, f"a range has 'from' and 'to': there is no '{missing[0]}'")
        low: Any = value.get("from")
        high: Any = value.get("to")
        log, whole = value.get("log", False), value.get("whole", False)
        if type(log) is not bool or type(whole) is not bool:
            self.reader.refuse(at, "expected true or false as 'log' and 'whole'")
        numbers = all(type(v) in ((int,) if whole else (int, float)) for v in (low, high))
        if not numbers or not -_MOST < low < high < _MOST:
            kind = "whole numbers" if whole else "numbers"
            limits = "" if not numbers or low >= high else f", each from {-_MOST:g} to {_MOST:g}"
            found = f"{quoted(low)} and {quoted(high)}"
            reason = f"expected {kind} 'from' < 'to'{limits}, got {found}"
            self.reader.refuse(at, reason)
        if log and low <= 0:
            self.reader.refuse(at, f"expected 'from' > 0 in a range with 'log', got {low}")
        return Dimension(low=low, high=high, log=log, whole=whole)


def trial_spec(
    base: Any, point: Point, settings: Mapping[str, Any], changes: Sequence[Setting] = ()
) -> Spec:
    """The spec of ``point`` with ``settings``; ``changes`` are those of trials.

    Raises SpecError, which says that the setting comes from the search.
    """
    drawn = [
        Setting(f"{path}={json.dumps(value)}", f"{_FIELD} {path}={json.dumps(value)}")
        for path, value in settings.items()
    ]
    widths = {} if point.matched is None else point.matched.widths
    try:
        spec = read_spec(base, settings=[*point.settings, *changes, *drawn])
        _refuse_solved(settings, widths)
    except (SpecError, PluginError) as error:
        at = f"in the search at the point of the grid: {point.title}"
        error.hint = at if error.hint is None else f"{error.hint}\n{at}"
        raise
    return with_numbers(spec, widths)


def _refuse_solved(settings: Mapping[str, Any], widths: Mapping[str, int]) -> None:
    if both := sorted(settings.keys() & widths.keys()):
        reason = f"expected fields that 'match' does not solve for, got {both[0]}"
        raise SpecError(reason, location=f"{_FIELD}.space")


def _check_space(
    base: Any, point: Point, space: Mapping[str, Dimension], changes: Sequence[Setting]
) -> Spec:
    """Try the ends of the space, and each choice; returns the spec of the last."""
    tried = [{path: one.at(share) for path, one in space.items()} for share in _SHARES]
    tried += [
        {**tried[1], path: value} for path, one in space.items() for value in one.choices[1:-1]
    ]
    shares = set()
    for settings in tried:
        try:
            spec = trial_spec(base, point, settings, changes)
            shares.add(_validation_share(spec, point))
        except SpecError as error:
            if advice := _advice(error.message, space):
                error.hint = f"{advice}\n{error.hint}"
            raise
    if len(shares) > 1:
        raise SpecError("train.validation decides on which rows trials are judged: expected one "
                        "value, in 'set' or for all", location=f"{_FIELD}.space")  # fmt: skip
    return spec


def _validation_share(spec: Spec, point: Point) -> float:
    """That of a trial; raises SpecError if its test rows are not those of the study."""
    trial, study = spec.train or {}, point.spec.train or {}
    for field in ("data", "test"):
        if trial[field] != study[field]:
            raise SpecError(
                f"train.{field} decides which rows are test rows, which no trial may see: expected "
                "that of the study", location=_FIELD,
            )  # fmt: skip
    share: float = trial["validation"]
    return share


def _advice(message: str, space: Mapping[str, Dimension]) -> str:
    """What may be wrong with the space itself."""
    if "unknown field" in message:
        return "fields that only some points have belong to 'only'"
    ranges = [path for path, one in space.items() if not one.choices and not one.whole]
    fractions = [path for path in ranges if f"{path}=" in message]
    if fractions and "an integer" in message:
        return f'{" and ".join(fractions)} takes whole numbers: add "whole": true'
    return ""


def _refuse_clashes(
    point: Point, space: Mapping[str, Dimension], changes: Mapping[str, Any], reader: Reader
) -> None:
    """A field has one source: the search, its 'set', or the grid and what it sets."""
    for path in space:
        for other in (*changes, *(s.partition("=")[0].strip() for s in point.own)):
            if other == path or other.startswith(f"{path}."):
                where = "'set' of the search" if other in changes else f"the grid at {point.title}"
                reason = f"{path} would overwrite {other}, which {where} sets"
                reader.refuse((_FIELD, "space", path), reason)


def _metric(spec: Spec, given: str | None, reader: Reader) -> tuple[str, bool]:
    """The name of what decides, and whether a higher value is better."""
    metrics = loss_and_metrics(spec)[1]
    known = [f"val_{name}" for name in (*metrics, "loss")]
    chosen = known[0] if given is None else given
    if chosen not in known:
        reason = f"expected one of {', '.join(known)}, got {quoted(chosen)}{nearest(chosen, known)}"
        reader.refuse((_FIELD, "on"), reason)
    found = metrics.get(chosen.removeprefix("val_"))
    return chosen, found is not None and found.higher_is_better
