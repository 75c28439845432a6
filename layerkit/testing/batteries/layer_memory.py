"""Memory of layers: inputs in any layout, never written to, and results
in memory of their own.
"""

from __future__ import annotations

import sys

import numpy as np

from layerkit.testing.arrays import close, empty_holds_nan, equal, layouts, unchanged
from layerkit.testing.layer_trial import LayerTrial
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
    fix="write results elsewhere: `z = x + b`, not `x += b`",
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
    fix="write results elsewhere: `dz = dy * slope`, not `dy *= slope`",
    needs=("dtype.float64",),
)
def _cotangent(trial: LayerTrial) -> None:
    dy, ctx = trial.cotangent(5), trial.context()
    trial.feed(trial.rows(5), ctx)
    with unchanged("backprop", {"dy": dy}):
        trial.backprop(dy, ctx)


@BATTERY.rule(
    "memory.stale",
    why="np.empty holds old numbers until it is filled; new memory is often 0, which hides that.",
    fix="fill what np.empty gives before it is read, or begin with np.zeros",
)
def _stale(trial: LayerTrial) -> None:
    x, dy = trial.rows(5), trial.cotangent(5)
    expected = trial.run(x, dy)
    with empty_holds_nan(sys.modules.get(trial.subject.part.__module__)):
        found = trial.run(x, dy)
    if changed := found.difference(expected):
        raise Failed(f"{changed} depends on what memory of np.empty held before: fill all of it")


@BATTERY.rule(
    "memory.results",
    why="What a layer returns is read while other passes run, and after the weights changed.",
    fix="return new arrays: no memory of the layer or the module, no view of a parameter or state",
)
def _results(trial: LayerTrial) -> None:
    x, dy, ctx = trial.rows(5), trial.cotangent(5), trial.context()
    with trial.restoring_state():
        results = {"feed": trial.feed(x, ctx), "backprop": trial.backprop(dy, ctx)}
    kept = {method: array.copy() for method, array in results.items()}
    trial.run(trial.rows(5, "other"), trial.cotangent(5, "other"))
    lasting = [trial.network.params, *trial.layer.state.values()]
    for method, array in results.items():
        if not equal(array, kept[method]):
            raise Failed(f"another pass overwrites the array that {method} returned")
        if any(np.may_share_memory(array, other) for other in lasting):
            raise Failed(
                f"the array that {method} returns lies in memory of a parameter or a state, which "
                "the next update changes"
            )


@BATTERY.rule(
    "memory.inference",
    why="In inference nothing is kept for a backprop, and one context serves many batches.",
    fix="in feed rely on nothing that an earlier feed left; branch on ctx.keeps only to save work",
)
def _inference(trial: LayerTrial) -> None:
    (ctx,) = trial.network.contexts(keeps=False)
    for turn in range(3):
        x = trial.rows(5, turn)
        expected = trial.feed(x, trial.context(training=False))
        if not close(trial.feed(x, ctx), expected):
            again = " in a context that has been used" if turn else ""
            raise Failed(f"with ctx.keeps = False{again} feed gives other outputs")
