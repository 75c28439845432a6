"""Preparation of raw rows for training: split, contract fitted, scaled, encoded, weighted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from layerkit.core.context import Array
from layerkit.core.parts import Loss
from layerkit.core.rng import random_stream
from layerkit.core.rows import Rows
from layerkit.data import split_by_column, split_rows
from layerkit.datacontract import DataContract, InputContract, OutputContract, at_source
from layerkit.datacontract.fitted_rows import FittedRows, fitted_rows
from layerkit.datacontract.labels import distinct_labels
from layerkit.datacontract.precision_loss import input_precision_loss, target_precision_loss
from layerkit.display import counted, quoted
from layerkit.errors import DataError
from layerkit.model import Model
from layerkit.specs import Spec
from layerkit.training.class_counts import skewed_classes
from layerkit.training.rare_classes import class_labels, lone_classes, refuse_unlearned
from layerkit.training.row_weights import row_weights, weighted_rows

_SHOWN = 3  # columns in a notice


@dataclass(frozen=True)
class Arrays:
    """Rows ready for the network: x (n, *shape) scaled, y as the loss takes it, weights (n,).

    ``truth`` is what metrics compare predictions with: y, or numbers in raw units, float64. Outputs
    per step have y (n, ...) or (n, ..., k), weights (n, ...) in training, and marks for padding
    (``layerkit.core.steps``).
    """

    x: Array
    y: Array
    truth: Array
    weights: Array | None = None

    def __len__(self) -> int:
        return len(self.x)


@dataclass(frozen=True)
class Prepared:
    """The splits of one training, and the data contract fitted to its training rows.

    ``rows`` are these, raw, if there is a teacher to be asked for its answers.
    """

    contract: DataContract
    fitted: FittedRows
    train: Arrays
    validation: Arrays | None
    test: Arrays | None
    notices: tuple[str, ...] = ()
    rows: Rows | None = None


def test_split(splits: Mapping[str, Rows], spec: Spec) -> tuple[Rows, Rows | None]:
    """(training rows, test rows or None): the data set's own split, or that of ``train.test``.

    A fraction is drawn with its own random stream, not with the run's seed, so that runs of several
    seeds are tested on the same rows. It never takes the last row of a class. Raises DataError if
    there is no split called "train", or the choice leaves no rows.
    """
    if "train" not in splits:
        raise DataError(f"expected a split called 'train', got {', '.join(splits) or 'no split'}")
    rows, choice = splits["train"], (spec.train or {}).get("test")
    if splits.get("test") is not None or choice is None or choice == 0:
        return rows, splits.get("test")
    if isinstance(choice, dict):
        return split_by_column(rows, choice["column"], choice["values"])
    return split_rows(rows, choice, random_stream(0, "test"), spare=_classes(spec, rows))


def _classes(spec: Spec, rows: Rows) -> Array | None:
    found = class_labels(spec, rows)
    return None if found is None else found[1]


def prepare(
    model: Model,
    splits: Mapping[str, Rows],
    loss: Loss,
    *,
    seed: int,
    validation_rows: Rows | None = None,
) -> Prepared:
    """Split, fit and encode rows for training ``model``.

    A model that was trained before keeps its data contract, which its weights rely on. Raises
    DataError if rows do not keep the contract or there are too few, SpecError if the recipe and the
    data do not fit together.
    """
    rows, validation, test = split_all(
        model.spec, splits, loss, seed=seed, validation_rows=validation_rows
    )
    if not model.fitted:
        refuse_unlearned(model.spec, rows, test, "test")
        refuse_unlearned(model.spec, rows, validation, "validation")
    rows = weighted_rows(model.spec, rows)
    with at_source(rows):
        contract = model.contract if model.fitted else _fit(model, rows, loss)
    train = to_arrays(contract, rows, loss)
    given = [*splits.values(), *([] if validation is None else [validation])]
    notices: list[str | None] = [note for each in given for note in each.notes]
    if len(rows) < len(splits["train"]):
        notices.append(lone_classes(model.spec, splits["train"]))
    notices.append(skewed_classes(model.spec, rows))
    notices.append(input_precision_loss(contract.input, rows))
    if not model.fitted:
        notices.append(other_categories(contract.input, len(rows)))
    if loss.target == "real" and contract.output is not None:
        notices.append(target_precision_loss(contract.output, train.truth, train.y))
    weights = row_weights(model.spec.train or {}, contract, rows, train.y)
    if weights is not None:
        train = replace(train, weights=weights.astype(train.x.dtype))
    return Prepared(
        contract,
        fitted_rows(contract, rows),
        train,
        None if validation is None else to_arrays(contract, validation, loss),
        None if test is None else to_arrays(contract, test, loss),
        tuple(text for text in dict.fromkeys(notices) if text),
        rows if (model.spec.train or {}).get("teacher") else None,
    )


def split_all(
    spec: Spec,
    splits: Mapping[str, Rows],
    loss: Loss,
    *,
    seed: int,
    validation_rows: Rows | None = None,
) -> tuple[Rows, Rows | None, Rows | None]:
    """(training rows, validation rows or None, test rows or None) of a training with ``seed``.

    Raises DataError if there are no training rows, or they cannot be split as the recipe says.
    """
    rows, test = test_split(splits, spec)
    validation = validation_rows
    if validation is None:
        rows, validation = _validation_split(spec, rows, loss, seed)
    if len(rows) == 0:
        raise DataError("no rows to train on", source=splits["train"].source)
    return rows, validation, test


def _validation_split(spec: Spec, rows: Rows, loss: Loss, seed: int) -> tuple[Rows, Rows | None]:
    """(training rows, validation rows or None), by the recipe's fraction."""
    fraction = (spec.train or {}).get("validation")
    if not fraction:
        return rows, None
    return split_rows(
        rows,
        fraction,
        random_stream(seed, "validation"),
        stratify=_strata(spec, rows, loss),
        spare=_classes(spec, rows),
    )


