"""The battery of metrics: one number, whatever the order of rows, that better answers improve."""

from __future__ import annotations

import math
from typing import get_args

import numpy as np

from layerkit.core.layer import Array
from layerkit.core.parts import Metric, Target
from layerkit.display import quoted
from layerkit.testing.bench import equal
from layerkit.testing.rules import Battery, Failed
from layerkit.testing.subject import Subject, calling

__all__ = ["BATTERY"]

BATTERY = Battery("pass.runs")


def _rows(subject: Subject, target: str, n: int = 8, k: int = 6) -> tuple[Array, Array]:
    """(predictions (n, k), targets) of a kind."""
    draws = subject.rng(target, n, k)
    if target == "class":
        scores = draws.uniform(0.05, 1, (n, k))
        return scores / scores.sum(axis=1, keepdims=True), draws.integers(0, k, n)
    if target == "binary":
        return draws.uniform(0.05, 0.95, (n, k)), draws.integers(0, 2, (n, k)).astype(float)
    return draws.standard_normal((n, k)), draws.standard_normal((n, k))


def _value(
    subject: Subject, part: Metric, p: Array, t: Array, weights: Array | None = None
) -> float:
    with calling(subject.part, f"value of predictions {list(p.shape)}"):
        return part.value(p, t, weights)


@BATTERY.rule(
    "pass.runs",
    why="Training compares the number of each epoch with the best so far.",
    fix="declare target = ('class',) or the like and higher_is_better; return float(...), NaN only "
    "where rows do not define it",
    needs=("settings.constructor",),
)
def _runs(subject: Subject) -> str | None:
    targets = getattr(subject.part, "target", None)
    words = get_args(Target)
    if not isinstance(targets, tuple) or not targets or not set(targets) <= set(words):
        raise Failed(f"target is {quoted(targets)}, a tuple of {', '.join(words)} is wanted")
    if not isinstance(getattr(subject.part, "higher_is_better", None), bool):
        raise Failed("higher_is_better is not declared: True or False is wanted")
    for case in subject.examples:
        part = subject.make(case.config)
        for target in targets:
            for n in (1, 8):
                found = _value(subject, part, *_rows(subject, target, n))
                undefined = n == 1 and isinstance(found, float) and math.isnan(found)
                if type(found) is not float or not (math.isfinite(found) or undefined):
                    told = f"for {target} targets of {n} rows the value is {quoted(found)}"
                    raise Failed(f"{case}: {told}")
    return None


@BATTERY.rule(
    "batch.permutation",
    why="The order of test rows says nothing about a model.",
    fix="sums and means over rows only",
)
def _permutation(subject: Subject) -> str | None:
    for case in subject.examples:
        part = subject.make(case.config)
        for target in part.target:
            p, t = _rows(subject, target)
            order = subject.rng("order").permutation(len(p))
            one, two = _value(subject, part, p, t), _value(subject, part, p[order], t[order])
            if not math.isclose(one, two, rel_tol=1e-9, abs_tol=1e-12):
                raise Failed(f"{case}: {one:.6g} and, in another order, {two:.6g}")
    return None


@BATTERY.rule(
    "batch.weights",
    why="A row of weight 2 is a row that counts twice; without weights each counts once.",
    fix="use np.average(..., weights=weights)",
)
def _weights(subject: Subject) -> str | None:
    for case in subject.examples:
        part = subject.make(case.config)
        for target in part.target:
            p, t = _rows(subject, target)
            plain = _value(subject, part, p, t)
            if not math.isclose(plain, _value(subject, part, p, t, np.ones(len(p))), rel_tol=1e-9):
                raise Failed(f"{case}: weights of 1 give something else than no weights")
            counts = subject.rng("counts").integers(1, 4, len(p))
            weighted = _value(subject, part, p, t, counts.astype(float))
            repeated = _value(subject, part, np.repeat(p, counts, 0), np.repeat(t, counts, 0))
            if not math.isclose(weighted, repeated, rel_tol=1e-9, abs_tol=1e-12):
                raise Failed(
                    f"{case}: whole-number weights give {weighted:.6g}, the rows repeated as often "
                    f"{repeated:.6g}"
                )
    return None


@BATTERY.rule(
    "update.direction",
    why="Early stopping keeps the best epoch; with the wrong direction it keeps the worst.",
    fix="set higher_is_better to what perfect answers give",
)
def _direction(subject: Subject) -> str | None:
    for case in subject.examples:
        part = subject.make(case.config)
        for target in part.target:
            p, t = _rows(subject, target)
            perfect = np.eye(p.shape[1])[t] * 0.98 + 0.02 / p.shape[1] if target == "class" else t
            if target == "binary":
                perfect = 0.98 * t + 0.01
            good, poor = _value(subject, part, perfect, t), _value(subject, part, p, t)
            worse = good < poor if part.higher_is_better else good > poor
            if worse:
                raise Failed(
                    f"{case}: nearly perfect answers give {good:.4g}, random ones {poor:.4g}, and "
                    f"higher_is_better is {part.higher_is_better}"
                )
    return None


@BATTERY.rule(
    "input.unchanged",
    why="The same predictions are judged by several metrics.",
    fix="copy before changing: predictions.astype(np.float64)",
)
def _unchanged(subject: Subject) -> str | None:
    for case in subject.examples:
        part = subject.make(case.config)
        for target in part.target:
            arrays = [*_rows(subject, target), np.ones(8)]
            before = [array.copy() for array in arrays]
            _value(subject, part, *arrays)
            names = ("predictions", "targets", "weights")
            for name, array, kept in zip(names, arrays, before, strict=True):
                if not equal(array, kept):
                    raise Failed(f"{case}: the metric writes into the {name}")
    return None
