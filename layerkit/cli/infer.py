"""``layerkit infer``: raw rows in, classes with probabilities or numbers out, row by row."""

from __future__ import annotations

import csv
import io
import json
import math
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from layerkit.cli import console, failures, options

if TYPE_CHECKING:
    from layerkit import Array, Model

__all__ = ["EXAMPLE", "infer"]

EXAMPLE = console.example(
    "layerkit infer iris.layerkit rows.csv",
    "layerkit infer iris.layerkit rows.jsonl --to jsonl -o answers.jsonl",
    "cat rows.csv | layerkit infer iris.layerkit - --format csv",
)
Form = Literal["csv", "jsonl"]
_BLOCK = 1024  # rows turned into text at once


def infer(
    model: options.ModelFile,
    rows: Annotated[
        str,
        typer.Argument(
            metavar="ROWS", help="CSV, JSON lines, npy, npz or IDX, perhaps .gz; - for stdin."
        ),
    ],
    *,
    form: Annotated[
        str | None,
        typer.Option("--format", help="Of ROWS: csv, tsv, jsonl, npy, npz, idx; else as it looks."),
    ] = None,
    label: Annotated[
        str | None,
        typer.Option(
            metavar="COLUMN", help="A column of ROWS that is no input (name or position)."
        ),
    ] = None,
    to: Annotated[
        Form | None, typer.Option("--to", help="Form of the output; by default csv, or by OUT.")
    ] = None,
    output: Annotated[
        str | None, typer.Option("--output", "-o", metavar="OUT", help="A file; else stdout.")
    ] = None,
    delimiter: options.Delimiter = None,
    decimal: options.Decimal = None,
    thousands: options.Thousands = None,
    quote: options.Quote = None,
    header: options.Header = None,
    comment: options.Comment = None,
    missing_values: options.MissingValues = None,
    encoding: options.Encoding = None,
    as_json: options.Json = False,
) -> None:
    """Predict each row: its class, or numbers.

    With classes the output has the class and the probability of each, else the target values. Rows
    keep their order. One bad row is an error, and then nothing at all is written.
    """
    from layerkit import read_rows
    from layerkit.cli import files
    from layerkit.training.rows import reading

    if model == rows == "-":
        raise failures.Misuse("MODEL and ROWS cannot both be standard input")
    if output is not None:
        files.keep_inputs([output], [model, rows])
        files.keep_others([output])
        files.check_folder(Path(output))
    dialect = options.dialect(
        delimiter=delimiter,
        decimal=decimal,
        thousands=thousands,
        quote=quote,
        header=header,
        comment=comment,
        missing_values=missing_values,
        encoding=encoding,
    )
    loaded = files.load_model(model)
    given = read_rows(rows, format=form, labels=label, **reading(loaded.spec, dialect))
    names, records = _answers(loaded, loaded.predict(given))
    if as_json and output is None:
        predictions = [_nested(loaded, names, record) for record in records]
        console.emit_json({"name": loaded.name, "rows": len(given), "predictions": predictions})
        return
    by_name = "jsonl" if output and output.endswith((".jsonl", ".ndjson")) else "csv"
    text = _csv(names, records) if (to or by_name) == "csv" else _jsonl(loaded, names, records)
    if output is None or output == "-":
        _to_stdout(text)
        return
    console.write_file(Path(output), text)
    if as_json:
        console.emit_json({"name": loaded.name, "rows": len(given), "file": output})
    else:
        console.note(f"{console.number(len(given))} rows to {console.safe(output)}")


def _answers(model: Model, predictions: Array) -> tuple[list[str], Iterator[list[Any]]]:
    """Column names, and the values of each row: the class first, if there are classes."""
    import numpy as np

    flat = predictions.reshape(len(predictions), math.prod(predictions.shape[1:]))
    if model.classes is None:
        output = model.contract.output
        targets = None if output is None else output.targets
        names = list(targets or (f"y_{k}" for k in range(flat.shape[1])))
        return names, _floats(flat)
    labels = model.labels(predictions).tolist()
    if flat.shape[1] == 1:  # one sigmoid unit: the probability of the second class
        flat = np.concatenate([1 - flat, flat], axis=1)
    names = ["class", *(f"p_{name}" for name in model.classes)]
    return names, ([label, *row] for label, row in zip(labels, _floats(flat), strict=True))


def _floats(rows: Array) -> Iterator[list[float]]:
    """Each row (k,) of (n, k) in the shortest decimals that give the model's dtype back."""
    for start in range(0, len(rows), _BLOCK):
        for row in rows[start : start + _BLOCK].astype(str).tolist():
            yield list(map(float, row))


def _nested(model: Model, names: list[str], record: list[Any]) -> dict[str, Any]:
    if model.classes is None:
        return dict(zip(names, record, strict=True))
    probabilities = dict(zip(map(str, model.classes), record[1:], strict=True))
    return {"class": record[0], "probabilities": probabilities}


def _csv(names: list[str], records: Iterable[list[Any]]) -> Iterator[str]:
    line = io.StringIO()
    writer = csv.writer(line, lineterminator="\n")
    for record in (names, *records):
        writer.writerow(record)
        yield line.getvalue()
        line.seek(0)
        line.truncate()


def _jsonl(model: Model, names: list[str], records: Iterable[list[Any]]) -> Iterator[str]:
    for record in records:
        nested = console.plain(_nested(model, names, record))
        yield json.dumps(nested, allow_nan=False) + "\n"


def _to_stdout(text: Iterable[str]) -> None:
    """Data as they are into a pipe; made safe for a terminal."""
    safe = sys.stdout.isatty()
    for line in text:
        sys.stdout.write(console.safe(line.removesuffix("\n")) + "\n" if safe else line)
