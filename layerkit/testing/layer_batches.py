"""Batches: of any size, in any order, whole or in pieces, the rows come out the same."""

from __future__ import annotations

import numpy as np

from layerkit.testing.bench import F32, F64, Bench, close, equal, worst
from layerkit.testing.rules import INTACT, Battery, Failed
from layerkit.testing.subject import Subject

__all__ = ["BATTERY"]

BATTERY = Battery("dtype.float64", "dtype.float32", *INTACT)

_ROWS_APART = (
    "in inference compute each row from itself and the weights alone: no sums, means or sorting "
    "over axis 0 unless ctx.training, and then keep running figures in Plan.state"
)


@BATTERY.rule(
    "batch.empty",
    why="A filter may leave no rows; prediction then gives no rows, and training no gradient.",
    fix="avoid means over the batch and indexing row 0; sums over no rows are 0",
)
def _empty(subject: Subject) -> str | None:
    for case in subject.examples:
        for dtype in (F64, F32):
            bench = Bench(subject, case, dtype)
            bench.predict(bench.rows(0))
            bench.blank()
            done = bench.run(bench.rows(0), bench.cotangent(0))
            wrong = [name for name, grad in done.grads.items() if np.any(grad != 0)]
            if wrong:
                raise Failed(f"{case}: after a batch of 0 rows grads[{wrong[0]!r}] is not 0")
    return None


@BATTERY.rule(
    "batch.sizes",
    why="The last batch of an epoch is smaller, and a context is used for all of them.",
    fix="take sizes from the rows that came, len(x), and memory from ctx.buffer with that shape",
)
def _sizes(subject: Subject) -> str | None:
    for case in subject.examples:
        for dtype in (F64, F32):
            bench = Bench(subject, case, dtype)
            ctx = bench.context()
            for turn, n in enumerate((7, 1, 7, 3, 3)):
                x, dy = bench.rows(n, turn), bench.cotangent(n, turn)
                wanted = bench.run(x, dy)
                ctx.rng = bench.context().rng
                found = bench.run(x, dy, ctx)
                tolerance = 1e-11 if dtype == F64 else 1e-5
                same = close(found.y, wanted.y, tolerance) and close(found.dx, wanted.dx, tolerance)
                if not same or worst(found.grads, wanted.grads, tolerance):
                    raise Failed(
                        f"{case}: a context that was used for other batch sizes gives other "
                        f"numbers for {n} rows than a new one"
                    )
    return None


@BATTERY.rule(
    "batch.permutation",
    why="Predictions must not depend on which rows happen to stand before a row.",
    fix=_ROWS_APART,
)
def _permutation(subject: Subject) -> str | None:
    for case in subject.examples:
        bench = Bench(subject, case)
        x = bench.rows(7)
        order = np.array([3, 0, 6, 2, 5, 1, 4])
        if not close(bench.predict(x[order]), bench.predict(x)[order]):
            raise Failed(f"{case}: in inference, rows in another order give other outputs")
    return None


@BATTERY.rule(
    "batch.split",
    why="Prediction cuts large inputs into batches as it likes; the numbers must not show where.",
    fix=_ROWS_APART,
)
def _split(subject: Subject) -> str | None:
    for case in subject.examples:
        bench = Bench(subject, case)
        x = bench.rows(7)
        whole = bench.predict(x)
        for cuts in ([3], [1, 2, 3, 4, 5, 6]):
            pieces = [bench.predict(piece) for piece in np.split(x, cuts)]
            if not close(np.concatenate(pieces), whole):
                sizes = ", ".join(str(len(piece)) for piece in pieces)
                raise Failed(
                    f"{case}: in inference, 7 rows at once give other outputs than {sizes}"
                )
    return None


@BATTERY.rule(
    "batch.single_row",
    why="Where a layer gives row_feed, a prediction of one row takes that way and no other.",
    fix="let row_feed compute what feed computes, with parameters as they are at the call",
)
def _single_row(subject: Subject) -> str | None:
    given = False
    for case in subject.examples:
        bench = Bench(subject, case)
        step = bench.layer.row_feed()
        if step is None:
            continue
        given = True
        for turn in range(3):
            bench.network.params[...] *= 1.5  # as training in place would
            x = bench.rows(1, turn)
            before = x.copy()
            if not close(np.array(step(x[0]))[None], bench.predict(x)):
                raise Failed(f"{case}: row_feed gives other outputs than feed")
            if not equal(x, before):
                raise Failed(f"{case}: row_feed writes into its row")
    return None if given else "the layer gives no row_feed; feed serves single rows"


@BATTERY.rule(
    "batch.state",
    why="A prediction that changes the layer makes the next prediction another one.",
    fix="change self.state only `if ctx.training`, and the parameters never",
)
def _state(subject: Subject) -> str | None:
    for case in subject.examples:
        bench = Bench(subject, case)
        before = {name: array.copy() for name, array in bench.layer.state.items()}
        weights = bench.network.params.copy()
        bench.predict(bench.rows(5))
        changed = [n for n, array in bench.layer.state.items() if not equal(array, before[n])]
        if changed:
            raise Failed(f"{case}: a feed in inference changes state[{changed[0]!r}]")
        if not equal(bench.network.params, weights):
            raise Failed(f"{case}: a feed in inference changes the parameters")
    return None
