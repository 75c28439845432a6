"""Units that no longer learn: dead ones, flat on every row, and saturated layers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from layerkit.core.context import Array
from layerkit.health.cures import first_and_rest, livelier_activation, slower, starts_by_measure
from layerkit.health.finding import Changes, Finding
from layerkit.health.inside import Scalar
from layerkit.health.settings import naming
from layerkit.health.subject import Sight, Subject
from layerkit.health.wording import layers_text, percent

# The ready specs reach 27 % at most, in any layer, from their start to their end, over all seeds.
_MOST_DEAD = 0.5
_FEWEST = 32  # rows, of which a living unit is hardly ever off on all
# The ready specs reach 6 %; the carry of ones in article-digits 100 %.
_MOST_FLAT = 0.9

_DEAD = (
    "the slope of such a unit is 0, so no gradient reaches its weights and it stays as it is "
    "(dying relu: Lu et al. 2019); healthy nets have under 30 %, the limit is "
    f"{percent(_MOST_DEAD)}"
)
_SATURATED = (
    "where the slope is under a hundredth of its largest, next to no gradient passes (Glorot and "
    f"Bengio 2010); healthy nets have under 10 %, the limit is {percent(_MOST_FLAT)}"
)


def dead_units(subject: Subject) -> Iterator[Finding]:
    """Units of relu and the like that are flat on all rows of the sample."""
    if len(subject.x) < _FEWEST:
        return
    shares = {i: _dead(sight) for i, sight in enumerate(subject.sights)}
    sick = {i: share for i, share in shares.items() if share > _MOST_DEAD}
    for group in subject.groups(sick):
        worst = max(group, key=lambda i: group[i])
        sight = subject.sights[worst]
        all_dead = group[worst] == 1 and len(sight.z) == 1
        changes, others = first_and_rest(_dead_cures(subject, group, worst))
        yield Finding(
            "dead units",
            "error" if all_dead else "warning",
            f"{layers_text(subject, group)}: {percent(group[worst])} of the units are 0 (flat) on "
            f"all {len(subject.x)} rows looked at",
            _DEAD,
            next(iter(changes), f"{subject.place(worst)}"),
            changes,
            others=others,
        )


def saturated_units(subject: Subject) -> Iterator[Finding]:
    """Layers of tanh, sigmoid and the like in which nearly all values are flat."""
    sick: dict[int, float] = {}
    found: dict[int, tuple[Scalar, Array]] = {}
    for i, sight in enumerate(subject.sights):
        for scalar, z in sight.z:
            share = float(scalar.flat(z).mean()) if z.size else 0.0
            if scalar.kind == "squasher" and share > max(_MOST_FLAT, sick.get(i, 0)):
                sick[i], found[i] = share, (scalar, z)
    for group in subject.groups(sick):
        worst = max(group, key=lambda i: group[i])
        scalar, z = found[worst]
        sight = subject.sights[worst]

        def flat(values: Array, scalar: Scalar = scalar) -> float:
            return float(scalar.flat(values).mean())

        cures = list(starts_by_measure(subject, group, sight, scalar, flat, _MOST_FLAT / 2))
        if worst == 0:
            cures = [*_scaled(subject), *cures]
        changes, others = first_and_rest([*cures, slower(subject)])
        yield Finding(
            "saturated units",
            "warning",
            f"{layers_text(subject, group)}: {percent(group[worst])} of the values of an "
            f"activation are saturated; what goes in has a size of about {np.abs(z).mean():.3g}, "
            f"its slope ends at {_reach(scalar):.2g}",
            _SATURATED,
            next(iter(changes), subject.place(worst)),
            changes,
            others=others,
        )


def _dead(sight: Sight) -> float:
    """The largest share of dead units among the rectifiers of a layer."""
    return max((dead_share(one, z) for one, z in sight.z if one.kind == "rectifier"), default=0.0)


def dead_share(scalar: Scalar, z: Array) -> float:
    """The share of units, along the last axis, that are flat on all rows."""
    flat = scalar.flat(z)
    return float(flat.all(axis=tuple(range(flat.ndim - 1))).mean()) if z.size else 0.0


def _dead_cures(subject: Subject, group: dict[int, float], worst: int) -> Iterator[Changes]:
    """What may bring dead units back: scaled inputs, another start, a lower rate, another unit."""
    sight = subject.sights[worst]
    scalar = max(
        (one for one in sight.z if one[0].kind == "rectifier"), key=lambda one: dead_share(*one)
    )[0]
    if worst == 0:
        yield from _scaled(subject)
    if subject.steps:
        yield slower(subject)

    def dead(values: Array) -> float:
        return dead_share(scalar, values)

    yield from starts_by_measure(subject, group, sight, scalar, dead, _MOST_DEAD / 2)
    for name in naming(sight.planned, "activations"):
        better = livelier_activation(sight.planned.layer.config[name])
        if better is not None:
            yield dict.fromkeys(subject.paths(group, name), better)


def _scaled(subject: Subject) -> Iterator[Changes]:
    """Scaled inputs, where they are not scaled yet and large."""
    given: Any = subject.spec.input["scale"]
    if given is None and np.abs(subject.x).max(initial=0) > 10:
        yield {"input.scale": "standardize"}


def _reach(scalar: Scalar) -> float:
    return min(abs(end) for end in (scalar.low, scalar.high) if end is not None)
