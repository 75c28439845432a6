"""``layerkit eval``: loss and metrics of a model on labelled rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

import typer

from layerkit.cli import console, failures, options
from layerkit.display import counted, printable

if TYPE_CHECKING:
    from layerkit import Model, Rows

EXAMPLE = console.example(
    "layerkit eval highway-digits.layerkit",
    "layerkit eval iris.layerkit --data new.csv",
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
    dialect: options.Dialect,
    as_json: options.Json = False,
) -> None:
    """Evaluate a model on labelled rows.

    Prints the loss and the metrics that the model's recipe names.
    """
    from layerkit import evaluate as metrics_of
    from layerkit.cli import files
    from layerkit.datacontract.fitted_rows import share_seen

    loaded = files.load_model(model)
    rows, split = _rows(loaded, data, split, dialect)
    for note in rows.notes:
        console.note(note)
    metrics = metrics_of(loaded, rows)
    seen = share_seen(loaded.fit, loaded.contract, rows)
    if as_json:
        values = {"name": loaded.name, "source": rows.source, "split": split, "rows": len(rows)}
        console.emit_json({**values, "share_seen": seen, "metrics": metrics})
        return
    count = counted(len(rows), "row")
    if split == "all":
        count = count if len(rows) == 1 else f"all {count}"
    else:
        count = f"{split} split, {count}"
    console.out(printable(f"{loaded.name} on {rows.source}, {count}") + "\n")
    row = [console.metric(name, value) for name, value in metrics.items()]
    console.out(console.table(list(metrics), [row], "r" * len(metrics)))
    if seen:
        console.out("\n" + _seen_rows(loaded, seen))


def _seen_rows(model: Model, seen: float) -> str:
    """A caution about rows that the model was fitted on."""
    exact = model.fit is not None and model.fit.rows.complete
    share = f"{100 * seen:.2g} %" if seen < 0.995 else "all" if exact else "nearly all"
    about = "" if exact or seen >= 0.995 else "about "
    return (
        f"{about}{share} of these rows equal rows that the model was fitted on, so the numbers "
        "say less about new rows"
    )


def _rows(
    model: Model, data: str | None, split: Split | None, dialect: options.Dialect
) -> tuple[Rows, Split]:
    """The rows to judge, and which split they are."""
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
