"""Gradients of layers: inputs and parameters against central differences, in float64."""

from __future__ import annotations

from layerkit.display import counted
from layerkit.testing.central_differences import kink_note
from layerkit.testing.diagnose import likely_causes
from layerkit.testing.gradient_check import WrongGradient, check_gradients
from layerkit.testing.layer_trial import LayerTrial
from layerkit.testing.rules import INTACT, Battery
from layerkit.testing.setting_variants import varied
from layerkit.testing.subject import Subject
from layerkit.testing.verdicts import Failed, Skipped, at

BATTERY = Battery("dtype.float64", *INTACT, "plan.refuses")  # other shapes are tried too

_FEW_KINKS = 0.05

_FIX = (
    "compare each line of `backprop` with the derivative of the same line of `feed`; sums over "
    "rows come from x^T dz and dz.sum(axis=0)"
)


@BATTERY.once(
    "gradient.inputs",
    why="The layers before this one learn from the dL/dx that it returns; a wrong one still "
    "trains, only worse.",
    fix=_FIX,
)
def _inputs(subject: Subject) -> str | None:
    return _judge(subject, "dx")


@BATTERY.once(
    "gradient.parameters",
    why="An optimizer follows whatever backprop writes; a wrong gradient still lowers the loss for "
    "a while, so curves do not show it.",
    fix=_FIX,
)
def _parameters(subject: Subject) -> str | None:
    return _judge(subject, "parameters")


def _judge(subject: Subject, what: str) -> str | None:
    """Fail for the first wrong gradient, with its likely cause; else return a note about kinks.

    All examples at once, and the first one with other settings (a stride, a padding), since kinks
    are few or many among all coordinates.
    """
    kinks = coordinates = 0
    cases = [case for case in (*subject.cases, *varied(subject)) if all(case.shape)]
    if not cases:
        raise Failed("every example has an empty input shape: no gradient can be tried")
    for case in cases:
        with at(case):
            trial = LayerTrial(subject, case)
        for n in (1, 4) if case is subject.cases[0] else (3,):
            with at(f"{case}, {counted(n, 'row')}"):
                found = check_gradients(trial, n, what)
                kinks, coordinates = kinks + found.kinks, coordinates + found.coordinates
                if found.wrong:
                    raise Failed(_message(trial, n, found.wrong))
    if coordinates == 0:
        only = "takes whole numbers only" if what == "dx" else "has no parameters"
        raise Skipped(f"the layer {only}")
    if kinks > max(3, _FEW_KINKS * coordinates):
        raise Failed(
            f"at {kinks} of {coordinates} coordinates the function has no slope, so its gradient "
            "cannot be checked",
            "give examples() with smooth settings (tanh instead of relu); a layer that rounds or "
            "takes signs names this check in conformance_exceptions, with the reason",
        )
    return kink_note(kinks, coordinates)


def _message(trial: LayerTrial, n: int, wrong: list[WrongGradient]) -> str:
    others = ", ".join(gradient.name for gradient in wrong[1:])
    also = f"; also wrong: {others}" if others else ""
    causes = [f"likely: {cause}" for cause in likely_causes(trial, n, wrong)]
    return "\n".join([wrong[0].sentence() + also, *causes])
