"""Memory: inputs in any layout are read and never written; scratch memory is nobody's own."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from layerkit.core.layer import Array, Context
from layerkit.testing.bench import Bench, Pass, close, equal, worst
from layerkit.testing.rules import INTACT, Battery, Failed
from layerkit.testing.subject import Subject

__all__ = ["BATTERY", "layouts"]

BATTERY = Battery("dtype.float64", *INTACT)


@contextmanager
def layouts(a: Array) -> Iterator[dict[str, Array]]:
    """The same numbers as ``a`` in other memory: name of the layout to array."""
    wide = np.full((a.shape[0] * 2, *a.shape[1:]), np.nan, a.dtype)
    wide[::2] = a
    locked = a.copy()
    locked.flags.writeable = False
    with tempfile.TemporaryDirectory(prefix="layerkit-", ignore_cleanup_errors=True) as folder:
        file = Path(folder) / "rows"
        file.write_bytes(a.tobytes())
        mapped = np.memmap(file, a.dtype, "r", shape=a.shape)
        yield {
            "Fortran-ordered": np.asfortranarray(a),
            "strided": wide[::2],
            "reversed in memory": a[::-1].copy()[::-1],
            "read-only": locked,
            "memory-mapped": mapped,
        }
        del mapped


@BATTERY.rule(
    "input.layouts",
    why="Rows come as columns of a table, as every other row, from a mapped file: same numbers in "
    "other memory.",
    fix="use shapes and not memory: no x.data, no reshape(-1) that should be a view, no `x += ...`;"
    " np.ascontiguousarray(x) gives plain memory where it is needed",
)
def _layouts(subject: Subject) -> str | None:
    for case in subject.examples:
        bench = Bench(subject, case)
        x, dy = bench.rows(6), bench.cotangent(6)
        plain = bench.run(x, dy)
        with layouts(x) as others, layouts(dy) as cotangents:
            for name, other in others.items():
                try:
                    found = bench.run(other, cotangents[name])
                except Failed as error:
                    hint = error.hint
                    raise Failed(f"with {name} rows: {error}", hint) from error
                part = _differs(found, plain)
                if part:
                    raise Failed(f"{case}: with {name} rows {part} is another")
    return None


def _differs(found: Pass, wanted: Pass) -> str | None:
    if not close(found.y, wanted.y):
        return "the output"
    if not close(found.dx, wanted.dx):
        return "dL/dx"
    name = worst(found.grads, wanted.grads)
    return None if name is None else f"the gradient of {name!r}"


@BATTERY.rule(
    "input.unchanged",
    why="The rows belong to the caller, and to the layer before, which still needs them.",
    fix="write results elsewhere: `np.add(x, b, out=ctx.buffer('z', x.shape))` and not `x += b`",
    needs=("dtype.float64",),
)
def _unchanged(subject: Subject) -> str | None:
    for case in subject.examples:
        for training in (True, False):
            bench = Bench(subject, case)
            x, ctx = bench.rows(5), bench.context(training=training)
            before = x.copy()
            bench.feed(x, ctx)
            if not equal(x, before):
                raise Failed(f"{case}: feed writes into its input")
            bench.backprop(bench.cotangent(5), ctx)
            if not equal(x, before):
                raise Failed(f"{case}: backprop writes into the input that feed was given")
    return None


@BATTERY.rule(
    "cotangent.unchanged",
    why="dL/dy belongs to the layer after, which may hand the same array to others.",
    fix="write results elsewhere: `np.multiply(dy, slope, out=ctx.scratch('dz', dy.shape))` and "
    "not `dy *= slope`",
    needs=("dtype.float64",),
)
def _cotangent(subject: Subject) -> str | None:
    for case in subject.examples:
        bench = Bench(subject, case)
        dy, ctx = bench.cotangent(5), bench.context()
        before = dy.copy()
        bench.feed(bench.rows(5), ctx)
        bench.backprop(dy, ctx)
        if not equal(dy, before):
            raise Failed(f"{case}: backprop writes into its cotangent dy")
    return None


def _poison(ctx: Context, *, scratch_only: bool = False) -> None:
    """NaN, or the largest number, in all scratch memory of a context."""
    held = [*ctx.arena.held.values(), *([] if scratch_only else ctx._buffers.values())]
    for array in held:
        array.fill(np.nan if array.dtype.kind in "fc" else np.iinfo(array.dtype).max // 2)


@BATTERY.rule(
    "memory.stale",
    why="Scratch memory holds what was left there; NumPy often hands out zeros, until it does not.",
    fix="fill what ctx.buffer gives before it is read: `out=`, `[...] =` or `.fill(0)` before `+=`",
)
def _stale(subject: Subject) -> str | None:
    for case in subject.examples:
        bench = Bench(subject, case)
        x, dy = bench.rows(5), bench.cotangent(5)
        ctx = bench.context()
        wanted = bench.run(x, dy, ctx)
        _poison(ctx)
        ctx.rng = bench.context().rng
        part = _differs(bench.run(x, dy, ctx), wanted)
        if part:
            raise Failed(
                f"{case}: {part} depends on what a buffer held before the feed: it was not filled"
            )
    return None


@BATTERY.rule(
    "memory.scratch",
    why="ctx.scratch is memory that every layer of a pass uses: what is kept there is overwritten.",
    fix="use ctx.buffer for what feed saves or returns; ctx.scratch ends when the method returns",
)
def _scratch(subject: Subject) -> str | None:
    for case in subject.examples:
        bench = Bench(subject, case)
        x, dy = bench.rows(5), bench.cotangent(5)
        wanted = bench.run(x, dy)
        ctx = bench.context()
        y = bench.feed(x, ctx)
        _poison(ctx, scratch_only=True)
        if not equal(y, wanted.y):
            raise Failed(f"{case}: what feed returns lies in ctx.scratch memory")
        found = Pass(y, np.array(bench.backprop(dy, ctx)), bench.grads())
        part = _differs(found, wanted)
        if part:
            raise Failed(
                f"{case}: {part} is another once other layers used ctx.scratch: something that "
                "feed saved lies there"
            )
    return None


@BATTERY.rule(
    "memory.inference",
    why="In inference the buffers of all layers share memory, and nothing is kept for a backprop.",
    fix="in feed rely on nothing that an earlier feed left; branch on ctx.keeps only to save work",
)
def _inference(subject: Subject) -> str | None:
    for case in subject.examples:
        bench = Bench(subject, case)
        x = bench.rows(5)
        wanted = bench.feed(x, bench.context(training=False)).copy()
        (ctx,) = bench.network.contexts(keeps=False)
        for when in ("", ", after other layers used the same memory"):
            if not close(bench.feed(x, ctx), wanted):
                raise Failed(f"{case}: a feed that keeps nothing gives other outputs{when}")
            ctx.arena.turn()
            _poison(ctx)
            ctx.arena.turn()
            _poison(ctx)
    return None
