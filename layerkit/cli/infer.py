"""``layerkit infer``: raw rows in, classes with probabilities or numbers out, row by row.

Rows are read, predicted and written in blocks, so that memory does not grow with their number.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from layerkit.cli import console, failures, files, options
from layerkit.cli.rowbar import RowBar
from layerkit.display import counted, printable
from layerkit.errors import LayerkitError, PathError

if TYPE_CHECKING:
    from layerkit import Array, Model, Rows
    from layerkit.cli.answers import Answers, Form
    from layerkit.datacontract.out_of_range import OutOfRangeCount

__all__ = ["EXAMPLE", "infer"]

EXAMPLE = console.example(
    "layerkit infer iris.layerkit rows.csv",
    "layerkit infer iris.layerkit rows.jsonl --to jsonl -o answers.jsonl",
    "cat rows.csv | layerkit infer iris.layerkit - --format csv",
)
Outside = Literal["error", "warn", "ignore"]


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
        Literal["csv", "jsonl"] | None,
        typer.Option("--to", help="Form of the output; by default csv, or by OUT."),
    ] = None,
    output: Annotated[
        str | None, typer.Option("--output", "-o", metavar="OUT", help="A file; else stdout.")
    ] = None,
    outside: Annotated[
        Outside, typer.Option(help="What to do about rows outside the range of training.")
    ] = "warn",
    flag: Annotated[
        bool,
        typer.Option("--flag", help="Add a column that names what of a row is outside that range."),
    ] = False,
    raw: Annotated[
        bool,
        typer.Option(
            "--raw", help="Put no ' before texts of CSV that a spreadsheet would run as formulas."
        ),
    ] = False,
    quiet: options.Quiet = False,
    dialect: options.Dialect,
    as_json: Annotated[
        bool,
        typer.Option(
            "--json", help="One JSON object a row; with OUT, one about the whole. Errors as JSON."
        ),
    ] = False,
) -> None:
    """Predict each row: its class, or numbers.

    With classes the output has the class and the probability of each, else the target values. Rows
    keep their order. One bad row is an error: OUT is then left as it was, while on standard output
    the rows of earlier blocks are out already, and the message says how many.
    """
    from layerkit.cli.answers import Answers
    from layerkit.data.read import read_blocks
    from layerkit.training.training_data import read_options

    target = _target(output, model, rows)
    chosen = _form(to, target, as_json=as_json)
    loaded = files.load_model(model)
    given = {"format": form, "labels": label, **read_options(loaded.spec, dialect)}
    blocks = read_blocks(rows, rows=loaded.block_rows, **given)
    work = _Work(loaded, Answers(loaded, chosen, raw=raw, flag=flag), outside)
    shown = not quiet and (target is not None or not sys.stdout.isatty())
    with failures.terminable(), RowBar(shown=shown) as bar:
        _write(target, bar.watched(work.texts(blocks), work.tally), work.tally)
    if outside == "warn" and (told := work.tally.sentence()):
        console.note(f"warning: {printable(told)}")
    if target is not None:
        _tell(target, loaded, work.tally, as_json=as_json, quiet=quiet)


def _target(output: str | None, model: str, rows: str) -> Path | None:
    """The file to write, checked before any work; None for standard output."""
    if model == rows == "-":
        raise failures.Misuse("MODEL and ROWS cannot both be standard input")
    if output is None or output == "-":
        return None
    target = files.path_of(output)
    files.keep_inputs([str(target)], [model, rows])
    files.keep_others([str(target)])
    files.check_folder(target)
    return target


def _form(to: Form | None, target: Path | None, *, as_json: bool) -> Form:
    if target is None and as_json:
        if to == "csv":
            raise failures.Misuse("--json writes JSON lines to standard output: leave out --to csv")
        return "jsonl"
    by_name: Form = "jsonl" if target and target.suffix in (".jsonl", ".ndjson") else "csv"
    return to or by_name


class _Work:
    """Blocks of rows to text, and what there is to tell of them."""

    def __init__(self, model: Model, answers: Answers, policy: Outside) -> None:
        from layerkit.datacontract.out_of_range import OutOfRangeCount

        self._model, self._answers, self._policy = model, answers, policy
        self._source = ""
        self.tally: OutOfRangeCount = OutOfRangeCount(model.contract.input)

    def texts(self, blocks: Iterable[Rows]) -> Iterator[str]:
        """The text of the output, in pieces; ``tally`` has the rows up to the last one."""
        if not self._model.ready:
            self._model.predict([])  # says what it lacks
        begun = False
        for x in self._chunks(blocks):
            predictions, outside = self._predicted(x)
            if not begun:
                yield self._answers.head()
            begun = True
            yield from self._answers.lines(predictions, outside)
        if not begun:
            yield self._answers.head()

    def _chunks(self, blocks: Iterable[Rows]) -> Iterator[Array]:
        """The rows as the model takes them, ``block_rows`` at a time, however many a block has."""
        import numpy as np

        from layerkit.datacontract import at_source

        size = self._model.block_rows
        held: list[Array] = []
        told = False
        for block in blocks:
            self._source = block.source
            for assumed in () if told else block.notes:
                console.note(f"note: {printable(assumed)}")
            told = True
            with at_source(block):
                held.append(self._model.contract.input.matrix(block))
            if sum(map(len, held)) >= size:
                x = held[0] if len(held) == 1 else np.concatenate(held)
                whole = len(x) - len(x) % size
                yield from (x[at : at + size] for at in range(0, whole, size))
                held = [x[whole:].copy()]
        if any(map(len, held)):
            yield np.concatenate(held)

    def _predicted(self, x: Array) -> tuple[Array, Array]:
        """Predictions, and which numbers of the rows are outside the range of training."""
        from layerkit.datacontract.out_of_range import out_of_range_error

        inputs = self._model.contract.input
        outside = inputs.outside(x)
        if self._policy == "error" and outside.any():
            raise out_of_range_error(inputs, x, outside, self._source, first=self.tally.rows)
        predictions = self._model.predict(x)
        self.tally.add(x, outside)
        return predictions, outside


def _write(target: Path | None, texts: Iterator[str], tally: OutOfRangeCount) -> None:
    """All of it to a file or nothing, or each piece at once to a pipe, terminal or device."""
    try:
        if target is None:
            _to_stdout(texts)
        else:
            console.write_file(target, texts)
    except LayerkitError as error:
        in_pieces = target is None or (target.exists() and not target.is_file())
        if in_pieces and tally.rows and not isinstance(error, PathError):
            told = f"{counted(tally.rows, 'row')} before it are written already"
            error.hint = told if error.hint is None else f"{error.hint}\n{told}"
        raise


def _tell(
    target: Path, model: Model, tally: OutOfRangeCount, *, as_json: bool, quiet: bool
) -> None:
    """What was written into a file."""
    if as_json:
        told = {"name": model.name, "rows": tally.rows, "file": str(target)}
        told["outside"] = {"rows": tally.outside, "columns": tally.columns}
        console.emit_json(told)
    elif not quiet:
        console.note(f"{counted(tally.rows, 'row')} to {printable(target)}")


def _to_stdout(texts: Iterable[str]) -> None:
    """Data as they are into a pipe, at once; made safe for a terminal."""
    safe = sys.stdout.isatty()
    for text in texts:
        shown = "".join(f"{printable(x)}\n" for x in text.split("\n")[:-1]) if safe else text
        sys.stdout.write(shown)
        sys.stdout.flush()
