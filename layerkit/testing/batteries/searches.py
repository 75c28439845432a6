"""Searches: suggestions lie in the space, and depend on what is given alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from layerkit.core.search import Dimension, Search
from layerkit.core.search import Trial as Tried
from layerkit.display import quoted
from layerkit.errors import MissingExtraError
from layerkit.testing.rules import Battery
from layerkit.testing.subject import Trial
from layerkit.testing.verdicts import Failed, Skipped

_SPACE = {
    "rate": Dimension(low=1e-4, high=1.0, log=True),
    "share": Dimension(low=-1.0, high=1.0),
    "units": Dimension(low=2, high=5, whole=True),
    "kind": Dimension(("relu", None, {"type": "elu", "alpha": 2.0})),
}
_TRIALS = 24


class _Trial(Trial):
    """A search that has made some trials of each kind."""

    part: Search

    def suggested(self) -> list[Mapping[str, Any]]:
        """Suggestions, each of which is the next trial."""
        trials: list[Tried] = []
        for number in range(_TRIALS):
            rng = self.subject.rng("search", number)
            with self.catch(f"suggest(..., {number} trials, rng)"):
                try:
                    settings = self.part.suggest(_SPACE, tuple(trials), rng)
                except MissingExtraError as error:
                    raise Skipped(str(error)) from error
            score = None if number % 8 == 5 else 1 / (1 + number)
            pruned = number % 4 == 3
            reported = (0.1, 0.2) if pruned else (0.1, 0.2, score or 0.0)
            trials.append(Tried(settings, score, reported, pruned and score is not None))
        return [trial.settings for trial in trials]


BATTERY = Battery("settings.constructor", trial=_Trial)


@BATTERY.rule(
    "suggest.inside",
    why="A value that the space does not hold is an experiment that nobody has asked for.",
    fix="give each field of the space a value of `Dimension.choices`, or one between its ends",
)
def _inside(trial: _Trial) -> None:
    for number, settings in enumerate(trial.suggested()):
        if set(settings) != set(_SPACE):
            raise Failed(f"trial {number}: expected {', '.join(_SPACE)}, got {quoted(settings)}")
        for name, value in settings.items():
            if not _holds(_SPACE[name], value):
                raise Failed(f"trial {number}: {name} {quoted(value)} is not in {_SPACE[name]}")


def _holds(dimension: Dimension, value: Any) -> bool:
    if dimension.choices:
        return value in dimension.choices
    right = int if dimension.whole else (int, float)
    known = isinstance(value, right) and not isinstance(value, bool)
    return known and dimension.low <= value <= dimension.high


@BATTERY.rule(
    "suggest.repeats",
    why="A study that was stopped is resumed from its trials: a search that remembers anything "
    "else, or draws from elsewhere, would go on as another one.",
    fix="draw from the `rng` that is given only, and keep nothing in the part",
)
def _repeats(trial: _Trial) -> None:
    first, again = trial.suggested(), trial.suggested()
    for number, (one, two) in enumerate(zip(first, again, strict=True)):
        if one != two:
            raise Failed(f"trial {number}: {quoted(one)} the first time, then {quoted(two)}")
