"""``layerkit eval``: how good a model is on rows whose answers are known."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

import typer

from layerkit.cli import console, failures, options
from layerkit.display import counted, printable

if TYPE_CHECKING:
    from layerkit import Model, Rows
    from layerkit.data import Dialect

__all__ = ["EXAMPLE", "evaluate"]

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
            help="Which rows: by default all of a single file given by --data, else test, or all "
            "where neither the data nor the recipe of the model sets test rows apart."
        ),
    ] = None,
    dialect: options.Dialect,
    as_json: options.Json = False,
) -> None:
    """Judge a model on labelled rows.

    Shows the loss and the metrics of the model's own recipe.
    """
    from layerkit import evaluate as judge
    from layerkit.cli import files
    from layerkit.datacontract.fitted_rows import share_seen

    loaded = files.load_model(model)
    rows, taken = _rows(loaded, data, split, dialect)
    for assumed in rows.notes:
        console.note(f"note: {printable(assumed)}")
    metrics = judge(loaded, rows)
    seen = share_seen(loaded.fit, loaded.contract, rows)
    told = {"name": loaded.name, "source": rows.source, "split": taken, "rows": len(rows)}
    told["share_seen"] = seen
    if as_json:
        console.emit_json({**told, "metrics": metrics})
        return
    count = counted(len(rows), "row")
    whole = count if len(rows) == 1 else f"all {count}"
    which = whole if taken == "all" else f"{taken} split, {count}"
    console.out(printable(f"{loaded.name} on {rows.source}, {which}") + "\n")
    console.out(
        console.table(
            list(metrics), [[console.metric(*pair) for pair in metrics.items()]], "r" * len(metrics)
        )
    )
    if seen:
        console.out("\n" + _caution(loaded, seen))


def _caution(model: Model, seen: float) -> str:
    """What to make of numbers on rows that the model was fitted on."""
    exact = model.fit is not None and model.fit.rows.complete
    share = f"{100 * seen:.2g} %" if seen < 0.995 else "all" if exact else "nearly all"
    about = "" if exact or seen >= 0.995 else "about "
    return (
        f"{about}{share} of these rows equal rows that the model was fitted on, so the numbers "
        "say less of rows that are new to it"
    )


def _rows(
    model: Model, data: str | None, split: Split | None, dialect: Dialect
) -> tuple[Rows, Split]:
    """The rows to judge, and which split they are."""
    from layerkit import DataError
    from layerkit.cli import files
    from layerkit.training import splits_of
    from layerkit.training.prepare import test_split

    splits = splits_of(model.spec, data, dialect=dialect)
    in_two = "test" in splits
    if split == "all" and in_two:
        raise failures.Misuse("the data come in two splits: --split test or --split train")
    is_file = data is not None and files.path_of(data).is_file()
    if split == "all" or (split is None and is_file and not in_two):
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
