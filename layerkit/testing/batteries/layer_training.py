"""Training against inference: what a layer does in training, inference must answer to.

Chance is right on average, running figures settle on those of the batches, and what follows a feed
in inference is the gradient of inference.
"""

from __future__ import annotations

import numpy as np

from layerkit.core.context import Array
from layerkit.testing.arrays import equal
from layerkit.testing.gradient_check import check_all_gradients
from layerkit.testing.layer_trial import LayerTrial, Pass
from layerkit.testing.rules import INTACT, Battery
from layerkit.testing.verdicts import Failed, at

BATTERY = Battery("dtype.float64", "stochastic.replay", *INTACT, trial=LayerTrial)

_FEEDS = 300
_OFF = 0.02  # a factor that is nearer to 1 than that is not told from chance
_SIGMAS = 6
_TELLING = 0.3  # a mean is a multiple only if chance is smaller than that share of it
_ANOTHER = "the mean over the random numbers is another function than inference computes"


@BATTERY.rule(
    "stochastic.mean",
    why="Inference uses no chance, so the layers after this one see the mean of what they were "
    "trained on, or numbers of another size.",
    fix="divide by the share that is kept, in training: `x * mask / (1 - rate)`; if inference is "
    "meant to differ, name this check in conformance_exceptions",
)
def _mean(trial: LayerTrial) -> str | None:
    x = trial.rows(8, "mean")
    if trial.layer.state or not trial.draws(x):
        return None
    origin = trial.predict(np.zeros_like(x))
    answer = trial.predict(x) - origin
    size = float(np.sum(answer * answer))
    if not size or not np.isfinite(size):
        return None
    largest = float(np.abs(answer).max())
    for count in (_FEEDS, 10 * _FEEDS):
        feeds = np.stack([_drawn(trial, x, turn) - origin for turn in range(count)])
        factors = np.sum(feeds * answer, axis=tuple(range(1, feeds.ndim))) / size
        factor, chance = float(factors.mean()), float(factors.std()) / count**0.5
        noise = _SIGMAS * feeds.std(axis=0) / count**0.5 + 1e-9 * largest
        mean = feeds.mean(axis=0)
        if abs(factor - 1) <= _OFF + _SIGMAS * chance:
            same = np.all(np.abs(mean - answer) <= noise + _OFF * largest)
            return None if same else _ANOTHER
        if not np.all(np.abs(mean - factor * answer) <= noise):
            return _ANOTHER
        if noise.max() <= _TELLING * abs(factor) * largest:
            raise Failed(
                f"the mean of {count} feeds in training is {factor:.3g} times the output in "
                "inference"
            )
    return _ANOTHER


def _drawn(trial: LayerTrial, x: Array, turn: int) -> Array:
    """The output of a feed in training with random numbers of its own."""
    ctx = trial.context()
    ctx.rng = trial.subject.rng("draws", turn)
    with trial.restoring_state():
        return np.array(trial.feed(x, ctx))


@BATTERY.rule(
    "stochastic.rows",
    why="Rows that share one mask move together: a batch then says no more than one row does.",
    fix="draw for every row, `ctx.rng.random(x.shape)`; a layer that drops weights, or itself, for "
    "a whole batch names this check in conformance_exceptions",
)
def _rows(trial: LayerTrial) -> None:
    x = np.repeat(trial.rows(1, "equal"), 8, axis=0)
    if not trial.draws(x):
        return
    outputs = [_drawn(trial, x, turn) for turn in range(4)]
    varies = any(not equal(y, outputs[0]) for y in outputs)
    if varies and all(equal(y, np.repeat(y[:1], 8, axis=0)) for y in outputs):
        raise Failed("in training, equal rows of a batch meet the same random numbers")


_SMALL = 0.1  # the spread of rows whose figures are followed: an epsilon then counts
_SAME, _SETTLED = 1e-6, 1e-11
_TURNS = 30


