"""The state a training is resumed from, and how a model file holds it.

No state of a random generator is kept: every stream is named after the seed, its purpose and the
epoch. What is kept: the epochs and steps done, the optimizer's vectors, the states of callbacks,
the forms of layers that failed their trial, and other weights than the model's: the latest, or
those that a callback keeps (early stopping gives the model the best ones), and the regressors of
hints, which are behind the model's parameters in each vector.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from layerkit.codec.names import is_finite_float
from layerkit.core.context import Array
from layerkit.core.network import Network
from layerkit.core.optimizer import Optimizer
from layerkit.discovery.registry import split_config
from layerkit.display import quoted
from layerkit.errors import SpecError, TensorMismatchError
from layerkit.execution.trial import trials_of
from layerkit.model import FileLeftovers, Model
from layerkit.training.prepare import Prepared

_LAST = "last"  # in files: the slot of the weights to continue from, if others are the model's
_KEPT = "kept"  # the slot of the weights that a callback keeps, if the model's are the latest
_HINTS = "hints"  # the slot of the regressors; with the name of another slot, what that has of them


@dataclass(frozen=True)
class Snapshot:
    """Copies of everything that a training step changes."""

    params: Array
    states: list[Array]
    slots: dict[str, Array]
    steps: int

    @classmethod
    def of(cls, network: Network, rule: Optimizer) -> Snapshot:
        """The present state."""
        states = [a.copy() for layer in network.layers for a in layer.state.values()]
        slots = {name: slot.copy() for name, slot in rule.slots.items()}
        return cls(network.params.copy(), states, slots, rule.steps)

    def restore(self, network: Network, rule: Optimizer | None = None) -> None:
        """Restore parameters and states, and the optimizer's vectors if it is given."""
        network.params[...] = self.params
        network.spread_ties()
        live = [a for layer in network.layers for a in layer.state.values()]
        for array, saved in zip(live, self.states, strict=True):
            array[...] = saved
        if rule is not None:
            rule.steps = self.steps
            for name, slot in self.slots.items():
                rule.slots[name][...] = slot


@dataclass(frozen=True)
class Position:
    """Where a training is after a completed epoch.

    ``now`` is the snapshot to continue from, ``kept`` the one that the training would end with, if
    a callback keeps it; ``states`` are those of callbacks; ``since`` is the epoch at which the
    schedule starts, and ``slowed`` a factor of its rates.
    """

    epoch: int
    now: Snapshot
    kept: Snapshot | None
    states: Mapping[str, Any]
    since: int = 0
    slowed: float = 1.0


def prepared_rows_digest(prepared: Prepared) -> str:
    """SHA-256 of the training and validation rows, which a resumed training must not change."""
    digest = hashlib.sha256()
    for arrays in (prepared.train, prepared.validation):
        for array in (arrays.x, arrays.y, arrays.weights) if arrays is not None else ():
            if array is not None:
                digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()


def write_state(model: Model, position: Position, rows: str) -> FileLeftovers:
    """The training section and tensors of a file for ``model`` at ``position``.

    The model has the weights of ``position.now`` or ``position.kept``; the others get a slot.
    """
    network = model.network
    vectors = dict(position.now.slots)
    callbacks: dict[str, Any] = {**position.states, "data": {"sha256": rows}}
    other = _other_weights(network, position)
    if other is not None:
        vectors[other[0]] = other[1].params
    if failed := trials_of(network).failures():
        callbacks["trials"] = {"failed": failed}
    schedule: dict[str, Any] = {"since": position.since} if position.since else {}
    if position.slowed != 1.0:
        schedule["slowed"] = position.slowed
    if schedule:
        callbacks["schedule"] = schedule
    tensors = {
        f"optimizer/{slot}/{name}": array
        for slot, vector in vectors.items()
        for name, array in network.split(vector[: network.size]).items()
    }
    for slot, vector in _behind(position.now).items():
        if vector.size > network.size:
            tensors[f"optimizer/{slot}"] = vector[network.size :]
    if other is not None:
        tensors |= {f"optimizer/state-{i}": a for i, a in enumerate(other[1].states)}
    name, config = split_config((model.spec.train or {})["optimizer"])
    held = {tensor.split("/")[1] for tensor in tensors}
    training = {
        "epoch": position.epoch,
        "step": position.now.steps,
        "callbacks": callbacks,
        "rng": {},
        "optimizer": {
            "type": name,
            "config": config,
            "slots": sorted({*vectors, *held}),
            "state": {"steps": position.now.steps},
        },
    }
    return FileLeftovers(training=training, tensors=tensors)


def _other_weights(network: Network, position: Position) -> tuple[str, Snapshot] | None:
    """Slot and snapshot of the weights that the network does not have, if there are any."""
    for slot, one in ((_LAST, position.now), (_KEPT, position.kept)):
        if one is not None and not np.array_equal(one.params[: network.size], network.params):
            return slot, one
    return None


