"""Ties: parameters of two layers that share their numbers.

A tied parameter is a copy with a place of its own in the flat vectors, so that every form of a
layer finds it where it finds any other. After backprop its gradient is added to that of the owner;
after an update it is copied from the owner again.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from layerkit.core.context import Array
from layerkit.core.planning import PlannedLayer
from layerkit.display import nearest
from layerkit.errors import SpecError


class Tie(NamedTuple):
    """The parameter ``name`` shares the numbers of ``owner``, perhaps transposed."""

    name: str
    owner: str
    transposed: bool


def ties_of(planned: Sequence[PlannedLayer]) -> list[Tie]:
    """The ties of all layers, those inside others too."""
    return [
        Tie(f"{one.name}.{name}", target.removesuffix(".T"), target.endswith(".T"))
        for p in planned
        for one in p.nested()
        for name, target in one.layer.ties.items()
    ]


def check_ties(planned: Sequence[PlannedLayer]) -> None:
    """Raise SpecError, with its place, for a tie that leads nowhere or to another shape."""
    seen: dict[str, PlannedLayer] = {}  # by parameter, in the order of the spec
    tied: set[str] = set()
    for where, one in _placed(planned, ""):
        own = {f"{one.name}.{name}": param for name, param in one.plan.own.params.items()}
        for name, target in one.layer.ties.items():
            at = f"{where}.tie.{name}"
            if f"{one.name}.{name}" not in own:
                names = sorted(one.plan.own.params)
                raise SpecError(
                    f"layer {one.name!r} has no parameter {name!r}{nearest(name, names)}"
                    f"; it has {', '.join(names) or 'none'}",
                    location=at,
                )
            owner = target.removesuffix(".T")
            if owner not in seen:
                found = nearest(owner, list(seen)) or ": expected one of a layer before it"
                raise SpecError(f"there is no parameter {owner!r}{found}", location=at)
            if owner in tied:
                raise SpecError(f"{owner!r} is tied itself: name its owner", location=at)
            have = seen[owner].plan.own.params[owner.rpartition(".")[2]].shape
            have = have[::-1] if target.endswith(".T") else have
            want = one.plan.own.params[name].shape
            if have != want:
                turned = f", or {owner}.T" if have == want[::-1] else ""
                raise SpecError(
                    f"expected shape {list(want)}{turned}, got {list(have)} from {target!r}",
                    location=at,
                )
            if one.layer.freeze and not seen[owner].layer.freeze:
                raise SpecError(
                    f"{one.name!r} is frozen, but {owner!r} is trained: freeze both or none",
                    location=at,
                )
            tied.add(f"{one.name}.{name}")
        seen |= dict.fromkeys(own, one)


def _placed(layers: Sequence[PlannedLayer], path: str) -> Iterator[tuple[str, PlannedLayer]]:
    """All layers, named by their paths, each with its place in the spec."""
    for i, p in enumerate(layers):
        where = f"{path}layers[{i}]"
        yield where, p
        for inner, one in _placed(p.plan.parts, f"{where}."):
            yield inner, one._replace(name=f"{p.name}.{one.name}")


def shared(tie: Tie, arrays: Mapping[str, Array]) -> tuple[Array, Array]:
    """The tied array, and the owner's as the tied layer sees it."""
    own = arrays[tie.owner]
    return arrays[tie.name], own.T if tie.transposed else own
