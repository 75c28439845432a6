"""Diagnosis of a wrong gradient: common mistakes leave patterns in the numbers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from layerkit.core.context import Array
from layerkit.testing.gradient_check import WrongGradient, check_gradients
from layerkit.testing.layer_trial import LayerTrial
from layerkit.testing.setting_variants import settings_naming

_NEAR = 1e-5


def likely_causes(trial: LayerTrial, n: int, wrong: list[WrongGradient]) -> list[str]:
    """Likely causes of the first wrong gradient, at most two, the most telling first."""
    causes = list(_patterns(trial, n, wrong[0])) or list(_experiments(trial, n, wrong))
    return causes[:2]


def _patterns(trial: LayerTrial, n: int, first: WrongGradient) -> Iterator[str]:
    """Causes that show when both arrays lie side by side."""
    label, a, correct = first.label, first.analytic, first.numeric
    if correct is None or not np.isfinite(a).all():
        return
    size = max(float(np.abs(correct).max()), 1e-12)

    def same(b: Array) -> bool:
        return b.shape == a.shape and bool(np.all(np.abs(a - b) <= _NEAR * max(size, 1e-3)))

    if not a.any():
        yield f"{label} is all zero"
        return
    factor = float(np.sum(a * correct) / np.sum(correct * correct)) if correct.any() else 0.0
    if a.size > 1 and factor and same(factor * correct):
        yield _factor(factor, n, label)
        return
    if a.ndim == 2 and a.shape[0] == a.shape[1] and same(correct.T):
        yield f"{label} is transposed; with rows as samples it is x^T dz"
    if a.ndim >= 1 and same(np.full(a.shape, correct.sum())):
        yield f"{label} holds the sum over all axes in every place; sum over rows, axis=0"
    elif a.size > 1 and first.name != "dx" and np.ptp(a) <= _NEAR * size < np.ptp(correct):
        yield f"{label} has one number in every place: a sum or mean over too many axes"
    if first.name != "dx" and _loses_repeats(trial, n, a, correct):
        yield (
            f"{label} is wrong only where a number occurs more than once in the rows: `dE[i] = G` "
            "and `dE[i] += G` keep one of them; np.add.at(dE, i, G) adds all"
        )
    for name, other in trial.grads().items():
        if name != first.name and other.shape == a.shape and same(other):
            yield f"{label} equals grads[{name!r}]: the two are mixed up"


def _loses_repeats(trial: LayerTrial, n: int, a: Array, correct: Array) -> bool:
    """Whether rows of a gradient are wrong for repeated whole numbers of the input, and only so."""
    if trial.domain is None or not trial.domain.any() or a.ndim < 1:
        return False
    x = trial.rows(n, "parameters").reshape(n, -1)[:, trial.domain > 0]
    times = np.bincount(x.astype(np.intp).reshape(-1), minlength=len(a))[: len(a)]
    wrong = (np.abs(a - correct) > _NEAR * max(float(np.abs(correct).max()), 1e-3)).reshape(
        len(a), -1
    )
    return bool(((times > 1) | ~wrong.any(axis=1)).all())


def _factor(factor: float, n: int, label: str) -> str:
    times = f"{label} is {factor:.6g} times the correct value"
    if abs(factor + 1) < _NEAR:
        return f"{label} has the wrong sign"
    if n > 1 and abs(factor * n - 1) < _NEAR:
        return f"{times}, 1 / batch size: a mean over rows instead of a sum"
    if n > 1 and abs(factor - n) < _NEAR:
        return f"{times}, the batch size: rows are counted twice"
    return f"{times}: a constant factor is missing or doubled"


def _experiments(trial: LayerTrial, n: int, wrong: list[WrongGradient]) -> Iterator[str]:
    """Changes that make the fault vanish: a linear activation, a parameter set to zero."""
    what = "dx" if wrong[0].name == "dx" else "parameters"
    names = {gradient.name for gradient in wrong}
    config = trial.example.config

    def still_wrong(other: LayerTrial) -> bool | None:
        """Whether the fault is there too; None if all slopes are 0, which tells nothing."""
        if any(gradient.name in names for gradient in check_gradients(other, n, what).wrong):
            return True
        found = other.run(other.rows(n, what), other.cotangent(n, what))
        slopes = {"dx": found.dx, **found.grads}
        return False if any(slopes[name].any() for name in names) else None

    for setting in settings_naming(trial.subject.part, "activations"):
        linear = replace(trial.example, config={**config, setting: "linear"})
        if config.get(setting) == "linear":
            continue
        if still_wrong(LayerTrial(trial.subject, linear)) is False:
            yield f"the slope f' of {setting!r} is missing or wrong: all is right if it is linear"
    through, elsewhere = [], False
    for name, param in trial.layer.params.items():
        if name in names or not param.any():
            continue
        other = trial.another()
        other.network.params[...] = trial.network.params
        other.layer.params[name][...] = 0
        wrong_still = still_wrong(other)
        elsewhere = elsewhere or wrong_still is True
        if wrong_still is False:
            through.append(name)
    if len(through) == 1 or (through and what == "dx"):
        path = "the path of dL/dx through" if what == "dx" else "a term with"
        shown = " or ".join(map(repr, through))
        yield f"{path} {shown} is missing or wrong: all is right if it is zero"
    elif what == "dx" and elsewhere:
        yield (
            "a path that does not lead through one parameter alone, such as a carry, is missing or "
            "wrong: dL/dx is the sum over every place where feed uses x"
        )
