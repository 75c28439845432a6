"""The learning rate: too large or too small, shown by trying others on copies."""

from __future__ import annotations

import math
from collections.abc import Callable

from layerkit.doctor.trial import Trial
from layerkit.health.cures import slower
from layerkit.health.finding import Changes, Finding
from layerkit.health.subject import Subject
from layerkit.health.wording import percent

# In 200 steps the ready specs bring their error down to 3 to 37 % of what it was at the start.
_HARDLY = 0.8
# Their largest step is 0.6 % of a layer's weights, the usual advice is about 0.1 %; from about 2 %
# on a rate of a tenth is better on digits and letters.
_LARGE_STEP = 0.02
# The smallest step of a whole ready spec is 0.1 %: a tenth of the usual advice is small.
_SMALL_STEP = 0.0005
_SANE = 100.0  # rates above it are not even tried to be lowered step by step
_FEWEST = 20  # steps, before which a loss need not have fallen
# Another rate must be this much better to be advised: neighbours are often about as good.
_CLEARLY = 0.8

Try = Callable[[Changes], Trial | None]
"""Trains a copy with changes; None if there is no time left."""


def learning_rate(subject: Subject, trial: Trial, attempt: Try) -> list[Finding]:
    """A finding if another rate, 10 to 100,000 times larger or smaller, is clearly better."""
    step = max(trial.updates.values(), default=0.0)
    before, after = trial.error
    large = step >= _LARGE_STEP or bool(trial.diverged) or after > before
    small = not large and after > _HARDLY * before and step < _SMALL_STEP and trial.steps >= _FEWEST
    if not large and not small:
        return []
    now = _rate(subject)
    start = min(1.0, _SANE / now) if now else 1.0
    tried: list[tuple[Trial, Changes]] = []
    for power in range(1, 6):
        changes = slower(subject, start * 10.0**-power if large else 10.0**power)
        other = attempt(changes) if changes else None
        if other is None or (small and max(other.updates.values(), default=0.0) >= _LARGE_STEP):
            break
        tried.append((other, changes))
    lowest = min((other.error[1] for other, _ in tried), default=after)
    if not lowest < _CLEARLY * after:
        return []
    # The nearest such:
    reached, best = next(one for one in tried if one[0].error[1] <= 1.1 * lowest)
    (rate,) = best.values()
    too = "large" if rate < now else "small"
    fell = "the loss is no longer finite" if trial.diverged else _fell(trial)
    return [
        Finding(
            f"learning rate too {too}",
            "warning",
            f"in {trial.steps} steps {fell}{_size(step)}",
            "healthy nets change 0.05 to 1 % of a layer's weights in a step, and lower their loss "
            f"to under {percent(_HARDLY)} of its start in 200; other rates were tried on copies",
            "train.optimizer.learning_rate",
            best,
            tried=trial.compared(reached),
        )
    ]


def _rate(subject: Subject) -> float:
    """The learning rate of the recipe; 0 without one."""
    return float(slower(subject, 1.0).get("train.optimizer.learning_rate", 0.0))


def _size(step: float) -> str:
    """How large a step was, where it was a number."""
    if not math.isfinite(step):
        return ""
    return f"; a step changes up to {100 * step:.2g} % of the size of a layer's weights"


def _fell(trial: Trial) -> str:
    before, after = trial.loss
    way = "fell" if after < before else "rose"
    return f"the loss {way} from {before:.3g} to {after:.3g}"
