"""Predictions as CSV or JSON lines, a block of rows at a time.

A block is one ``%`` of a template with all its numbers, so that Python formats floats in C and no
line is put together cell by cell.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from layerkit.cli.shortest_decimals import shortest_decimals
from layerkit.data import spreadsheet
from layerkit.datacontract.answers import answer_names, answer_numbers

if TYPE_CHECKING:
    from layerkit import Array, Model

Form = Literal["csv", "jsonl"]
OBJECT = ("class", "probabilities")  # what JSON says of a row's class
_NUMBERS = 1 << 16  # numbers per template
_LISTED = 8  # names in a cell of CSV


class PredictionText:
    """Formats the predictions of a model.

    ``raw`` CSV does not escape text that a spreadsheet would run as a formula. With ``flag``, each
    row names its columns that are outside the range of training. The columns ``keep`` of the rows
    come first; one that has the name of an answer gets a "_" at its end.
    """

    def __init__(
        self,
        model: Model,
        form: Form,
        *,
        raw: bool = False,
        flag: bool = False,
        keep: Sequence[str] = (),
    ) -> None:
        self._model, self._csv, self._raw, self._flag = model, form == "csv", raw, flag
        output = model.contract.output
        shape = model.network.planned[-1].plan.out_shape if model.network.planned else ()
        width = math.prod(shape or model.spec.in_shape)
        self._header = answer_names(output, width)
        names = self._header if model.classes is None else list(map(str, model.classes))
        taken = self._header if self._csv or model.classes is None else [*self._header, *OBJECT]
        self._flag_name, self._kept = other_names(taken, keep)
        cells = ["%r"] * len(names) if self._csv else [f"{_key(name)}: %r" for name in names]
        self._numbers = ("," if self._csv else ", ").join(cells)
        self._starts = {label: self._start(label) for label in model.classes or ()}

    @property
    def typed(self) -> bool:
        """Whether numbers differ from text in the output."""
        return not self._csv

    def head(self) -> str:
        """What precedes the first row."""
        if not self._csv:
            return ""
        names = [*self._kept, *self._header, *([self._flag_name] if self._flag else [])]
        return spreadsheet.line(names, raw=self._raw) + "\n"

    def lines(
        self,
        predictions: Array,
        outside: Array | None = None,
        kept: Sequence[Sequence[Any]] = (),
    ) -> Iterator[str]:
        """The lines of rows with ``predictions`` (n, *out), in pieces.

        ``outside`` (n, *shape) are the numbers outside the range of training, for ``flag``;
        ``kept`` the n cells of each column that is kept.
        """
        flat = answer_numbers(self._model.contract.output, predictions)
        starts = [""] * len(flat)
        if self._model.classes is not None:
            starts = list(map(self._starts.__getitem__, self._model.labels(predictions).tolist()))
        if kept:
            cells = map(self._kept_cells, zip(*kept, strict=True))
            starts = [f"{cell}{start}" for cell, start in zip(cells, starts, strict=True)]
        if not self._csv:
            starts = ["{" + start for start in starts]
        ends = [self._end(())] * len(flat)
        if self._flag and outside is not None:
            for row in np.flatnonzero(outside.any(axis=tuple(range(1, outside.ndim)))).tolist():
                ends[row] = self._end(np.flatnonzero(outside[row]).tolist())
        step = max(1, _NUMBERS // max(1, flat.shape[1]))
        for at in range(0, len(flat), step):
            piece = slice(at, at + step)
            pairs = zip(starts[piece], ends[piece], strict=True)
            template = "".join([f"{start}{self._numbers}{end}" for start, end in pairs])
            yield template % self._values(flat[piece])

    def _values(self, rows: Array) -> tuple[Any, ...]:
        flat = np.ascontiguousarray(rows).ravel()
        values = shortest_decimals(flat).tolist()
        if not self._csv:  # JSON has neither NaN nor infinities
            for place in np.flatnonzero(~np.isfinite(flat)).tolist():
                values[place] = _NULL
        return tuple(values)

    def _start(self, label: str | int) -> str:
        if self._csv:
            return _literal(spreadsheet.cell(str(label), raw=self._raw)) + ","
        return _literal(f'"class": {json.dumps(label)}, "probabilities": {{')

    def _kept_cells(self, cells: Sequence[Any]) -> str:
        """The cells of one row that are kept, each with what follows it."""
        if self._csv:
            return _literal(spreadsheet.line(cells, raw=self._raw)) + ","
        pairs = zip(self._kept, cells, strict=True)
        return "".join(f"{_key(name)}: {_literal(json.dumps(cell))}, " for name, cell in pairs)

    def _end(self, outside: Sequence[int]) -> str:
        """The end of the line of a row whose elements ``outside`` are to be flagged."""
        inputs = self._model.contract.input
        names = list(dict.fromkeys(map(inputs.raw_name_of, outside)))
        if self._csv:
            if not self._flag:
                return "\n"
            more = [f"{len(names) - _LISTED} more"] if len(names) > _LISTED else []
            text = ";".join([*map(str, names[:_LISTED]), *more])
            return "," + _literal(spreadsheet.cell(text, raw=self._raw)) + "\n"
        closed = "}" if self._model.classes is not None else ""
        flag = f", {_key(self._flag_name)}: {_literal(json.dumps(names))}" if self._flag else ""
        return f"{closed}{flag}}}\n"


class _Null:
    def __repr__(self) -> str:
        return "null"


_NULL = _Null()


def other_names(taken: Sequence[str], keep: Sequence[str]) -> tuple[str, list[str]]:
    """The names of the flag and of the columns that are kept, unlike those ``taken`` by answers."""
    flag = _unlike("outside", taken)
    kept: list[str] = []
    for name in keep:
        kept.append(_unlike(name, [*taken, flag, *kept]))
    return flag, kept


def _unlike(name: str, others: Sequence[str]) -> str:
    """``name``, with as many "_" at its end as make it differ from ``others``."""
    while name in others:
        name += "_"
    return name


def _literal(text: str) -> str:
    """``text`` escaped for a template."""
    return text.replace("%", "%%")


def _key(name: str) -> str:
    return _literal(json.dumps(str(name)))
