"""The sections of a spec as pydantic models: what a user may write, with its defaults.

The descriptions here are what ``layerkit explain FIELD`` prints and what the JSON Schema shows.
"""

from __future__ import annotations

import math
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, Field, WithJsonSchema

from layerkit.fields import PartOf, Range
from layerkit.spec.settings import STRICT

__all__ = ["SECTIONS", "EarlyStopping", "Input", "Output", "Section", "SpecDocument", "Train"]

Name = Annotated[
    str,
    Field(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}$"),
    "a name of at most 64 letters, digits, '_', '-' or '.'",
]


class Section(BaseModel):
    """Base of the sections: strict, nothing unknown."""

    model_config = STRICT


def _number(value: Any) -> bool:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return False
    return abs(value) < 1e300 and math.isfinite(value)


def _numbers(value: Any, *, nonzero: bool = False) -> bool:
    items = value if isinstance(value, list) else [value]
    return bool(items) and all(_number(v) and not (nonzero and v == 0) for v in items)


def _check_version(value: Any) -> Any:
    if type(value) is int and value == 1:
        return value
    raise ValueError


def _check_scale(value: Any) -> Any:
    if value in (None, "standardize", "minmax"):
        return value
    if isinstance(value, dict) and value.keys() == {"divide"}:
        good = _numbers(value["divide"], nonzero=True)
    elif isinstance(value, dict) and value.keys() == {"center", "scale"}:
        good = _numbers(value["center"]) and _numbers(value["scale"], nonzero=True)
    else:
        good = False
    if not good:
        raise ValueError
    return value


def _check_missing(value: Any) -> Any:
    if value in ("error", "mean", "median") or _number(value):
        return value
    raise ValueError


def _check_test(value: Any) -> Any:
    if value is None or (_number(value) and 0 <= value < 1):
        return value
    if isinstance(value, dict) and value.keys() == {"column", "values"}:
        items = value["values"]
        plain = isinstance(items, list) and all(isinstance(v, str) or _number(v) for v in items)
        if isinstance(value["column"], str) and plain and items:
            return value
    raise ValueError


def _check_class_weights(value: Any) -> Any:
    if value is None or value == "balanced":
        return value
    numbers = list(value.values()) if isinstance(value, dict) else value
    if (
        isinstance(numbers, list)
        and numbers
        and _numbers(numbers)
        and min(numbers) >= 0 < max(numbers)
    ):
        return value
    raise ValueError


_NUMBER_OR_LIST = {"anyOf": [{"type": "number"}, {"type": "array", "items": {"type": "number"}}]}

Version = Annotated[Any, BeforeValidator(_check_version), WithJsonSchema({"const": 1}), "1"]
Scale = Annotated[
    Any,
    BeforeValidator(_check_scale),
    WithJsonSchema(
        {
            "anyOf": [
                {"enum": [None, "standardize", "minmax"]},
                {
                    "type": "object",
                    "properties": {"divide": _NUMBER_OR_LIST},
                    "required": ["divide"],
                    "additionalProperties": False,
                },
                {
                    "type": "object",
                    "properties": {"center": _NUMBER_OR_LIST, "scale": _NUMBER_OR_LIST},
                    "required": ["center", "scale"],
                    "additionalProperties": False,
                },
            ]
        }
    ),
    'null, "standardize", "minmax", {"divide": 255} or {"center": [...], "scale": [...]}',
]
Missing = Annotated[
    Any,
    BeforeValidator(_check_missing),
    WithJsonSchema({"anyOf": [{"enum": ["error", "mean", "median"]}, {"type": "number"}]}),
    '"error", "mean", "median" or a number',
]
TestRows = Annotated[
    Any,
    BeforeValidator(_check_test),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "null"},
                {"type": "number", "minimum": 0, "exclusiveMaximum": 1},
                {
                    "type": "object",
                    "properties": {
                        "column": {"type": "string"},
                        "values": {"type": "array", "items": {"type": ["string", "number"]}},
                    },
                    "required": ["column", "values"],
                    "additionalProperties": False,
                },
            ]
        }
    ),
    'null, a fraction below 1, or {"column": NAME, "values": [...]}',
]
ClassWeights = Annotated[
    Any,
    BeforeValidator(_check_class_weights),
    WithJsonSchema(
        {
            "anyOf": [
                {"enum": [None, "balanced"]},
                {"type": "array", "items": {"type": "number", "minimum": 0}},
                {"type": "object", "additionalProperties": {"type": "number", "minimum": 0}},
            ]
        }
    ),
    'null, "balanced", or numbers >= 0, not all 0: a list, or an object from class to number',
]
LossName = Annotated[Any, PartOf("losses")]
OptimizerName = Annotated[Any, PartOf("optimizers")]
ScheduleName = Annotated[Any, PartOf("schedules")]
MetricName = Annotated[Any, PartOf("metrics")]


