"""A layer's own reference, where it has one: feed gives what a few slow lines of the paper give.

``reference(settings, params, x)`` is a class method beside ``examples``. It gets all settings by
name, the parameters and the state by name, and x (n, *in_shape) in float64, and returns the output
of inference (n, *out_shape), written for reading: loops over rows and places, no context.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from layerkit.core.context import Array
from layerkit.testing.layer_trial import LayerTrial
from layerkit.testing.rules import INTACT, Battery
from layerkit.testing.setting_variants import varied
from layerkit.testing.subject import Example, Subject
from layerkit.testing.verdicts import Failed, Skipped

BATTERY = Battery("dtype.float64", "batch.split", *INTACT, trial=LayerTrial)

_CLOSE = 1e-9  # of the largest output


def _cases(subject: Subject) -> Iterator[Example]:
    if not callable(getattr(subject.part, "reference", None)):
        raise Skipped("the class has no reference")
    yield from subject.cases
    yield from varied(subject)


@BATTERY.rule(
    "reference.feed",
    why="A gradient can be right for a function that is not the paper's: only the paper tells.",
    fix="compare `feed`, and `reference`, with the equations of the docstring line by line",
    over=_cases,
)
def _feed(trial: LayerTrial) -> None:
    reference: Callable[..., Any] = trial.subject.part.reference  # type: ignore[attr-defined]
    x = trial.rows(3, "reference")
    trial.feed(trial.rows(5, "other"), trial.context())  # the state away from its start
    named = {**trial.layer.params, **trial.layer.state}
    arrays = {name: array.copy() for name, array in named.items()}
    found: Array = trial.predict(x)
    with trial.catch("reference"):
        expected = np.asarray(reference(dict(trial.part.config), arrays, x.copy()))
    if expected.shape != found.shape:
        raise Failed(
            f"reference: expected shape {list(found.shape)}, as feed has it, got "
            f"{list(expected.shape)}"
        )
    apart = np.abs(found - expected)
    if not np.all(apart <= _CLOSE * max(float(np.abs(expected).max(initial=0)), 1.0)):
        at = np.unravel_index(int(np.argmax(apart)), apart.shape)
        raise Failed(
            f"at {[int(i) for i in at]} feed gives {found[at]:.9g}, reference {expected[at]:.9g}"
        )
