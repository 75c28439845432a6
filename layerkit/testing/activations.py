"""The battery of activations: elementwise functions, their slopes, and their memory."""

from __future__ import annotations

import numpy as np

from layerkit.core.layer import Array
from layerkit.core.parts import Activation
from layerkit.display import quoted
from layerkit.testing.bench import F32, F64, close, equal
from layerkit.testing.layer_memory import layouts
from layerkit.testing.numeric import slopes
from layerkit.testing.rules import Battery, Failed
from layerkit.testing.subject import Example, Subject, calling

__all__ = ["BATTERY"]

BATTERY = Battery("pass.runs")

_OUT = "compute into `out` (np.exp(z, out=out)) and return it"


def _parts(subject: Subject) -> list[tuple[Example, Activation]]:
    return [(case, subject.make(case.config)) for case in subject.examples]


def _feed(subject: Subject, part: Activation, z: Array, out: Array) -> Array:
    with calling(subject.part, f"feed of shape {list(z.shape)}"):
        return part.feed(z, out)


def _slope(subject: Subject, part: Activation, dy: Array, z: Array) -> tuple[Array, Array]:
    """(y, dL/dz) for z, which stays as it is."""
    y = _feed(subject, part, z.copy(), np.empty_like(z))
    with calling(subject.part, f"backprop of shape {list(z.shape)}"):
        return y, part.backprop(dy, y if part.from_output else z, y, np.empty_like(z))


@BATTERY.rule(
    "pass.runs",
    why="Layers hand over the memory that the result shall lie in, and read it there.",
    fix=_OUT,
    needs=("settings.constructor",),
)
def _runs(subject: Subject) -> str | None:
    for case, part in _parts(subject):
        if not isinstance(part.from_output, bool):
            raise Failed(f"{case}: from_output is {quoted(part.from_output)}, True or False wanted")
        draws = subject.rng("z")
        for shape in ((0,), (7,), (3, 4), (2, 0, 3)):
            z = draws.standard_normal(shape)
            out = np.full(shape, np.nan)
            y = _feed(subject, part, z, out)
            if y is not out or np.isnan(out).any():
                raise Failed(f"feed does not write its result for shape {list(shape)} into `out`")
            out = np.full(shape, np.nan)
            with calling(subject.part, f"backprop of shape {list(shape)}"):
                dz = part.backprop(np.ones(shape), y if part.from_output else z, y, out)
            if dz is not out or np.isnan(out).any():
                raise Failed(
                    f"backprop does not write its result for shape {list(shape)} into `out`"
                )
    return None


