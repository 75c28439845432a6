"""Initializers: the start of a parameter, determined by its seed alone."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from layerkit.core.context import Array, Shape
from layerkit.core.parts import Initializer
from layerkit.display import quoted
from layerkit.errors import ShapeError
from layerkit.testing.arrays import equal
from layerkit.testing.rules import Battery
from layerkit.testing.subject import Trial
from layerkit.testing.verdicts import Failed

_SHAPES: tuple[Shape, ...] = ((4, 3), (3, 4), (5, 5), (1, 1), (7,), (), (0, 3), (2, 3, 4))


class _Trial(Trial):
    """An initializer and its calls."""

    part: Initializer

    def starts(self, *parts: Initializer) -> Iterator[tuple[Shape, tuple[Array, ...]]]:
        """(shape, an array by each of ``parts``), all of seed 0, for every shape not refused."""
        for shape in _SHAPES:
            with self.catch(f"make of shape {list(shape)}"):
                try:
                    made = tuple(_make(part, shape) for part in parts)
                except ShapeError:
                    continue
            yield shape, made


def _make(part: Initializer, shape: Shape) -> Array:
    fans = (shape[0], shape[1]) if len(shape) == 2 else (int(np.prod(shape)),) * 2
    return part.make(shape, (max(fans[0], 1), max(fans[1], 1)), np.random.default_rng(0))


BATTERY = Battery("pass.runs", trial=_Trial)


@BATTERY.rule(
    "pass.runs",
    why="The model fills each parameter with the result, of exactly that shape.",
    fix="return rng.normal(size=shape) and the like: float64, of `shape`; raise ShapeError for a "
    "shape that makes no sense",
    needs=("settings.constructor",),
)
def _runs(trial: _Trial) -> None:
    starts = list(trial.starts(trial.part))
    if not starts:
        raise Failed(f"make refuses every shape: {', '.join(str(list(s)) for s in _SHAPES)}")
    for shape, (array,) in starts:
        expected = f"make: expected a float64 array of shape {list(shape)}"
        if not isinstance(array, np.ndarray) and not (shape == () and np.ndim(array) == 0):
            raise Failed(f"{expected}, got {quoted(array)}")
        if np.shape(array) != shape:
            raise Failed(f"{expected}, got shape {list(np.shape(array))}")
        if np.asarray(array).dtype != np.float64:
            raise Failed(f"{expected}, got {np.asarray(array).dtype}")
        if not np.isfinite(array).all():
            raise Failed(f"{expected}, got numbers that are not finite")


@BATTERY.rule(
    "stochastic.replay",
    why="A seed must give the same start again, on any machine and in any order of layers.",
    fix="draw from the given `rng` and from nothing else",
)
def _replay(trial: _Trial) -> None:
    other = trial.subject.make(trial.example.config)
    for shape, (first, *others) in trial.starts(trial.part, other, trial.part):
        if not all(equal(np.asarray(first), np.asarray(again)) for again in others):
            raise Failed(f"one seed gives different starts of shape {list(shape)}")


@BATTERY.rule(
    "memory.fresh",
    why="The array becomes a parameter, which training changes; nothing else may use it.",
    fix="return a new array each time",
)
def _fresh(trial: _Trial) -> None:
    for _, (first, second) in trial.starts(trial.part, trial.part):
        if np.size(first) and np.may_share_memory(first, second):
            raise Failed("two calls of make return the same memory")
