"""Activations: elementwise functions, their slopes, and the memory they write to."""

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

    def feed(self, z: Array, out: Array) -> Array:
        """Outputs y in ``out``."""
        with self.catch(f"feed of shape {list(z.shape)}"):
            return self.part.feed(z, out)

    def backprop(self, dy: Array, z: Array, y: Array, out: Array) -> Array:
        """Gradient dL/dz in ``out``; an activation with ``from_output`` gets y in place of z."""
        with self.catch(f"backprop of shape {list(z.shape)}"):
            return self.part.backprop(dy, y if self.part.from_output else z, y, out)

    def run(self, dy: Array, z: Array) -> tuple[Array, Array]:
        """(y, dL/dz) in new memory; z stays as it is."""
        y = self.feed(z.copy(), np.empty_like(z))
        return y, self.backprop(dy, z, y, np.empty_like(z))


BATTERY = Battery("pass.runs", trial=_Trial)


@BATTERY.rule(
    "pass.runs",
    why="Layers provide the memory for the result, and read the result there.",
    fix="compute into `out` (np.exp(z, out=out)) and return it",
    needs=("settings.constructor",),
)
def _runs(trial: _Trial) -> None:
    if not isinstance(trial.part.from_output, bool):
        raise Failed(f"from_output: expected True or False, got {quoted(trial.part.from_output)}")
    draws = trial.subject.rng("z")
    for shape in ((0,), (7,), (3, 4), (2, 0, 3)):
        z = draws.standard_normal(shape)
        out, back = np.full(shape, np.nan), np.full(shape, np.nan)
        y = trial.feed(z, out)
        _check_written("feed", y, out)
        _check_written("backprop", trial.backprop(np.ones(shape), z, y, back), back)


def _check_written(method: str, result: Array, out: Array) -> None:
    if result is not out or np.isnan(out).any():
        raise Failed(f"{method} does not write its result of shape {list(out.shape)} to `out`")


@BATTERY.rule(
    "gradient.slope",
    why="Every layer with this activation learns by its slope.",
    fix="derive f'(z) again; with from_output write it in terms of y: 1 - y^2 for tanh",
)
def _gradient(trial: _Trial) -> str | None:
    rng = trial.subject.rng
    z = np.concatenate([np.linspace(-6, 6, 49), rng("z").uniform(-3, 3, 16)])
    dy = rng("dy").uniform(0.5, 2, z.shape)
    numeric = slopes_of(lambda: float(dy @ trial.feed(z.copy(), np.empty_like(z))), z)
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
    "memory.in_place",
    why="Layers save one buffer per feed by letting the result overwrite its input.",
    fix="with `from_output = True` read z only before `out` is written, and use y alone in "
    "backprop; else set `from_output = False`",
)
def _in_place(trial: _Trial) -> None:
    z, dy = trial.normal(5, 4)
    y, dz = trial.run(dy, z)
    if trial.part.from_output:
        same = z.copy()
        trial.feed(same, same)
        if not equal(same, y):
            raise Failed("feed(z, z) gives another result than feed(z, out)")
    cotangent = dy.copy()
    trial.backprop(cotangent, z, y, cotangent)
    if not equal(cotangent, dz):
        raise Failed(
            "backprop(dy, z, y, dy) gives another result than with other memory as `out`",
            "read dy and y before `out` is written for the last time: np.multiply(dy, slope, "
            "out) as the last line",
        )


@BATTERY.rule(
    "input.unchanged",
    why="The layer that passes z, y and dy still needs them.",
    fix="write to `out` and to memory of your own only",
)
def _unchanged(trial: _Trial) -> None:
    z, dy = trial.normal(5, 4)
    with unchanged("feed", {"z": z}):
        y = trial.feed(z, np.empty_like(z))
    with unchanged("backprop", {"dy": dy, "z": z, "y": y}), trial.catch("backprop"):
        trial.part.backprop(dy, z, y, np.empty_like(z))


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
    why="Layers pass transposed views and halves of larger buffers.",
    fix="use NumPy's functions with out=; no reshape and no view of z.data",
)
def _layouts(trial: _Trial) -> None:
    z, dy = trial.normal(6, 4)
    y, dz = trial.run(dy, z)
    with layouts(z) as others, layouts(dy) as cotangents:
        for name, other in others.items():
            with at(f"with {name} arrays"):
                got = trial.feed(other, np.empty_like(other, order="K"))
                back = trial.backprop(cotangents[name], other, got, np.empty((4, 6)).T)
                if not (close(np.array(got), y) and close(back, dz)):
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
