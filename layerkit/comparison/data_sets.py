"""Data sets that one spec is to be trained on, and the spec as each of them needs it.

What a data set is follows from its rows, by the rules of ``spec_init`` for a table: its inputs, how
they are scaled, its target. All contestants get the same. Of a spec, the layers and the training
stay; only the number of its outputs follows the classes. A data set may be given as a spec, which
then says what its inputs and its target are.
"""

from __future__ import annotations

import json
import math
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from layerkit.core.context import Array
from layerkit.core.rows import Rows
from layerkit.data import Dialect, load_data
from layerkit.datacontract.labels import distinct_labels
from layerkit.discovery.registry import DATA
from layerkit.display import quoted
from layerkit.errors import DataError, LayerkitError, SpecError
from layerkit.paths import expanded, open_input
from layerkit.profile.starting_spec import starting_spec
from layerkit.specs import Spec, as_spec, read_spec
from layerkit.specs.ready import ready_specs
from layerkit.training.recipe import loss_and_metrics

_TEST = 0.2  # of the rows, where neither the data nor the spec choose any
_LEAVE_OUT = "leave one of them out: every contestant is trained on every data set"


@dataclass(frozen=True)
class DataSet:
    """What rows are called, and the sections of a spec that say what they are.

    ``outputs`` is the number of classes or targets. ``test`` chooses the test rows and ``weight``
    names the column of row weights, if the data set itself says so.
    """

    name: str
    input: dict[str, Any]
    output: dict[str, Any]
    outputs: int
    data: Any
    test: Any = None
    weight: str | None = None

    def fit(self, spec: Spec, name: str) -> Spec:
        """``spec``, of the contestant called ``name``, for these rows.

        Raises SpecError if its layers or its training do not fit them.
        """
        document = spec.to_document()
        train = dict(document["train"])
        own = train["test"] if isinstance(train["test"], float) and train["test"] else _TEST
        train |= {
            "data": self.data,
            "test": own if self.test is None else self.test,
            "sample_weight": self.weight,
        }
        document |= {
            "input": self._input(spec),
            "layers": _with_outputs(document["layers"], spec, self.outputs),
            "output": self.output,
            "train": train,
        }
        try:
            return as_spec(document)
        except LayerkitError as error:
            raise _refused(name, self.name, error) from error

    def _input(self, spec: Spec) -> dict[str, Any]:
        """The input section; images have the shape in which the layers take them."""
        shape, own = self.input.get("shape"), spec.input["shape"]
        if shape is None or own is None:
            return self.input
        if math.prod(own) == math.prod(shape):
            return {**self.input, "shape": own}
        return {**self.input, "shape": [math.prod(shape)]} if len(own) == 1 else self.input


def read_data_set(
    given: str | os.PathLike[str], *, numbers: bool, dialect: Dialect | None = None
) -> DataSet:
    """A file, folder, named source or spec of a data set whose target is ``numbers`` or classes.

    Raises DataError if its target is the other, and the errors of ``spec_init``, ``read_spec`` and
    ``load_data``.
    """
    path = expanded(os.fspath(given))
    spec = _spec_at(path)
    if spec is not None:
        found = _of_spec(spec)
    elif not Path(path).exists() and path in DATA:
        found = _of_rows(load_data(path), path, path, numbers=numbers)
    else:
        splits = load_data(None, where=path, instead=dialect)
        stem = Path(path.removesuffix(".gz")).stem
        if splits["train"].labels is not None:
            found = _of_rows(splits, stem, {"path": path}, numbers=numbers)
        else:
            table = path if Path(path).is_file() else splits["train"]
            found = _of_table(table, stem, {"path": path}, numbers=numbers, dialect=dialect)
    if (found.output.get("targets") is not None) != numbers:
        kinds = ("numbers", "classes") if numbers else ("classes", "numbers")
        raise DataError(
            f"the contestants learn {kinds[0]}, and the target is {kinds[1]}",
            source=found.name,
            hint="leave it out, or name another target: layerkit spec init --target writes a spec "
            "that --data takes too",
        )
    return found


def learns_numbers(spec: Spec) -> bool:
    """Whether the loss of ``spec`` takes numbers, and no classes."""
    return loss_and_metrics(spec)[0].target == "real"


