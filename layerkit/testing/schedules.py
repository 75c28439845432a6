"""The battery of schedules: a factor at any time, that follows from the time alone."""

from __future__ import annotations

import math

from layerkit.core.parts import Schedule
from layerkit.display import quoted
from layerkit.testing.rules import Battery, Failed
from layerkit.testing.subject import Subject, calling

__all__ = ["BATTERY"]

BATTERY = Battery("pass.runs")

_SPANS = (1, 2, 10, 37)


def _times(epochs: int) -> list[float]:
    return [epochs * share for share in (0, 0.013, 0.25, 0.5, 0.77, 0.999, 1)]


def _factor(subject: Subject, part: Schedule, epoch: float, epochs: int) -> float:
    with calling(subject.part, f"factor({epoch:g}, {epochs})"):
        return part.factor(epoch, epochs)


@BATTERY.rule(
    "pass.runs",
    why="The rate of every step is the base rate times this factor.",
    fix="return a number of at least 0 for any time from 0 to `epochs`, also for one epoch in all",
    needs=("settings.constructor",),
)
def _runs(subject: Subject) -> str | None:
    if "factor" in subject.part.settings():
        raise Failed("a setting is called `factor`, which is the method's name")
    for case in subject.examples:
        part = subject.make(case.config)
        for epochs in _SPANS:
            for epoch in _times(epochs):
                found = _factor(subject, part, epoch, epochs)
                number = isinstance(found, (int, float)) and not isinstance(found, bool)
                if not number or not math.isfinite(found) or found < 0:
                    raise Failed(
                        f"{case}: factor({epoch:g}, {epochs}) is {quoted(found)}, a finite number "
                        "of at least 0 is wanted"
                    )
        if not any(_factor(subject, part, epoch, 10) > 0 for epoch in _times(10)):
            raise Failed(f"{case}: the factor is 0 at all times")
    return None


@BATTERY.rule(
    "stochastic.replay",
    why="A training that goes on from a file asks for a time in the middle, first.",
    fix="compute the factor from the time alone; keep nothing in self",
)
def _replay(subject: Subject) -> str | None:
    for case in subject.examples:
        times = [(epoch, epochs) for epochs in _SPANS for epoch in _times(epochs)]
        forth, back = subject.make(case.config), subject.make(case.config)
        found = {time: _factor(subject, forth, *time) for time in times}
        for time in reversed(times):
            if _factor(subject, back, *time) != found[time]:
                raise Failed(f"{case}: factor{time} depends on what was asked before")
    return None
