"""Predictions as text, a block of rows at a time: CSV or JSON lines.

A block is one ``%`` of a template with all its numbers: Python spells floats in C then, and no line
is put together cell by cell.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from layerkit.cli.decimals import shortest
from layerkit.data import spreadsheet

if TYPE_CHECKING:
    from layerkit import Array, Model

__all__ = ["Answers", "Form"]

Form = Literal["csv", "jsonl"]
_CELLS = 1 << 16  # numbers turned into text at once
_SHOWN = 8  # names in a cell of CSV


class Answers:
    """The lines of an output.

    Parameters
    ----------
    form
        "csv", with a first line of names, or "jsonl", with an object a line.
    raw
        CSV: leave texts as they are that a spreadsheet would run.
    flag
        Whether each row tells which of its columns are outside the range of training.
    """

    def __init__(self, model: Model, form: Form, *, raw: bool = False, flag: bool = False) -> None:
        self._model, self._form, self._raw, self._flag = model, form, raw, flag
        output = model.contract.output
        shape = model.network.planned[-1].plan.out_shape if model.network.planned else ()
        width = math.prod(shape or model.spec.in_shape)
        if model.classes is not None:
            labels = [str(label) for label in model.classes]
            self._names = ["class", *(f"p_{label}" for label in labels)]
        else:
            labels = list((output and output.targets) or [f"y_{k}" for k in range(width)])
            self._names = labels
        self._extra = "outside"
        while self._extra in self._names:
            self._extra += "_"
        self._numbers = self._body(labels)
        self._starts = {label: self._start(label) for label in model.classes or ()}

    def head(self) -> str:
        """What comes before the first row."""
        if self._form == "jsonl":
            return ""
        names = [*self._names, *([self._extra] if self._flag else [])]
        return spreadsheet.line(names, raw=self._raw) + "\n"

    def lines(self, predictions: Array, outside: Array | None = None) -> Iterator[str]:
        """The lines of some rows, in pieces.

        Parameters
        ----------
        predictions
            (n, *out) of ``Model.predict``.
        outside
            (n, *shape) bool, what of each row is outside the range of training; for ``flag``.
        """
        flat = predictions.reshape(len(predictions), math.prod(predictions.shape[1:]))
        starts = ["{" if self._form == "jsonl" else ""] * len(flat)
        if self._model.classes is not None:
            starts = list(map(self._starts.__getitem__, self._model.labels(predictions).tolist()))
            if flat.shape[1] == 1:  # one sigmoid unit: the probability of the second class
                flat = np.concatenate([1 - flat, flat], axis=1)
        ends = [self._end(())] * len(flat)
        if self._flag and outside is not None:
            for row in np.flatnonzero(outside.any(axis=tuple(range(1, outside.ndim)))).tolist():
                ends[row] = self._end(np.flatnonzero(outside[row]).tolist())
        step = max(1, _CELLS // max(1, flat.shape[1]))
        for at in range(0, len(flat), step):
            piece = slice(at, at + step)
            template = "".join(
                [
                    f"{start}{self._numbers}{end}"
                    for start, end in zip(starts[piece], ends[piece], strict=True)
                ]
            )
            yield template % self._values(flat[piece])

    def _values(self, rows: Array) -> tuple[Any, ...]:
        flat = np.ascontiguousarray(rows).ravel()
        values = shortest(flat).tolist()
        if self._form == "jsonl":  # JSON has no word for what is not finite
            for place in np.flatnonzero(~np.isfinite(flat)).tolist():
                values[place] = _NULL
        return tuple(values)

    def _body(self, labels: Sequence[str]) -> str:
        if self._form == "csv":
            return ",".join(["%r"] * len(labels))
        return ", ".join([f"{_key(label)}: %r" for label in labels])

    def _start(self, label: str | int) -> str:
        if self._form == "csv":
            return _literal(spreadsheet.cell(str(label), raw=self._raw)) + ","
        return _literal(f'{{"class": {json.dumps(label)}, "probabilities": {{')

    def _end(self, elements: Sequence[int]) -> str:
        """The end of a line, of whose row ``elements`` are outside the range of training."""
        names = [self._model.contract.input.name_of(element) for element in elements]
        if self._form == "csv":
            if not self._flag:
                return "\n"
            more = [f"{len(names) - _SHOWN} more"] if len(names) > _SHOWN else []
            text = ";".join([*map(str, names[:_SHOWN]), *more])
            return "," + _literal(spreadsheet.cell(text, raw=self._raw)) + "\n"
        closed = "}" if self._model.classes is not None else ""
        flag = f", {_key(self._extra)}: {_literal(json.dumps(names))}" if self._flag else ""
        return f"{closed}{flag}}}\n"


class _Null:
    def __repr__(self) -> str:
        return "null"


_NULL = _Null()


def _literal(text: str) -> str:
    """``text`` as a part of a template that stands for itself."""
    return text.replace("%", "%%")


def _key(name: str) -> str:
    return _literal(json.dumps(str(name)))
