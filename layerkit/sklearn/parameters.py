"""From the parameters of an estimator to a spec.

A parameter that is None leaves its field to ``spec``, or else to the defaults given here.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from layerkit.errors import SpecError
from layerkit.specs import as_spec
from layerkit.specs.columns import name_of

RECIPE = (
    *("epochs", "batch_size", "optimizer", "schedule", "loss", "validation", "early_stopping"),
    *("weight_decay", "clip_norm"),
)
"""Parameters that are fields of ``train`` under the same name."""

HIDDEN: list[Any] = [
    {"type": "dense", "units": 64, "activation": "relu", "initializer": "he_normal"},
    {"type": "highway", "activation": "relu", "gate_bias": -1.0, "repeat": 2},
]
START: dict[str, Any] = {
    "epochs": 40,
    "batch_size": 32,
    "optimizer": {"type": "adam", "learning_rate": 0.003},
    "schedule": "cosine",
    "weight_decay": 1e-4,
}


def document(
    given: Mapping[str, Any],
    *,
    width: int,
    names: Sequence[Any] | None,
    dtype: str,
    output: Mapping[str, Any],
    units: int,
    rows: int,
    seed: int,
) -> dict[str, Any]:
    """The spec, not yet resolved, for the parameters ``given`` of an estimator.

    ``width``, ``names`` and ``dtype`` are those of the inputs, ``output`` is the section of the
    answers, ``units`` numbers of the last layer; ``rows`` is a full batch. Raises SpecError if
    ``given["spec"]`` is wrong or names other columns.
    """
    given = {name: plain(value) for name, value in given.items() if name != "spec"} | {
        "spec": given["spec"]
    }
    base = _base(given["spec"], width, names, dtype)
    if given["layers"] is not None or given["spec"] is None:
        hidden = HIDDEN if given["layers"] is None else given["layers"]
        base["layers"] = [*map(_layer, _listed(hidden)), {"type": "dense", "units": units}]
    if given["dtype"] is not None:
        base["dtype"] = given["dtype"]
    if given["scale"] != "auto":
        base["input"]["scale"] = given["scale"]
    if given["missing"] is not None:
        base["input"]["missing"] = given["missing"]
    base["output"] = {**base.get("output", {}), **output}
    if given.get("loss") is not None:
        base["output"]["link"] = None  # the loss implies it
    recipe = {name: given[name] for name in RECIPE if given.get(name) is not None}
    if recipe.get("batch_size") == "full":
        recipe["batch_size"] = rows
    if isinstance(recipe.get("early_stopping"), bool):
        recipe["early_stopping"] = {} if recipe["early_stopping"] else None
    if given.get("class_weight") is not None:
        recipe["class_weights"] = given["class_weight"]
    base["train"] = {**base["train"], **recipe, "seed": seed}
    return base


def _base(spec: Any, width: int, names: Sequence[Any] | None, dtype: str) -> dict[str, Any]:
    """What is said before any parameter is: ``spec`` on these inputs, or the defaults."""
    columns: dict[str, Any] = {"shape": [width]} if names is None else {"columns": [*names]}
    if spec is None:
        inputs = {**columns, "scale": "standardize"}
        return {"layerkit": 1, "dtype": dtype, "input": inputs, "train": START}
    found = as_spec(spec)
    base = found.to_document()
    said = found.input["columns"]
    if said is not None and names is not None and [*map(name_of, said)] != [*map(name_of, names)]:
        wanted, got = [*map(name_of, said)], [*map(name_of, names)]
        raise SpecError(f"expected the columns {wanted}, got {got}", location="input.columns")
    held = math.prod(found.in_shape) if said is None else len(said)
    if held != width or (said is None and names is not None):
        base["input"] = {**base["input"], "shape": None, "columns": None, **columns}
    aside = {"data": None, "test": None, "sample_weight": None, "class_weights": None}
    base["train"] = {**(found.train or START), **aside}
    base["output"] = {key: base["output"][key] for key in ("link", "scale", "targets")}
    return base


def _listed(layers: Any) -> list[Any]:
    return layers if isinstance(layers, list) else [layers]


def _layer(layer: Any) -> Any:
    """A layer as a spec says it, for a name or for the number of relu units of a dense layer."""
    if isinstance(layer, str):
        return {"type": layer}
    if type(layer) is int:
        return {"type": "dense", "units": layer, "activation": "relu", "initializer": "he_normal"}
    return layer


def plain(value: Any) -> Any:
    """``value`` as JSON has it: no NumPy scalars and tuples; lists and objects are copied."""
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, Mapping):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, np.ndarray)):
        return [plain(item) for item in value]
    return value