@BATTERY.rule(
    "state.settles",
    why="A model is judged and used in inference: it must compute there what it was trained to.",
    fix="keep figures of the same kind as training uses (`state := m state + (1 - m) batch`), and "
    "use the same formula for both, with the epsilon in the same place",
    needs=("batch.permutation", "batch.split", "batch.state", "stochastic.replay"),
)
def _settles(trial: LayerTrial) -> str | None:
    state = trial.layer.state
    apart: list[tuple[float, float]] = []
    for n in (16, 64):
        x = trial.rows(n, "settles")
        x = trial.moved(x, x * _SMALL + 0.5)
        if trial.draws(x):
            return None
        with trial.restoring_state():
            if not _settle(trial, x):
                return "the state does not settle when one batch is fed again and again"
            trained = np.array(trial.feed(x, trial.context()))
            found = trial.predict(x)
        size = max(float(np.abs(found).max(initial=0)), float(np.abs(trained).max(initial=0)))
        apart.append((float(np.abs(found - trained).max(initial=0)), size))
    few, many = (error / max(size, 1e-300) for error, size in apart)
    # The variance of a sample may be that of n - 1 rows: that difference fades as rows grow.
    if min(few, many) <= _SAME or (state and many < few / 2):
        return None
    error, size = apart[-1]
    after = "after its state settled on one batch, " if state else ""
    raise Failed(
        f"{after}inference on the same rows differs from training by {error:.3g}; the largest "
        f"output is {size:.3g}",
        ""
        if state
        else "compute the same in training and in inference: there is no chance and no "
        "state here that could make the difference",
    )


def _settle(trial: LayerTrial, x: Array) -> bool:
    """Feed x in training until the state stays; running means are taken to their limit at once."""
    state = trial.layer.state

    def copies() -> dict[str, Array]:
        return {name: array.copy() for name, array in state.items()}

    for _ in range(_TURNS):
        zero = copies()
        trial.feed(x, trial.context())
        one = copies()
        if all(_near(one[name], zero[name]) for name in state):
            return True
        trial.feed(x, trial.context())
        for name, two in copies().items():
            first, second = one[name] - zero[name], two - one[name]
            ratio = np.divide(second, first, out=np.zeros_like(first), where=first != 0)
            shrinks = (ratio > 0) & (ratio < 1)
            state[name][...] = two + np.where(shrinks, second * ratio / (1 - ratio), 0)
    return False


def _near(a: Array, b: Array) -> bool:
    return bool(np.all(np.abs(a - b) <= _SETTLED * (1 + np.abs(b))))


@BATTERY.rule(
    "gradient.inference",
    why="A backprop may follow a feed with ctx.training false, to see what an input does to an "
    "output.",
    fix="save what tells backprop which form feed used, `ctx.save(x, ctx.training)`, and numbers "
    "in place of the arrays of self.state: `ctx.save(1 / s)`, `ctx.save(var.copy())`",
    needs=("gradient.inputs", "gradient.parameters", "batch.state"),
)
def _inference(trial: LayerTrial) -> None:
    x, dy, other = trial.rows(3), trial.cotangent(3), trial.rows(5, "other")
    trial.feed(other, trial.context())  # away from the start
    same = trial.run(x, dy, training=False).difference(trial.run(x, dy)) is None
    if not same and all(trial.example.shape):
        with at("after a feed in inference"):
            check_all_gradients(trial, 3, training=False)
    for training in (False, True) if trial.layer.state else ():
        expected = trial.run(x, dy, training=training)
        ctx = trial.context(training=training)
        with trial.restoring_state():
            trial.feed(x, ctx)
        trial.feed(other, trial.context())
        found = Pass(expected.y, np.array(trial.backprop(dy, ctx)), trial.grads())
        if changed := found.difference(expected):
            raise Failed(
                f"a feed in training that comes between a feed and its backprop changes {changed}",
                "save numbers, not the array of self.state, and read self.state in feed only: "
                "`var = self.state['var'].copy()`",
            )