@BATTERY.rule(
    "gradient.slope",
    why="Every layer with this activation learns by its slope.",
    fix="derive f'(z) once more; with from_output write it in terms of y: 1 - y^2 for tanh",
)
def _gradient(subject: Subject) -> str | None:
    kinks = tried = 0
    for case, part in _parts(subject):
        z = np.concatenate([np.linspace(-6, 6, 49), subject.rng("z").uniform(-3, 3, 16)])
        dy = subject.rng("dy").uniform(0.5, 2, z.shape)

        def moved(
            i: int, step: float, z: Array = z, dy: Array = dy, part: Activation = part
        ) -> float:
            at = z.copy()
            at[i] += step
            return float(dy @ _feed(subject, part, at, np.empty_like(at)))

        numeric = slopes(moved, z.size)
        _, found = _slope(subject, part, dy, z)
        wrong = numeric.wrong(found, 1e-5)  # elu at 0: a jump of f'' costs 2.5e-6
        kinks, tried = kinks + int(numeric.kink.sum()), tried + z.size
        if wrong.any():
            i = int(np.argmax(np.where(wrong, np.abs(found - numeric.value), -1)))
            raise Failed(
                f"{case}: the slope is wrong at {int(wrong.sum())} of {z.size} places; at z = "
                f"{z[i]:.4g} it is {found[i] / dy[i]:.6g}, should be {numeric.value[i] / dy[i]:.6g}"
            )
    if kinks > max(3, tried // 10):
        raise Failed(f"at {kinks} of {tried} places the function has no slope")
    return f"{kinks} of {tried} places lie on a kink, where a range was allowed" if kinks else None


@BATTERY.rule(
    "memory.in_place",
    why="Layers save a buffer a feed by letting the result overwrite its input.",
    fix="with `from_output = True` read z only before `out` is written, and use y alone in "
    "backprop; else set `from_output = False`",
)
def _in_place(subject: Subject) -> str | None:
    for case, part in _parts(subject):
        z, dy = subject.rng("z").standard_normal((5, 4)), subject.rng("dy").standard_normal((5, 4))
        y, dz = _slope(subject, part, dy, z)
        if part.from_output:
            same = z.copy()
            _feed(subject, part, same, same)
            if not equal(same, y):
                raise Failed(f"{case}: feed(z, z) gives something else than feed(z, out)")
        cotangent = dy.copy()
        with calling(subject.part, "backprop(dy, z, y, dy)"):
            part.backprop(cotangent, y if part.from_output else z, y, cotangent)
        if not equal(cotangent, dz):
            raise Failed(
                f"{case}: backprop(dy, z, y, dy) gives something else than with other memory",
                "read dy and y before `out` is written for the last time: np.multiply(dy, slope, "
                "out) as the last line",
            )
    return None


@BATTERY.rule(
    "input.unchanged",
    why="z, y and dy are still needed by the layer that hands them over.",
    fix="write into `out` and into memory of your own only",
)
def _unchanged(subject: Subject) -> str | None:
    for case, part in _parts(subject):
        z, dy = subject.rng("z").standard_normal((5, 4)), subject.rng("dy").standard_normal((5, 4))
        kept = z.copy()
        y = _feed(subject, part, z, np.empty_like(z))
        if not equal(z, kept):
            raise Failed(f"{case}: feed writes into z, though `out` is other memory")
        given = [dy.copy(), z.copy(), y.copy()]
        with calling(subject.part, "backprop"):
            part.backprop(dy, z, y, np.empty_like(z))
        for name, array, before in zip(("dy", "z", "y"), (dy, z, y), given, strict=True):
            if not equal(array, before):
                raise Failed(f"{case}: backprop writes into {name}, though `out` is other memory")
    return None


@BATTERY.rule(
    "batch.elementwise",
    why="An activation is elementwise: predictions are cut into batches anywhere.",
    fix="compute each element from itself alone; a softmax over a row is a layer, or a loss",
)
def _elementwise(subject: Subject) -> str | None:
    for case, part in _parts(subject):
        z, dy = subject.rng("z").standard_normal((4, 3)), subject.rng("dy").standard_normal((4, 3))
        y, dz = _slope(subject, part, dy, z)
        for place in np.ndindex(4, 3):
            one, slope = _slope(subject, part, dy[place].reshape(1), z[place].reshape(1))
            if not (close(one, y[place].reshape(1)) and close(slope, dz[place].reshape(1))):
                raise Failed(f"{case}: an element alone gives another result than among others")
    return None


@BATTERY.rule(
    "input.layouts",
    why="Layers pass transposed views and halves of larger buffers.",
    fix="use NumPy's functions with out=; no reshape and no view of z.data",
)
def _layouts(subject: Subject) -> str | None:
    for case, part in _parts(subject):
        z, dy = subject.rng("z").standard_normal((6, 4)), subject.rng("dy").standard_normal((6, 4))
        y, dz = _slope(subject, part, dy, z)
        with layouts(z) as others, layouts(dy) as cotangents:
            for name, other in others.items():
                out = np.empty_like(other, order="K")
                got = _feed(subject, part, other, out)
                back = np.empty((4, 6)).T
                with calling(subject.part, f"backprop with {name} arrays"):
                    part.backprop(cotangents[name], y if part.from_output else other, got, back)
                if not (close(np.array(got), y) and close(back, dz)):
                    raise Failed(f"{case}: with {name} arrays the result is another")
    return None


@BATTERY.rule(
    "dtype.float32",
    why="Models run in float32; one promotion doubles memory and time of every layer after it.",
    fix="let NumPy compute in the dtype of z; take no np.float64 numbers and no new arrays without "
    "dtype=z.dtype",
)
def _float32(subject: Subject) -> str | None:
    for case, part in _parts(subject):
        for dtype in (F32, F64):
            z = subject.rng("z").standard_normal((3, 4)).astype(dtype)
            y, dz = _slope(subject, part, np.ones_like(z), z)
            if y.dtype != dtype or dz.dtype != dtype:
                raise Failed(f"{case}: {dtype} comes back as {y.dtype} and {dz.dtype}")
        wide, narrow = (
            _slope(subject, part, np.ones(99, t), np.linspace(-5, 5, 99, dtype=t))
            for t in (F64, F32)
        )
        for what, one, two in zip(("y", "the slope"), wide, narrow, strict=True):
            if not close(two.astype(F64), one, 1e-5):
                raise Failed(f"{case}: in float32, {what} is off by more than rounding")
    return None


@BATTERY.rule(
    "scale.extreme",
    why="One NaN in a pass destroys all weights at the next update.",
    fix="use forms that do not overflow: tanh instead of exp ratios, np.exp(-np.abs(z))",
)
def _extreme(subject: Subject) -> str | None:
    for case, part in _parts(subject):
        for dtype in (F32, F64):
            z = np.array([-1e15, -1e4, -100, -1e-15, 0, 1e-15, 100, 1e4, 1e15], dtype)
            y, dz = _slope(subject, part, np.ones_like(z), z)
            for what, array in (("y", y), ("the slope", dz)):
                odd = ~np.isfinite(array)
                if odd.any():
                    at = z[int(np.argmax(odd))]
                    raise Failed(f"{case}: at z = {at:g} ({dtype}) {what} is {array[odd][0]}")
    return None
