"""Checking before a training that its result can be saved.

The spec, the contract of the fitted shape and the table of all tensors that the training will leave
(parameters, states, the optimizer's vectors, what callbacks keep, a series for each reported
number) go through the checks of ``save``. No tensor is allocated.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from math import nan
from typing import Any

import numpy as np

from layerkit.codec import Limits, Shaped, check_content, format_dtype
from layerkit.codec.limits import limits_in_use
from layerkit.datacontract import DataContract
from layerkit.discovery.registry import LOSSES, OPTIMIZERS, split_config
from layerkit.file.fingerprint import file_spec
from layerkit.file.provenance import provenance
from layerkit.model import Model
from layerkit.specs import check_sections


def check_savable(model: Model, *, limits: Limits | None = None) -> None:
    """Raise what ``save`` would raise for ``model`` at the end of the training in its spec.

    Uses the model's contract if it has been fitted; a model without a recipe is checked as it is.
    Raises PluginError if the optimizer or the loss is not installed.
    """
    check_sections(model.spec, prefix="spec.model")
    history, metrics = _reported(model)
    check_content(
        dict(_tensors(model, history)),
        limits=limits_in_use(limits),
        spec=file_spec(model, _fitted(model)),
        types=provenance(model.spec),
        metadata=model.metadata,
        history=dict.fromkeys(history, "epoch"),
        metrics=dict.fromkeys(metrics, 0.0),
        training=_training(model),
        selftest={"rtol": 0.0, "atol": 0.0},
    )


def _fitted(model: Model) -> DataContract:
    """The model's contract, or one of the shape that training will give it."""
    if model.fitted or model.spec.train is None:
        return model.contract
    given, declared = model.contract.input, model.spec.input
    one = np.ones(given.numbers)
    inputs = replace(given, low=one, high=one)
    if declared["scale"] is not None and given.scale is None:
        inputs = replace(inputs, center=one, scale=one)
    if declared["missing"] != "error" and given.missing is None:
        inputs = replace(inputs, missing=one)
    output = model.contract.output
    loss = LOSSES[split_config(model.spec.train["loss"])[0]]
    if output is not None and output.classes is None and loss.target != "real":
        # The names are not known yet, their number is.
        output = replace(output, classes=tuple(range(max(output.width, 2))))
    elif output is not None and model.spec.output["scale"] is not None:
        each = np.ones(output.width)
        output = replace(output, center=each, scale=each)
    return DataContract(inputs, output)


def _reported(model: Model) -> tuple[list[str], list[str]]:
    """Names of the history's series and of the final metrics."""
    train = model.spec.train
    if train is None:
        return [*model.history], [*model.metrics]
    names = ["loss"]
    for i, config in enumerate(train["metrics"], 1):
        name = split_config(config)[0]
        names.append(name if name not in names else f"{name}_{i}")
    series = [*names, "learning_rate", *(f"val_{name}" for name in names)]
    final = [f"{split}_{name}" for split in ("train", "val", "test") for name in names]
    return list(dict.fromkeys([*model.history, *series])), final


def _tensors(model: Model, history: list[str]) -> Iterator[tuple[str, Shaped]]:
    """Name and shape of every tensor that the file will hold."""
    dtype = str(format_dtype(np.dtype(model.spec.dtype)))
    slots, last = _slots(model)
    states = 0
    for p in model.network.planned:
        for name, param in p.plan.params.items():
            tensor = f"{p.name}.{name}"
            if tensor in model.network.tied:
                continue
            yield tensor, Shaped.of("param", dtype, param.shape)
            for slot in (*slots, *(["last"] if last else [])):
                yield f"optimizer/{slot}/{tensor}", Shaped.of("optimizer", dtype, param.shape)
        for name, state in p.plan.state.items():
            yield f"{p.name}.{name}", Shaped.of("state", dtype, state.shape)
            if last:
                yield f"optimizer/state-{states}", Shaped.of("optimizer", dtype, state.shape)
            states += 1
    for series in history:
        yield f"history/{series}", Shaped.of("history", "f64", (1,))
    for name in ("input", "output"):
        yield f"selftest/{name}", Shaped.of("selftest", dtype, (1, 1))


def _slots(model: Model) -> tuple[tuple[str, ...], bool]:
    """The optimizer's vectors, and whether a callback may keep weights beside the last ones."""
    train = model.spec.train
    if train is None:
        return (), False
    rule = OPTIMIZERS.create(train["optimizer"])
    keeps = train["early_stopping"] is not None or bool(train.get("callbacks"))
    return tuple(rule.slot_names), keeps


def _training(model: Model) -> dict[str, Any] | None:
    train = model.spec.train
    if train is None:
        return None
    slots, last = _slots(model)
    kept = [*slots, *(["last"] if last else [])]
    if last:
        count = sum(len(p.plan.state) for p in model.network.planned)
        kept += [f"state-{i}" for i in range(count)]
    name, config = split_config(train["optimizer"])
    watched = {"early_stopping": {"best": nan, "epoch": 0}} if last else {}
    rule = {"type": name, "config": config, "slots": sorted({*kept}), "state": {"steps": 1}}
    return {
        "epoch": 1,
        "step": 1,
        "callbacks": {"data": {"sha256": "0" * 64}, **watched},
        "rng": {},
        "optimizer": rule,
    }
