"""The state a training is resumed from, and how a model file holds it.

No state of a random generator is kept: every stream is named after the seed, its purpose and the
epoch. What is kept: the epochs and steps done, the optimizer's vectors, the best value of early
stopping, the forms of layers that failed their trial, and the latest weights if they are not the
model's (early stopping gives the model the best ones).
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from layerkit.core.context import Array
from layerkit.core.network import Network
from layerkit.core.optimizer import Optimizer
from layerkit.discovery.registry import split_config
from layerkit.display import quoted
from layerkit.errors import SpecError, TensorMismatchError
from layerkit.execution.trial import trials_of
from layerkit.model import FileLeftovers, Model
from layerkit.training.prepare import Prepared

_LAST = "last"  # the slot of the latest weights in files


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

    ``now`` is the snapshot to continue from; ``watched`` the best value of early stopping and its
    epoch, or None; ``since`` the epoch at which the schedule starts.
    """

    epoch: int
    now: Snapshot
    watched: tuple[float, int] | None
    since: int = 0


def prepared_rows_digest(prepared: Prepared) -> str:
    """SHA-256 of the training and validation rows, which a resumed training must not change."""
    digest = hashlib.sha256()
    for arrays in (prepared.train, prepared.validation):
        for array in (arrays.x, arrays.y, arrays.weights) if arrays is not None else ():
            if array is not None:
                digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()


def write_state(model: Model, position: Position, rows: str) -> FileLeftovers:
    """The training section and tensors of a file for ``model`` at ``position``."""
    network = model.network
    vectors = dict(position.now.slots)
    callbacks: dict[str, Any] = {"data": {"sha256": rows}}
    if position.watched is not None:
        best, epoch = position.watched
        callbacks["early_stopping"] = {"best": best, "epoch": epoch}
        if not np.array_equal(position.now.params, network.params):
            vectors[_LAST] = position.now.params
    if failed := trials_of(network).failures():
        callbacks["trials"] = {"failed": failed}
    if position.since:
        callbacks["schedule"] = {"since": position.since}
    tensors = {
        f"optimizer/{slot}/{name}": array
        for slot, vector in vectors.items()
        for name, array in network.split(vector).items()
    }
    if _LAST in vectors:
        tensors |= {f"optimizer/state-{i}": a for i, a in enumerate(position.now.states)}
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


def read_state(model: Model, rule: Optimizer, rows: str | None) -> Position:
    """The position in the file that ``model`` was loaded from, as ``write_state`` wrote it.

    ``rows`` is the digest of the rows it must be of, None for any. Raises SpecError if the file
    holds no training state, that of another optimizer, or of other rows; TensorMismatchError if its
    tensors do not fit the model.
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
    watched = _watched(callbacks.get("early_stopping"))
    since = _since(callbacks.get("schedule"), training["epoch"])
    return Position(training["epoch"], _snapshot(model, rule, training["step"]), watched, since)


def _since(saved: object, epoch: int) -> int:
    """The epoch, counted from 0, at which the schedule starts."""
    if saved is None:
        return 0
    since = saved.get("since") if isinstance(saved, dict) else None
    if type(since) is not int or not 0 < since <= epoch:
        raise SpecError(
            f"expected an epoch that is done, got {quoted(saved)}",
            location="training.callbacks.schedule",
        )
    return since


def _watched(saved: object) -> tuple[float, int] | None:
    if saved is None:
        return None
    best, epoch = (saved.get(k) for k in ("best", "epoch")) if isinstance(saved, dict) else (0, 0)
    if not isinstance(best, float) or type(epoch) is not int or epoch < 0:
        raise SpecError(
            f"expected the best value and its epoch, got {quoted(saved)}",
            location="training.callbacks.early_stopping",
        )
    return best, epoch


def _snapshot(model: Model, rule: Optimizer, steps: int) -> Snapshot:
    network, tensors = model.network, model.leftovers.tensors
    like = {name: a for name, (role, a) in network.tensors().items() if role == "param"}
    slots = {slot: network.join(_slot(tensors, slot, like)) for slot in rule.slot_names}
    own = Snapshot.of(network, rule)
    if _LAST not in {name.split("/")[1] for name in tensors}:
        return Snapshot(own.params, own.states, slots, steps)
    last = network.join(_slot(tensors, _LAST, like))
    states = {f"optimizer/state-{i}": a for i, a in enumerate(own.states)}
    _check(states, tensors)
    return Snapshot(last, [tensors[name] for name in states], slots, steps)


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
