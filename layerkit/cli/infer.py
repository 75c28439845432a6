"""``layerkit infer``: predict raw rows, one line of output per row.

Rows are read, predicted and written in blocks, so memory does not grow with their number.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from layerkit.cli import console, failures, files, options
from layerkit.display import counted, printable
from layerkit.errors import LayerkitError, PathError

if TYPE_CHECKING:
    from layerkit import Array, Model, Rows
    from layerkit.cli.prediction_text import Form, PredictionText
    from layerkit.cli.step_text import StepText
    from layerkit.datacontract.out_of_range import OutOfRangeCount

EXAMPLE = console.example(
    "layerkit infer iris.layerkit rows.csv",
    "layerkit infer iris.layerkit rows.jsonl --to jsonl -o predictions.jsonl",
    "layerkit infer iris.layerkit rows.parquet --keep id",
    "cat rows.csv | layerkit infer iris.layerkit - --format csv",
)
Outside = Literal["error", "warn", "ignore"]


def infer(
    model: options.ModelFile,
    rows: Annotated[
        str,
        typer.Argument(
            metavar="ROWS",
            help="CSV, JSON lines, Parquet, npy, npz or IDX, perhaps gzipped; - reads stdin.",
        ),
    ],
    *,
    form: Annotated[
        str | None,
        typer.Option(
            "--format",
            metavar="FORMAT",
            help="Format of ROWS: csv, tsv, jsonl, json, npy, npz, idx or parquet.",
            show_default="detected",
        ),
    ] = None,
    label: Annotated[
        str | None,
        typer.Option(
            metavar="COLUMN",
            help="Column of ROWS to ignore, by name or position, such as the label.",
        ),
    ] = None,
    to: Annotated[
        Literal["csv", "jsonl"] | None,
        typer.Option(
            "--to", help="Format of the output.", show_default="by the name of OUT, else csv"
        ),
    ] = None,
    output: Annotated[str | None, options.output_option("stdout")] = None,
    outside: Annotated[
        Outside, typer.Option(help="What to do if rows lie outside the range of training.")
    ] = "warn",
    keep: Annotated[
        list[str] | None,
        typer.Option(
            metavar="COLUMN",
            help="Write this column of ROWS beside the answers, such as an id. Repeatable.",
            show_default=False,
        ),
    ] = None,
    flag: Annotated[
        bool, typer.Option("--flag", help="Add a column that names what is outside that range.")
    ] = False,
    raw: Annotated[
        bool,
        typer.Option(
            "--raw", help="Do not escape CSV text that a spreadsheet would run as a formula."
        ),
    ] = False,
    quiet: options.Quiet = False,
    dialect: options.Dialect,
    as_json: Annotated[
        bool,
        typer.Option(
            "--json",
            help="Print one JSON object per row; with -o, one summary. Errors go to stderr, as "
            "JSON too.",
        ),
    ] = False,
) -> None:
    """Predict the class or the target values of each row.

    Prints one line per row, in order: the class and the probability of every class, or the target
    values. A bad row stops the command. OUT is left unchanged. Standard output stops before the
    block that holds the row; the message says how many rows were written.
    """
    from layerkit.cli.progress import RowCounter
    from layerkit.cli.step_text import text_for
    from layerkit.data.read import read_blocks
    from layerkit.training.training_data import read_options

    target = _target(output, model, rows)
    form_out = _output_form(to, target, as_json=as_json)
    loaded = files.load_model(model)
    given = {"format": form, "labels": label, **read_options(loaded.spec, dialect)}
    blocks = read_blocks(rows, rows=loaded.block_rows, **given)
    kept = list(keep or ())
    text = text_for(loaded, form_out, raw=raw, flag=flag, keep=kept)
    work = _Prediction(loaded, text, outside, kept)
    shown = not quiet and (target is not None or not sys.stdout.isatty())
    with failures.sigterm_interrupts(), RowCounter(shown=shown) as counter:
        _write(target, counter.watched(work.texts(blocks), work.tally), work.tally)
    if outside == "warn" and (sentence := work.tally.sentence()):
        console.warning(sentence)
    if target is not None and as_json:
        tally = work.tally
        values = {"name": loaded.name, "rows": tally.rows, "file": str(target)}
        counts = {"rows": tally.outside, "columns": tally.columns}
        console.emit_json({**values, "outside": counts})
    elif target is not None and not quiet:
        console.err(f"wrote {counted(work.tally.rows, 'row')} to {printable(target)}")


def _target(output: str | None, model: str, rows: str) -> Path | None:
    """The file to write, checked before any work; None for standard output."""
    if model == rows == "-":
        raise failures.UsageError("MODEL and ROWS cannot both be standard input")
    if output is None or output == "-":
        return None
    files.check_output(output, [model, rows])
    return files.path_of(output)


def _output_form(to: Form | None, target: Path | None, *, as_json: bool) -> Form:
    if target is None and as_json:
        if to == "csv":
            raise failures.UsageError("give either --json or --to csv: --json prints JSON lines")
        return "jsonl"
    by_name: Form = "jsonl" if target and target.suffix in (".jsonl", ".ndjson") else "csv"
    return to or by_name


class _Prediction:
    """Turns blocks of rows into text, and counts rows outside the range of training."""

    def __init__(
        self,
        model: Model,
        formatter: PredictionText | StepText,
        policy: Outside,
        keep: Sequence[str],
    ) -> None:
        from layerkit.datacontract.out_of_range import OutOfRangeCount

        self._model, self._formatter, self._policy = model, formatter, policy
        self._keep, self._typed = keep, formatter.typed
        self._source = ""
        self.tally = OutOfRangeCount(model.contract.input)

    def texts(self, blocks: Iterable[Rows]) -> Iterator[str]:
        """The output, piece by piece; ``tally`` has counted the rows of all pieces so far."""
        if not self._model.ready:
            self._model.predict([])  # raises the error that says what is missing
        head = self._formatter.head()
        for x, kept in self._chunks(blocks):
            predictions, outside = self._predict(x)
            yield head  # only now: if the first block is bad, nothing is written
            head = ""
            yield from self._formatter.lines(predictions, outside, kept)
        yield head

    def _chunks(self, blocks: Iterable[Rows]) -> Iterator[tuple[Array, list[list[Any]]]]:
        """The model's input and the cells kept, ``block_rows`` rows at a time."""
        import numpy as np

        from layerkit.data.written_cells import written_cells
        from layerkit.datacontract import at_source

        size = self._model.block_rows
        held: list[Array] = []
        kept: list[list[Any]] = [[] for _ in self._keep]
        for block in blocks:
            if not self._source:
                for note in block.notes:
                    console.note(note)
            self._source = block.source
            with at_source(block):
                held.append(self._model.contract.input.matrix(block))
                for cells, name in zip(kept, self._keep, strict=True):
                    cells += written_cells(block, name, typed=self._typed)
            if sum(map(len, held)) >= size:
                x = held[0] if len(held) == 1 else np.concatenate(held)
                whole = len(x) - len(x) % size
                for at in range(0, whole, size):
                    yield x[at : at + size], [cells[at : at + size] for cells in kept]
                held, kept = [x[whole:].copy()], [cells[whole:] for cells in kept]
        if any(map(len, held)):
            yield np.concatenate(held), kept

    def _predict(self, x: Array) -> tuple[Array, Array]:
        """Predictions, and which numbers of the rows are outside the range of training."""
        from layerkit.datacontract import out_of_range

        inputs = self._model.contract.input
        rows = inputs.given_back(x)
        outside = out_of_range.outside(inputs, rows)
        if self._policy == "error" and outside.any():
            raise out_of_range.out_of_range_error(
                inputs, x, outside, self._source, first=self.tally.rows
            )
        predictions = self._model.predict(rows)
        self.tally.add(x, outside)
        return predictions, outside


def _write(target: Path | None, texts: Iterator[str], tally: OutOfRangeCount) -> None:
    """Write a file as a whole or not at all; a pipe, terminal or device piece by piece."""
    try:
        if target is None:
            _to_stdout(texts)
        else:
            console.write_file(target, texts)
    except LayerkitError as error:
        in_pieces = target is None or (target.exists() and not target.is_file())
        if in_pieces and tally.rows and not isinstance(error, PathError):
            hint = f"already written: {counted(tally.rows, 'row')}"
            error.hint = hint if error.hint is None else f"{error.hint}\n{hint}"
        raise


def _to_stdout(texts: Iterable[str]) -> None:
    """Write data to a pipe as they are, to a terminal made printable."""
    safe = sys.stdout.isatty()
    for text in texts:
        shown = "".join(f"{printable(x)}\n" for x in text.split("\n")[:-1]) if safe else text
        sys.stdout.write(shown)
        sys.stdout.flush()
