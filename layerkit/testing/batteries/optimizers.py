"""Optimizers: a rule for each element, with all of its memory in named slots."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from layerkit.core.context import Array
from layerkit.core.optimizer import Kernel, Optimizer
from layerkit.discovery.engines import compiled_engine, trouble
from layerkit.display import quoted
from layerkit.recording.arrays import NotRecorded
from layerkit.recording.record import record_rule
from layerkit.testing.arrays import close, equal
from layerkit.testing.idle_settings import AFTER, FIX, WHY, refuse_idle
from layerkit.testing.layer_trial import F32, F64
from layerkit.testing.rules import Battery
from layerkit.testing.setting_variants import variants
from layerkit.testing.subject import Example, Subject, Trial
from layerkit.testing.verdicts import Failed

BATTERY = Battery("pass.runs")

_SIZE, _STEPS, _RATE = 11, 4, 0.1


class _Walk:
    """An optimizer bound to a vector of parameters, and its steps."""

    def __init__(
        self, trial: Trial, dtype: np.dtype[np.generic] = F64, *, decay: float = 1.0
    ) -> None:
        self._trial = trial
        self.rule: Optimizer = trial.subject.make(trial.example.config)
        self.params = trial.subject.rng("start").standard_normal(_SIZE).astype(dtype)
        self.grads = np.zeros(_SIZE, dtype)
        self.rule.bind(self.params, self.grads, np.full(_SIZE, decay, dtype))

    def step(
        self, gradient: Array, spans: Sequence[slice] = (slice(0, _SIZE),), rate: float = _RATE
    ) -> None:
        """One step by ``gradient`` (m,), span by span."""
        self.grads[...] = gradient
        with self._trial.catch("a step"):
            self.rule.begin(rate)
            for span in spans:
                self.rule.apply(span)


def _gradients(trial: Trial, steps: int = _STEPS) -> Array:
    gradients: Array = trial.subject.rng("gradients").standard_normal((steps, _SIZE))
    return gradients


@BATTERY.rule(
    "pass.runs",
    why="A step changes the parameters in place: the layers hold views of that memory.",
    fix="`rule` changes p in place (`p -= ...`), with a setting `learning_rate`; slot_names lists "
    "the vectors it keeps",
    needs=("settings.constructor",),
)
def _runs(trial: Trial) -> None:
    walk = _Walk(trial)
    if "learning_rate" not in type(walk.rule).settings():
        raise Failed("the constructor has no setting `learning_rate`, which every optimizer needs")
    names = walk.rule.slot_names
    if not isinstance(names, tuple) or not all(isinstance(n, str) for n in names):
        raise Failed(f"slot_names: expected a tuple of names, got {quoted(names)}")
    before = walk.params.copy()
    for gradient in _gradients(trial):
        walk.step(gradient)
    if not np.isfinite(walk.params).all():
        raise Failed(f"after {_STEPS} steps the parameters are not finite")
    if equal(walk.params, before):
        raise Failed(
            "a step changes no parameter",
            "`p -= ...` changes it in place; `p = p - ...` makes a new array that nobody sees",
        )


@BATTERY.rule(
    "update.descends",
    why="A wrong sign increases the loss; on a bowl even a small step shows it.",
    fix="subtract: p -= rate * direction",
)
def _descends(trial: Trial) -> None:
    walk = _Walk(trial, decay=0.0)
    before = float(walk.params @ walk.params)
    for _ in range(20):
        walk.step(walk.params.copy(), rate=0.01)
    after = float(walk.params @ walk.params)
    if not after < before:
        raise Failed(f"20 small steps down |p|^2 / 2 take |p|^2 from {before:.3g} to {after:.3g}")


@BATTERY.rule(
    "update.rate",
    why="A schedule sets the rate of each step; an optimizer that reads learning_rate ignores it.",
    fix="use self.rate in `rule`",
)
def _rate(trial: Trial) -> None:
    still, slow, fast = (_Walk(trial, decay=0.0) for _ in range(3))
    gradient = _gradients(trial)[0]
    start = still.params.copy()
    for walk, rate in ((still, 0.0), (slow, 0.001), (fast, 0.002)):
        walk.step(gradient, rate=rate)
    if not equal(still.params, start):
        raise Failed("a step at rate 0 changes the parameters")
    if equal(slow.params, fast.params):
        raise Failed("two rates make the same step")


@BATTERY.rule(
    "update.zero_gradient",
    why="Where nothing is to be learned, and no decay applies (biases), nothing may change.",
    fix="add epsilon to the denominator, not to the step; decay by self.shrink(p, scratch), which "
    "leaves biases alone",
    over=variants,
)
def _zero(trial: Trial) -> None:
    walk = _Walk(trial, decay=0.0)
    before = walk.params.copy()
    for _ in range(3):
        walk.step(np.zeros(_SIZE))
    if not equal(walk.params, before):
        raise Failed("a gradient of 0 from the start changes the parameters")


@BATTERY.rule(
    "update.blocks",
    why="Long vectors are updated block by block and layer by layer, without any effect on the "
    "result.",
    fix="treat each element alone: no norm or mean over g, and no count of calls in self (use "
    "self.steps, which counts steps)",
)
def _blocks(trial: Trial) -> None:
    whole, cut = _Walk(trial), _Walk(trial)
    cut.rule.block = 3  # type: ignore[misc]  # of this object alone
    for gradient in _gradients(trial):
        whole.step(gradient)
        cut.step(gradient, [slice(4, _SIZE), slice(0, 4)])
    if not close(cut.params, whole.params, 1e-13):
        raise Failed("steps taken block by block differ from steps over the whole vector")


@BATTERY.rule(
    "slots.written",
    why="A vector that nothing writes stays 0, and the rule is another than it seems.",
    fix="change slots in place: `m *= beta`, `m += g`; `m = beta * m + g` makes a new array",
)
def _written(trial: Trial) -> None:
    walk = _Walk(trial)
    walk.step(_gradients(trial)[0])
    unwritten = [name for name, slot in walk.rule.slots.items() if not slot.any()]
    if unwritten:
        raise Failed(f"after a step all of the slot {unwritten[0]!r} is still 0")


@BATTERY.once("settings.effect", why=WHY, fix=FIX, needs=AFTER)
def _effect(subject: Subject) -> None:
    def walked(example: Example) -> list[bytes]:
        walk = _Walk(trial := Trial(subject, example))
        for gradient in _gradients(trial, 64):  # a rule that takes signs alone needs many
            walk.step(gradient)
        return [array.tobytes() for array in (walk.params, *walk.rule.slots.values())]

    refuse_idle(subject, walked, skip=("learning_rate",))  # which the training reads


@BATTERY.rule(
    "slots.resume",
    why="A training resumed from a file has only the slots and the count of steps.",
    fix="keep lasting values in the vectors of slot_names, not in self",
)
def _resume(trial: Trial) -> None:
    first, second = _Walk(trial), _Walk(trial)
    gradients = _gradients(trial)
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
        raise Failed("resumed from its slots and its count of steps, it takes other steps")


@BATTERY.rule(
    "dtype.float32",
    why="Parameters are float32; the step must be right there too.",
    fix="use Python numbers and in-place operations",
)
def _float32(trial: Trial) -> None:
    narrow, wide = _Walk(trial, F32), _Walk(trial)
    for gradient in _gradients(trial):
        narrow.step(gradient.astype(F32))
        wide.step(gradient)
    if not close(narrow.params.astype(F64), wide.params, 1e-4):
        raise Failed("steps in float32 are off by more than rounding")
    if any(slot.dtype != F32 for slot in narrow.rule.slots.values()):
        raise Failed("a slot is no longer float32")


_LENGTHS = 0, 1, 7, 64, 257


@BATTERY.rule(
    "recorded.compiled",
    why="With the extra `fast` a training runs the record of a rule as native code.",
    fix="report it with the optimizer: what layerkit makes of a record must give its numbers",
    needs=("dtype.float32",),
)
def _compiled(trial: Trial) -> str | None:
    if reason := trouble():
        return f"nothing is compiled here: {reason}"
    try:
        recording = record_rule(trial.part, F32)
    except NotRecorded as refusal:
        return f"not recorded, it runs as it is written, slower: {refusal}"
    with trial.catch("making the form"):
        form = compiled_engine().rule(trial.part, recording)
    if form is None:
        return "recorded, but not in this form"
    for length in _LENGTHS:
        written, compiled = (_steps(trial, length, kernel) for kernel in (None, form))
        for name, array in written.items():
            if not close(compiled[name], array, 1e-5):
                raise Failed(
                    f"the compiled form gives other {name} than the rule for {length} numbers"
                )
    return "recorded"


def _steps(trial: Trial, length: int, kernel: Kernel | None) -> dict[str, Array]:
    """Parameters and slots after some steps; decay applies to every other parameter."""
    rule: Optimizer = trial.subject.make(trial.example.config)
    draws = trial.subject.rng("steps", length)
    params, grads = draws.standard_normal(length).astype(F32), np.zeros(length, F32)
    rule.bind(params, grads, (np.arange(length) % 2).astype(F32))
    rule.kernel = kernel
    for rate in (0.1, 0.05, 0.1):
        grads[...] = draws.standard_normal(length)
        rule.begin(rate)
        with trial.catch("a step"), np.errstate(all="ignore"):
            rule.apply(slice(0, length))
    return {"parameters": params, **{f"slot {name!r}": slot for name, slot in rule.slots.items()}}