def _strata(spec: Spec, rows: Rows, loss: Loss) -> Array | None:
    """Class numbers (n,) to stratify by, if the loss compares with classes."""
    targets = spec.output["targets"]
    names = None if targets is None else tuple(targets)
    output = OutputContract((len(names or " "),), targets=names, label=spec.output["column"])
    if loss.target == "real" or not output.has_labels(rows):
        return None
    labels = np.asarray(output.written(rows))
    return distinct_labels(labels)[1] if labels.ndim == 1 else None


def _fit(model: Model, rows: Rows, loss: Loss) -> DataContract:
    given, output, recipe = model.spec.input, model.spec.output, model.spec.train or {}
    split = recipe.get("test")
    others = [
        output["column"],
        *(output["targets"] or ()),
        split["column"] if isinstance(split, dict) else None,
        recipe.get("sample_weight"),
    ]
    inputs = InputContract.fit(
        rows,
        shape=model.spec.in_shape,
        dtype=model.spec.dtype,
        columns=given["columns"],
        exclude={name for name in others if name is not None},
        scale=given["scale"],
        missing=given["missing"],
        missing_values=given.get("missing_values") or (),
        whole=model.contract.input.whole,
    )
    declared = model.contract.output
    assert declared is not None  # noqa: S101  # build always declares one
    outputs = OutputContract.fit(
        rows,
        shape=declared.shape,
        target=loss.target,
        dtype=model.spec.dtype,
        classes=output["classes"],
        targets=output["targets"],
        label=output["column"],
        scale=output["scale"],
        missing_values=given.get("missing_values") or (),
    )
    return DataContract(inputs, outputs)


def other_categories(inputs: InputContract, rows: int) -> str | None:
    """A notice about training rows whose category is not listed; None if there are none."""
    fields = () if inputs.encoder is None else inputs.encoder.fields
    found = [f for f in fields if not isinstance(f, str) and f.others]
    if not found:
        return None
    shown = [
        f"{f.others:,} of {counted(rows, 'row')} have none of the {len(f.categories):,} categories "
        f"of {quoted(f.name)}"
        for f in found[:_SHOWN]
    ]
    if len(found) > _SHOWN:
        shown.append(f"and {counted(len(found) - _SHOWN, 'more column')}")
    return f'{"; ".join(shown)}: they are taken as "other"'


def to_arrays(contract: DataContract, rows: Rows, loss: Loss) -> Arrays:
    """``rows`` scaled and encoded by ``contract``."""
    assert contract.output is not None  # noqa: S101  # build always declares one
    with at_source(rows):
        x = contract.input.scale_rows(contract.input.matrix(rows))
        return Arrays(x, *encode_targets(contract.output, rows, loss))


def encode_targets(output: OutputContract, rows: Rows, loss: Loss) -> tuple[Array, Array]:
    """(what ``loss`` compares with, what metrics compare predictions with).

    The first is class numbers (n,), flags (n, k) or scaled numbers (n, k), per step (n, ...) or
    (n, ..., k); the second is the same, or raw numbers in float64. Raises DataError if a label does
    not keep the contract, the loss takes no number as small as a target, or the classes are not
    known yet.
    """
    if loss.target == "class" and output.classes is None:
        raise DataError(
            "the model was built but not trained: its classes are inferred from training rows",
            hint="train it, for example with: layerkit train MODEL --data PATH",
        )
    if output.classes is None:
        raw = output.targets_of(rows)
        output.check_least(raw, loss.least, rows.source)
        y = output.scaled(raw)
        return y, raw if loss.target == "real" else y
    y = output.encoded(rows)
    if loss.target != "class":
        one, numbers = output.width == 1, y
        y = (
            y[..., None].astype(output.dtype)
            if one
            else np.eye(output.width, dtype=output.dtype)[y]
        )
        if output.steps:
            y[numbers < 0] = np.nan  # padding
    return y, y
