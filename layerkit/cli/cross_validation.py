"""``layerkit train --folds``: cross-validation, as text or JSON; it saves no model."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from layerkit.cli import console
from layerkit.cli.class_counts import show_classes
from layerkit.cli.failures import UsageError
from layerkit.display import counted, printable

if TYPE_CHECKING:
    from collections.abc import Mapping

    from layerkit import CrossValidation, Model
    from layerkit.cli import options
    from layerkit.specs import Spec
    from layerkit.training.folds import FoldSummary


def run(
    source: Spec | Model,
    folds: int,
    *,
    data: str | None,
    validation: str | None,
    dialect: options.Dialect,
    unused: Mapping[str, object],
    quiet: bool,
    as_json: bool,
) -> None:
    """Cross-validate ``source`` and print the result.

    Raises UsageError for a model, or for options given among ``unused``, those about a saved model;
    typer.Exit, with the exit code of the signal, if one has stopped it.
    """
    from layerkit import Model, cross_validate
    from layerkit.cli.progress import training_progress
    from layerkit.training import splits_of
    from layerkit.training.training_data import labelled_rows

    if isinstance(source, Model):
        raise UsageError("--folds needs a spec: a model already has its weights")
    for option, value in unused.items():
        if value:
            raise UsageError(f"--folds saves no model, so {option} cannot be used with it")
    with training_progress(quiet=quiet, as_json=as_json) as progress:
        splits = splits_of(source, data, dialect=dialect)
        show_classes(progress, source, splits)
        progress.after_stop = "reporting the finished folds"
        found = cross_validate(
            source,
            folds=folds,
            data=splits,
            validation_data=validation and labelled_rows(source, validation, dialect=dialect),
            listener=progress,
        )
    if as_json:
        console.emit_json({**found.to_json(), "notices": progress.notices})
    else:
        console.out(text(found))
    if progress.interrupted:
        raise typer.Exit(progress.exit_code)


def text(found: CrossValidation) -> str:
    """The folds, each metric over them, and what it means; at most 80 columns."""
    head = f"cross-validation of {counted(found.rows, 'row')} in {found.planned} folds"
    blocks = [printable(f"{found.name}: {head}, seed {found.seed}")]
    if found.folds:
        blocks += [_fold_table(found), _summary_table(found)]
    blocks += [f"fold {f.number}: {printable(f.failure)}" for f in found.folds if f.failure]
    if found.majority is not None:
        label, share = found.majority
        guess = printable(label)[:24]
        blocks.append(
            f"always guessing {guess!r} (most rows) gives {console.metric('accuracy', share)}"
        )
    if found.unfinished:
        first, last = found.unfinished[0], found.unfinished[-1]
        which = f"fold {first}" if first == last else f"folds {first} to {last}"
        alone = "; the numbers are of the finished folds alone" if found.folds else ""
        blocks.append(f"not finished: {which}{alone}")
    untouched = ""
    if found.untouched:
        untouched = f"{counted(found.untouched, 'test row')} stayed untouched\n"
    saved = "no model was saved: train without --folds to get one, from all training rows"
    return "\n\n".join([*blocks, untouched + saved])


def _fold_table(found: CrossValidation) -> str:
    names = list(found.summaries)
    rows = [
        [
            f.number,
            f"{f.trained:,}",
            f"{f.held:,}",
            f.epochs,
            *(console.metric(n, f.metrics[n]) if n in f.metrics else "diverged" for n in names),
        ]
        for f in found.folds
    ]
    head = ["fold", "trained on", "judged on", "epochs", *names]
    return console.table(head, rows, "r" * len(head))


def _summary_table(found: CrossValidation) -> str:
    level = f"{100 * found.confidence:g} % interval"
    rows = [[name, *_cells(name, s)] for name, s in found.summaries.items()]
    table = console.table(["metric", "mean", "deviation", level], rows, "lrrr")
    note = "interval: for other rows of this kind, corrected for folds that share rows"
    return f"{table}\n\n{note}"


def _cells(name: str, s: FoldSummary) -> list[str]:
    def one(value: float | None) -> str:
        return "-" if value is None else console.metric(name, value)

    ends = f"{one(s.low)} to {one(s.high)}" if s.low is not None else "-"
    return [one(s.mean), one(s.sd), ends]
