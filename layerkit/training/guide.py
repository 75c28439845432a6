"""How a student is trained beside a teacher: which network is fed, and what of it is trained.

Followers (``layerkit.training.followers``) look at the student through taps: layers that pass on
what they are fed and add the follower's gradient on the way back. So the layers between taps run
in all their usual forms, and a network without a teacher has no tap. The regressors of hints lie
behind the student's parameters in one vector: they are updated, clipped and resumed with them, and
no file of a model holds them.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from layerkit.core.context import Array, Context, Shape
from layerkit.core.inside import changed_layers
from layerkit.core.layer import Layer, Plan
from layerkit.core.network import Network
from layerkit.core.planning import PlannedLayer
from layerkit.training.followers import Follower, Hinted, SoftNumbers, SoftTargets

_MARK = ":"  # in names of layers that are not the student's; no layer of a spec has it


@dataclass(frozen=True)
class Phase:
    """Epochs of the same ``followers``: the network that is fed, and the part that is trained.

    ``task`` is the weight of the loss of the labels.
    """

    followers: tuple[Follower, ...]
    task: float
    fed: Network
    trained: Network


class Guide:
    """What the network ``student`` learns of a teacher, by ``soft`` targets and by ``hints``.

    ``network`` is the student with the regressors behind, whose vector the optimizer changes.
    ``notices`` are for the user.
    """

    def __init__(
        self, student: Network, soft: SoftTargets | SoftNumbers | None, hints: Sequence[Hinted]
    ) -> None:
        self.student, self.soft, self.hints = student, soft, list(hints)
        regressors = [hint.regressor for hint in self.hints if hint.regressor is not None]
        self.network = student.extended(regressors)
        self.notices: list[str] = []
        self._phases: dict[tuple[Follower, ...], Phase] = {}

    def phase(self, epoch: int) -> Phase:
        """What holds in ``epoch``, counted from 0."""
        hints, alone = tuple(self._in(epoch)), self.alone(epoch)
        soft = () if self.soft is None or alone else (self.soft,)
        followers = (*soft, *hints)
        if followers not in self._phases:
            task = 0.0 if alone else 1.0 - sum(one.weight for one in soft)
            trained = self._trained(hints, alone=alone)
            phase = Phase(followers, task, self._fed(soft, hints), trained)
            self._phases[followers] = phase
        return self._phases[followers]

    def alone(self, epoch: int) -> bool:
        """Whether nothing but hints is learned in ``epoch``."""
        return any(hint.alone for hint in self._in(epoch))

    def _in(self, epoch: int) -> list[Hinted]:
        return [hint for hint in self.hints if epoch < hint.until]

    def _fed(self, soft: Sequence[Follower], hints: Sequence[Hinted]) -> Network:
        """The student with a tap for each follower, over the same parameters."""
        paths: dict[str, list[Follower]] = {}
        for hint in hints:
            paths.setdefault(hint.path, []).append(hint)
        inner = {path: _Changed(own) for path, own in paths.items() if "." in path}
        planned: list[PlannedLayer] = []
        for p in changed_layers(self.student, inner):
            planned += [p, *(_tap(p.name, p.out_shape, own) for own in [paths.get(p.name)] if own)]
        if soft:
            planned.append(_tap("", self.student.planned[-1].out_shape, soft))
        return self.network.part(planned)

    def _trained(self, hints: Sequence[Hinted], *, alone: bool) -> Network:
        """The layers to update: those of the student up to the last hint, or all of them."""
        planned = self.student.planned
        if alone:
            names = [p.name for p in planned]
            planned = planned[: 1 + max(names.index(h.path.partition(".")[0]) for h in hints)]
        regressors = [hint.regressor for hint in hints if hint.regressor is not None]
        return self.network.part([*planned, *regressors])


def regressor_name(i: int) -> str:
    """The name of the regressor of the i-th hint, which no layer of a spec can have."""
    return f"hint{_MARK}{i}"


class _Tap(Layer):
    """The identity, which adds the gradients of followers on the way back."""

    type_name = "tap"
    eager = True

    def __init__(self, followers: Sequence[Follower]) -> None:
        self.followers = followers
        self.slopes: list[Array] = []

    def plan(self, in_shape: Shape) -> Plan:
        return Plan(in_shape)

    def feed(self, x: Array, ctx: Context) -> Array:
        self.slopes = [one.follow(x) for one in self.followers]
        return x

    def backprop(self, dy: Array, ctx: Context) -> Array:
        for slope in self.slopes:
            dy = dy + slope
        return dy


def _tap(name: str, shape: Shape, followers: Sequence[Follower]) -> PlannedLayer:
    return PlannedLayer(f"{name}{_MARK}tap", _Tap(followers), shape, Plan(shape))


class _Changed:
    """Makes a copy of a layer inside a container, which is a tap too.

    The container then runs as written. A tap behind the layer would be a part that it does not
    know.
    """

    def __init__(self, followers: Sequence[Follower]) -> None:
        self.tap = _Tap(followers)

    def __call__(self, layer: Layer) -> Layer:
        tap, found = self.tap, copy.copy(layer)
        methods: Any = found
        methods.eager = True
        methods.feed = lambda x, ctx: tap.feed(layer.feed(x, ctx), ctx)
        methods.backprop = lambda dy, ctx: layer.backprop(tap.backprop(dy, ctx), ctx)
        return found
