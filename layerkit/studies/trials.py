"""The trials of a search: which are due, and what the finished ones say.

A trial is known by a hash of the point's spec, the search and its number, so a line holds what it
has tried: the settings of a finished trial are never computed again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace

from layerkit.core.rng import random_stream
from layerkit.display import jsonable
from layerkit.errors import LayerkitError, StudyError
from layerkit.runs.folder import Line
from layerkit.runs.job import Job, jobs_of
from layerkit.runs.keys import run_key
from layerkit.runs.trial import told, trial_of, value_of
from layerkit.studies.document import Point, StudyPlan
from layerkit.studies.search import trial_spec


@dataclass(frozen=True)
class PointTrials:
    """A point, the digest of its rows, and the lines of its finished trials by number."""

    point: Point
    number: int  # of the point
    rows: str
    keys: tuple[str, ...]
    lines: Mapping[int, Line]

    @property
    def first(self) -> list[Line]:
        """The trials up to the first that is missing."""
        count = next((n for n in range(len(self.keys)) if n not in self.lines), len(self.keys))
        return [self.lines[n] for n in range(count)]


class Untuned(Point):
    """A point whose trials are not finished, so that it has no spec to train yet."""

    @property
    def recipe(self) -> str:
        """A name that no run has."""
        return f"of the trials of {self.title}"


class Trials:
    """The trials of all points of a study; ``rows_of`` gives the digest of a point's rows."""

    def __init__(
        self, plan: StudyPlan, lines: Mapping[str, Line], rows_of: Callable[[Point], str]
    ) -> None:
        assert plan.search is not None  # noqa: S101  # made for studies with one
        self.plan, self.search = plan, plan.search
        self._lines = dict(lines)
        self._held = [(p, i, rows_of(p)) for i, p in enumerate(plan.points)]
        self._keys = [tuple(self._key(*held, n) for n in range(self.search.trials))
                      for held in self._held]  # fmt: skip

    @property
    def sign(self) -> int:
        """1 if a higher value is better, else -1."""
        return 1 if self.search.higher_is_better else -1

    def add(self, line: Line) -> None:
        """A finished trial."""
        self._lines[line["key"]] = line

    def of_points(self) -> list[PointTrials]:
        """What is finished, point by point, of the trials that count."""
        found = []
        for (point, i, rows), keys in zip(self._held, self._keys, strict=True):
            lines = {n: self._lines[key] for n, key in enumerate(keys) if key in self._lines}
            held = PointTrials(point, i, rows, keys, lines)
            if (counted := _within(held.first, self.search.seconds)) is not None:
                lines = {n: line for n, line in lines.items() if n < counted}
                held = PointTrials(point, i, rows, keys[:counted], lines)
            found.append(held)
        return found

    def count(self) -> tuple[int, int]:
        """How many trials are finished, of how many that count."""
        held = self.of_points()
        return sum(len(p.lines) for p in held), sum(len(p.keys) for p in held)

    def due(self) -> list[Job]:
        """What can be started now; empty if all is finished.

        Trials of all points take turns.
        """
        rounds = [list(self._due(held)) for held in self.of_points()]
        longest = max(map(len, rounds))
        ordered = [one[k] for k in range(longest) for one in rounds if k < len(one)]
        return list({job.key: job for job in ordered}.values())  # equal points are tried once

    def tuned(self) -> StudyPlan:
        """The study with the best settings of each point whose trials are finished."""
        points = [self._tuned(held) for held in self.of_points()]
        return replace(self.plan, points=tuple(points))

    def best(self, held: PointTrials) -> Line | None:
        """The best finished trial; the first of equal ones. None if there is none."""
        return max(held.first, key=self._rank, default=None)

    def value(self, line: Line) -> float | None:
        """What decides, of a finished trial; None if it diverged."""
        return value_of(line, self.search.on)

    def _rank(self, line: Line) -> tuple[bool, bool, float]:
        value = self.value(line)
        return value is not None, not line["pruned"], self.sign * (value or 0.0)

    def _tuned(self, held: PointTrials) -> Point:
        point, best = held.point, self.best(held)
        if best is None or len(held.lines) < len(held.keys):
            return Untuned(**{f.name: getattr(point, f.name) for f in fields(point)})
        spec = trial_spec(self.plan.base, point, best["settings"])
        return replace(point, spec=replace(spec, name=point.spec.name))

    def _key(self, point: Point, i: int, rows: str, number: int) -> str:
        facts = {
            k: v for k, v in self.search.document.items() if k not in ("trials", "space", "only")
        }
        facts["seconds"] = self.search.seconds is not None
        if not self.search.adaptive:  # what decides changes no trial
            del facts["on"]
        space = {path: jsonable(vars(one)) for path, one in self.search.spaces[i].items()}
        return run_key(point.spec, self.search.seed, "trial", facts, space, number, rows)

    def _due(self, held: PointTrials) -> Iterator[Job]:
        search, known = self.search, len(held.first)
        start = known // search.batch * search.batch
        history = held.first[:start] if search.adaptive else []
        for number in range(start, min(start + search.batch, len(held.keys))):
            if number not in held.lines:
                yield self._job(held, number, history)

    def _job(self, held: PointTrials, number: int, history: Sequence[Line]) -> Job:
        search, point, plan = self.search, held.point, self.plan
        rng = random_stream(search.seed, "search", *point.labels.values(), str(number))
        space = search.spaces[held.number]
        try:
            trials = [trial_of(line, search.on, self.sign) for line in history]
            settings = jsonable(dict(search.engine.suggest(space, trials, rng)))
        except Exception as error:
            if isinstance(error, LayerkitError):
                raise
            reason = f"{type(error).__name__}: {error}"
            raise StudyError(f"the search {search.name!r} failed: {reason}") from error
        (job,) = jobs_of(
            trial_spec(plan.base, point, settings, search.changes),
            [search.seed],
            held.rows,
            key=held.keys[number],
            recipe=point.recipe,
            point=dict(point.labels),
            title=f"{point.title}, trial {number + 1}",
            data=plan.data,
            validation=plan.validation,
            trial={
                "number": number,
                "settings": settings,
                "rows": search.rows,
                "timed": search.seconds is not None,
                "engine": search.document["engine"],
                "on": search.on,
                "sign": self.sign,
                "history": [told(line) for line in history],
            },
        )
        return job


def _within(lines: Sequence[Line], seconds: float | None) -> int | None:
    """How many trials in a row fit into ``seconds``, at least one; None if all do by now."""
    if seconds is None:
        return None
    total = 0.0
    for n, line in enumerate(lines):
        total += line["seconds"] or 0.0
        if total > seconds:
            return max(1, n)
    return None
