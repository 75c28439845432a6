"""The compiled form of an optimizer's rule, if an engine has one that gives what the rule gives."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import numpy as np

from layerkit.core.optimizer import Optimizer
from layerkit.execution.engine import Engine, Rule
from layerkit.execution.trial import close
from layerkit.recording.arrays import NotRecorded
from layerkit.recording.record import record_rule

_ELEMENTS = 67  # of a trial: several vectors of the machine and a rest
_STEPS = 3
_RATE = 0.1  # at least: a smaller one would hide what is wrong below the rounding of parameters


def compiled_rule(
    optimizer: Optimizer, engines: Sequence[Engine], dtype: np.dtype[Any]
) -> Rule | None:
    """A kernel for ``optimizer``, None if no engine has one; see ``Optimizer.kernel``."""
    forms = [engine for engine in engines if engine.has_rules]
    if not forms:
        return None
    try:
        recorded = record_rule(optimizer, dtype)
    except NotRecorded:
        return None
    for engine in forms:
        form = engine.rule(optimizer, recorded)
        try:
            if form is not None and _agrees(optimizer, form, dtype):
                return form
        except Exception:  # noqa: BLE001, S112  # the rule as written raises again, or is used
            continue
    return None


def _agrees(optimizer: Optimizer, form: Rule, dtype: np.dtype[Any]) -> bool:
    """Whether three steps with ``form`` give what three steps of the rule give."""
    found = []
    for kernel in (None, form):
        rule, rng = copy.copy(optimizer), np.random.default_rng(0)
        p = rng.standard_normal(_ELEMENTS).astype(dtype)
        g = np.zeros_like(p)
        rule.bind(p, g, (np.arange(_ELEMENTS) % 2).astype(dtype))
        rule.kernel = kernel
        for _ in range(_STEPS):
            g[...] = rng.standard_normal(_ELEMENTS)
            rule.begin(max(rule.learning_rate, _RATE))
            with np.errstate(all="ignore"):
                rule.apply(slice(0, _ELEMENTS))
        found.append([p, *rule.slots.values()])
    return all(close(a, b) for a, b in zip(*found, strict=True))
