"""Updates: after the backprop, by the gradient alone, and seen by the next feed."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from layerkit.core.layer import Array, Layer
from layerkit.core.optimizer import Optimizer
from layerkit.testing.bench import F32, Bench, equal
from layerkit.testing.rules import INTACT, Battery, Failed, Skipped
from layerkit.testing.subject import Subject, calling

__all__ = ["BATTERY"]

BATTERY = Battery("dtype.float64", "dtype.float32", *INTACT)


class _Step(Optimizer):
    """p := p - rate g, and nothing else."""

    type_name = "layerkit-testing.step"
    learning_rate = 0.5

    def rule(self, p: Array, g: Array, slots: Sequence[Array], scratch: Array) -> None:
        """One step."""
        np.multiply(g, self.rate, scratch)
        p -= scratch


def _update(bench: Bench) -> None:
    """One optimizer's step for the layer."""
    rule = _Step()
    rule.bind(bench.network.params, bench.network.allocate_grads())
    rule.begin(rule.learning_rate)
    with calling(bench.subject.part, f"{bench.example}: update"):
        bench.layer.update(rule)


@BATTERY.rule(
    "update.zero_gradient",
    why="Where nothing is to be learned nothing may change: decay and clipping belong to the "
    "optimizer.",
    fix="gradients are proportional to dy: add no term of the weights themselves, and leave "
    "`update` to the base class",
)
def _zero(subject: Subject) -> str | None:
    trained = False
    for case in subject.examples:
        bench = Bench(subject, case, F32)
        trained = trained or bench.network.size > 0
        before = bench.network.params.copy()
        bench.blank()
        done = bench.run(bench.rows(4), np.zeros_like(bench.cotangent(4)))
        wrong = [name for name, grad in done.grads.items() if np.any(grad != 0)]
        if wrong:
            raise Failed(f"{case}: for dy = 0 the gradient of {wrong[0]!r} is not 0")
        if np.any(done.dx != 0):
            raise Failed(f"{case}: for dy = 0 dL/dx is not 0")
        _update(bench)
        if not equal(bench.network.params, before):
            raise Failed(f"{case}: an update by a gradient of 0 changes the parameters")
    if not trained:
        raise Skipped("the layer has no parameters")
    return None


@BATTERY.rule(
    "update.order",
    why="Every gradient handed back must come from the weights before the update; a layer that "
    "updates itself earlier hands back that of another network.",
    fix="backprop writes self.grads and leaves self.params alone; the optimizer changes them "
    "afterwards",
    needs=("dtype.float64",),
)
def _order(subject: Subject) -> str | None:
    for case in subject.examples:
        bench = Bench(subject, case)
        x, dy, ctx = bench.rows(4), bench.cotangent(4), bench.context()
        before = {name: param.copy() for name, param in bench.layer.params.items()}
        tables = dict(bench.layer.params)
        for step in ("feed", "backprop"):
            if step == "feed":
                bench.feed(x, ctx)
            else:
                bench.backprop(dy, ctx)
            for name, param in bench.layer.params.items():
                if param is not tables[name]:
                    raise Failed(f"{case}: {step} puts another array in the place of {name!r}")
                if not equal(param, before[name]):
                    raise Failed(f"{case}: {step} changes the parameter {name!r}")
    return None


@BATTERY.rule(
    "update.seen",
    why="After an update the next feed must use the new weights, not what was made of old ones.",
    fix="derive what you need from self.params in every feed; keep no transposed or masked copies",
)
def _seen(subject: Subject) -> str | None:
    for case in subject.examples:
        bench, other = Bench(subject, case), Bench(subject, case)
        x, dy = bench.rows(4), bench.cotangent(4)
        bench.run(x, dy)
        bench.predict(x)
        bench.network.params[...] *= 0.5
        other.network.params[...] *= 0.5
        found, wanted = bench.run(x, dy), other.run(x, dy)
        same = equal(found.y, wanted.y) and equal(found.dx, wanted.dx)
        if not same or not equal(bench.predict(x), other.predict(x)):
            raise Failed(
                f"{case}: after its weights changed, the layer still computes with the old ones"
            )
    return None


@BATTERY.rule(
    "update.freeze",
    why="`freeze` promises that training leaves a layer alone, to the last bit.",
    fix="do not override `update`, or begin it with `if self.freeze: return`",
)
def _freeze(subject: Subject) -> str | None:
    for case in subject.examples:
        bench = Bench(subject, case, F32)
        if not bench.network.size:
            continue
        bench.run(bench.rows(4), bench.cotangent(4))
        before = bench.network.params.copy()
        kept = bench.layer.freeze
        bench.layer.freeze = True
        _update(bench)
        bench.layer.freeze = kept
        if not equal(bench.network.params, before):
            raise Failed(f"{case}: with freeze set, an update changes the parameters")
        if kept or type(bench.layer).update is not Layer.update:
            continue
        _update(bench)
        moved = bench.network.params != before
        if bool(np.any(bench.network.grads != 0)) and not moved.any():
            raise Failed(f"{case}: an update by its gradients changes no parameter")
    return None
