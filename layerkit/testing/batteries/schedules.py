"""Schedules: a factor of the rate that follows from the time and the finished epochs alone."""

from __future__ import annotations

import math

import numpy as np

from layerkit.core.history import History
from layerkit.core.parts import Schedule
from layerkit.display import quoted
from layerkit.testing.idle_settings import AFTER, FIX, WHY, refuse_idle
from layerkit.testing.rules import Battery
from layerkit.testing.subject import Example, Subject, Trial
from layerkit.testing.verdicts import Failed

_SPANS = (1, 2, 10, 37)
_LONG, _DRAWS = 160, 5  # epochs of a history, and histories, in which a setting must show


def _times(epochs: int) -> list[float]:
    return [epochs * share for share in (0, 0.013, 0.25, 0.5, 0.77, 0.999, 1)]


_ALL_TIMES = [(epoch, epochs) for epochs in _SPANS for epoch in _times(epochs)]


class _Trial(Trial):
    """A schedule and its calls."""

    part: Schedule

    def __init__(self, subject: Subject, example: Example) -> None:
        super().__init__(subject, example)
        self._drawn: dict[int, History] = {}

    def factor(self, epoch: float, epochs: int) -> float:
        """The factor at ``epoch`` of ``epochs``."""
        with self.catch(f"factor({epoch:g}, {epochs})"):
            return self.part.factor(epoch, epochs)

    def factor_after(self, epoch: float, epochs: int, draw: int = 0) -> float:
        """The factor at ``epoch`` of ``epochs`` after results drawn for all epochs before."""
        said = f"factor_after({epoch:g}, {epochs}, history of {int(epoch)} epochs)"
        with self.catch(said, "name each series that it reads, such as val_loss, in `watched`"):
            return self.part.factor_after(epoch, epochs, self._history(draw).between(0, int(epoch)))

    def _history(self, draw: int) -> History:
        """Series that improve less and less, like those of trainings, with noise."""
        if draw not in self._drawn:
            series = {}
            for name in ("loss", "learning_rate", *self.part.watched):
                noise = self.subject.rng("history", name, draw).uniform(0, 0.2, _LONG)
                series[name] = np.exp(-np.arange(_LONG) / 4) + noise
            self._drawn[draw] = History(series, [name for name in series if "accuracy" in name])
        return self._drawn[draw]

    def all_factors(self) -> list[float]:
        """Factors without and with results, in many epochs of long trainings too."""
        times = [*_ALL_TIMES, *((epoch, _LONG) for epoch in range(0, _LONG, 2))]
        seen = [self.factor_after(*time, draw) for draw in range(_DRAWS) for time in times]
        return [*(self.factor(*time) for time in times), *seen]


BATTERY = Battery("pass.runs", trial=_Trial)


@BATTERY.rule(
    "pass.runs",
    why="The rate of every step is the base rate times this factor.",
    fix="return a number >= 0 for any time from 0 to `epochs`, also for a single epoch; `watched` "
    "is a tuple of names",
    needs=("settings.constructor",),
)
def _runs(trial: _Trial) -> None:
    if "factor" in trial.subject.part.settings():
        raise Failed("a setting is called `factor`, which is the name of the method")
    with trial.catch("watched"):
        watched = trial.part.watched
    if not isinstance(watched, tuple) or not all(isinstance(name, str) for name in watched):
        raise Failed(f"watched: expected a tuple of names of series, got {quoted(watched)}")
    for ask in (trial.factor, trial.factor_after):
        for epoch, epochs in _ALL_TIMES:
            found = ask(epoch, epochs)
            number = isinstance(found, (int, float)) and not isinstance(found, bool)
            if not number or not math.isfinite(found) or found < 0:
                raise Failed(
                    f"{ask.__name__}({epoch:g}, {epochs}): expected a finite number >= 0, got "
                    f"{quoted(found)}"
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


@BATTERY.rule(
    "history.replay",
    why="A training resumed from a file has the finished epochs in `history` and nothing else.",
    fix="go through all of `history` in each call; keep neither the best value nor a count in self",
)
def _history_replay(trial: _Trial) -> None:
    found = {time: trial.factor_after(*time) for time in _ALL_TIMES}
    for epoch, epochs in reversed(_ALL_TIMES):
        resumed = _Trial(trial.subject, trial.example)  # knows no epoch before this one
        for when in ("after a cut", "asked twice"):
            if resumed.factor_after(epoch, epochs) != found[epoch, epochs]:
                raise Failed(f"factor_after({epoch:g}, {epochs}, history) is another {when}")


@BATTERY.once("settings.effect", why=WHY, fix=FIX, needs=AFTER)
def _effect(subject: Subject) -> None:
    def factors(example: Example) -> list[float]:
        return _Trial(subject, example).all_factors()

    refuse_idle(subject, factors)
