"""Gates: stuck ones, and stacks that are too deep for the bias their gates start at.

A gate is a value between 0 and 1 that another value is multiplied with. Where the layer passes its
input on unchanged for a gate at one end, it carries: T is how far the gate is from that end.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from layerkit.core.domains import input_domains, with_whole_numbers
from layerkit.health.cures import first_and_rest, slower
from layerkit.health.finding import Changes, Finding
from layerkit.health.inside import Inside, Scalar
from layerkit.health.settings import default_of, starting
from layerkit.health.subject import Subject
from layerkit.health.wording import layers_text, percent

# The ready specs reach 31 % at most, to either side, from their start to their end.
_MOST_STUCK = 0.95
# Highway nets with 1 to 4 open gates on the way train well, from 6 on they lose points and speed,
# at 24 they stay near chance: docs/adr/0036.
_MOST_OPEN = 5.0

_CARRY = "health: carry"
_STUCK = (
    "the slope of the gate is under a thousandth of its largest, so it chooses the same for every "
    "row and cannot learn otherwise; healthy nets have under 35 %, the limit is "
    f"{percent(_MOST_STUCK)}"
)
_TOO_DEEP = (
    "a signal passes L carrying layers unchanged with a share of about (1 - T)^L: it should meet "
    "about one open gate, L T = 1, so the bias should be -ln(L - 1) (Srivastava et al. 2015 start "
    f"deeper nets lower too); the limit is L T = {_MOST_OPEN:g}"
)


class Carry(NamedTuple):
    """A gate with the bias ``param`` it starts from; ``sign`` is where the layer carries."""

    scalar: Scalar
    param: str
    setting: str
    start: float
    sign: int

    @property
    def open(self) -> float:
        """T: how far the gate is from carrying, at its start."""
        return gate_value(self.scalar, self.sign * self.start)


def gate_value(scalar: Scalar, toward_carrying: float) -> float:
    """T of a logistic gate that is ``toward_carrying`` from its middle."""
    return 1 / (1 + math.exp(min(700.0, toward_carrying)))


def bias_for(depth: int) -> float:
    """The gate bias at which a signal meets one open gate on its way through ``depth`` layers.

    >>> [bias_for(depth) for depth in (2, 10, 50, 200)]
    [-1.0, -2.2, -3.9, -5.3]
    """
    return min(-1.0, round(-math.log(max(depth - 1, 1)), 1))


def stuck_gates(subject: Subject) -> Iterator[Finding]:
    """Gates at the same end for nearly all rows and units."""
    sick: dict[int, float] = {}
    ends: dict[int, tuple[Scalar, bool]] = {}
    for i, sight in enumerate(subject.sights):
        for scalar, z in sight.z:
            if scalar.kind != "gate" or not z.size:
                continue
            assert scalar.low is not None  # noqa: S101  # of every gate
            assert scalar.high is not None  # noqa: S101
            low, high = float((z <= scalar.low).mean()), float((z >= scalar.high).mean())
            if max(low, high) > max(_MOST_STUCK, sick.get(i, 0)):
                sick[i], ends[i] = max(low, high), (scalar, low > high)
    for group in subject.groups(sick):
        worst = max(group, key=lambda i: group[i])
        scalar, is_low = ends[worst]
        at = scalar.limits[0 if is_low else 1]
        changes, others = first_and_rest(_unstick(subject, group, worst, scalar))
        yield Finding(
            "stuck gates",
            "warning",
            f"{layers_text(subject, group)}: {percent(group[worst])} of the gates are stuck "
            f"{_place(subject, worst, is_low, at)} on all {len(subject.x)} rows looked at",
            _STUCK,
            next(iter(changes), subject.place(worst)),
            changes,
            others=others,
        )


def too_deep(subject: Subject) -> Iterator[Finding]:
    """Stacks of carrying layers whose gates start too far open for their number."""
    carries = carries_of(subject)
    total = sum(one.open for one in carries.values())
    if total <= _MOST_OPEN:
        return
    depth = len(carries)
    bias = bias_for(depth)
    wide = [i for i, one in carries.items() if one.open > 1 / depth]
    changes: dict[str, float] = {}
    for i in wide:
        value = -carries[i].sign * bias
        changes |= dict.fromkeys(subject.paths([i], carries[i].setting), value)
    mean = total / depth
    yield Finding(
        "too deep for the gate bias",
        "warning",
        f"{layers_text(subject, carries)}: a signal meets {total:.1f} open gates on its way "
        f"through {depth} layers (T is {mean:.3f} at the start)",
        _TOO_DEEP,
        next(iter(changes)),
        changes,
    )


def carries_of(subject: Subject) -> dict[int, Carry]:
    """The layers that carry their input, with their gates."""
    found = {i: carry_of(one) for i, one in enumerate(subject.insides) if one is not None}
    return {i: one for i, one in found.items() if one is not None}


def carry_of(inside: Inside) -> Carry | None:
    """The gate of a layer that carries its input, if it is one that starts from a setting.

    Layers with equal settings share it, as they share their recording.
    """
    known = inside.recording.forms
    if _CARRY not in known:
        known[_CARRY] = _carry(inside)
    found: Carry | None = known[_CARRY]
    return found


def _carry(inside: Inside) -> Carry | None:
    rng = np.random.default_rng(1)
    x = rng.standard_normal((4, *inside.planned.in_shape))
    x = with_whole_numbers(x, input_domains([inside.planned]), rng)
    x = x.astype(inside.recording.dtype)
    y, tried = inside.recording.graph.y, set[str]()
    for scalar in inside.scalars:
        if scalar.kind != "gate":
            continue
        for param in biases_of(scalar):
            if param in tried:  # a recurrent layer adds one bias at each step
                continue
            tried.add(param)
            start = inside.planned.plan.params[param].init
            setting = starting(inside.planned, param)
            if setting is None or not isinstance(start, (int, float)):
                continue
            array = inside.planned.layer.params[param]
            for sign in (1, -1):
                far = np.full_like(array, 60.0 * sign)
                out = inside.values(x, {"y": y}, **{param: far})["y"]
                if out.shape == x.shape and np.allclose(out, x, rtol=1e-4, atol=1e-4):
                    return Carry(scalar, param, setting, float(start), sign)
    return None


def biases_of(scalar: Scalar) -> list[str]:
    """The vectors that are added to the argument of a gate."""
    found, todo = [], [scalar.z]
    while todo:
        node = todo.pop()
        if node.op == "param" and len(node.shape) == 1:
            found.append(str(node.args[0]))
        elif node.op in ("add", "broadcast_to", "reshape"):
            todo.extend(node.inputs())
    return found


def _place(subject: Subject, index: int, is_low: bool, at: float) -> str:
    """Where a gate is stuck, and what the layer does then if that is known."""
    inside = subject.insides[index]
    carry = None if inside is None else carry_of(inside)
    if carry is None:
        return f"at {abs(round(at))}"
    carries = (carry.sign < 0) == is_low
    return "so that the layer only copies its input" if carries else "so that nothing is carried"


def _unstick(
    subject: Subject, group: dict[int, float], worst: int, scalar: Scalar
) -> Iterator[Changes]:
    """The author's default of the gate's bias; a lower rate where it started there."""
    planned = subject.network.planned[worst]
    for param in biases_of(scalar):
        setting = starting(planned, param)
        if setting is not None:
            now, usual = planned.plan.params[param].init, default_of(planned, setting)
            carries = carries_of(subject)
            if worst in carries and usual is not None:  # lower than usual only where deep
                sign = carries[worst].sign
                usual = sign * max(sign * usual, -bias_for(len(carries)))
            for value in (usual, 0.0):
                if value is not None and value != now:
                    yield dict.fromkeys(subject.paths(group, setting), value)
    if subject.steps:
        yield slower(subject)
