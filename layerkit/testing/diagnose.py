"""From a wrong gradient to its likely cause: mistakes leave patterns in the numbers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np

from layerkit.core.layer import Array
from layerkit.testing.bench import Bench

__all__ = ["Finding", "explain"]

_NEAR = 1e-5


@dataclass(frozen=True)
class Finding:
    """A gradient that differs from its central differences.

    Parameters
    ----------
    name
        "dx" or a parameter.
    shape
        Of the gradient.
    counts
        Coordinates that are wrong, and coordinates that were tried.
    spot, pair
        The worst coordinate; what backprop gave there and what it should be.
    analytic, numeric
        The whole gradient as backprop gave it, and by differences if every coordinate was tried.
    """

    name: str
    shape: tuple[int, ...]
    counts: tuple[int, int]
    spot: tuple[int, ...]
    pair: tuple[float, float]
    analytic: Array
    numeric: Array | None

    @property
    def words(self) -> str:
        """The gradient as the author knows it."""
        return "dL/dx" if self.name == "dx" else f"grads[{self.name!r}]"

    def sentence(self) -> str:
        """What differs, where, and by how much."""
        if not self.spot and self.shape:
            return f"{self.words} is wrong along a random direction through all of it"
        wrong, tried = self.counts
        at = f"at {list(self.spot)} " if self.spot else ""
        found, wanted = self.pair
        return (
            f"{self.words} differs from central differences in {wrong} of {tried} coordinates; "
            f"{at}it is {found:.6g}, should be {wanted:.6g}"
        )


Findings = Callable[[Bench, int, str], tuple[list[Finding], int, int]]


def explain(bench: Bench, n: int, wrong: list[Finding], again: Findings) -> list[str]:
    """Likely causes of the first of ``wrong``, at most two, the most telling first.

    ``again`` tries a bench once more: with a parameter set to zero, or a linear activation.
    """
    first = wrong[0]
    found = [*_patterns(bench, n, first)]
    if not found:
        found = [*_experiments(bench, n, wrong, again)]
    return found[:2]


def _patterns(bench: Bench, n: int, first: Finding) -> Iterator[str]:
    """What the two arrays tell side by side."""
    a, wanted = first.analytic, first.numeric
    if np.isnan(a).any() and first.name != "dx":
        yield f"{first.words} is not written whole: NaN that stood there before is left"
        return
    if wanted is None or not np.isfinite(a).all():
        return
    size = max(float(np.abs(wanted).max()), 1e-12)

    def same(b: Array) -> bool:
        return b.shape == a.shape and bool(np.all(np.abs(a - b) <= _NEAR * max(size, 1e-3)))

    if not a.any():
        yield f"{first.words} is all zero"
        return
    factor = float(np.sum(a * wanted) / np.sum(wanted * wanted)) if wanted.any() else 0.0
    if a.size > 1 and factor and same(factor * wanted):
        yield _factor(factor, n, first)
        return
    if a.ndim == 2 and a.shape[0] == a.shape[1] and same(wanted.T):
        yield f"{first.words} is transposed; with rows as samples it is x^T dz"
    if a.ndim >= 1 and same(np.full(a.shape, wanted.sum())):
        yield f"{first.words} holds the sum over all axes in every place; sum over rows, axis=0"
    elif a.size > 1 and first.name != "dx" and np.ptp(a) <= _NEAR * size < np.ptp(wanted):
        yield f"{first.words} has one number in every place: a sum or mean over too many axes"
    for name, other in bench.grads().items():
        if name != first.name and other.shape == a.shape and same(other):
            yield f"{first.words} equals grads[{name!r}]: the two are mixed up"


def _factor(factor: float, n: int, first: Finding) -> str:
    told = f"{first.words} is {factor:.6g} times what it should be"
    if abs(factor + 1) < _NEAR:
        return f"{first.words} has the wrong sign"
    if n > 1 and abs(factor * n - 1) < _NEAR:
        return f"{told}, one over the batch: a mean over rows where a sum is wanted"
    if n > 1 and abs(factor - n) < _NEAR:
        return f"{told}, the batch size: rows are counted twice"
    return f"{told}: a constant factor is lost or doubled"


def _experiments(bench: Bench, n: int, wrong: list[Finding], again: Findings) -> Iterator[str]:
    """What makes the fault vanish: a path through a parameter, a slope, single rows."""
    what = "dx" if wrong[0].name == "dx" else "parameters"
    named = {finding.name for finding in wrong}

    def vanishes(other: Bench) -> bool:
        return not any(finding.name in named for finding in again(other, n, what)[0])

    from layerkit.testing.variation import settings_naming

    for setting in settings_naming(bench.subject.part, "activations"):
        config = {**bench.example.config, setting: "linear"}
        if bench.example.config.get(setting) != "linear":
            case = replace(bench.example, config=config)
            if vanishes(Bench(bench.subject, case)):
                yield f"the slope f' of {setting!r} is missing or wrong: with linear all is right"
    through = []
    for name, param in bench.layer.params.items():
        if name in named or not param.any():
            continue
        other = Bench(bench.subject, bench.example)
        other.network.params[...] = bench.network.params
        other.layer.params[name][...] = 0
        if vanishes(other):
            through.append(name)
    if len(through) == 1 or (through and what == "dx"):
        names = " or ".join(map(repr, through))
        path = "the path of dL/dx through" if what == "dx" else "a term with"
        yield f"{path} {names} is missing or wrong: with it at zero all is right"
    elif what == "dx":
        yield (
            "a path that leads through no parameter alone is missing or wrong, such as a carry: "
            "dL/dx is the sum over every place where feed uses x"
        )
