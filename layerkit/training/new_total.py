"""Resuming a training with a new total of epochs.

A schedule may depend on the total: half a cosine over 4 epochs is not the curve of 8. Then no
resumed training reaches what one training of 8 epochs would have reached, and the user chooses.
"""

from __future__ import annotations

from typing import Literal

import numpy as np

from layerkit.errors import SpecError
from layerkit.training.session import Session

OnNewTotal = Literal["continue", "restart"]

_SAMPLED = 5000  # the most steps whose rates are compared


def settle_schedule(session: Session, before: int, choice: OnNewTotal | None) -> None:
    """Apply the user's ``choice`` to a resumed ``session`` whose total was ``before`` epochs.

    Raises SpecError if a choice is needed and not made, or unknown.
    """
    if choice not in (None, "continue", "restart"):
        raise SpecError(
            f"expected 'continue' or 'restart', got {choice!r}", location="train.schedule"
        )
    recipe, done = session.recipe, session.done
    if recipe.epochs == before or done == 0:
        return
    if choice == "restart":
        session.loop.since = done
    elif choice is None and _rates_differ(session, before):
        name = recipe.schedule.type_name
        raise SpecError(
            f"the schedule {name!r} depends on the total of epochs: the {done} epochs done "
            f"followed a total of {before}, so the result cannot be that of one training of "
            f"{recipe.epochs}",
            location="train.schedule",
            hint="choose: --schedule continue (follow the schedule of the new total from here) or "
            "--schedule restart (start the schedule again for the epochs left); in Python, "
            'schedule="continue" or "restart"',
        )


def _rates_differ(session: Session, before: int) -> bool:
    """Whether the new total would have changed a rate of the epochs done."""
    recipe, since, rows = session.recipe, session.loop.since, len(session.prepared.train)
    batches = -(-rows // recipe.batch_size)
    steps = (session.done - since) * batches
    history = session.so_far().between(since)
    sampled = np.linspace(0, max(steps - 1, 0), min(steps, _SAMPLED)).astype(np.int64)
    for step in np.unique(sampled).tolist():
        epoch, batch = divmod(step, batches)
        at = epoch + batch * recipe.batch_size / rows
        known = history.between(0, epoch)
        totals = (before - since, recipe.epochs - since)
        earlier, now = (recipe.schedule.factor_after(at, total, known) for total in totals)
        if earlier != now:
            return True
    return False
