"""What a layer shows of a pass, and what is left of it where its gate is shut."""

from __future__ import annotations

from typing import Any

import numpy as np

from layerkit.core.context import Array, Context
from layerkit.core.inside import own_method
from layerkit.display import quoted
from layerkit.testing.arrays import close, equal
from layerkit.testing.layer_trial import LayerTrial
from layerkit.testing.rules import INTACT, Battery
from layerkit.testing.verdicts import Failed

BATTERY = Battery("dtype.float64", *INTACT, trial=LayerTrial)

_NOTHING = "the layer shows nothing"


@BATTERY.rule(
    "watched.arrays",
    why="Gates and the like are drawn and averaged by row, so each must be an array with a number "
    "for every row.",
    fix="return a dict from a name to an array (n, ...) of what feed saved: "
    "`x, H, T = ctx.saved; return {'gate': T, 'new': H, 'carried': x}`",
)
def _arrays(trial: LayerTrial) -> str | None:
    shown, y = _watch(trial, 5)
    for name, values in shown.items():
        if not isinstance(name, str):
            raise Failed(f"watched: expected text as a name, got {quoted(name)}")
        if not isinstance(values, np.ndarray):
            raise Failed(f"watched: expected an array as {name!r}, got {quoted(values)}")
        if values.shape[:1] != (5,):
            raise Failed(f"watched: expected 5 rows of {name!r}, got shape {list(values.shape)}")
        if not np.isfinite(values).all():
            raise Failed(f"watched: {name!r} has values that are not finite")
    if "gate" in shown and not ((shown["gate"] >= 0) & (shown["gate"] <= 1)).all():
        raise Failed("watched: expected a 'gate' from 0 to 1, got others")
    if {"gate", "new", "carried"} <= shown.keys():
        gate = shown["gate"]
        if not close(gate * shown["new"] + (1 - gate) * shown["carried"], y, 1e-9):
            raise Failed("watched: gate * new + (1 - gate) * carried is not the output")
    return None if shown else _NOTHING


@BATTERY.rule(
    "watched.passes",
    why="Looking at a pass must change nothing of it, nor of those that follow.",
    fix="read ctx.saved and return new arrays or those that were saved; change nothing",
)
def _passes(trial: LayerTrial) -> str | None:
    x, dy = trial.rows(4), trial.cotangent(4)
    unwatched = trial.run(x, dy)
    ctx = trial.context()
    with trial.restoring_state():
        y = trial.feed(x, ctx)
        with trial.catch("watched"):
            shown = dict(_shown(trial, ctx))
        same = equal(y, unwatched.y) and equal(np.array(trial.backprop(dy, ctx)), unwatched.dx)
    if not same or trial.run(x, dy).difference(unwatched):
        raise Failed("after a call of watched, feed or backprop give other numbers")
    return None if shown else _NOTHING


@BATTERY.rule(
    "carry.shape",
    why="A layer is left out by putting its carry in its place, between the same neighbours.",
    fix="return what y is where the gate is shut, for rows x alone: `return x`, or `x @ "
    "self.params['P']`; a layer that has no carry does not override it",
)
def _carry(trial: LayerTrial) -> str | None:
    carry = own_method(trial.layer, "carry")
    if carry is None and trial.plan.out_shape != trial.example.shape:
        return "the layer has no carry"
    if carry is None:
        return "the carry is the input, by default"
    for n in (3, 0):
        x = trial.rows(n)
        kept = x.copy()
        with trial.catch("carry"):
            found = carry(x)
        trial._check("carry", found, (n, *trial.plan.out_shape))
        if not equal(x, kept):
            raise Failed("carry writes to its input")
        if not equal(np.array(carry(x)), np.array(found)):
            raise Failed("carry gives other numbers for the same rows")
    return None


def _shown(trial: LayerTrial, ctx: Context) -> Any:
    watched = own_method(trial.layer, "watched")
    return {} if watched is None else watched(ctx)


def _watch(trial: LayerTrial, rows: int) -> tuple[dict[str, Array], Array]:
    """What the layer shows of an inference pass, and the output of that pass."""
    ctx = trial.context(training=False)
    y = trial.feed(trial.rows(rows), ctx)
    with trial.catch("watched"):
        shown = _shown(trial, ctx)
        if not isinstance(shown, dict):
            raise Failed(f"watched: expected a dict, got {quoted(shown)}")
    return shown, y
