"""The sections of a spec: fields, allowed values, defaults.

``layerkit explain FIELD``, the JSON Schema and the reference show the descriptions given here.
"""

# Section reads the annotations as objects: no ``from __future__ import annotations`` here.
import math
import re
from typing import Annotated, Any, Literal

from layerkit.fields import PartOf, Range, Size
from layerkit.specs.validate.declare import Constraint, Section, field

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


def _is_fraction(value: Any) -> bool:
    return _number(value) and 0 <= value < 1


def _is_class_weights(value: Any) -> bool:
    if value is None or value == "balanced":
        return True
    if isinstance(value, dict) and value.get("type") == "effective_number":
        return value.keys() == {"type", "beta"} and _is_fraction(value["beta"])
    numbers = list(value.values()) if isinstance(value, dict) else value
    if not isinstance(numbers, list) or not _numbers(numbers):
        return False
    return bool(min(numbers) >= 0 < max(numbers))


_COLUMN = {"anyOf": [{"type": "string"}, {"type": "integer", "minimum": 0}]}
_NUMBER_OR_LIST = {"anyOf": [{"type": "number"}, {"type": "array", "items": {"type": "number"}}]}

Version = Annotated[Any, Constraint(_is_version, {"const": 1}), "1"]
Name = Annotated[
    str,
    Constraint(_is_name, {"type": "string", "pattern": f"^{_NAME}$"}),
    "a name of at most 64 letters, digits, '_', '-' or '.'",
]
Scale = Annotated[
    Any,
    Constraint(
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
    Constraint(_is_missing, {"anyOf": [{"enum": ["error", "mean", "median"]}, {"type": "number"}]}),
    '"error", "mean", "median" or a number',
]
TestRows = Annotated[
    Any,
    Constraint(
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
    'null, a fraction >= 0 and < 1, or {"column": NAME, "values": [...]}',
]
ClassWeights = Annotated[
    Any,
    Constraint(
        _is_class_weights,
        {
            "anyOf": [
                {"enum": [None, "balanced"]},
                {
                    "type": "object",
                    "properties": {
                        "type": {"const": "effective_number"},
                        "beta": {"type": "number", "minimum": 0, "exclusiveMaximum": 1},
                    },
                    "required": ["type", "beta"],
                    "additionalProperties": False,
                },
                {"type": "array", "items": {"type": "number", "minimum": 0}},
                {"type": "object", "additionalProperties": {"type": "number", "minimum": 0}},
            ]
        },
    ),
    'null, "balanced", {"type": "effective_number", "beta": 0.99}, or numbers >= 0, not all 0: a '
    "list, or an object from class to number",
]
Character = Annotated[
    Any,
    Constraint(_is_character, {"type": ["string", "null"], "pattern": "^([^\\n\\r]|\\\\t|tab)$"}),
    "null or one character",
]
Quote = Annotated[
    Any,
    Constraint(_is_quote, {"type": ["string", "null"], "maxLength": 1}),
    "null, one character, or an empty string for none",
]
Column = Annotated[
    Any,
    Constraint(_is_column, {"anyOf": [*_COLUMN["anyOf"], {"type": "null"}]}),
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
    Constraint(
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
    'null, a name, a path, or an object with "path" (or "train" and "test") and the format of the '
    "file",
]
ColumnName = Annotated[
    Any,
    Constraint(lambda value: value is not None and _is_column(value), _COLUMN),
    "the name of a column, or its position from 0",
]
LossName = Annotated[Any, PartOf("losses")]
OptimizerName = Annotated[Any, PartOf("optimizers")]
ScheduleName = Annotated[Any, PartOf("schedules")]
MetricName = Annotated[Any, PartOf("metrics")]
CallbackName = Annotated[Any, PartOf("callbacks")]


Categories = Annotated[
    Literal["learn"] | list[str], '"learn", or a list of texts such as ["red", "green"]'
]
InputColumn = Annotated[
    Any,
    Constraint(
        lambda value: isinstance(value, (str, dict)),
        {"type": ["string", "object"]},  # in the JSON Schema: also its fields
    ),
    'the name of a numeric column, or an object with "name" and "categories"',
]


class InputCategories(Section):
    """A column of categories, text or a few different numbers: an input for each, or a code."""

    name: str = field(description="Name of the column.")
    categories: Categories = field(
        description="The categories in the order of the inputs; or `learn` for those of the "
        "training rows, sorted. A category is written as the text of its cells: 1 and 1.0 are "
        '"1", true is "true".'
    )
    max: Size | None = field(
        None,
        description="For `learn`: of more categories than this, 64 by default, only those in the "
        "most rows are taken, and `unknown` becomes `other`.",
    )
    unknown: Literal["error", "other"] = field(
        "error",
        description="What a cell of another category is: an error, or `other`, which is no "
        "category: all its inputs are 0.",
    )
    missing: Literal["error", "category"] = field(
        "error",
        description="What an empty cell is: an error, or a category of its own, the last input.",
    )
    encode: Literal["one_hot", "code"] = field(
        "one_hot",
        description="`one_hot`: one input of 0 or 1 for each category. `code`: one input, the "
        "number of the category from 0, for a layer such as `embedding`; then comes the number of "
        "missing values, if they are a category, and the last one is that of `other`.",
    )


class Input(Section):
    """The data contract of raw rows: their shape or columns, and how they are scaled."""

    shape: list[Size] | None = field(
        None, description="Shape of one row, such as [64]. Give either this or `columns`."
    )
    columns: list[InputColumn] | None = field(
        None,
        description="The columns of a table, in the order of the inputs: the name of each numeric "
        'one, and for each with categories an object such as `{"name": "color", "categories": '
        '["red", "green"]}`.',
    )
    scale: Scale = field(
        None,
        description="How raw numbers are scaled: x' = (x - center) / scale. `standardize` and "
        "`minmax` are fitted on the training rows and saved in the model file. Categories are not "
        "scaled: a list has one number per numeric column.",
    )
    missing: Missing = field(
        "error",
        description="What replaces an empty cell of a numeric column: nothing (an error), the "
        "column's training mean or median, or a number.",
    )
    delimiter: Character = field(
        None, description="Separator between the cells of a table; detected by default."
    )
    decimal: Literal[".", ","] | None = field(
        None, description="Decimal separator; detected by default."
    )
    thousands: Character = field(
        None, description="Thousands separator, as in 1.234,5; detected where unambiguous."
    )
    quote: Quote = field(
        None, description='Quotation mark around cells that contain separators; by default `"`.'
    )
    header: bool | None = field(
        None, description="Whether the first line holds the column names; detected by default."
    )
    comment: str | None = field(
        None, description="Lines of a table that start with this are skipped."
    )
    missing_values: list[str] = field(
        [],
        description="Cells that count as missing, such as NA, besides empty cells and `?`.",
    )
    encoding: str | None = field(
        None, description="Character encoding of a table, such as latin-1; by default UTF-8."
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
"""The fields of ``input`` that describe the format of tables; ``train.data`` takes them too."""


class Output(Section):
    """The meaning of the output: classes, or named numbers (targets)."""

    classes: list[str] | list[int] | None = field(
        None,
        description="Class names in the order of the last layer's units; by default inferred from "
        "the training labels.",
    )
    column: Column = field(
        None,
        description="The table column with the class labels: its name, or its position from 0.",
    )
    targets: list[ColumnName] | None = field(
        None, description="For regression: names of the target columns, or their positions from 0."
    )
    scale: Literal["standardize"] | None = field(
        None,
        description="`standardize` trains on (y - mean) / deviation of the training targets and "
        "converts predictions back.",
    )
    link: Literal["softmax", "sigmoid", "identity", "exp"] | None = field(
        None,
        description="Turns scores into predictions; by default the one that the loss implies.",
    )


class EarlyStopping(Section):
    """Stop training when a validation metric no longer improves, and keep the best weights."""

    metric: str = field("loss", description="`loss`, or the name of a metric in `metrics`.")
    patience: Size = field(5, description="Epochs without improvement before training stops.")
    min_delta: Annotated[float, Range(ge=0)] = field(
        0.0, description="Smallest change that counts as an improvement."
    )


class Teacher(Section):
    """A trained model whose answers the training follows, beside the labels."""

    model: str = field(
        description="Path of the teacher's model file. Only training reads it. The teacher is "
        "given the raw rows, so it may scale them in its own way; it must answer with the same "
        "classes, in any order, or the same number of targets."
    )
    weight: Annotated[float, Range(ge=0, le=1)] = field(
        0.9,
        description="w: the training loss is (1 - w) times that of the labels plus w times the "
        "distance from the teacher's answers. 0 for `hints` alone.",
    )
    temperature: Annotated[float, Range(ge=0.01, le=100)] = field(
        4.0,
        description="T: the distance is T^2 times the divergence of softmax(scores / T) of teacher "
        "and student (Hinton, Vinyals, Dean 2015), of sigmoid(scores / T) where that is the link. "
        "Far above the scores' size T changes nothing but rounding errors, which grow with it. "
        "For targets it means nothing: the distance is the loss from the teacher's answer.",
    )
    file_id: str | None = field(
        None,
        description="The id of the teacher's file. Training fills it in, and refuses another file.",
    )


class Hint(Section):
    """A layer that follows one of the teacher's while the model is trained (FitNets)."""

    layer: str = field(
        description="Name of a layer, or path of one inside a container: residual_1.dense_2."
    )
    teacher: str = field(description="The layer of the teacher that it follows, named alike.")
    regressor: Any = field(
        None,
        description="A layer between the two, trained with the model and not part of it; needed "
        'where their shapes differ: `{"type": "dense", "units": 30}` gives shape [30].',
    )
    weight: Annotated[float, Range(ge=0, le=1e6)] = field(
        1.0,
        description="Weight, in the training loss, of the mean square of the differences between "
        "both layers' values.",
    )
    until_epoch: Size | None = field(
        None, description="The last epoch that follows the hint; by default the last one of all."
    )
    alone: bool = field(
        False,
        description="Until then nothing but hints is learned, and layers above the hinted ones "
        "wait: the first stage of FitNets. Needs `until_epoch`.",
    )


class Train(Section):
    """The training recipe: data, loss, optimizer, number of epochs."""

    data: Data = field(
        None,
        description="Name of a data set (digits, mnist), or path of a file or folder; or an object "
        "with `path`, or `train` and `test`, and the fields of `input` that describe the format of "
        'the file: `{"path": "flats.csv", "delimiter": ";", "decimal": ","}`.',
    )
    test: TestRows = field(
        None,
        description="Rows of a table held out for testing: a fraction, or the rows with one of the "
        "values in a column. Data sets that come with a test split keep it.",
    )
    validation: Annotated[float, Range(ge=0, lt=1)] = field(
        0.0, description="Fraction of the training rows held out for validation."
    )
    loss: LossName = field(
        None,
        description="By default softmax_cross_entropy for classes and mse for targets.",
    )
    optimizer: OptimizerName = field("adam", description="How gradients update the weights.")
    schedule: ScheduleName = field(
        "constant", description="How the learning rate changes over the epochs."
    )
    batch_size: Size = field(32, description="Rows per training step.")
    epochs: Size = field(10, description="Number of passes over the training rows.")
    seed: Annotated[int, Range(ge=0, lt=2**63)] = field(
        0, description="Seed of everything random: initial weights, split, order of rows, dropout."
    )
    weight_decay: Annotated[float, Range(ge=0)] = field(
        0.0,
        description="L2: adds this times the weight to its gradient; biases are exempt. For decay "
        "that leaves the gradient alone (decoupled, as in AdamW) there is the optimizer's own "
        "`weight_decay`.",
    )
    clip_norm: Annotated[float, Range(gt=0)] | None = field(
        None,
        description="Scales the whole gradient down to this Euclidean norm if it is larger.",
    )
    clip_value: Annotated[float, Range(gt=0)] | None = field(
        None, description="Clips each element of the gradient to [-value, value]."
    )
    early_stopping: EarlyStopping | None = field(
        None,
        description="Stop when a validation metric no longer improves; restore the best.",
    )
    metrics: list[MetricName] | None = field(
        None,
        description="What to report; by default accuracy for classes, mae and r2 for targets.",
    )
    callbacks: list[CallbackName] = field(
        [],
        description="What else takes part in the training: logs, checkpoints, a time budget. A "
        'list such as `["csv_log", {"type": "time_budget", "seconds": 600}]`.',
    )
    teacher: Teacher | None = field(
        None, description="A trained model to learn from (distillation)."
    )
    hints: list[Any] = field(
        [],
        description='Layers that follow layers of the teacher, a list of objects: `[{"layer": '
        '"dense_3", "teacher": "dense_2"}]`.',
    )
    class_weights: ClassWeights = field(
        None,
        description="Weight of each class in the training loss: `balanced` is 1 / rows of the "
        "class, `effective_number` (1 - beta) / (1 - beta^rows) (Cui et al. 2019), from no weights "
        "for beta 0 to `balanced` for beta near 1. Metrics and the losses reported after an epoch "
        "weigh all rows equally.",
    )
    sample_weight: Column = field(
        None,
        description="Table column with the weight of each row in the training loss and in the "
        "statistics of `standardize`: a row of weight 2 counts twice. Metrics and the losses "
        "reported after an epoch weigh all rows equally.",
    )


class SpecDocument(Section):
    """A whole spec. Each layer is validated by its own type."""

    layerkit: Version = field(description="Version of the spec language: 1.")
    name: Name = field("model", description="Name of the model.")
    dtype: Literal["float32", "float64"] = field("float32", description="Precision of all numbers.")
    input: Input = field(description="The data contract of raw rows.")
    layers: list[Any] = field(description="The layers, in the order they are applied.")
    output: Output = field({}, description="The meaning of the output.")
    train: Train | None = field(None, description="The training recipe.")


SECTIONS: dict[str, type[Section]] = {
    "": SpecDocument,
    "input": Input,
    "input.columns": InputCategories,
    "output": Output,
    "train": Train,
    "train.early_stopping": EarlyStopping,
    "train.teacher": Teacher,
    "train.hints": Hint,
}
