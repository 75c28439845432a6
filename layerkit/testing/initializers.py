"""The battery of initializers: the start of a parameter follows from its seed alone."""

from __future__ import annotations

import numpy as np

from layerkit.core.layer import Array, Shape
from layerkit.core.parts import Initializer
from layerkit.display import quoted
from layerkit.errors import ShapeError
from layerkit.testing.bench import equal
from layerkit.testing.rules import Battery, Failed
from layerkit.testing.subject import Subject, calling

__all__ = ["BATTERY"]

BATTERY = Battery("pass.runs")

_SHAPES: tuple[Shape, ...] = ((4, 3), (3, 4), (5, 5), (1, 1), (7,), (), (0, 3), (2, 3, 4))


def _make(subject: Subject, part: Initializer, shape: Shape, seed: int) -> Array | None:
    """What it makes; None if it refuses such a shape."""
    fans = (shape[0], shape[1]) if len(shape) == 2 else (int(np.prod(shape)),) * 2
    with calling(subject.part, f"make of shape {list(shape)}"):
        try:
            return part.make(shape, (max(fans[0], 1), max(fans[1], 1)), np.random.default_rng(seed))
        except ShapeError:
            return None


@BATTERY.rule(
    "pass.runs",
    why="The model fills each parameter with what it makes, of exactly that shape.",
    fix="return rng.normal(size=shape) and the like: float64, of `shape`; raise ShapeError for a "
    "shape that makes no sense",
    needs=("settings.constructor",),
)
def _runs(subject: Subject) -> str | None:
    for case in subject.examples:
        part = subject.make(case.config)
        made = 0
        for shape in _SHAPES:
            array = _make(subject, part, shape, 0)
            if array is None:
                continue
            made += 1
            if not isinstance(array, np.ndarray) and not (shape == () and np.ndim(array) == 0):
                raise Failed(f"{case}: make gave {quoted(array)}, an array is wanted")
            if np.shape(array) != shape:
                came = list(np.shape(array))
                raise Failed(f"{case}: asked for shape {list(shape)}, make gave {came}")
            if np.asarray(array).dtype != np.float64:
                raise Failed(f"{case}: make gave {np.asarray(array).dtype}, float64 is wanted")
            if not np.isfinite(array).all():
                raise Failed(f"{case}: make gave values that are not finite")
        if not made:
            raise Failed(f"{case}: every shape was refused")
    return None


@BATTERY.rule(
    "stochastic.replay",
    why="A seed must give the same start again, on any machine and in any order of layers.",
    fix="draw from the `rng` that is given and from nothing else",
)
def _replay(subject: Subject) -> str | None:
    for case in subject.examples:
        part, other = subject.make(case.config), subject.make(case.config)
        for shape in _SHAPES:
            first, again = (_make(subject, one, shape, 0) for one in (part, other))
            third = _make(subject, part, shape, 0)
            if first is None or again is None or third is None:
                continue
            if not (equal(np.asarray(first), np.asarray(again)) and equal(first, third)):
                raise Failed(f"{case}: one seed gives two starts of shape {list(shape)}")
    return None


@BATTERY.rule(
    "memory.fresh",
    why="What is made becomes a parameter that training changes; it must belong to nobody else.",
    fix="return a new array each time",
)
def _fresh(subject: Subject) -> str | None:
    for case in subject.examples:
        part = subject.make(case.config)
        for shape in _SHAPES:
            first, second = (_make(subject, part, shape, 0) for _ in range(2))
            if first is None or second is None:
                continue
            if np.size(first) and np.may_share_memory(first, second):
                raise Failed(f"{case}: two calls give the same memory")
    return None