def _spec_at(path: str) -> Spec | None:
    """The spec at ``path``, or the ready one of that name; None for other files."""
    if not Path(path).exists():
        return read_spec(path) if path in ready_specs() else None
    if Path(path).suffix != ".json":
        return None
    with open_input(path) as file:
        try:
            tree = json.loads(file.read())
        except ValueError:
            return None
    return read_spec(path) if isinstance(tree, dict) and "layerkit" in tree else None


def _of_spec(spec: Spec) -> DataSet:
    document = spec.to_document()
    train = document.get("train") or {}
    if train.get("data") is None:
        raise SpecError(
            f"{quoted(spec.name)} names no data", location="train.data",
            hint="a spec that stands for a data set says where its rows are",
        )  # fmt: skip
    output = {k: v for k, v in document["output"].items() if k != "link"}
    named = output["targets"] or output["classes"]
    if named is None:
        raise SpecError(
            f"{quoted(spec.name)} does not say what its rows are to give", location="output",
            hint="a spec that stands for a data set lists output.classes or output.targets",
        )  # fmt: skip
    return DataSet(
        name=spec.name,
        input=document["input"],
        output=output,
        outputs=len(named),
        data=train["data"],
        test=train["test"] or None,
        weight=train["sample_weight"],
    )


def _of_table(
    table: str | Rows, name: str, data: Any, *, numbers: bool, dialect: Dialect | None
) -> DataSet:
    """A table whose target is its last column."""
    document = starting_spec(table, dialect=dialect).document
    if numbers and "targets" not in document["output"]:  # whole numbers of few values may be meant
        document = starting_spec(table, dialect=dialect, task="numbers").document
    output = document["output"]
    names = output.get("targets") or output["classes"]
    return DataSet(name, document["input"], output, len(names), data)


def _of_rows(splits: dict[str, Rows], name: str, data: Any, *, numbers: bool) -> DataSet:
    """Rows that come with labels: images have one unit for all values."""
    rows = splits["train"]
    assert rows.labels is not None  # noqa: S101  # the caller has looked
    if rows.values is None:
        raise DataError("expected rows of numbers, got named columns", source=rows.source)
    largest = float(np.abs(rows.values).max(initial=0)) or 1.0
    scale = {"scale": {"divide": largest}}
    shape = {"shape": list(rows.values.shape[1:])}
    if numbers:
        width = math.prod(rows.labels.shape[1:])
        names = {"targets": [f"y{k}" for k in range(width)], "scale": "standardize"}
        return DataSet(name, {**shape, **scale}, names, width, data)
    classes = _classes(rows.labels, rows.source)
    return DataSet(name, {**shape, **scale}, {"classes": classes}, len(classes), data)


def _classes(labels: Array, source: str) -> list[Any]:
    """The classes of labels, in order: whole numbers or text."""
    found = distinct_labels(labels.reshape(len(labels), -1)[:, 0])[0]
    whole = [int(v) if isinstance(v, float) and v.is_integer() else v for v in found]
    if any(isinstance(v, float) for v in whole):
        raise DataError("expected a target of classes, got fractions", source=source)
    return sorted(whole, key=lambda v: (isinstance(v, str), v))


def _with_outputs(layers: list[dict[str, Any]], spec: Spec, count: int) -> list[dict[str, Any]]:
    """``layers`` with ``count`` outputs, if the last one's units are those of the spec's own."""
    named = spec.output["targets"] or spec.output["classes"]
    units = layers[-1]["config"].get("units") if layers else None
    if units is None or (named is not None and units != len(named)):
        return layers
    config = {**layers[-1]["config"], "units": count}
    return [*layers[:-1], {**layers[-1], "config": config}]


def _refused(contestant: str, data: str, error: LayerkitError) -> SpecError:
    reason = error.reason if isinstance(error, SpecError) else error.message
    where = error.location if isinstance(error, SpecError) else ""
    at = f" ({where})" if where else ""
    return SpecError(
        f"{quoted(contestant)} cannot be trained on {data}: {reason}{at}", hint=_LEAVE_OUT
    )
