"""``layerkit resume``: continue an interrupted training."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from layerkit.cli import console, failures, options

EXAMPLE = console.example(
    "layerkit resume highway-digits.layerkit",
    "layerkit resume pets.layerkit --epochs 100 -o longer.layerkit",
)


def resume(
    model: Annotated[
        str, typer.Argument(metavar="MODEL", help="A model file or a checkpoint of a training.")
    ],
    *,
    output: Annotated[
        str | None,
        options.output_option(
            "MODEL; for a checkpoint, the file it belongs to", "Save to this file or folder."
        ),
    ] = None,
    data: options.Data = None,
    validation: options.Validation = None,
    epochs: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=2**63 - 1,
            metavar="N",
            help="Train until N epochs are done in total; overrides train.epochs.",
        ),
    ] = None,
    schedule: Annotated[
        Literal["continue", "restart"] | None,
        typer.Option(
            help="With --epochs: continue the learning-rate schedule as planned for the new total, "
            "or restart it."
        ),
    ] = None,
    checkpoint: options.Checkpoint = 30.0,
    max_seconds: options.MaxSeconds = None,
    device: options.Device = None,
    replace: options.Replace = False,
    dialect: options.Dialect,
    quiet: options.Quiet = False,
    as_json: options.Json = False,
) -> None:
    """Continue an interrupted training.

    Given the same rows, the result is bit for bit that of an uninterrupted training. A schedule
    that depends on the total number of epochs, such as cosine, needs --schedule with --epochs.
    Signals and checkpoints work as in layerkit train.
    """
    from layerkit import resume as resume_training
    from layerkit.cli import files, run_summary, runs
    from layerkit.cli.progress import training_progress
    from layerkit.cli.run_file import RunFile, finished_path
    from layerkit.training.training_data import labelled_rows, splits_of

    if model == "-":
        raise failures.UsageError("expected a model file, got - (standard input)")
    loaded = files.load_model(model)
    spec = loaded.spec
    held_out = validation and labelled_rows(spec, validation, dialect=dialect)
    if output:
        target = files.destination(output, loaded.name)
    else:
        files.check_model_target(target := finished_path(files.path_of(model)))
    file = RunFile(target, spec, replace=replace, every=checkpoint)
    for path in (target, file.checkpoint):
        if files.same_file(path, files.path_of(model)):
            file.own(path)
    file.check()
    with training_progress(quiet=quiet, as_json=as_json) as progress:
        with runs.keep_model_of_errors(file):
            run = resume_training(
                loaded,
                data=splits_of(spec, data, dialect=dialect),
                validation_data=held_out,
                epochs=epochs,
                schedule=schedule,
                listener=runs.listeners(progress, max_seconds),
                device=device,
                **runs.checkpointing(file),
            )
        saved = runs.save_run(run, file)
    run_summary.finish(loaded.name, [saved], progress, as_json=as_json)
