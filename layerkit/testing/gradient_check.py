"""Gradient check of a layer: what backprop writes against central differences, in float64."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from layerkit.core.context import Array
from layerkit.testing.central_differences import finer_slopes_of, slopes, slopes_of
from layerkit.testing.layer_trial import F64, LayerTrial
from layerkit.testing.verdicts import Failed

_TOLERANCE = 1e-6  # of the largest slope; central differences in float64 are good to 1e-9
_MOST, _FEW = 160, 16  # coordinates of one array that are tried one by one
_LARGE = 100_000  # parameters; beyond it a feed is slow enough to try only a few


@dataclass(frozen=True)
class WrongGradient:
    """A gradient that differs from its central differences."""

    name: str  # "dx" or a parameter
    counts: tuple[int, int]  # wrong coordinates, and those tried
    spot: tuple[int, ...]  # the worst coordinate
    pair: tuple[float, float]  # what backprop gives there, and the correct value
    analytic: Array  # the gradient by backprop
    numeric: Array | None  # the gradient by differences, if every coordinate was tried

    @property
    def label(self) -> str:
        """The gradient as the layer's author writes it."""
        return "dL/dx" if self.name == "dx" else f"grads[{self.name!r}]"

    def sentence(self) -> str:
        """What differs, where, and by how much."""
        if not self.spot and self.analytic.shape:
            return f"{self.label} is wrong along a random direction through all of it"
        wrong, tried = self.counts
        place = f"at {list(self.spot)} " if self.spot else ""
        got, correct = self.pair
        return (
            f"{self.label} differs from central differences in {wrong} of {tried} coordinates; "
            f"{place}expected {correct:.6g}, got {got:.6g}"
        )


class GradientCheck(NamedTuple):
    """Wrong gradients, and how many of the coordinates tried lie on a kink."""

    wrong: list[WrongGradient]
    kinks: int
    coordinates: int


def check_gradients(
    trial: LayerTrial, n: int, what: str, *, training: bool = True
) -> GradientCheck:
    """Check dL/dx (``what`` is "dx") or all gradients ("parameters") for a batch of n rows.

    L = sum(y * dy) of feeds that all draw the same random numbers.
    """
    x, dy = trial.rows(n, what).copy(), trial.cotangent(n, what)
    trial.fill_grads()
    result = trial.run(x, dy, training=training)

    def loss() -> float:
        with trial.restoring_state():
            return float(np.sum(trial.feed(x, trial.context(training=training)) * dy))

    wrong: list[WrongGradient] = []
    kinks = coordinates = 0
    for name in ["dx"] if what == "dx" else list(trial.layer.params):
        values = x if name == "dx" else trial.layer.params[name]
        analytic = result.dx if name == "dx" else result.grads[name]
        found, bent = _compare(trial, name, values, analytic, loss)
        count = int(trial.movable().sum()) * n if name == "dx" else values.size
        kinks, coordinates = kinks + bent, coordinates + min(count, _MOST)
        wrong += found
    return GradientCheck(wrong, kinks, coordinates)


def check_all_gradients(trial: LayerTrial, n: int, *, training: bool = True) -> None:
    """Raise ``Failed`` for the first wrong gradient of a batch of n rows, if any."""
    for what in ("dx", "parameters"):
        for gradient in check_gradients(trial, n, what, training=training).wrong:
            raise Failed(gradient.sentence())


def _compare(
    trial: LayerTrial, name: str, values: Array, analytic: Array, loss: Callable[[], float]
) -> tuple[list[WrongGradient], int]:
    """What is wrong with ``analytic`` = dL/dvalues, if anything, and the number of kinks."""
    draws = trial.subject.rng("coordinates", name)
    all_move = np.ones(values.size, np.bool_)
    moves = np.tile(trial.movable(), len(values)) if name == "dx" else all_move
    places = np.flatnonzero(moves)
    some = len(places) > (most := _MOST if trial.network.size < _LARGE else _FEW)
    if some:  # a slope along a random direction then tries all at once
        places = np.sort(draws.choice(places, most, replace=False))
    numeric = slopes_of(loss, values, places)
    whole = np.asarray(analytic, F64).reshape(-1)
    given = whole[places]
    wrong = numeric.wrong(given, _TOLERANCE)
    if (doubtful := np.flatnonzero(wrong & ~numeric.kink)).size:
        finer = finer_slopes_of(loss, values, places[doubtful])
        for array in (numeric.value, numeric.low, numeric.high):
            array[doubtful] = finer
        wrong = numeric.wrong(given, _TOLERANCE)
    kinks = int(numeric.kink.sum())
    if wrong.any():
        by_differences = numeric.value.reshape(values.shape) if len(given) == len(whole) else None
        worst = numeric.worst(given, wrong)
        spot = tuple(map(int, np.unravel_index(places[worst], values.shape)))
        pair = (float(given[worst]), float(numeric.value[worst]))
        counts = (int(wrong.sum()), len(places))
        return [WrongGradient(name, counts, spot, pair, analytic, by_differences)], kinks
    if some and not _right_along(values, whole, loss, draws, moves):
        return [WrongGradient(name, (1, 1), (), (0.0, 0.0), analytic, None)], kinks
    return [], kinks


def _right_along(
    values: Array,
    given: Array,
    loss: Callable[[], float],
    draws: np.random.Generator,
    moves: Array,
) -> bool:
    """Whether the slope along one random direction through all that ``moves`` is right too."""
    direction = draws.choice([-1.0, 1.0], values.shape) * moves.reshape(values.shape)
    kept = values.copy()

    def moved(_: int, step: float) -> float:
        values[...] = kept + step * direction
        try:
            return loss()
        finally:
            values[...] = kept

    numeric = slopes(moved, 1)
    size = np.sqrt(values.size) * max(float(np.abs(given).max()), 1e-3)
    error = abs(float(given @ direction.reshape(-1)) - float(numeric.value[0]))
    return bool(error <= 10 * _TOLERANCE * size or numeric.kink[0])
