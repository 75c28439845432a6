"""The sections of a spec: what a user may write, with its defaults.

The descriptions here are what ``layerkit explain FIELD`` prints and what the JSON Schema shows.
"""

# Annotations are read as they stand: no ``from __future__ import annotations`` here.
import math
import re
from typing import Annotated, Any, Literal

from layerkit.fields import PartOf, Range, Size
from layerkit.specs.validate.declare import Rule, Section, field

__all__ = ["DIALECT", "SECTIONS", "EarlyStopping", "Input", "Output", "SpecDocument", "Train"]

_NAME = r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}"


def _number(value: Any) -> bool:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return False
    return abs(value) < 1e300 and math.isfinite(value)


def _numbers(value: Any, *, nonzero: bool = False) -> bool:
    items = value if isinstance(value, list) else [value]
    return bool(items) and all(_number(v) and not (nonzero and v == 0) for v in items)


def _is_version(value: Any) -> bool:
    return type(value) is int and value == 1


def _is_name(value: Any) -> bool:
    return isinstance(value, str) and re.fullmatch(_NAME, value) is not None


def _is_scale(value: Any) -> bool:
    if value in (None, "standardize", "minmax"):
        return True
    if isinstance(value, dict) and value.keys() == {"divide"}:
        return _numbers(value["divide"], nonzero=True)
    if isinstance(value, dict) and value.keys() == {"center", "scale"}:
        return _numbers(value["center"]) and _numbers(value["scale"], nonzero=True)
    return False


def _is_missing(value: Any) -> bool:
    return value in ("error", "mean", "median") or _number(value)


def _is_test(value: Any) -> bool:
    if isinstance(value, dict) and value.keys() == {"column", "values"}:
        items = value["values"]
        plain = isinstance(items, list) and all(isinstance(v, str) or _number(v) for v in items)
        named = value["column"] is not None and _is_column(value["column"])
        return named and plain and bool(items)
    return value is None or (_number(value) and 0 <= value < 1)


def _is_character(value: Any) -> bool:
    one = isinstance(value, str) and len(value) == 1 and value not in "\n\r\0"
    return value is None or one or value in ("\\t", "tab")


def _is_quote(value: Any) -> bool:
    return value == "" or (_is_character(value) and value not in ("\\t", "tab"))


def _is_data(value: Any) -> bool:
    return value is None or isinstance(value, (str, dict))


def _is_column(value: Any) -> bool:
    return value is None or isinstance(value, str) or (type(value) is int and value >= 0)


def _is_class_weights(value: Any) -> bool:
    if value is None or value == "balanced":
        return True
    numbers = list(value.values()) if isinstance(value, dict) else value
    if not isinstance(numbers, list) or not _numbers(numbers):
        return False
    return bool(min(numbers) >= 0 < max(numbers))


_COLUMN = {"anyOf": [{"type": "string"}, {"type": "integer", "minimum": 0}]}
_NUMBER_OR_LIST = {"anyOf": [{"type": "number"}, {"type": "array", "items": {"type": "number"}}]}

