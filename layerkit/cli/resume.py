"""``layerkit resume``: a training that was interrupted, to the very bits it would have reached."""

from __future__ import annotations

import math
from typing import Annotated, Literal

import typer

from layerkit.cli import console, failures, options

__all__ = ["EXAMPLE", "resume"]

EXAMPLE = console.example(
    "layerkit resume highway-digits.layerkit",
    "layerkit resume pets.layerkit --data pets.csv --epochs 100 -o longer.layerkit",
)


def resume(
    model: Annotated[
        str, typer.Argument(metavar="MODEL", help="A model file that a training was saved to.")
    ],
    *,
    output: Annotated[
        str | None,
        typer.Option(
            "--output",
            "-o",
            metavar="OUT",
            help="File or folder; by default MODEL, of NAME-checkpoint.layerkit NAME.layerkit.",
        ),
    ] = None,
    data: options.Data = None,
    validation: Annotated[
        str | None, typer.Option(metavar="PATH", help="The validation rows, if they were a file.")
    ] = None,
    epochs: Annotated[
        int | None,
        typer.Option(min=1, max=2**63 - 1, help="A new total, in place of train.epochs."),
    ] = None,
    schedule: Annotated[
        Literal["continue", "restart"] | None,
        typer.Option(
            help="With a new total: go on as the schedule of that total has it, or begin it anew."
        ),
    ] = None,
    checkpoint: Annotated[
        float,
        typer.Option(
            min=0, metavar="SECONDS", help="How often to save NAME-checkpoint.layerkit; 0: never."
        ),
    ] = 30.0,
    replace: Annotated[
        bool, typer.Option("--replace", help="Replace OUT even if it is a model of another spec.")
    ] = False,
    dialect: options.Dialect,
    quiet: options.Quiet = False,
    as_json: options.Json = False,
) -> None:
    """Go on with an interrupted training.

    Given the same rows, it ends with the very bits that an uninterrupted training would have
    reached. MODEL is replaced when it is done, unless -o names another file; a checkpoint becomes
    the file that it is a checkpoint of. Where the schedule depends on the total of epochs, as
    cosine does, a new total needs --schedule. Signals and checkpoints are as for train.
    """
    from layerkit import resume as go_on
    from layerkit.cli import files, runs
    from layerkit.cli.keeping import Place, finished_name
    from layerkit.cli.progress import watcher
    from layerkit.training.training_data import labelled_rows, splits_of

    if model == "-":
        raise failures.Misuse("resume needs a file: it is where the result goes")
    loaded = files.load_model(model)
    held = None
    if validation is not None:
        held = labelled_rows(loaded.spec, validation, dialect=dialect)
    if output:
        target = files.destination(output, loaded.name)
    else:
        files.check_model_target(target := finished_name(files.path_of(model)))
    place = Place(target, loaded.spec, replace=replace, every=checkpoint)
    for path in (target, place.spare):
        if path.exists() and path.samefile(files.path_of(model)):
            place.own(path)
    place.check()
    with watcher(quiet=quiet, as_json=as_json) as watch:
        with runs.last_good_kept(place):
            run = go_on(
                loaded,
                data=splits_of(loaded.spec, data, dialect=dialect),
                validation_data=held,
                epochs=epochs,
                schedule=schedule,
                listener=watch,
                checkpoint=place.checkpoint,
                every=checkpoint or math.inf,
            )
        done = runs.save_run(run, place)
    if as_json:
        runs.emit(loaded.name, [done], watch)
    else:
        runs.show(done)
    if watch.interrupted:
        raise typer.Exit(watch.exit_code)
