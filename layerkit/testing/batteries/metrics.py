"""Metrics: one number, independent of the order of rows, that better answers improve."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import get_args

import numpy as np

from layerkit.core.context import Array
from layerkit.core.parts import Metric, Target
from layerkit.display import counted, quoted
from layerkit.testing.arrays import unchanged
from layerkit.testing.idle_settings import AFTER, FIX, WHY, refuse_idle
from layerkit.testing.rules import Battery
from layerkit.testing.subject import Example, Subject, Trial
from layerkit.testing.verdicts import Failed


@dataclass(frozen=True)
class _Case(Example):
    """An example with one of the kinds of targets that the metric declares."""

    target: str

    def __str__(self) -> str:
        return f"{super().__str__()}, {self.target} targets"


def _cases(subject: Subject) -> Iterator[_Case]:
    kinds = getattr(subject.part, "target", None)
    words = get_args(Target)
    if not isinstance(kinds, tuple) or not kinds or not set(kinds) <= set(words):
        raise Failed(f"target: expected a tuple of {', '.join(words)}, got {quoted(kinds)}")
    for example in subject.examples:
        for kind in kinds:
            yield _Case(example.name, example.config, example.shape, kind)


class _Trial(Trial):
    """A metric and its calls."""

    part: Metric
    example: _Case

    def rows(self, n: int = 8, k: int = 6) -> tuple[Array, Array]:
        """(predictions (n, k), targets)."""
        kind = self.example.target
        draws = self.subject.rng(kind, n, k)
        if kind == "class":
            scores = draws.uniform(0.05, 1, (n, k))
            return scores / scores.sum(axis=1, keepdims=True), draws.integers(0, k, n)
        if kind == "binary":
            return draws.uniform(0.05, 0.95, (n, k)), draws.integers(0, 2, (n, k)).astype(float)
        return draws.standard_normal((n, k)), draws.standard_normal((n, k))

    def half_right(self) -> tuple[Array, Array]:
        """Rows of which every other one is answered almost rightly."""
        p, t = self.rows()
        right = self.perfect(p, t)
        right[1::2] = p[1::2]
        return right, t

    def perfect(self, p: Array, t: Array) -> Array:
        """Answers like ``p`` that are almost right."""
        right: Array
        if self.example.target == "class":
            right = np.eye(p.shape[1])[t] * 0.98 + 0.02 / p.shape[1]
            return right
        right = 0.98 * t + 0.01 if self.example.target == "binary" else t.copy()
        return right

    def value(self, p: Array, t: Array, weights: Array | None = None) -> float:
        """The metric of predictions p and targets t."""
        with self.catch(f"value of predictions {list(p.shape)}"):
            return self.part.value(p, t, weights)


BATTERY = Battery("pass.runs", trial=_Trial, over=_cases)


@BATTERY.rule(
    "pass.runs",
    why="Training compares the number of each epoch with the best so far.",
    fix="declare target = ('class',) or the like and higher_is_better; return float(...), NaN only "
    "where rows do not define it",
    needs=("settings.constructor",),
)
def _runs(trial: _Trial) -> None:
    direction = getattr(trial.part, "higher_is_better", None)
    if not isinstance(direction, bool):
        raise Failed(f"higher_is_better: expected True or False, got {quoted(direction)}")
    for n in (1, 8):
        found = trial.value(*trial.rows(n))
        undefined = n == 1 and isinstance(found, float) and math.isnan(found)
        if type(found) is not float or not (math.isfinite(found) or undefined):
            raise Failed(
                f"value of {counted(n, 'row')}: expected a finite float, got {quoted(found)}"
            )


@BATTERY.rule(
    "batch.permutation",
    why="The order of test rows says nothing about a model.",
    fix="use sums and means over rows only",
)
def _permutation(trial: _Trial) -> None:
    p, t = trial.rows()
    order = trial.subject.rng("order").permutation(len(p))
    one, other = trial.value(p, t), trial.value(p[order], t[order])
    if not math.isclose(one, other, rel_tol=1e-9, abs_tol=1e-12):
        raise Failed(f"rows in another order change the value from {one:.6g} to {other:.6g}")


@BATTERY.rule(
    "batch.weights",
    why="A row of weight 2 counts twice; without weights each row counts once.",
    fix="use np.average(..., weights=weights)",
)
def _weights(trial: _Trial) -> None:
    p, t = trial.half_right()
    if not math.isclose(trial.value(p, t), trial.value(p, t, np.ones(len(p))), rel_tol=1e-9):
        raise Failed("weights of 1 give another value than no weights")
    counts = np.array([1, 3] * (len(p) // 2))  # what is wrong counts more: the value must change
    weighted = trial.value(p, t, counts.astype(float))
    repeated = trial.value(np.repeat(p, counts, 0), np.repeat(t, counts, 0))
    if not math.isclose(weighted, repeated, rel_tol=1e-9, abs_tol=1e-12):
        raise Failed(
            f"integer weights: expected {repeated:.6g}, the value of rows repeated as often, got "
            f"{weighted:.6g}"
        )


@BATTERY.rule(
    "update.direction",
    why="Early stopping keeps the best epoch; with the wrong direction it keeps the worst.",
    fix="set higher_is_better to True if perfect answers give the highest value, else to False",
)
def _direction(trial: _Trial) -> None:
    p, t = trial.rows()
    perfect = trial.perfect(p, t)
    good, poor = trial.value(perfect, t), trial.value(p, t)
    if (good < poor) if trial.part.higher_is_better else (good > poor):
        raise Failed(
            f"higher_is_better is {trial.part.higher_is_better}, but nearly perfect answers give "
            f"{good:.4g} and random ones {poor:.4g}"
        )


@BATTERY.once("settings.effect", why=WHY, fix=FIX, needs=AFTER)
def _effect(subject: Subject) -> None:
    def values(example: Example) -> list[str]:
        cases = [replace(case, config=example.config) for case in _cases(subject)]
        trials = [_Trial(subject, case) for case in cases]
        return [repr(trial.value(*trial.rows(64))) for trial in trials]

    refuse_idle(subject, values)


@BATTERY.rule(
    "input.unchanged",
    why="Several metrics judge the same predictions.",
    fix="copy before changing: predictions.astype(np.float64)",
)
def _unchanged(trial: _Trial) -> None:
    p, t = trial.rows()
    weights = np.ones(8)
    with unchanged("value", {"predictions": p, "targets": t, "weights": weights}):
        trial.value(p, t, weights)
