"""Gradients that vanish or explode on their way from the last layer to the first."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from layerkit.discovery.registry import ACTIVATIONS, INITIALIZERS
from layerkit.health.cures import first_and_rest, retried
from layerkit.health.finding import Changes, Finding
from layerkit.health.settings import naming, parts_but
from layerkit.health.subject import Subject

# The ready specs lie between 0.05 and 5, from their start to their end; article-digits, whose carry
# is saturated on purpose, starts at 0.0006.
_LIMIT = 1000.0

_REASON = (
    "a layer learns by the gradient that reaches it, so with one rate for all the {} layers "
    "{} (Glorot and Bengio 2010); healthy nets lie between 0.05 and 5 times, the limit is "
    f"{_LIMIT:g} times"
)


def vanishing_gradients(subject: Subject) -> Iterator[Finding]:
    """A gradient that is a thousandth, or a thousand times, of what it was at the last layer."""
    first = next((i for i, p in enumerate(subject.network.planned) if p.plan.moves is None), 0)
    sizes = subject.gradients[first:]  # what only moves numbers does not learn
    if len(sizes) < 2:
        return
    share = ratio(sizes)
    if 1 / _LIMIT <= share <= _LIMIT:
        return
    small = share < 1
    if not np.isfinite(share):
        said = "is no longer finite"
    else:
        times = f"{1 / share:.2g} times smaller" if small and share else f"{share:.2g} times larger"
        said = "is 0" if share == 0 else f"is {times} than"
    names = subject.network.planned[first:]
    end = f" at {names[-1].name}" if said.endswith("than") else ""
    changes, others = first_and_rest(_cures(subject))
    yield Finding(
        "vanishing gradients" if small else "exploding gradients",
        "warning",
        f"the gradient that reaches {names[0].name} {said}{end} ({len(sizes)} layers)",
        _REASON.format(*(("first", "stand still") if small else ("first", "overshoot"))),
        next(iter(changes), "layers"),
        changes,
        advice="" if changes else "use fewer layers, or layers that carry their input on",
        others=others,
    )


def ratio(sizes: np.ndarray) -> float:
    """The gradient at the first layer's output, of that at the last; NaN counts as exploded."""
    with np.errstate(all="ignore"):
        share = float(sizes[0] / sizes[-1]) if sizes[-1] else 1.0
    return share if np.isfinite(share) else float("inf")


def _cures(subject: Subject) -> Iterator[Changes]:
    """Starts and activations, the best first, with which the gradient keeps its size."""
    layers = range(len(subject.network.planned))
    found: list[tuple[float, int, Changes]] = []
    for order, (group, names) in enumerate(
        (("initializers", INITIALIZERS.names()), ("activations", ACTIVATIONS.names()))
    ):
        settings = {
            (i, setting): subject.network.planned[i].layer.config[setting]
            for i in layers[: len(layers) - order]  # the last activation is chosen for the loss
            for setting in naming(subject.network.planned[i], group)
        }
        for name in names:
            if not subject.may_search:
                break
            changes: Changes = {
                path: name
                for (i, setting), now in settings.items()
                if list(parts_but(now, [name]))
                for path in subject.paths([i], setting)
            }
            other = retried(subject, changes) if changes else None
            if other is None:
                continue
            share = ratio(other.gradients)
            if 0.02 <= share <= 50 and np.isfinite(other.sights[-1].y).all():
                found.append((abs(np.log(share)), order, changes))
    # an initializer changes less than an activation, so it comes first where it is good enough
    yield from (changes for _, _, changes in sorted(found, key=lambda one: (one[1], one[0])))
