"""How a layer's backprop writes gradients: whole, once, the same again, with every activation."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from layerkit.core.layer import Array
from layerkit.discovery.registry import REGISTRIES
from layerkit.execution.kernels import kernels_for_training
from layerkit.execution.runner import Chain, program_of
from layerkit.testing.bench import F32, F64, Bench, Pass, equal
from layerkit.testing.layer_gradients import findings
from layerkit.testing.rules import INTACT, Battery, Failed, Skipped
from layerkit.testing.subject import Example, Subject
from layerkit.testing.variation import settings_naming

__all__ = ["BATTERY"]

BATTERY = Battery("dtype.float64", *INTACT)


@BATTERY.rule(
    "gradient.written",
    why="Gradients lie in memory of the model that still holds those of the batch before.",
    fix="assign each one whole: `self.grads['b'][...] = ...` or `np.sum(..., out=self.grads['b'])`;"
    " not `+=`, not `self.grads['b'] = ...`",
)
def _written(subject: Subject) -> str | None:
    for case in subject.examples:
        bench = Bench(subject, case)
        if not bench.plan.params:
            continue
        x, dy = bench.rows(3), bench.cotangent(3)
        bench.network.allocate_grads().fill(0)
        wanted = bench.run(x, dy).grads
        tables = dict(bench.layer.grads)
        bench.network.allocate_grads().fill(7)
        found = bench.run(x, dy).grads
        for name, grad in found.items():
            if bench.layer.grads[name] is not tables[name]:
                raise Failed(
                    f"{case}: backprop put another array in the place of grads[{name!r}], which "
                    "the optimizer never sees",
                    f"write into the one that is there: `self.grads[{name!r}][...] = ...`",
                )
            if equal(grad, wanted[name]):
                continue
            if (grad == 7).all():
                raise Failed(
                    f"{case}: backprop never writes grads[{name!r}]",
                    f"write `self.grads[{name!r}][...] = ...` in backprop, or do not declare "
                    f"{name!r} in `plan` (`state` is for arrays without a gradient)",
                )
            added = np.isclose(grad, wanted[name] + 7)
            if added.all():
                raise Failed(
                    f"{case}: backprop adds to grads[{name!r}] instead of writing it",
                    f"write `self.grads[{name!r}][...] = ...`; `+=` keeps the last batch's",
                )
            left = int((grad == 7).sum())
            raise Failed(f"{case}: backprop leaves {left} of {grad.size} of grads[{name!r}] alone")
    return None


@BATTERY.rule(
    "gradient.repeatable",
    why="Backprop may be asked twice for one feed, with another cotangent; what it reads must be "
    "left whole.",
    fix="do not change in place what ctx.saved holds; write results to ctx.buffer memory",
)
def _repeatable(subject: Subject) -> str | None:
    for case in subject.examples:
        bench = Bench(subject, case)
        x, dy = bench.rows(4), bench.cotangent(4)
        ctx = bench.context()
        first = bench.run(x, dy, ctx)
        again = np.array(bench.backprop(dy, ctx))
        grads = bench.grads()
        other = [n for n in grads if not equal(grads[n], first.grads[n])]
        if other or not equal(again, first.dx):
            what = f"the gradient of {other[0]!r}" if other else "dL/dx"
            raise Failed(f"{case}: a second backprop of the same feed gives another {what[4:]}")
    return None


@BATTERY.rule(
    "gradient.wants_dx",
    why="The first layer of a model is told that nobody wants dL/dx; it may skip that work only.",
    fix="return early only after every gradient is written",
)
def _wants_dx(subject: Subject) -> str | None:
    for case in subject.examples:
        bench = Bench(subject, case)
        x, dy = bench.rows(4), bench.cotangent(4)
        wanted = bench.run(x, dy).grads
        bench.blank()
        found = bench.run(x, dy, wants_dx=False).grads
        for name, grad in found.items():
            if not equal(grad, wanted[name]):
                raise Failed(f"{case}: with ctx.wants_dx False the gradient of {name!r} is another")
    return None


@BATTERY.rule(
    "gradient.float32",
    why="Gradients are proved in float64; models run in float32, where a layer may have another "
    "path, compiled or reordered.",
    fix="let both paths compute the same formula; hold the float32 one against the lines beside it",
    needs=("dtype.float64", "dtype.float32"),
)
def _float32(subject: Subject) -> str | None:
    for case in (*subject.cases, *_with_activations(subject)):
        narrow, wide = Bench(subject, case, F32), Bench(subject, case)
        wide.network.params[...] = narrow.network.params
        for n in (5, 35):
            x, dy = narrow.rows(n), narrow.cotangent(n)
            training = not _draws(narrow, x)  # draws of another dtype would be other numbers
            exact = wide.run(x.astype(F64), dy.astype(F64), training=training)
            predicted = wide.predict(x.astype(F64))
            if n == 35:  # a faster path may want feature-major memory
                x, dy = np.asfortranarray(x), np.asfortranarray(dy)
            found = [("", narrow.run(x, dy, training=training), narrow.predict(x))]
            if kernels_for_training() and program_of(narrow.network) is not None:
                found.append((", compiled", *_compiled(narrow, x, dy)))
            for how, ran, alone in found:
                words = f"{case}, {n} rows{how}"
                _agree(words, "the output", ran.y, exact.y)
                _agree(words, "dL/dx", ran.dx, exact.dx)
                for name, grad in ran.grads.items():
                    _agree(words, f"grads[{name!r}]", grad, exact.grads[name])
                _agree(words, "a prediction", alone, predicted)
    return None


def _compiled(bench: Bench, x: Array, dy: Array) -> tuple[Pass, Array]:
    """A pass through the layer's program, and a prediction."""
    chain = Chain(bench.network, fast=True, training=True, wants_dx=True)
    y = chain.feed(x).copy()
    ran = Pass(y, np.array(chain.backprop(dy)), bench.grads())
    return ran, Chain(bench.network, fast=True, keeps=False).feed(x).copy()


