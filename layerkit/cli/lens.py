"""``layerkit lens``: what the gated layers of a model do, and what is left of it without them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

import typer

from layerkit.cli import console, failures, options
from layerkit.cli.figures import Figures, Html, check_report, write_report
from layerkit.display import counted, printable

if TYPE_CHECKING:
    from layerkit import Model, Rows

EXAMPLE = console.example(
    "layerkit lens highway-digits.layerkit",
    "layerkit lens iris.layerkit --data new.csv --json",
    "layerkit lens highway-digits.layerkit --row 7 --html lens.html",
)
Split = Literal["test", "train", "all"]


def lens(
    model: options.ModelFile,
    *,
    data: options.Data = None,
    split: Annotated[
        Split | None,
        typer.Option(
            help="Rows to look at.",
            show_default="all rows of a file given by --data, else test rows if any, else all",
        ),
    ] = None,
    row: Annotated[
        int | None,
        typer.Option(min=0, metavar="N", help="Show the gates of row N too, counted from 0."),
    ] = None,
    html: Html = None,
    figures: Figures = None,
    dialect: options.Dialect,
    as_json: options.Json = False,
) -> None:
    """Look at the gated layers of a model.

    Those are the layers that show a gate or write out their carry, also inside others. For each:
    how far its gates open (the mean, its spread over the units, and the lowest and highest mean of
    a class), how far the biases of gates have moved since they started, and, if it has a carry, how
    much it changes what it carries and the scores of the model without it. Then the scores with
    only the first or the last of them kept: without one layer the others make up for it, so its
    lesion does not tell whether it works. Intervals are over rows. Rows without labels have no
    scores. --json has every number, also by unit, class and step.
    """
    from layerkit.cli import files, lens_text
    from layerkit.cli.progress import RowCounter
    from layerkit.lens import blocks_of, html_page, look, nothing_to_see
    from layerkit.lens import figures as lens_figures

    check_report(html, figures, [model, data])
    loaded = files.load_model(model)
    if not blocks_of(loaded):
        raise failures.UsageError(nothing_to_see(loaded))
    rows = _rows(loaded, data, split, dialect)
    for note in rows.notes:
        console.note(note)
    with RowCounter(shown=not as_json) as counter:
        seen = look(loaded, rows, row=row, progress=counter.share)
    for note in seen.notes:
        console.note(note)
    if html is not None or figures is not None:
        drawn = [] if figures is None else lens_figures(seen)
        write_report(html, lambda: html_page(seen), figures, drawn, quiet=as_json)
    if as_json:
        console.emit_json(seen.to_json())
        return
    console.out(printable(f"{loaded.name} on {rows.source}, {counted(len(rows), 'row')}"))
    for block in lens_text.blocks(seen):
        console.out(f"\n{block}" if not block.startswith("whole model") else block)


def _rows(model: Model, data: str | None, split: Split | None, dialect: options.Dialect) -> Rows:
    """The rows to look at: those that ``eval`` judges, or all of a file without labels."""
    from layerkit import DataError
    from layerkit.cli import evaluate
    from layerkit.data import read_rows
    from layerkit.training.training_data import read_options

    try:
        return evaluate.chosen_rows(model, data, split, dialect)[0]
    except DataError as error:
        output = model.contract.output
        labels = () if output is None else (output.label, *(output.targets or ()))
        unlabelled = error.row is None and error.column is not None and error.column in labels
        if data is None or split in ("train", "test") or not unlabelled:
            raise
        return read_rows(data, **read_options(model.spec, dialect))
