"""A layer's gradients of inputs and parameters against central differences, in float64."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from layerkit.core.layer import Array
from layerkit.testing.bench import F64, Bench
from layerkit.testing.diagnose import Finding, explain
from layerkit.testing.numeric import slopes
from layerkit.testing.rules import INTACT, Battery, Failed, Skipped
from layerkit.testing.subject import Subject

__all__ = ["BATTERY", "findings"]

BATTERY = Battery("dtype.float64", *INTACT)

TOLERANCE = 1e-6  # of the largest slope; central differences in float64 are good to 1e-9
_MOST, _FEW = 160, 16  # coordinates of one array that are tried one by one
_LARGE = 100_000  # parameters; beyond it a feed is slow enough to try only a few
_FEW_KINKS = 0.05

_FIX = (
    "hold each line of `backprop` against the derivative of the same line of `feed`; sums over "
    "rows come from x^T dz and dz.sum(axis=0)"
)


def _trials(subject: Subject) -> Iterator[tuple[Bench, int]]:
    """Benches and batch sizes that gradients are tried at."""
    for i, case in enumerate(subject.cases):
        if all(case.shape):
            bench = Bench(subject, case)
            yield from ((bench, n) for n in ((1, 4) if i == 0 else (3,)))


def _loss(bench: Bench, x: Array, dy: Array, training: bool) -> float:
    """L = sum(y * dy) of one feed with the same random numbers as any other."""
    with bench.steady():
        return float(np.sum(bench.feed(x, bench.context(training=training)) * dy))


def findings(
    bench: Bench, n: int, what: str, *, training: bool = True
) -> tuple[list[Finding], int, int]:
    """(wrong gradients, kinks, coordinates) of one trial; ``what`` is "dx" or "parameters"."""
    x, dy = bench.rows(n, what).copy(), bench.cotangent(n, what)
    bench.blank()
    found = bench.run(x, dy, training=training)
    names = ["dx"] if what == "dx" else list(bench.layer.params)
    wrong: list[Finding] = []
    kinks = coordinates = 0
    for name in names:
        values = x if name == "dx" else bench.layer.params[name]
        analytic = found.dx if name == "dx" else found.grads[name]
        finding, bent = _compare(bench, name, values, analytic, (x, dy, training))
        kinks, coordinates = kinks + bent, coordinates + min(values.size, _MOST)
        if finding is not None:
            wrong.append(finding)
    return wrong, kinks, coordinates


def _compare(
    bench: Bench, name: str, values: Array, analytic: Array, trial: tuple[Array, Array, bool]
) -> tuple[Finding | None, int]:
    """What is wrong with ``analytic`` = dL/dvalues, if anything, and the number of kinks."""
    x, dy, training = trial
    draws = bench.subject.rng("coordinates", name)
    places = np.arange(values.size)
    most = _MOST if bench.network.size < _LARGE else _FEW
    if values.size > most:  # a slope along a random direction then tries all at once
        places = np.sort(draws.choice(values.size, most, replace=False))
    index = [np.unravel_index(place, values.shape) for place in places]

    def moved(i: int, step: float) -> float:
        kept = values[index[i]]
        values[index[i]] = kept + step
        try:
            return _loss(bench, x, dy, training)
        finally:
            values[index[i]] = kept

    numeric = slopes(moved, len(places))
    given = np.asarray(analytic, F64).reshape(-1)
    wrong = numeric.wrong(given[places], TOLERANCE)
    bent = int(numeric.kink.sum())
    if wrong.any():
        whole = numeric.value.reshape(values.shape) if len(places) == values.size else None
        worst = int(np.argmax(np.where(wrong, np.abs(given[places] - numeric.value), -1)))
        spot = tuple(int(k) for k in index[worst])
        pair = (float(given[places][worst]), float(numeric.value[worst]))
        counts = (int(wrong.sum()), len(places))
        return Finding(name, values.shape, counts, spot, pair, analytic, whole), bent
    if len(places) < values.size and not _along(bench, values, given, trial, draws):
        return Finding(name, values.shape, (1, 1), (), (0.0, 0.0), analytic, None), bent
    return None, bent


def _along(
    bench: Bench,
    values: Array,
    given: Array,
    trial: tuple[Array, Array, bool],
    draws: np.random.Generator,
) -> bool:
    """Whether the slope along one random direction through all coordinates is right too."""
    x, dy, training = trial
    direction = draws.choice([-1.0, 1.0], values.shape)
    kept = values.copy()

    def moved(_: int, step: float) -> float:
        values[...] = kept + step * direction
        try:
            return _loss(bench, x, dy, training)
        finally:
            values[...] = kept

    numeric = slopes(moved, 1)
    size = np.sqrt(values.size) * max(float(np.abs(given).max()), 1e-3)
    error = abs(float(given @ direction.reshape(-1)) - float(numeric.value[0]))
    return bool(error <= 10 * TOLERANCE * size or numeric.kink[0])


def _judge(subject: Subject, what: str) -> str | None:
    """Raise what is wrong first, with its likely cause; else a note about kinks."""
    kinks = coordinates = 0
    tried = False
    for bench, n in _trials(subject):
        wrong, bent, count = findings(bench, n, what)
        kinks, coordinates, tried = kinks + bent, coordinates + count, True
        if wrong:
            raise _failure(bench, n, wrong)
    if not tried:
        raise Failed("no example has rows with elements: nothing could be tried")
    if what != "dx" and coordinates == 0:
        raise Skipped("the layer has no parameters")
    if kinks > max(3, _FEW_KINKS * coordinates):
        raise Failed(
            f"at {kinks} of {coordinates} coordinates the function has no slope, so its gradient "
            "cannot be told",
            "give examples() with smooth settings (tanh instead of relu); a layer that rounds or "
            "takes signs names this check in conformance_exceptions, with the reason",
        )
    if kinks:
        return f"{kinks} of {coordinates} coordinates lie on a kink, where a range was allowed"
    return None


def _failure(bench: Bench, n: int, wrong: list[Finding]) -> Failed:
    lines = [f"{bench.example}, {n} row{'s' * (n > 1)}: " + wrong[0].sentence()]
    others = [finding.name for finding in wrong[1:]]
    if others:
        lines[0] += f"; wrong too: {', '.join(others)}"
    causes = explain(bench, n, wrong, findings)
    lines += [f"likely: {cause}" for cause in causes]
    return Failed("\n".join(lines))


@BATTERY.rule(
    "gradient.inputs",
    why="The layers before this one learn from the dL/dx that it hands back; a wrong one still "
    "trains, only worse.",
    fix=_FIX,
)
def _inputs(subject: Subject) -> str | None:
    return _judge(subject, "dx")


@BATTERY.rule(
    "gradient.parameters",
    why="An optimizer follows whatever backprop writes; a wrong gradient still lowers the loss for "
    "a while, so curves do not show it.",
    fix=_FIX,
)
def _parameters(subject: Subject) -> str | None:
    return _judge(subject, "parameters")
