"""Memory of layers: inputs in any layout, never written to, and correct use of scratch memory."""

from __future__ import annotations

import numpy as np

from layerkit.core.context import Context
from layerkit.testing.arrays import close, equal, layouts, unchanged
from layerkit.testing.layer_trial import LayerTrial, Pass
from layerkit.testing.rules import INTACT, Battery
from layerkit.testing.verdicts import Failed, at

BATTERY = Battery("dtype.float64", *INTACT, trial=LayerTrial)

_ROUNDING = 1e-11


@BATTERY.rule(
    "input.layouts",
    why="Rows may be columns of a table, every other row of an array, or a mapped file: the same "
    "numbers in other memory.",
    fix="use shapes and not memory: no x.data, no reshape(-1) that must be a view, no `x += ...`;"
    " np.ascontiguousarray(x) gives plain memory where it is needed",
)
def _layouts(trial: LayerTrial) -> None:
    x, dy = trial.rows(6), trial.cotangent(6)
    plain = trial.run(x, dy)
    with layouts(x) as others, layouts(dy) as cotangents:
        for name, other in others.items():
            with at(f"with {name} rows"):
                changed = trial.run(other, cotangents[name]).difference(plain, _ROUNDING)
                if changed:
                    raise Failed(f"{changed} is different")


@BATTERY.rule(
    "input.unchanged",
    why="The rows belong to the caller, and to the layer before, which still needs them.",
    fix="write results elsewhere: `np.add(x, b, out=ctx.buffer('z', x.shape))` and not `x += b`",
    needs=("dtype.float64",),
)
def _unchanged(trial: LayerTrial) -> None:
    for training in (True, False):
        one = trial.another()
        x, ctx = one.rows(5), one.context(training=training)
        with unchanged("feed", {"x": x}):
            one.feed(x, ctx)
        with unchanged("backprop", {"x": x}):
            one.backprop(one.cotangent(5), ctx)


@BATTERY.rule(
    "cotangent.unchanged",
    why="dL/dy belongs to the layer after, which may hand the same array to others.",
    fix="write results elsewhere: `np.multiply(dy, slope, out=ctx.scratch('dz', dy.shape))` and "
    "not `dy *= slope`",
    needs=("dtype.float64",),
)
def _cotangent(trial: LayerTrial) -> None:
    dy, ctx = trial.cotangent(5), trial.context()
    trial.feed(trial.rows(5), ctx)
    with unchanged("backprop", {"dy": dy}):
        trial.backprop(dy, ctx)


def _poison(ctx: Context, *, scratch_only: bool = False) -> None:
    """Fill all scratch memory of a context with NaN, or the largest number."""
    held = [*ctx.arena.held.values(), *([] if scratch_only else ctx._buffers.values())]
    for array in held:
        array.fill(np.nan if array.dtype.kind in "fc" else np.iinfo(array.dtype).max // 2)


@BATTERY.rule(
    "memory.stale",
    why="A buffer holds old numbers until it is filled; new memory is often 0, which hides that.",
    fix="fill what ctx.buffer gives before it is read: `out=`, `[...] =` or `.fill(0)` before `+=`",
)
def _stale(trial: LayerTrial) -> None:
    x, dy, ctx = trial.rows(5), trial.cotangent(5), trial.context()
    expected = trial.run(x, dy, ctx)
    _poison(ctx)
    ctx.rng = trial.context().rng
    if changed := trial.run(x, dy, ctx).difference(expected, _ROUNDING):
        raise Failed(f"{changed} depends on what a buffer held before the feed: fill it first")


@BATTERY.rule(
    "memory.scratch",
    why="All layers of a pass share ctx.scratch: the next layer overwrites what is kept there.",
    fix="use ctx.buffer for what feed saves or returns; ctx.scratch ends when the method returns",
)
def _scratch(trial: LayerTrial) -> None:
    x, dy = trial.rows(5), trial.cotangent(5)
    expected = trial.run(x, dy)
    ctx = trial.context()
    y = trial.feed(x, ctx)
    _poison(ctx, scratch_only=True)
    if not equal(y, expected.y):
        raise Failed("the array that feed returns lies in ctx.scratch memory")
    found = Pass(y, np.array(trial.backprop(dy, ctx)), trial.grads())
    if changed := found.difference(expected, _ROUNDING):
        raise Failed(f"something that feed saves lies in ctx.scratch memory: it changes {changed}")


@BATTERY.rule(
    "memory.inference",
    why="In inference the buffers of all layers share memory, and nothing is kept for a backprop.",
    fix="in feed rely on nothing that an earlier feed left; branch on ctx.keeps only to save work",
)
def _inference(trial: LayerTrial) -> None:
    x = trial.rows(5)
    expected = trial.feed(x, trial.context(training=False)).copy()
    (ctx,) = trial.network.contexts(keeps=False)
    for when in ("", ", after other layers used the same memory"):
        if not close(trial.feed(x, ctx), expected):
            raise Failed(f"with ctx.keeps = False feed gives other outputs{when}")
        for _ in range(2):
            ctx.arena.turn()
            _poison(ctx)
