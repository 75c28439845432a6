"""The identity of a model: its spec, data contract and numbers."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from layerkit.datacontract import DataContract
from layerkit.model import Model

_TRAINING = ("callbacks", "epoch", "optimizer", "rng", "step")
_OPTIMIZER = ("config", "slots", "state", "type")
_STREAM = ("bit_generator", "has_uint32", "inc", "state", "uinteger")


def file_spec(model: Model, contract: DataContract | None = None) -> dict[str, Any]:
    """The ``spec`` section of a file, with ``contract`` instead of the model's own."""
    document = model.spec.to_document()
    del document["layerkit"]
    spec = {"schema": 1, "model": document, "data": (contract or model.contract).to_spec()}
    if model.fit is not None:
        spec["fit"] = model.fit.to_spec()
    return spec


def fingerprint_of(model: Model, digests: Mapping[str, bytes]) -> str:
    """A hash of the spec, the contract, the parameters and the states."""
    spec = {key: part for key, part in file_spec(model).items() if key != "fit"}
    fingerprint = hashlib.sha256(json.dumps(spec, sort_keys=True).encode())
    for p in model.network.planned:
        for name in (*p.plan.params, *p.plan.state):
            fingerprint.update(digests[f"{p.name}.{name}"])
    return fingerprint.hexdigest()


def known_training(header: Mapping[str, Any]) -> dict[str, Any] | None:
    """The training section without fields of a newer minor, which must not be written back."""
    found = header.get("training")
    if found is None:
        return None
    kept = _only(found, _TRAINING)
    kept["optimizer"] = _only(found["optimizer"], _OPTIMIZER)
    kept["rng"] = {name: _only(stream, _STREAM) for name, stream in found["rng"].items()}
    return kept


def _only(record: Mapping[str, Any], known: tuple[str, ...]) -> dict[str, Any]:
    return {key: record[key] for key in known if key in record}
