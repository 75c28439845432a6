"""``layerkit eval``: what a model is worth on labelled rows."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from layerkit.cli import console, failures, options
from layerkit.cli.figures import Figures, Html, check_report, write_report
from layerkit.display import counted, printable

if TYPE_CHECKING:
    from layerkit import Metric, Model, Rows

EXAMPLE = console.example(
    "layerkit eval highway-digits.layerkit",
    "layerkit eval iris.layerkit --data new.csv",
    "layerkit eval iris.layerkit --metric auc --html report.html",
)
Split = Literal["test", "train", "all"]


def evaluate(
    model: options.ModelFile,
    *,
    data: options.Data = None,
    split: Annotated[
        Split | None,
        typer.Option(
            help="Rows to evaluate on.",
            show_default="all rows of a file given by --data, else test rows if any, else all",
        ),
    ] = None,
    metric: Annotated[
        list[str] | None,
        typer.Option(
            "--metric",
            metavar="NAME",
            help="Compute this metric too, such as auc, or with settings "
            """'{"type": "top_k", "k": 3}'. Repeatable.""",
        ),
    ] = None,
    html: Html = None,
    figures: Figures = None,
    dialect: options.Dialect,
    as_json: options.Json = False,
) -> None:
    """Say what a model is worth on labelled rows.

    Prints the loss, the metrics of the model's recipe and those of --metric. For classes:
    precision, recall, F1 and AUC of each, the confusion matrix or the most frequent confusions, the
    accuracy of always guessing the class of most rows, and whether probabilities come true. For
    numbers: bias, spread and quantiles of the residuals, and the worst rows. --json has every
    number.
    """
    from layerkit import report as judge
    from layerkit.cli import evaluation_text, files

    check_report(html, figures, [model, data])
    loaded = files.load_model(model)
    rows, split = chosen_rows(loaded, data, split, dialect)
    for note in rows.notes:
        console.note(note)
    report = judge(loaded, rows, metrics=_metrics(metric or (), loaded), split=split)
    drawn = () if figures is None else report.figures()
    write_report(html, report.to_html, figures, drawn, quiet=as_json)
    if as_json:
        console.emit_json(report.to_json())
        return
    count = counted(len(rows), "row")
    if split == "all":
        count = count if len(rows) == 1 else f"all {count}"
    else:
        count = f"{split} split, {count}"
    console.out(printable(f"{loaded.name} on {rows.source}, {count}"))
    for block in evaluation_text.blocks(report):
        console.out(f"\n{block}")
    for caution in report.cautions:
        console.out("\n" + textwrap.fill(printable(caution), 80))


def _metrics(words: Sequence[str], model: Model) -> list[Metric]:
    """The metrics of ``--metric``: names, or JSON objects with "type" and settings."""
    from layerkit import SpecError
    from layerkit.evaluation.asked import asked_metrics
    from layerkit.specs.overrides import read_value
    from layerkit.training.recipe import loss_and_metrics

    target = loss_and_metrics(model.spec)[0].target
    loss = (model.spec.train or {}).get("loss")
    found = []
    for word in words:
        where = f"--metric {printable(word[:80])}"
        try:
            config = read_value(word)
        except SpecError as error:
            raise SpecError(error.reason, location=where) from None
        found += asked_metrics([config], target, loss, where)
    return found


def chosen_rows(
    model: Model, data: str | None, split: Split | None, dialect: options.Dialect
) -> tuple[Rows, Split]:
    """The rows to judge, and which split they are.

    Raises UsageError for all rows of data with two splits, DataError where there are no test rows.
    """
    from layerkit import DataError
    from layerkit.cli import files
    from layerkit.training import splits_of
    from layerkit.training.prepare import test_split

    splits = splits_of(model.spec, data, dialect=dialect)
    has_test = "test" in splits
    if split == "all" and has_test:
        raise failures.UsageError(
            "the data have two splits: expected --split test or --split train"
        )
    is_file = data is not None and files.path_of(data).is_file()
    if split == "all" or (split is None and is_file and not has_test):
        return splits["train"], "all"
    train, test = test_split(splits, model.spec)
    if split == "train":
        return train, "train"
    if test is not None:
        return test, "test"
    if split is None:
        return train, "all"
    raise DataError(
        "there are no test rows: neither the data nor the model's recipe sets any apart",
        source=train.source,
        hint="--split all takes all rows",
    )