Version = Annotated[Any, Rule(_is_version, {"const": 1}), "1"]
Name = Annotated[
    str,
    Rule(_is_name, {"type": "string", "pattern": f"^{_NAME}$"}),
    "a name of at most 64 letters, digits, '_', '-' or '.'",
]
Scale = Annotated[
    Any,
    Rule(
        _is_scale,
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
        },
    ),
    'null, "standardize", "minmax", {"divide": 255} or {"center": [...], "scale": [...]}',
]
Missing = Annotated[
    Any,
    Rule(_is_missing, {"anyOf": [{"enum": ["error", "mean", "median"]}, {"type": "number"}]}),
    '"error", "mean", "median" or a number',
]
TestRows = Annotated[
    Any,
    Rule(
        _is_test,
        {
            "anyOf": [
                {"type": "null"},
                {"type": "number", "minimum": 0, "exclusiveMaximum": 1},
                {
                    "type": "object",
                    "properties": {
                        "column": _COLUMN,
                        "values": {"type": "array", "items": {"type": ["string", "number"]}},
                    },
                    "required": ["column", "values"],
                    "additionalProperties": False,
                },
            ]
        },
    ),
    'null, a fraction below 1, or {"column": NAME, "values": [...]}',
]
ClassWeights = Annotated[
    Any,
    Rule(
        _is_class_weights,
        {
            "anyOf": [
                {"enum": [None, "balanced"]},
                {"type": "array", "items": {"type": "number", "minimum": 0}},
                {"type": "object", "additionalProperties": {"type": "number", "minimum": 0}},
            ]
        },
    ),
    'null, "balanced", or numbers >= 0, not all 0: a list, or an object from class to number',
]
Character = Annotated[
    Any,
    Rule(_is_character, {"type": ["string", "null"], "pattern": "^([^\\n\\r]|\\\\t|tab)$"}),
    "null or one character",
]
Quote = Annotated[
    Any,
    Rule(_is_quote, {"type": ["string", "null"], "maxLength": 1}),
    "null, one character, or empty for none",
]
Column = Annotated[
    Any,
    Rule(_is_column, {"anyOf": [*_COLUMN["anyOf"], {"type": "null"}]}),
    "null, the name of a column, or its position from 0",
]
_DIALECT: dict[str, Any] = {
    "delimiter": {"type": ["string", "null"]},
    "decimal": {"enum": [None, ".", ","]},
    "thousands": {"type": ["string", "null"]},
    "quote": {"type": ["string", "null"], "maxLength": 1},
    "header": {"type": ["boolean", "null"]},
    "comment": {"type": ["string", "null"]},
    "missing_values": {"type": "array", "items": {"type": "string"}},
    "encoding": {"type": ["string", "null"]},
}
Data = Annotated[
    Any,
    Rule(
        _is_data,
        {
            "anyOf": [
                {"type": ["string", "null"]},
                {
                    "type": "object",
                    "properties": {"type": {"type": "string"}},
                    "required": ["type"],
                },
                {
                    "type": "object",
                    "properties": {
                        "path": {"type": "string"},
                        "train": {"type": "string"},
                        "test": {"type": "string"},
                        "format": {"type": "string"},
                        **_DIALECT,
                    },
                    "anyOf": [{"required": ["path"]}, {"required": ["train"]}],
                    "additionalProperties": False,
                },
            ]
        },
    ),
    'null, a name or a path, or an object with "path" (or "train" and "test") and how the file is '
    "written",
]
ColumnName = Annotated[
    Any,
    Rule(lambda value: value is not None and _is_column(value), _COLUMN),
    "the name of a column, or its position from 0",
]
LossName = Annotated[Any, PartOf("losses")]
OptimizerName = Annotated[Any, PartOf("optimizers")]
ScheduleName = Annotated[Any, PartOf("schedules")]
MetricName = Annotated[Any, PartOf("metrics")]


class Input(Section):
    """What the input must look like: the data contract of raw rows."""

    shape: list[Size] | None = field(
        None, description="Shape of one row, for example [64]. Give this or `columns`."
    )
    columns: list[str] | None = field(
        None, description="Names of the numeric columns of a table, in the order the net sees them."
    )
    scale: Scale = field(
        None,
        description="How raw values become inputs: x' = (x - center) / scale. `standardize` and "
        "`minmax` are fitted on the training rows and kept in the model file.",
    )
    missing: Missing = field(
        "error",
        description="What an empty cell becomes: an error, the column's training mean or median, "
        "or a number.",
    )
    delimiter: Character = field(
        None, description="What stands between the cells of a table; detected if left out."
    )
    decimal: Literal[".", ","] | None = field(
        None, description="What begins the decimals of a number; detected if left out."
    )
    thousands: Character = field(
        None, description="What groups digits by three, as in 1.234,5; detected where plain."
    )
    quote: Quote = field(
        None, description='What stands around cells that hold others; by default `"`.'
    )
    header: bool | None = field(
        None, description="Whether the first line names the columns; detected if left out."
    )
    comment: str | None = field(
        None, description="Lines of a table that begin with this are skipped."
    )
    missing_values: list[str] = field(
        default_factory=list,
        description="Spellings of a missing value, such as NA, beside an empty cell and `?`.",
    )
    encoding: str | None = field(
        None, description="Of the characters of a table, such as latin-1; by default UTF-8."
    )


DIALECT = (
    "delimiter",
    "decimal",
    "thousands",
    "quote",
    "header",
    "comment",
    "missing_values",
    "encoding",
)
"""The fields of ``input`` that say how tables are written; ``train.data`` takes them too."""