def _agree(words: str, what: str, found: Array, wanted: Array) -> None:
    """Hold a float32 array against its float64 counterpart."""
    scale = max(float(np.abs(wanted).max(initial=0)), 1e-3)
    error = float(np.abs(found - wanted).max(initial=0))
    if not error <= _SINGLE * scale:
        raise Failed(
            f"{words}: {what} in float32 differs from float64 by {error:.3g}, where the largest "
            f"value is {scale:.3g}"
        )


_SINGLE = 2e-4  # of the largest value: some 1,000 roundings in float32


def _draws(bench: Bench, x: Array) -> bool:
    """Whether a feed in training draws random numbers."""
    ctx = bench.context()
    before = repr(ctx.rng.bit_generator.state)
    with bench.steady():
        bench.feed(x, ctx)
    return repr(ctx.rng.bit_generator.state) != before


def _with_activations(subject: Subject) -> Iterator[Example]:
    """The first example with every activation where a setting names one."""
    first = subject.examples[0]
    for setting in settings_naming(subject.part, "activations"):
        for word in REGISTRIES["activations"].names():
            words = f"example 0 with {setting} {word!r}"
            yield replace(first, words=words, config={**first.config, setting: word})


@BATTERY.rule(
    "gradient.activations",
    why="Users combine a layer with every activation, and each has memory rules of its own.",
    fix="use `f.feed(z, z if f.from_output else ctx.buffer('y', z.shape))` and "
    "`f.backprop(dy, z, y, out)`, with z and y as feed left them",
    needs=("gradient.inputs", "gradient.parameters", "settings.annotations"),
)
def _activations(subject: Subject) -> str | None:
    cases = list(_with_activations(subject))
    if not cases:
        raise Skipped("no setting names an activation")
    for case in cases:
        for what in ("dx", "parameters"):
            wrong, _, _ = findings(Bench(subject, case), 3, what)
            if wrong:
                raise Failed(f"{case}: " + wrong[0].sentence())
    return None
