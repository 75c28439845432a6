"""Activations: elementwise functions and their slopes."""

from __future__ import annotations

import numpy as np

from layerkit.core.context import Array
from layerkit.core.parts import Activation
from layerkit.display import quoted
from layerkit.testing.arrays import close, equal, layouts, unchanged
from layerkit.testing.central_differences import kink_note, slopes_of
from layerkit.testing.layer_trial import F32, F64
from layerkit.testing.rules import Battery
from layerkit.testing.subject import Trial
from layerkit.testing.verdicts import Failed, at


class _Trial(Trial):
    """An activation and its calls."""

    part: Activation

    def normal(self, *shape: int) -> tuple[Array, Array]:
        """Normal z and dL/dy."""
        rng = self.subject.rng
        return rng("z").standard_normal(shape), rng("dy").standard_normal(shape)

    def feed(self, z: Array) -> Array:
        """Outputs y."""
        with self.catch(f"feed of shape {list(z.shape)}"):
            return self.part.feed(z)

    def backprop(self, dy: Array, z: Array, y: Array) -> Array:
        """Gradient dL/dz."""
        with self.catch(f"backprop of shape {list(z.shape)}"):
            return self.part.backprop(dy, z, y)

    def run(self, dy: Array, z: Array) -> tuple[Array, Array]:
        """(y, dL/dz)."""
        y = self.feed(z)
        return y, self.backprop(dy, z, y)


BATTERY = Battery("pass.runs", trial=_Trial)


@BATTERY.rule(
    "pass.runs",
    why="Layers go on with the results, arrays of the same shape.",
    fix="return one new array of the shape of z",
    needs=("settings.constructor",),
)
def _runs(trial: _Trial) -> None:
    draws = trial.subject.rng("z")
    for shape in ((0,), (7,), (3, 4), (2, 0, 3)):
        z = draws.standard_normal(shape)
        y = trial.feed(z)
        _check_shape("feed", y, shape)
        _check_shape("backprop", trial.backprop(np.ones(shape), z, y), shape)


def _check_shape(method: str, result: object, shape: tuple[int, ...]) -> None:
    if not isinstance(result, np.ndarray):
        raise Failed(f"{method}: expected an array of shape {list(shape)}, got {quoted(result)}")
    if result.shape != shape:
        raise Failed(f"{method}: expected shape {list(shape)}, got {list(result.shape)}")


@BATTERY.rule(
    "gradient.slope",
    why="Every layer with this activation learns by its slope.",
    fix="derive f'(z) again; where it follows from y, that is exact too: 1 - y^2 for tanh",
)
def _gradient(trial: _Trial) -> str | None:
    rng = trial.subject.rng
    z = np.concatenate([np.linspace(-6, 6, 49), rng("z").uniform(-3, 3, 16)])
    dy = rng("dy").uniform(0.5, 2, z.shape)
    numeric = slopes_of(lambda: float(dy @ trial.feed(z)), z)
    _, found = trial.run(dy, z)
    wrong = numeric.wrong(found, 1e-5)  # elu at 0: a jump of f'' costs 2.5e-6
    if wrong.any():
        i = numeric.worst(found, wrong)
        raise Failed(
            f"the slope is wrong at {int(wrong.sum())} of {z.size} places; at z = {z[i]:.4g} "
            f"expected {numeric.value[i] / dy[i]:.6g}, got {found[i] / dy[i]:.6g}"
        )
    kinks = int(numeric.kink.sum())
    if kinks > z.size // 10:
        raise Failed(f"at {kinks} of {z.size} places the function has no slope")
    return kink_note(kinks, z.size)


@BATTERY.rule(
    "memory.results",
    why="A layer keeps y for its backprop, while other layers and threads use the same activation.",
    fix="return new arrays, or the argument itself; no memory of the class or the module",
)
def _results(trial: _Trial) -> None:
    z, dy = trial.normal(5, 4)
    y, dz = trial.run(dy, z)
    kept = y.copy(), dz.copy()
    trial.run(-dy, -z)
    for method, array, before in zip(("feed", "backprop"), (y, dz), kept, strict=True):
        if not equal(array, before):
            raise Failed(f"the next call of {method} overwrites the result of the one before")


@BATTERY.rule(
    "input.unchanged",
    why="The layer that passes z, y and dy still needs them.",
    fix="write results elsewhere: `y = 2 * z`, not `z *= 2`",
)
def _unchanged(trial: _Trial) -> None:
    z, dy = trial.normal(5, 4)
    with unchanged("feed", {"z": z}):
        y = trial.feed(z)
    with unchanged("backprop", {"dy": dy, "z": z, "y": y}):
        trial.backprop(dy, z, y)


@BATTERY.rule(
    "batch.elementwise",
    why="An activation is elementwise: predictions are cut into batches anywhere.",
    fix="compute each element from itself alone; a softmax over a row is a layer, or a loss",
)
def _elementwise(trial: _Trial) -> None:
    z, dy = trial.normal(4, 3)
    y, dz = trial.run(dy, z)
    for place in np.ndindex(4, 3):
        one, slope = trial.run(dy[place].reshape(1), z[place].reshape(1))
        if not (close(one, y[place].reshape(1)) and close(slope, dz[place].reshape(1))):
            raise Failed("an element alone gives another result than among others")


@BATTERY.rule(
    "input.layouts",
    why="Layers pass transposed views and parts of larger arrays.",
    fix="use NumPy's functions; no reshape that must be a view, no z.data",
)
def _layouts(trial: _Trial) -> None:
    z, dy = trial.normal(6, 4)
    y, dz = trial.run(dy, z)
    with layouts(z) as others, layouts(dy) as cotangents:
        for name, other in others.items():
            with at(f"with {name} arrays"):
                got = trial.feed(other)
                back = trial.backprop(cotangents[name], other, got)
                if not (close(np.array(got), y) and close(np.array(back), dz)):
                    raise Failed("the result is different")


@BATTERY.rule(
    "dtype.float32",
    why="Models run in float32; one promotion doubles memory and time of every layer after it.",
    fix="let NumPy compute in the dtype of z; use no np.float64 numbers and no new arrays without "
    "dtype=z.dtype",
)
def _float32(trial: _Trial) -> None:
    for dtype in (F32, F64):
        z = trial.normal(3, 4)[0].astype(dtype)
        y, dz = trial.run(np.ones_like(z), z)
        if y.dtype != dtype or dz.dtype != dtype:
            raise Failed(f"expected {dtype} for {dtype} input, got {y.dtype} and {dz.dtype}")
    wide, narrow = (
        trial.run(np.ones(99, dtype), np.linspace(-5, 5, 99, dtype=dtype)) for dtype in (F64, F32)
    )
    for what, exact, found in zip(("y", "the slope"), wide, narrow, strict=True):
        if not close(found.astype(F64), exact, 1e-5):
            raise Failed(f"{what} in float32 is off by more than rounding")


@BATTERY.rule(
    "scale.extreme",
    why="One NaN in a pass destroys all weights at the next update.",
    fix="use forms that do not overflow: tanh instead of exp ratios, np.exp(-np.abs(z))",
)
def _extreme(trial: _Trial) -> None:
    for dtype in (F32, F64):
        z = np.array([-1e15, -1e4, -100, -1e-15, 0, 1e-15, 100, 1e4, 1e15], dtype)
        y, dz = trial.run(np.ones_like(z), z)
        for what, array in (("y", y), ("the slope", dz)):
            odd = ~np.isfinite(array)
            if odd.any():
                first = z[int(np.argmax(odd))]
                raise Failed(f"at z = {first:g} ({dtype}) {what} is {array[odd][0]}")
