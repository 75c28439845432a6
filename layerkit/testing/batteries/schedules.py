"""Schedules: a factor of the learning rate that depends on the time alone."""

from __future__ import annotations

import math

from layerkit.core.parts import Schedule
from layerkit.display import quoted
from layerkit.testing.rules import Battery
from layerkit.testing.subject import Trial
from layerkit.testing.verdicts import Failed

_SPANS = (1, 2, 10, 37)


def _times(epochs: int) -> list[float]:
    return [epochs * share for share in (0, 0.013, 0.25, 0.5, 0.77, 0.999, 1)]


_ALL_TIMES = [(epoch, epochs) for epochs in _SPANS for epoch in _times(epochs)]


class _Trial(Trial):
    """A schedule and its calls."""

    part: Schedule

    def factor(self, epoch: float, epochs: int) -> float:
        """The factor at ``epoch`` of ``epochs``."""
        with self.catch(f"factor({epoch:g}, {epochs})"):
            return self.part.factor(epoch, epochs)


BATTERY = Battery("pass.runs", trial=_Trial)


@BATTERY.rule(
    "pass.runs",
    why="The rate of every step is the base rate times this factor.",
    fix="return a number >= 0 for any time from 0 to `epochs`, also for a single epoch",
    needs=("settings.constructor",),
)
def _runs(trial: _Trial) -> None:
    if "factor" in trial.subject.part.settings():
        raise Failed("a setting is called `factor`, which is the name of the method")
    for epoch, epochs in _ALL_TIMES:
        found = trial.factor(epoch, epochs)
        number = isinstance(found, (int, float)) and not isinstance(found, bool)
        if not number or not math.isfinite(found) or found < 0:
            raise Failed(
                f"factor({epoch:g}, {epochs}): expected a finite number >= 0, got {quoted(found)}"
            )
    if not any(trial.factor(epoch, 10) > 0 for epoch in _times(10)):
        raise Failed("the factor is 0 at all times")


@BATTERY.rule(
    "stochastic.replay",
    why="A training resumed from a file starts with a time in the middle.",
    fix="compute the factor from the time alone; keep nothing in self",
)
def _replay(trial: _Trial) -> None:
    found = {time: trial.factor(*time) for time in _ALL_TIMES}
    other = _Trial(trial.subject, trial.example)
    for time in reversed(_ALL_TIMES):
        if other.factor(*time) != found[time]:
            raise Failed(f"factor{time} depends on earlier calls")
