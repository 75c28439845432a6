"""Predictions per step as JSON lines: each class or target has a list, one number for each step."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from layerkit.cli.failures import UsageError
from layerkit.cli.prediction_text import OBJECT, Form, PredictionText, other_names
from layerkit.cli.shortest_decimals import shortest_decimals
from layerkit.datacontract.answers import answer_names

if TYPE_CHECKING:
    from layerkit import Array, Model


def text_for(
    model: Model, form: Form, *, raw: bool, flag: bool, keep: Sequence[str]
) -> PredictionText | StepText:
    """What formats the predictions of ``model``; UsageError if ``form`` cannot hold them."""
    output = model.contract.output
    if output is None or not output.steps:
        return PredictionText(model, form, raw=raw, flag=flag, keep=keep)
    if form == "csv":
        raise UsageError(
            f"{model.name!r} answers each step of a row, and a line of CSV holds one answer: "
            "write JSON lines with --to jsonl"
        )
    return StepText(model, flag=flag, keep=keep)


class StepText:
    """Formats predictions (n, ..., k); same methods as ``PredictionText``."""

    typed = True

    def __init__(self, model: Model, *, flag: bool, keep: Sequence[str]) -> None:
        self._model, self._flag = model, flag
        output = model.contract.output
        assert output is not None  # noqa: S101  # it has steps
        self._classes = model.classes
        self._names = (
            answer_names(output, output.width)
            if self._classes is None
            else list(map(str, self._classes))
        )
        taken = self._names if self._classes is None else OBJECT
        self._flag_name, self._kept = other_names(taken, keep)

    def head(self) -> str:
        """Nothing precedes the first row."""
        return ""

    def lines(
        self,
        predictions: Array,
        outside: Array | None = None,
        kept: Sequence[Sequence[Any]] = (),
    ) -> Iterator[str]:
        """One line for each row; see ``PredictionText.lines``."""
        labels = None if self._classes is None else self._model.labels(predictions)
        if self._classes is not None and predictions.shape[-1] == 1:
            predictions = np.concatenate([1 - predictions, predictions], axis=-1)
        numbers = shortest_decimals(predictions.ravel()).reshape(predictions.shape)
        for i, row in enumerate(numbers):
            found = {name: cells[i] for name, cells in zip(self._kept, kept, strict=True)}
            answers = {name: _listed(row[..., j]) for j, name in enumerate(self._names)}
            if labels is None:
                found |= answers
            else:
                found |= {"class": labels[i].tolist(), "probabilities": answers}
            if self._flag and outside is not None:
                found[self._flag_name] = self._outside(outside[i])
            yield json.dumps(found, ensure_ascii=True) + "\n"

    def _outside(self, outside: Array) -> list[Any]:
        inputs = self._model.contract.input
        names = map(inputs.raw_name_of, np.flatnonzero(outside).tolist())
        return list(dict.fromkeys(names))


def _listed(numbers: Array) -> Any:
    """The numbers as nested lists, None for those that JSON does not have."""
    cells = numbers.astype(object)
    cells[~np.isfinite(numbers)] = None
    return cells.tolist()
