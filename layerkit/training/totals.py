"""Going on to another total of epochs than a training began with.

A schedule may look at the total: half a cosine over 4 epochs is another curve than over 8. Then no
way of going on reaches what one training of 8 epochs would have reached, and the user chooses.
"""

from __future__ import annotations

from typing import Literal

import numpy as np

from layerkit.errors import SpecError
from layerkit.training.session import Session

__all__ = ["OnNewTotal", "go_on"]

OnNewTotal = Literal["continue", "restart"]

_ASKED = 5000  # moments of the epochs done, at most


def go_on(session: Session, before: int, choice: OnNewTotal | None) -> None:
    """Settle the schedule of a ``session`` that has taken up a training of ``before`` epochs.

    Raises
    ------
    SpecError
        If the rates so far depend on the total and nothing is chosen, or the choice is unknown.
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
    elif choice is None and _depends(session, before):
        name = recipe.schedule.type_name
        raise SpecError(
            f"the schedule {name!r} depends on the total of epochs: the {done} done followed that "
            f"of {before}, so {recipe.epochs} cannot end as one training of {recipe.epochs} would",
            location="train.schedule",
            hint="choose how to go on: --schedule continue (as the schedule of the new total has "
            "it from here) or --schedule restart (the schedule anew for the epochs left); "
            'schedule="continue" or "restart" in Python',
        )


def _depends(session: Session, before: int) -> bool:
    """Whether any rate of the epochs done would have been another under the new total."""
    recipe, since, rows = session.recipe, session.loop.since, len(session.prepared.train)
    batches = -(-rows // recipe.batch_size)
    steps = (session.done - since) * batches
    some = np.linspace(0, max(steps - 1, 0), min(steps, _ASKED)).astype(np.int64)
    for step in np.unique(some).tolist():
        epoch, batch = divmod(step, batches)
        at = epoch + batch * recipe.batch_size / rows
        earlier, now = (recipe.schedule.factor(at, n - since) for n in (before, recipe.epochs))
        if earlier != now:
            return True
    return False