class Input(Section):
    """What the input must look like: the data contract of raw rows."""

    shape: list[Annotated[int, Field(ge=1), Range(ge=1)]] | None = Field(
        None, description="Shape of one row, for example [64]. Give this or `columns`."
    )
    columns: list[str] | None = Field(
        None, description="Names of the numeric columns of a table, in the order the net sees them."
    )
    scale: Scale = Field(
        None,
        description="How raw values become inputs: x' = (x - center) / scale. `standardize` and "
        "`minmax` are fitted on the training rows and kept in the model file.",
    )
    missing: Missing = Field(
        "error",
        description="What an empty cell becomes: an error, the column's training mean or median, "
        "or a number.",
    )


class Output(Section):
    """What the output means: classes, or named target numbers."""

    classes: list[str] | list[int] | None = Field(
        None,
        description="Class names in the order of the last layer's units. Left out, they are "
        "learned from the training labels.",
    )
    column: str | None = Field(None, description="The table column that holds the class.")
    targets: list[str] | None = Field(
        None, description="For regression: names of the target columns."
    )
    scale: Literal["standardize"] | None = Field(
        None,
        description="`standardize` trains on (y - mean) / deviation of the training targets and "
        "turns answers back.",
    )
    link: Literal["softmax", "sigmoid", "identity"] | None = Field(
        None, description="What turns scores into predictions; by default what the loss implies."
    )


class EarlyStopping(Section):
    """Stop when a validation number no longer improves, and keep the best weights."""

    metric: str = Field("loss", description="`loss`, or the name of a metric in `metrics`.")
    patience: Annotated[int, Field(ge=1), Range(ge=1)] = Field(
        5, description="Epochs without improvement before training stops."
    )
    min_delta: Annotated[float, Field(ge=0), Range(ge=0)] = Field(
        0.0, description="The least change that counts as an improvement."
    )


class Train(Section):
    """The recipe: data, loss, optimizer and how long."""

    data: str | None = Field(
        None, description="Name of a data set (digits, mnist), or path of a file or folder."
    )
    test: TestRows = Field(
        None,
        description="Rows of a table kept for testing: a fraction, or those whose column has one "
        "of the values. Data sets with a test split of their own keep it.",
    )
    validation: Annotated[float, Field(ge=0, lt=1), Range(ge=0, lt=1)] = Field(
        0.0, description="Fraction of the training rows kept for validation."
    )
    loss: LossName = Field(
        None,
        description="By default softmax_cross_entropy for classes and mse for targets.",
    )
    optimizer: OptimizerName = Field("adam", description="How gradients change the weights.")
    schedule: ScheduleName = Field(
        "constant", description="How the learning rate changes over the epochs."
    )
    batch_size: Annotated[int, Field(ge=1), Range(ge=1)] = Field(
        32, description="Rows a training step."
    )
    epochs: Annotated[int, Field(ge=1), Range(ge=1)] = Field(
        10, description="Passes over the training rows."
    )
    seed: Annotated[int, Field(ge=0, lt=2**63), Range(ge=0, lt=2**63)] = Field(
        0, description="Everything random follows from it: start, split, order, dropout."
    )
    weight_decay: Annotated[float, Field(ge=0), Range(ge=0)] = Field(
        0.0, description="L2: adds this times the weight to its gradient; biases are left alone."
    )
    clip_norm: Annotated[float, Field(gt=0), Range(gt=0)] | None = Field(
        None, description="Shrinks the whole gradient to this Euclidean norm if it is longer."
    )
    clip_value: Annotated[float, Field(gt=0), Range(gt=0)] | None = Field(
        None, description="Clips every element of the gradient to [-value, value]."
    )
    early_stopping: EarlyStopping | None = Field(
        None, description="Stop when the validation number no longer improves; restores the best."
    )
    metrics: list[MetricName] | None = Field(
        None, description="By default accuracy for classes; mae and r2 for targets."
    )
    class_weights: ClassWeights = Field(
        None,
        description="How much the rows of each class count in the training loss. Metrics and the "
        "losses that are reported after an epoch count every row alike.",
    )
    sample_weight: str | None = Field(
        None,
        description="The table column that says how much each row counts in the training loss. "
        "Metrics and the losses that are reported after an epoch count every row alike.",
    )


class SpecDocument(Section):
    """A whole spec; the layers are validated one by one, each by its own type."""

    layerkit: Version = Field(description="Version of the spec language: 1.")
    name: Name = Field("model", description="Name of the model.")
    dtype: Literal["float32", "float64"] = Field("float32", description="Of every number.")
    input: Input = Field(description="The data contract of raw rows.")
    layers: list[Any] = Field(description="Layers in order of application.")
    output: Output = Field(default_factory=Output, description="What the output means.")
    train: Train | None = Field(None, description="The training recipe.")


SECTIONS: dict[str, type[Section]] = {
    "": SpecDocument,
    "input": Input,
    "output": Output,
    "train": Train,
    "train.early_stopping": EarlyStopping,
}
