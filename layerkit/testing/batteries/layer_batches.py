"""Batches of layers: any size, any order, whole or in pieces, with the same results per row."""

from __future__ import annotations

import numpy as np

from layerkit.testing.arrays import close, unchanged
from layerkit.testing.layer_trial import F32, LayerTrial
from layerkit.testing.rules import INTACT, Battery, before
from layerkit.testing.verdicts import Failed

BATTERY = Battery("dtype.float64", "dtype.float32", *INTACT, trial=LayerTrial)

_ROWS_APART = (
    "in inference compute each row from itself and the weights alone: no sums, means or sorting "
    "over axis 0 unless ctx.training, and then keep running figures in Plan.state"
)


@BATTERY.rule(
    "batch.empty",
    why="A filter may leave no rows: prediction then returns no rows, and training no gradient.",
    fix="avoid means over the batch and indexing row 0; sums over no rows are 0, and figures of no "
    "rows are none: `if ctx.training and len(x) > 0`",
)
def _empty(trial: LayerTrial) -> None:
    for one in (trial, trial.another(F32)):
        one.predict(one.rows(0))
        one.fill_grads()
        ctx = one.context()
        with one.restoring_state(), unchanged("a batch of 0 rows", one.kept):
            one.feed(one.rows(0), ctx)
        result = one.run(one.rows(0), one.cotangent(0))
        wrong = [name for name, grad in result.grads.items() if np.any(grad != 0)]
        if wrong:
            raise Failed(f"after a batch of 0 rows grads[{wrong[0]!r}] is not 0")


@BATTERY.rule(
    "batch.sizes",
    why="The last batch of an epoch is smaller, and one context is used for all batches.",
    fix="take the number of rows from the input, len(x), and keep nothing of an earlier pass",
)
def _sizes(trial: LayerTrial) -> None:
    for one, tolerance in ((trial, 1e-11), (trial.another(F32), 1e-5)):
        ctx = one.context()
        for turn, n in enumerate((7, 1, 7, 3, 3)):
            x, dy = one.rows(n, turn), one.cotangent(n, turn)
            expected = one.run(x, dy)
            ctx.rng.bit_generator.state = one.context().rng.bit_generator.state  # of parts too
            if changed := one.run(x, dy, ctx).difference(expected, tolerance):
                raise Failed(
                    f"a context that was used for batches of other sizes changes {changed} of {n} "
                    "rows"
                )


@BATTERY.rule(
    "batch.permutation",
    why="Predictions must not depend on the rows that stand before a row.",
    fix=_ROWS_APART,
)
def _permutation(trial: LayerTrial) -> None:
    x = trial.rows(7)
    order = np.array([3, 0, 6, 2, 5, 1, 4])
    if not close(trial.predict(x[order]), trial.predict(x)[order]):
        raise Failed("in inference, rows in another order give other outputs")


@BATTERY.rule(
    "batch.split",
    why="Prediction may cut large inputs into batches anywhere, without any effect on the results.",
    fix=_ROWS_APART,
)
def _split(trial: LayerTrial) -> None:
    x = trial.rows(7)
    whole = trial.predict(x)
    for cuts in ([3], [1, 2, 3, 4, 5, 6]):
        pieces = [trial.predict(piece) for piece in np.split(x, cuts)]
        if not close(np.concatenate(pieces), whole):
            sizes = " + ".join(str(len(piece)) for piece in pieces)
            raise Failed(f"in inference, batches of {sizes} rows give other outputs than one of 7")


@BATTERY.rule(
    "batch.state",
    why="A prediction that changes the layer changes the next prediction, and a feed may have no "
    "backprop or several.",
    fix="change self.state in feed, only `if ctx.training`, and the parameters never",
    needs=("dtype.float64", "dtype.float32", *before("batch.state")),
)
def _state(trial: LayerTrial) -> None:
    with unchanged("a feed in inference", {**trial.kept, "the parameters": trial.network.params}):
        trial.predict(trial.rows(5))
    for training in (False, True):
        ctx = trial.context(training=training)
        trial.feed(trial.rows(5), ctx)
        with unchanged("backprop", trial.kept):
            trial.backprop(trial.cotangent(5), ctx)
