"""Backprop of layers: every gradient written once and whole, repeatable, in every dtype and with
every activation.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from layerkit.core.context import Array
from layerkit.discovery.registry import REGISTRIES
from layerkit.testing.arrays import equal
from layerkit.testing.central_differences import slopes
from layerkit.testing.gradient_check import check_all_gradients
from layerkit.testing.layer_trial import F64, LayerTrial, Pass, float32_trial
from layerkit.testing.roundings import effect_of_rounding
from layerkit.testing.rules import INTACT, Battery, before
from layerkit.testing.setting_variants import settings_naming
from layerkit.testing.subject import Example, Subject
from layerkit.testing.verdicts import Failed, Skipped, at

BATTERY = Battery("dtype.float64", *INTACT, trial=LayerTrial)


@BATTERY.rule(
    "gradient.written",
    why="Gradients lie in memory of the model that still holds those of the batch before.",
    fix="assign each one whole: `self.grads['b'] = dz.sum(axis=0)`; not `+=`",
    needs=("dtype.float64", *before("gradient.written")),
)
def _written(trial: LayerTrial) -> None:
    x, dy = trial.rows(3), trial.cotangent(3)
    trial.fill_grads(0)
    expected = trial.run(x, dy).grads
    tables = dict(trial.layer.grads)
    trial.fill_grads(7)
    for name, grad in trial.run(x, dy).grads.items():
        assign = f"`self.grads[{name!r}] = ...`"
        if trial.layer.grads[name] is not tables[name]:
            raise Failed(
                f"backprop replaces the array grads[{name!r}] by another one, which the optimizer "
                "never sees",
                f"assign to the entry, and never to self.grads: {assign}",
            )
        if equal(grad, expected[name]):
            continue
        if (grad == 7).all():
            inside = name.rpartition(".")[0].partition(".")[0]
            own = (
                f"write {assign} in backprop, or do not declare {name!r} in `plan` (`state` is for "
                "arrays without a gradient)"
            )
            part = (
                f"call the backprop of the part {inside!r} in backprop: `part.backprop(dy, ctx)` "
                "for each of self.parts, or self.parts.backprop(dy, ctx) for all in a row"
            )
            raise Failed(f"backprop never writes grads[{name!r}]", part if inside else own)
        if np.isclose(grad, expected[name] + 7).all():
            raise Failed(
                f"backprop adds to grads[{name!r}] instead of overwriting it",
                f"write {assign}; `+=` keeps the gradient of the last batch",
            )
        left = int((grad == 7).sum())
        raise Failed(f"backprop does not write {left} of {grad.size} elements of grads[{name!r}]")


@BATTERY.rule(
    "gradient.repeatable",
    why="Backprop may run twice for one feed, with another dL/dy; it must leave intact what it "
    "reads.",
    fix="do not change in place what ctx.saved holds: `dT = H * dy`, not `H *= dy`",
)
def _repeatable(trial: LayerTrial) -> None:
    x, dy, ctx = trial.rows(4), trial.cotangent(4), trial.context()
    first = trial.run(x, dy, ctx)
    again = Pass(first.y, np.array(trial.backprop(dy, ctx)), trial.grads())
    if changed := again.difference(first):
        raise Failed(f"a second backprop of the same feed changes {changed}")


@BATTERY.rule(
    "gradient.wants_dx",
    why="The first layer of a model may skip the work for dL/dx, which nobody reads, but no other "
    "work.",
    fix="return early only after every gradient is written",
)
def _wants_dx(trial: LayerTrial) -> None:
    x, dy = trial.rows(4), trial.cotangent(4)
    expected = trial.run(x, dy)
    trial.fill_grads()
    found = trial.run(x, dy, wants_dx=False)
    if changed := found._replace(dx=expected.dx).difference(expected):
        raise Failed(f"ctx.wants_dx = False changes {changed}")


@BATTERY.rule(
    "gradient.ties",
    why="Pixels and counts are often equal: where a maximum is shared, so is its gradient.",
    fix="give dy to one of the equal numbers, as np.argmax does, or divide it among them: "
    "`mask / mask.sum(...)`",
    needs=("gradient.inputs",),
)
def _ties(trial: LayerTrial) -> None:
    draws = trial.subject.rng("ties", trial.example.name)
    real = trial.movable().reshape(trial.example.shape)
    for turn in range(3) if real.any() else ():
        x = trial.rows(4, "ties", turn)
        x = trial.moved(x, draws.integers(1, 3, x.shape).astype(F64))
        dy = trial.cotangent(4, "ties", turn)

        def loss(_: int, step: float, x: Array = x, dy: Array = dy) -> float:
            with trial.restoring_state():  # all numbers are moved at once: what ties stays tied
                return float(np.sum(trial.feed(x + step * real, trial.context()) * dy))

        dx = trial.run(x, dy).dx
        numeric, found = slopes(loss, 1), float((dx * real).sum())
        slack = 1e-6 * max(float(np.abs(dx).sum()), 1.0)
        if not numeric.kink[0] and abs(found - float(numeric.value[0])) > slack:
            raise Failed(
                "for rows with many equal numbers dL/dx is wrong: all of it together is "
                f"{found:.6g}, the slope when all numbers grow alike is {numeric.value[0]:.6g}"
            )


def _with_activations(subject: Subject) -> Iterator[Example]:
    """The first example with every activation in each setting that names one."""
    first = subject.examples[0]
    for setting in settings_naming(subject.part, "activations"):
        for word in REGISTRIES["activations"].names():
            name = f"example 0 with {setting} {word!r}"
            yield replace(first, name=name, config={**first.config, setting: word})


def _all_cases(subject: Subject) -> Iterator[Example]:
    yield from subject.cases
    yield from _with_activations(subject)


@BATTERY.rule(
    "gradient.float32",
    why="Gradients are checked in float64, but models run in float32, where a layer may take "
    "another path.",
    fix="let both paths compute the same formula; compare the float32 one with the lines beside it",
    needs=("dtype.float64", "dtype.float32", "plan.refuses"),
    over=_all_cases,
    trial=float32_trial,
)
def _float32(narrow: LayerTrial) -> None:
    wide = narrow.another(F64)
    wide.network.params[...] = narrow.network.params
    for n in (5, 35):
        x, dy = narrow.rows(n), narrow.cotangent(n)
        if n == 35:  # another layer may return feature-major memory
            x, dy = np.asfortranarray(x), np.asfortranarray(dy)
        with at(f"{n} rows"):
            _compare(narrow, wide, x, dy)


def _compare(narrow: LayerTrial, wide: LayerTrial, x: Array, dy: Array) -> None:
    """A pass in float32 against the same pass in float64."""
    training = not narrow.draws(x)  # draws of another dtype would be other numbers
    rows, slopes = x.astype(F64), dy.astype(F64)
    exact, found = (
        _results(one, *arrays, training=training)
        for one, arrays in ((wide, (rows, slopes)), (narrow, (x, dy)))
    )
    # A gradient that is 0 is a sum of terms as large as those of the others, rounded.
    floor = _SHARE * max(_largest(a) for what, a in exact.items() if what not in _OUTPUTS)
    for what, expected in exact.items():
        error, largest = _largest(found[what] - expected), _largest(expected)
        scale = max(largest, 0.0 if what in _OUTPUTS else floor, 1e-3)
        if error <= _SINGLE * scale:
            continue

        def again(x: Array, what: str = what) -> Array:
            return _results(wide, x, slopes, training=training)[what]

        if not error <= _AMPLIFIED * effect_of_rounding(wide, rows, again, what):
            raise Failed(
                f"{what} in float32 differs from float64 by {error:.3g}; the largest value is "
                f"{scale:.3g}"
            )


_OUTPUTS = ("the output", "a prediction")
_SINGLE = 2e-4  # of the largest value: some 1,000 roundings in float32
_SHARE = 0.05  # of the largest gradient of a pass; smaller ones are compared on that scale
_AMPLIFIED = 30  # of what one rounding of the rows and weights does


def _results(trial: LayerTrial, x: Array, dy: Array, *, training: bool) -> dict[str, Array]:
    """The arrays of a pass and of a prediction by the words for them, gradients first."""
    one = trial.run(x, dy, training=training)
    grads = {f"grads[{name!r}]": grad for name, grad in one.grads.items()}
    return {"dL/dx": one.dx, **grads, "the output": one.y, "a prediction": trial.predict(x)}


def _largest(array: Array) -> float:
    return float(np.abs(array).max(initial=0))


def _activations_or_skip(subject: Subject) -> list[Example]:
    examples = list(_with_activations(subject))
    if not examples:
        raise Skipped("no setting names an activation")
    return examples


@BATTERY.rule(
    "gradient.activations",
    why="Users combine a layer with every activation, whose slope may follow from z or from y.",
    fix="write `y = f.feed(z)` in feed and `dz = f.backprop(dy, z, y)` in backprop, with the same "
    "z and y",
    needs=("gradient.inputs", "gradient.parameters", "settings.annotations"),
    over=_activations_or_skip,
)
def _activations(trial: LayerTrial) -> None:
    check_all_gradients(trial, 3)