class Output(Section):
    """What the output means: classes, or named target numbers."""

    classes: list[str] | list[int] | None = field(
        None,
        description="Class names in the order of the last layer's units. Left out, they are "
        "learned from the training labels.",
    )
    column: Column = field(
        None,
        description="The table column that holds the class: its name, or its position from 0.",
    )
    targets: list[ColumnName] | None = field(
        None, description="For regression: names of the target columns, or their positions from 0."
    )
    scale: Literal["standardize"] | None = field(
        None,
        description="`standardize` trains on (y - mean) / deviation of the training targets and "
        "turns answers back.",
    )
    link: Literal["softmax", "sigmoid", "identity"] | None = field(
        None, description="What turns scores into predictions; by default what the loss implies."
    )


class EarlyStopping(Section):
    """Stop when a validation number no longer improves, and keep the best weights."""

    metric: str = field("loss", description="`loss`, or the name of a metric in `metrics`.")
    patience: Size = field(5, description="Epochs without improvement before training stops.")
    min_delta: Annotated[float, Range(ge=0)] = field(
        0.0, description="The least change that counts as an improvement."
    )


class Train(Section):
    """The recipe: data, loss, optimizer and how long."""

    data: Data = field(
        None,
        description="Name of a data set (digits, mnist), or path of a file or folder; or an object "
        'with `path`, or `train` and `test`, and how the file is written, such as `{"path": '
        '"flats.csv", "delimiter": ";", "decimal": ","}`, with the fields of `input` of these '
        "names.",
    )
    test: TestRows = field(
        None,
        description="Rows of a table kept for testing: a fraction, or those whose column has one "
        "of the values. Data sets with a test split of their own keep it.",
    )
    validation: Annotated[float, Range(ge=0, lt=1)] = field(
        0.0, description="Fraction of the training rows kept for validation."
    )
    loss: LossName = field(
        None,
        description="By default softmax_cross_entropy for classes and mse for targets.",
    )
    optimizer: OptimizerName = field("adam", description="How gradients change the weights.")
    schedule: ScheduleName = field(
        "constant", description="How the learning rate changes over the epochs."
    )
    batch_size: Size = field(32, description="Rows a training step.")
    epochs: Size = field(10, description="Passes over the training rows.")
    seed: Annotated[int, Range(ge=0, lt=2**63)] = field(
        0, description="Everything random follows from it: start, split, order, dropout."
    )
    weight_decay: Annotated[float, Range(ge=0)] = field(
        0.0, description="L2: adds this times the weight to its gradient; biases are left alone."
    )
    clip_norm: Annotated[float, Range(gt=0)] | None = field(
        None, description="Shrinks the whole gradient to this Euclidean norm if it is longer."
    )
    clip_value: Annotated[float, Range(gt=0)] | None = field(
        None, description="Clips every element of the gradient to [-value, value]."
    )
    early_stopping: EarlyStopping | None = field(
        None, description="Stop when the validation number no longer improves; restores the best."
    )
    metrics: list[MetricName] | None = field(
        None, description="By default accuracy for classes; mae and r2 for targets."
    )
    class_weights: ClassWeights = field(
        None,
        description="How much the rows of each class count in the training loss. Metrics and the "
        "losses that are reported after an epoch count every row alike.",
    )
    sample_weight: Column = field(
        None,
        description="The table column (name, or position from 0) that says how much each row "
        "counts in the training loss. Metrics and the losses that are reported after an epoch "
        "count every row alike.",
    )


class SpecDocument(Section):
    """A whole spec; the layers are validated one by one, each by its own type."""

    layerkit: Version = field(description="Version of the spec language: 1.")
    name: Name = field("model", description="Name of the model.")
    dtype: Literal["float32", "float64"] = field("float32", description="Of every number.")
    input: Input = field(description="The data contract of raw rows.")
    layers: list[Any] = field(description="Layers in order of application.")
    output: Output = field(default_factory=Output.defaults, description="What the output means.")
    train: Train | None = field(None, description="The training recipe.")


SECTIONS: dict[str, type[Section]] = {
    "": SpecDocument,
    "input": Input,
    "output": Output,
    "train": Train,
    "train.early_stopping": EarlyStopping,
}
