"""Random numbers of layers under a seed, and arithmetic with very large and small inputs."""

from __future__ import annotations

from functools import partial

import numpy as np

from layerkit.core.context import Array
from layerkit.testing.arrays import equal
from layerkit.testing.gradient_check import check_all_gradients
from layerkit.testing.layer_trial import F32, F64, LayerTrial, Pass, float32_trial
from layerkit.testing.roundings import effect_of_rounding
from layerkit.testing.rules import INTACT, Battery, before
from layerkit.testing.verdicts import Failed, at

BATTERY = Battery("dtype.float64", "dtype.float32", *INTACT, trial=LayerTrial)


@BATTERY.rule(
    "stochastic.replay",
    why="A seed must repeat a training exactly, and a prediction must not be random.",
    fix="draw from ctx.rng alone, and only `if ctx.training`",
    needs=("dtype.float64", "dtype.float32", *before("stochastic.replay")),
)
def _replay(trial: LayerTrial) -> None:
    x, dy = trial.rows(6), trial.cotangent(6)
    trial.fill_grads(0)
    first = trial.run(x, dy)
    trial.fill_grads(0)
    if changed := trial.run(x, dy).difference(first):
        raise Failed(f"in training, the same seed gives different numbers in {changed}")
    if not equal(trial.predict(x), trial.predict(x)):
        raise Failed("two inference passes over the same rows differ")


@BATTERY.rule(
    "stochastic.gradient",
    why="Backprop must use the mask that feed drew; with another one it is the gradient of another "
    "function.",
    fix="draw in feed, keep it with ctx.save, and read it from ctx.saved in backprop",
)
def _gradient(trial: LayerTrial) -> str | None:
    ctx = trial.context()
    before = _state(ctx.rng)
    trial.feed(trial.rows(4), ctx)
    after = _state(ctx.rng)
    trial.backprop(trial.cotangent(4), ctx)
    if _state(ctx.rng) != after:
        raise Failed("backprop draws random numbers; those of feed are the right ones")
    if after == before:
        return "the layer draws no random numbers"
    if all(trial.example.shape):
        with at("with one seed"):
            check_all_gradients(trial, 4)
    return None


def _state(rng: np.random.Generator) -> str:
    return repr(rng.bit_generator.state)


_ROOM = float(np.finfo(np.float32).max) / 100


@BATTERY.rule(
    "scale.extreme",
    why="Raw data may be unscaled; one NaN in a pass destroys all weights at the next update.",
    fix="use forms that do not overflow (subtract the maximum before exp, activation('sigmoid') "
    "instead of 1 / (1 + exp(-z))), and add a small epsilon before dividing",
)
def _extreme(trial: LayerTrial) -> None:
    for scale in (0.0, 1e-15, 1e-4, 1e4, 1e15):
        wide, narrow = _scaled(trial.another(), scale), _scaled(trial.another(F32), scale)
        pairs = {"y": (wide.y, narrow.y), "dL/dx": (wide.dx, narrow.dx)}
        pairs |= {f"grads[{n!r}]": (g, narrow.grads[n]) for n, g in wide.grads.items()}
        for name, (full, single) in pairs.items():
            if not np.isfinite(full).all():
                raise Failed(f"inputs near {scale:g} give {_odd(full)} in {name}")
            if not np.isfinite(single[np.abs(full) < _ROOM]).all():
                raise Failed(
                    f"inputs near {scale:g} give {_odd(single)} in {name} in float32, though the "
                    "result in float64 would fit"
                )


_OFFSET = 1e4
_AMPLIFIED, _ROUNDED = 100, 1e-4  # of what the rounding of inputs and weights does; of the largest
_TINY = 1e-30  # below it float32 has few digits, or none


@BATTERY.rule(
    "scale.offset",
    why="Columns such as years or pressures are large and vary little: a difference of large "
    "numbers loses all digits of float32.",
    fix="subtract first and square then: `np.square(x - mean).mean(...)`, never "
    "`np.square(x).mean(...) - np.square(mean)`",
    trial=float32_trial,
)
def _offset(narrow: LayerTrial) -> None:
    wide = narrow.another(F64)
    wide.network.params[...] = narrow.network.params
    # Where rounding decides between two right answers, it does so for some rows only.
    faults = [fault for turn in range(3) if (fault := _off(narrow, wide, turn))]
    if len(faults) == 3:
        raise Failed(faults[0])


def _off(narrow: LayerTrial, wide: LayerTrial, turn: int) -> str:
    """What is wrong with the output of rows far from 0; "" if nothing is."""
    x = narrow.rows(35, "offset", turn)
    x = narrow.moved(x, x + np.float32(_OFFSET))
    rows, training = x.astype(F64), not narrow.draws(x)
    exact, found = (_output(one, r, training=training) for one, r in ((wide, rows), (narrow, x)))
    moved = effect_of_rounding(wide, rows, partial(_output, wide, training=training), turn)
    error, largest = (float(np.abs(a).max(initial=0)) for a in (found - exact, exact))
    if not np.isfinite(largest) or error <= _AMPLIFIED * moved + _ROUNDED * largest + _TINY:
        return ""
    return (
        f"for rows near {_OFFSET:g} the output in float32 is off by {error:.3g}; the largest is "
        f"{largest:.3g}, and rounding the rows to float32 changes it by {moved:.3g}"
    )


def _output(trial: LayerTrial, x: Array, *, training: bool) -> Array:
    with trial.restoring_state():
        return trial.feed(x, trial.context(training=training)).astype(F64)


def _scaled(trial: LayerTrial, scale: float) -> Pass:
    """A pass over inputs of that scale."""
    x = trial.rows(5, "scale", scale=scale)
    return trial.run(x, trial.cotangent(5, "scale"))


def _odd(array: Array) -> str:
    return "NaN" if np.isnan(array).any() else "infinity"
