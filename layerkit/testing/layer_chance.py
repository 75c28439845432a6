"""A layer's random numbers under a seed, and its arithmetic far from 1."""

from __future__ import annotations

import numpy as np

from layerkit.core.layer import Array
from layerkit.testing.bench import F32, Bench, Pass, equal
from layerkit.testing.layer_gradients import findings
from layerkit.testing.rules import INTACT, Battery, Failed
from layerkit.testing.subject import Subject

__all__ = ["BATTERY"]

BATTERY = Battery("dtype.float64", "dtype.float32", *INTACT)


@BATTERY.rule(
    "stochastic.replay",
    why="A seed must give the same training again, and a prediction must not depend on chance.",
    fix="draw from ctx.rng alone, and only `if ctx.training`",
)
def _replay(subject: Subject) -> str | None:
    for case in subject.examples:
        bench = Bench(subject, case)
        x, dy = bench.rows(6), bench.cotangent(6)
        first, again = bench.run(x, dy), bench.run(x, dy)
        same = all(equal(first.grads[n], again.grads[n]) for n in first.grads)
        if not (same and equal(first.y, again.y) and equal(first.dx, again.dx)):
            raise Failed(f"{case}: in training the same seed gives other numbers the second time")
        one, two = (bench.predict(x) for _ in range(2))
        if not equal(one, two):
            raise Failed(f"{case}: two inference passes over the same rows differ")
    return None


@BATTERY.rule(
    "stochastic.gradient",
    why="Backprop must use the very mask that feed drew, or it belongs to another function.",
    fix="draw in feed, keep it with ctx.save, and read it from ctx.saved in backprop",
)
def _stochastic_gradient(subject: Subject) -> str | None:
    stochastic = False
    for case in subject.examples:
        bench = Bench(subject, case)
        ctx = bench.context()
        before = _state(ctx.rng)
        bench.feed(bench.rows(4), ctx)
        drew = _state(ctx.rng) != before
        after = _state(ctx.rng)
        bench.backprop(bench.cotangent(4), ctx)
        if _state(ctx.rng) != after:
            raise Failed(f"{case}: backprop draws random numbers, feed had drawn its own")
        stochastic = stochastic or drew
        if drew and all(case.shape):
            for what in ("dx", "parameters"):
                wrong, _, _ = findings(bench, 4, what)
                if wrong:
                    raise Failed(f"{case}, under one seed: " + wrong[0].sentence())
    if not stochastic:
        return "the layer draws no random numbers"
    return None


def _state(rng: np.random.Generator) -> str:
    return repr(rng.bit_generator.state)


@BATTERY.rule(
    "scale.extreme",
    why="Raw data come unscaled; one NaN in a pass destroys all weights at the next update.",
    fix="use forms that do not overflow (subtract the maximum before exp, activation('sigmoid') "
    "instead of 1 / (1 + exp(-z))), and add a small epsilon before dividing",
)
def _extreme(subject: Subject) -> str | None:
    for case in subject.examples:
        for scale in (0.0, 1e-15, 1e-4, 1e4, 1e15):
            wide = _scaled(Bench(subject, case), scale)
            narrow = _scaled(Bench(subject, case, F32), scale)
            pairs = {"y": (wide.y, narrow.y), "dL/dx": (wide.dx, narrow.dx)}
            pairs |= {f"grads[{n!r}]": (g, narrow.grads[n]) for n, g in wide.grads.items()}
            at = f"{case}: inputs near {scale:g}"
            for name, (full, single) in pairs.items():
                if not np.isfinite(full).all():
                    raise Failed(f"{at} give {name} with {_odd(full)}")
                if not np.isfinite(single[np.abs(full) < _ROOM]).all():
                    raise Failed(
                        f"{at} give {name} in float32 with {_odd(single)}, though float64 shows "
                        "that the result fits into float32"
                    )
    return None


_ROOM = float(np.finfo(np.float32).max) / 100


def _scaled(bench: Bench, scale: float) -> Pass:
    """A pass over inputs of that scale."""
    x = bench.rows(5, "scale") * bench.dtype.type(scale)
    return bench.run(x, bench.cotangent(5, "scale"))


def _odd(array: Array) -> str:
    return "NaN" if np.isnan(array).any() else "infinity"
