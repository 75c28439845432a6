"""What may help: other starts, activations and rates, by measuring what is installed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import lru_cache
from typing import Any

import numpy as np

from layerkit.core.context import Array
from layerkit.core.network import Network
from layerkit.core.rng import random_stream
from layerkit.discovery.registry import ACTIVATIONS, INITIALIZERS, activation, initializer
from layerkit.errors import LayerkitError
from layerkit.health.finding import Changes, settings_of
from layerkit.health.inside import Scalar
from layerkit.health.settings import parts_but, starting
from layerkit.health.subject import Sight, Subject, root_mean_square
from layerkit.recording.graph import Node
from layerkit.specs import Spec, read_spec

_NEAR = np.linspace(-3.0, 3.0, 121)


def first_and_rest(found: Iterable[Changes]) -> tuple[Changes, tuple[Changes, ...]]:
    """The first changes, and the others; without empty ones."""
    some = [one for one in found if one]
    return (some[0], tuple(some[1:])) if some else ({}, ())


def slower(subject: Subject, factor: float = 0.1) -> Changes:
    """A lower learning rate; nothing for a spec without a recipe."""
    train = subject.spec.train
    if train is None:
        return {}
    rule = train["optimizer"]
    rate = rule.get("learning_rate") if isinstance(rule, Mapping) else None
    if not isinstance(rate, (int, float)):
        return {}
    return {"train.optimizer.learning_rate": float(f"{rate * factor:.2g}")}


def starts_by_measure(
    subject: Subject,
    group: Iterable[int],
    sight: Sight,
    scalar: Scalar,
    measure: Callable[[Array], float],
    most: float,
) -> Iterator[Changes]:
    """Initializers for the weights behind ``scalar.z``, best first, that measure under ``most``.

    Each installed initializer is tried on the rows of the sample. Only in a search: it takes time.
    """
    if not subject.may_search or sight.inside is None:
        return
    for param in weights_of(scalar.z):
        setting = starting(sight.planned, param)
        if setting is None:
            continue
        found = []
        for name in parts_but(sight.planned.layer.config[setting], INITIALIZERS.names()):
            W = _start(sight, param, name)
            if W is None:
                continue
            z = sight.inside.values(sight.x, {"z": scalar.z}, **{param: W})["z"]
            share = measure(z)
            if share <= most and np.ptp(W) > 0:
                found.append((share, abs(np.log(root_mean_square(z) + 1e-30)), name))
        for *_, name in sorted(found):
            yield dict.fromkeys(subject.paths(group, setting), name)


def weights_of(z: Node) -> list[str]:
    """The parameters of rank 2 or more that ``z`` is a product with."""
    todo, found = [z], []
    while todo:
        node = todo.pop()
        if node.op == "param" and len(node.shape) > 1:
            found.append(str(node.args[0]))
        elif node.op in ("add", "matmul", "subtract", "transpose", "reshape", "broadcast_to"):
            todo.extend(node.inputs())
    return found


def _start(sight: Sight, param: str, name: str) -> Array | None:
    """``param`` as the initializer ``name`` starts it; None if it cannot."""
    plan = sight.planned.plan.params[param]
    try:
        made = initializer(name).make(plan.shape, plan.fans, random_stream(0, "cure", param))
    except Exception:  # noqa: BLE001  # one that needs settings, or does not take such a shape
        return None
    return np.asarray(made, sight.y.dtype)


@lru_cache(maxsize=32)
def _sound(name: str) -> tuple[Array, bool] | None:
    """The values of an activation near 0, and whether it is flat anywhere; None if it is linear."""
    try:
        y = activation(name).feed(_NEAR)
        far = activation(name).feed(np.array([-40.0, -39.0, 39.0, 40.0]))
    except Exception:  # noqa: BLE001  # one that needs settings
        return None
    slopes = np.diff(y)
    ends = np.abs([far[1] - far[0], far[3] - far[2]])
    if np.ptp(slopes) < 1e-9:
        return None
    return y, bool(ends.min() < 0.005)


def livelier_activation(current: Any) -> str | None:
    """The installed activation most like ``current`` that is flat nowhere."""
    try:
        mine = activation(current).feed(_NEAR)
    except Exception:  # noqa: BLE001  # an author's activation
        return None
    found = [(name, _sound(name)) for name in parts_but(current, ACTIVATIONS.names())]
    near = {
        name: float(np.abs(one[0] - mine).max())
        for name, one in found
        if one is not None and not one[1]
    }
    return min(near, key=lambda name: near[name], default=None)


def retried(subject: Subject, changes: Changes) -> Subject | None:
    """The subject with ``changes`` and initial weights, on the same rows; None if it cannot be."""
    spec = changed(subject, changes)
    if spec is None:
        return None
    try:
        network = Network(spec.plan(), subject.network.dtype)
        network.initialise((spec.train or {}).get("seed", 0), initializer)
        other = Subject(spec, network, subject.x, subject.resolved)
        other.gradients  # noqa: B018  # an author's layer may raise
    except Exception:  # noqa: BLE001  # a combination that its author did not foresee
        return None
    return other


def changed(subject: Subject, changes: Changes) -> Spec | None:
    """The spec of the subject with ``changes``; None if they do not fit."""
    resolved: dict[str, Any] = {}
    for path, value in changes.items():
        head, _, setting = path.rpartition(".")
        places = [i for i in range(len(subject.spec.layers)) if subject.place(i) == head]
        written_out = [f"layers.{i}.config.{setting}" for i in places]
        resolved |= dict.fromkeys(written_out or [path], value)
    try:
        return read_spec(subject.spec.to_document(), settings=settings_of(resolved))
    except LayerkitError:
        return None