def _behind(now: Snapshot) -> dict[str, Array]:
    """The vectors by the slots of what they have of the regressors."""
    return {_HINTS: now.params, **{f"{_HINTS}-{slot}": v for slot, v in now.slots.items()}}


def read_state(model: Model, network: Network, rule: Optimizer, rows: str | None) -> Position:
    """The position in the file that ``model`` was loaded from, as ``write_state`` wrote it.

    ``network`` is what is trained, the model's or one that begins with it; ``rows`` is the digest
    of the rows it must be of, None for any. Raises SpecError if the file holds no training state,
    that of another optimizer, or of other rows; TensorMismatchError if its tensors do not fit the
    model.
    """
    training = model.leftovers.training
    if training is None:
        raise SpecError(
            f"the model {model.name!r} holds no training state, so it cannot be resumed",
            hint="train it on from its weights instead: layerkit train MODEL",
        )
    name = training["optimizer"]["type"]
    if name != rule.type_name or not {*rule.slot_names} <= {*training["optimizer"]["slots"]}:
        raise SpecError(
            f"the training state is of the optimizer {name!r}, not {rule.type_name!r}",
            location="train.optimizer",
        )
    callbacks = training["callbacks"]
    data = callbacks.get("data")
    if rows is not None and (not isinstance(data, dict) or data.get("sha256") != rows):
        raise SpecError(
            "these are not the rows that the training began with, so this would not be the same "
            "run",
            location="train.data",
            hint="give the same data and sample weights, or train on from the weights: "
            "layerkit train MODEL",
        )
    if "trials" in callbacks:
        trials_of(model.network).restore(callbacks["trials"])
    since, slowed = _schedule(callbacks.get("schedule"), training["epoch"])
    now, kept = _snapshots(model, network, rule, training["step"])
    return Position(training["epoch"], now, kept, callbacks, since, slowed)


def _schedule(saved: object, epoch: int) -> tuple[int, float]:
    """The epoch, counted from 0, at which the schedule starts, and the factor of its rates."""
    if saved is None:
        return 0, 1.0
    given = saved if isinstance(saved, dict) else {}
    since, slowed = given.get("since", 0), given.get("slowed", 1.0)
    if type(since) is not int or not 0 <= since <= epoch or not given.keys() & {"since", "slowed"}:
        raise SpecError(
            f"expected an epoch that is done, got {quoted(saved)}",
            location="training.callbacks.schedule",
        )
    if not is_finite_float(slowed) or slowed <= 0:
        raise SpecError(
            f"expected a factor > 0, got {quoted(slowed)}",
            location="training.callbacks.schedule.slowed",
        )
    return since, slowed


def _snapshots(
    model: Model, network: Network, rule: Optimizer, steps: int
) -> tuple[Snapshot, Snapshot]:
    """The state to continue from, and that of the weights which a callback may have kept."""
    tensors, size = model.leftovers.tensors, model.network.size
    like = model.network.split(model.network.params)

    def joined(slot: str) -> Array:
        vector: Array = np.zeros(network.size, network.dtype)
        vector[:size] = model.network.join(_slot(tensors, slot, like))
        return vector

    found = Snapshot.of(network, rule)
    own = Snapshot(found.params, found.states, {s: joined(s) for s in rule.slot_names}, steps)
    if network.size > size:
        behind = {f"optimizer/{slot}": v[size:] for slot, v in _behind(own).items()}
        _check(behind, tensors)
        for name, array in behind.items():
            array[...] = tensors[name]
    held = {name.split("/")[1] for name in tensors}
    other = next((slot for slot in (_LAST, _KEPT) if slot in held), None)
    if other is None:
        return own, own
    params = joined(other)
    params[size:] = own.params[size:]
    states = {f"optimizer/state-{i}": a for i, a in enumerate(own.states)}
    _check(states, tensors)
    second = Snapshot(params, [tensors[name] for name in states], own.slots, steps)
    return (second, own) if other == _LAST else (own, second)


def _slot(tensors: Mapping[str, Array], slot: str, like: Mapping[str, Array]) -> dict[str, Array]:
    """The tensors of one slot by parameter name.

    Raises TensorMismatchError if one is missing or not like its parameter in shape and dtype.
    """
    prefix = f"optimizer/{slot}/"
    _check({prefix + name: array for name, array in like.items()}, tensors)
    return {name: tensors[prefix + name] for name in like}


def _check(expected: Mapping[str, Array], found: Mapping[str, Array]) -> None:
    missing = [name for name in expected if name not in found]
    wrong = [
        (name, _kind(array), _kind(found[name]))
        for name, array in expected.items()
        if name in found and _kind(array) != _kind(found[name])
    ]
    if not missing and not wrong:
        return
    faults = [f"missing {', '.join(missing)}"] if missing else []
    faults += [f"{name}: expected {want}, got {have}" for name, want, have in wrong]
    raise TensorMismatchError(
        f"the training state does not fit the model: {'; '.join(faults)}",
        missing=missing,
        mismatched=wrong,
    )


def _kind(array: Array) -> str:
    return f"{array.dtype} {list(array.shape)}"
