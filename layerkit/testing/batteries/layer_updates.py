"""Updates of layers: after the backprop, by the gradient alone, and visible to the next feed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np

from layerkit.core.context import Array
from layerkit.core.optimizer import Optimizer
from layerkit.testing.arrays import equal
from layerkit.testing.layer_trial import LayerTrial, float32_trial
from layerkit.testing.rules import INTACT, Battery
from layerkit.testing.verdicts import Failed, Skipped

BATTERY = Battery("dtype.float64", "dtype.float32", *INTACT, trial=float32_trial)


class _Step(Optimizer):
    """p := p - rate g, and nothing else."""

    type_name = "layerkit-testing.step"
    learning_rate = 0.5

    def rule(self, p: Array, g: Array, slots: Sequence[Array], scratch: Array) -> None:
        """One step."""
        np.multiply(g, self.rate, scratch)
        p -= scratch


class _Counting(_Step):
    """The same, and how often each number was handed to it."""

    type_name = "layerkit-testing.counting"
    counts: Array

    def apply(self, span: slice) -> None:
        """A step of these numbers."""
        self.counts[span] += 1
        super().apply(span)


@contextmanager
def _freezing(trial: LayerTrial, *, freeze: bool) -> Iterator[None]:
    """Inside, the layer and those inside it are all frozen, or none."""
    layers = [one.layer for one in trial.network.planned[0].nested()]
    before = [one.freeze for one in layers]
    for one in layers:
        one.freeze = freeze
    yield
    for one, was in zip(layers, before, strict=True):
        one.freeze = was


def step(trial: LayerTrial, rule: Optimizer | None = None) -> bool:
    """One optimizer step of the layer; whether it changes a parameter."""
    before = trial.network.params.copy()
    rule = _Step() if rule is None else rule
    rule.bind(trial.network.params, trial.network.allocate_grads())
    rule.begin(rule.learning_rate)
    with trial.catch("update"):
        trial.network.update(rule)
    return not equal(trial.network.params, before)


@BATTERY.rule(
    "update.zero_gradient",
    why="Where nothing is to be learned nothing may change: decay and clipping belong to the "
    "optimizer.",
    fix="gradients are proportional to dy: add no term of the weights themselves, and leave "
    "`update` to the base class",
)
def _zero(trial: LayerTrial) -> None:
    trial.fill_grads()
    result = trial.run(trial.rows(4), np.zeros_like(trial.cotangent(4)))
    for name, grad in result.grads.items():
        if np.any(grad != 0):
            raise Failed(f"for dy = 0 the gradient of {name!r} is not 0")
    if np.any(result.dx != 0):
        raise Failed("for dy = 0 dL/dx is not 0")
    if step(trial):
        raise Failed("an update by a gradient of 0 changes the parameters")
    if not trial.network.size:
        raise Skipped("the layer has no parameters")


@BATTERY.rule(
    "update.order",
    why="All gradients must come from the weights before the update; a layer that updates itself "
    "earlier returns those of another network.",
    fix="backprop writes self.grads and leaves self.params alone; the optimizer changes them "
    "afterwards",
    needs=("dtype.float64",),
    trial=LayerTrial,
)
def _order(trial: LayerTrial) -> None:
    ctx, params = trial.context(), trial.layer.params
    before = {name: (param, param.copy()) for name, param in params.items()}

    def check(method: str) -> None:
        for name, param in trial.layer.params.items():
            array, values = before[name]
            if param is not array:
                raise Failed(f"{method} replaces the array of the parameter {name!r}")
            if not equal(param, values):
                raise Failed(f"{method} changes the parameter {name!r}")

    trial.feed(trial.rows(4), ctx)
    check("feed")
    trial.backprop(trial.cotangent(4), ctx)
    check("backprop")


@BATTERY.rule(
    "update.seen",
    why="After an update the next feed must use the new weights, not copies of the old ones.",
    fix="derive what you need from self.params in every feed; keep no transposed or masked copies",
    trial=LayerTrial,
)
def _seen(trial: LayerTrial) -> None:
    other = trial.another()
    x, dy = trial.rows(4), trial.cotangent(4)
    trial.run(x, dy)
    trial.predict(x)
    trial.network.params[...] *= 0.5
    other.network.params[...] *= 0.5
    same = trial.run(x, dy).difference(other.run(x, dy)) is None
    if not same or not equal(trial.predict(x), other.predict(x)):
        raise Failed("after its weights changed, the layer still computes with the old ones")


@BATTERY.rule(
    "update.freeze",
    why="`freeze` promises that training does not change a layer, to the last bit.",
    fix="do not override `update`, or begin it with `if self.freeze: return`",
)
def _freeze(trial: LayerTrial) -> None:
    trial.run(trial.rows(4), trial.cotangent(4))
    with _freezing(trial, freeze=True):
        changed = step(trial)
    if changed:
        raise Failed("with freeze set, an update changes the parameters")


@BATTERY.rule(
    "update.once",
    why="A parameter that the optimizer never gets learns nothing; one that it gets twice makes "
    "two steps, with the momentum and decay of both.",
    fix="do not override `update`, or let it end with `super().update(rule)`, once",
)
def _once(trial: LayerTrial) -> str | None:
    trial.run(trial.rows(4), trial.cotangent(4))
    rule, before = _Counting(), trial.network.params.copy()
    rule.counts = np.zeros(trial.network.size, int)
    with _freezing(trial, freeze=False):
        changed = step(trial, rule)
    if rule.counts.any() or not trial.network.size:
        own = trial.network.params != before
        if (rule.counts > 1).any():
            raise Failed("update hands the same parameters to the optimizer more than once")
        if left := int(((rule.counts == 0) & ~own).sum()):
            raise Failed(
                f"update hands the optimizer all but {left} of {trial.network.size} numbers"
            )
        return None
    if not changed and np.any(trial.network.allocate_grads() != 0):
        raise Failed("an update by the gradients changes no parameter")
    return "the layer changes its parameters by itself: no optimizer, rate or decay applies"
