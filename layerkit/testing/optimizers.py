"""The battery of optimizers: a rule for each element, whose memory lies in its slots."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from layerkit.core.layer import Array
from layerkit.core.optimizer import Optimizer
from layerkit.display import quoted
from layerkit.execution.kernels import kernels_for_training
from layerkit.testing.bench import F32, F64, close, equal
from layerkit.testing.rules import Battery, Failed
from layerkit.testing.subject import Example, Subject, calling

__all__ = ["BATTERY"]

BATTERY = Battery("pass.runs")

_SIZE, _STEPS, _RATE = 11, 4, 0.1


class _Walk:
    """An optimizer bound to a vector of parameters, fed with gradients."""

    def __init__(
        self, subject: Subject, case: Example, dtype: np.dtype[np.generic] = F64, decay: float = 1.0
    ) -> None:
        self.subject = subject
        self.rule: Optimizer = subject.make(case.config)
        self.params = subject.rng("start").standard_normal(_SIZE).astype(dtype)
        self.grads = np.zeros(_SIZE, dtype)
        self.rule.bind(self.params, self.grads, np.full(_SIZE, decay, dtype))

    def step(
        self, gradient: Array, spans: Sequence[slice] | None = None, rate: float = _RATE
    ) -> None:
        """One step by ``gradient`` (m,), span by span."""
        self.grads[...] = gradient
        with calling(self.subject.part, "a step"):
            self.rule.begin(rate)
            for span in [slice(0, _SIZE)] if spans is None else spans:
                self.rule.apply(span)


def _gradients(subject: Subject) -> Array:
    gradients: Array = subject.rng("gradients").standard_normal((_STEPS, _SIZE))
    return gradients


@BATTERY.rule(
    "pass.runs",
    why="A step changes the parameters where they are: the layers hold views of that memory.",
    fix="`rule` changes p in place (`p -= ...`), with a setting `learning_rate`; slot_names lists "
    "the vectors it keeps",
    needs=("settings.constructor",),
)
def _runs(subject: Subject) -> str | None:
    for case in subject.examples:
        walk = _Walk(subject, case)
        if "learning_rate" not in type(walk.rule).settings():
            raise Failed(f"{case}: there is no setting `learning_rate`, which every optimizer has")
        names = walk.rule.slot_names
        if not isinstance(names, tuple) or not all(isinstance(n, str) for n in names):
            raise Failed(f"slot_names is {quoted(names)}, a tuple of names is wanted")
        before = walk.params.copy()
        for gradient in _gradients(subject):
            walk.step(gradient)
        if not np.isfinite(walk.params).all():
            raise Failed(f"{case}: after {_STEPS} steps the parameters are not finite")
        if equal(walk.params, before):
            raise Failed(
                f"{case}: a step changes no parameter",
                "`p -= ...` changes it in place; `p = p - ...` makes a new array that nobody sees",
            )
    return None


@BATTERY.rule(
    "update.descends",
    why="A wrong sign climbs; on a bowl even a small step shows it.",
    fix="subtract: p -= rate * direction",
)
def _descends(subject: Subject) -> str | None:
    for case in subject.examples:
        walk = _Walk(subject, case, decay=0.0)
        before = float(walk.params @ walk.params)
        for _ in range(20):
            walk.step(walk.params.copy(), rate=0.01)
        after = float(walk.params @ walk.params)
        if not after < before:
            raise Failed(
                f"{case}: 20 small steps on |p|^2 / 2 take it from {before:.3g} to {after:.3g}"
            )
    return None


@BATTERY.rule(
    "update.rate",
    why="A schedule sets the rate of each step; one that reads learning_rate ignores it.",
    fix="use self.rate in `rule`",
)
def _rate(subject: Subject) -> str | None:
    for case in subject.examples:
        still, slow, fast = (_Walk(subject, case, decay=0.0) for _ in range(3))
        gradient = _gradients(subject)[0]
        start = still.params.copy()
        for walk, rate in ((still, 0.0), (slow, 0.001), (fast, 0.002)):
            walk.step(gradient, rate=rate)
        if not equal(still.params, start):
            raise Failed(f"{case}: at a rate of 0 a step changes the parameters")
        if equal(slow.params, fast.params):
            raise Failed(f"{case}: two rates make the same step")
    return None


@BATTERY.rule(
    "update.zero_gradient",
    why="Where nothing is to be learned, and no decay applies, nothing may change.",
    fix="add epsilon to the denominator, not to the step",
)
def _zero(subject: Subject) -> str | None:
    for case in subject.examples:
        walk = _Walk(subject, case, decay=0.0)
        before = walk.params.copy()
        for _ in range(3):
            walk.step(np.zeros(_SIZE))
        if not equal(walk.params, before):
            raise Failed(f"{case}: a gradient of 0 from the start changes the parameters")
    return None


@BATTERY.rule(
    "update.blocks",
    why="Long vectors are stepped block by block, in spans of layers: the cut must not show.",
    fix="treat each element alone: no norm or mean over g, and no count of calls in self (use "
    "self.steps, which counts steps)",
)
def _blocks(subject: Subject) -> str | None:
    for case in subject.examples:
        whole, cut = _Walk(subject, case), _Walk(subject, case)
        cut.rule.block = 3  # type: ignore[misc]  # of this object alone
        for gradient in _gradients(subject):
            whole.step(gradient)
            cut.step(gradient, [slice(4, _SIZE), slice(0, 4)])
        if not close(cut.params, whole.params, 1e-13):
            raise Failed(f"{case}: block by block, the steps are others than at once")
    return None


@BATTERY.rule(
    "slots.resume",
    why="A training that goes on from a file has the slots and the count of steps alone.",
    fix="keep what lasts in the vectors of slot_names, not in self",
)
def _resume(subject: Subject) -> str | None:
    for case in subject.examples:
        first, second = _Walk(subject, case), _Walk(subject, case)
        gradients = _gradients(subject)
        for gradient in gradients[:2]:
            first.step(gradient)
        second.params[...] = first.params
        second.rule.steps = first.rule.steps
        for name, slot in first.rule.slots.items():
            second.rule.slots[name][...] = slot
        for walk in (first, second):
            for gradient in gradients[2:]:
                walk.step(gradient)
        if not equal(first.params, second.params):
            raise Failed(
                f"{case}: resumed from its slots and its count of steps, it goes another way"
            )
    return None


@BATTERY.rule(
    "dtype.float32",
    why="Parameters are float32; the step must be right there too.",
    fix="use Python numbers and in-place operations",
)
def _float32(subject: Subject) -> str | None:
    for case in subject.examples:
        for fast in (False, True) if kernels_for_training() else (False,):
            narrow, wide = _Walk(subject, case, F32), _Walk(subject, case)
            narrow.rule.fast = fast
            for gradient in _gradients(subject):
                narrow.step(gradient.astype(F32))
                wide.step(gradient)
            if not close(narrow.params.astype(F64), wide.params, 1e-4):
                path = ", compiled," if fast else ""
                raise Failed(f"{case}: in float32{path} the steps are off by more than rounding")
            if any(slot.dtype != F32 for slot in narrow.rule.slots.values()):
                raise Failed(f"{case}: a slot is no longer float32")
    return None
