"""``layerkit train``: train a spec, or continue a model from its weights."""

from __future__ import annotations

from typing import Annotated

import typer

from layerkit.cli import console, failures, options

EXAMPLE = console.example(
    "layerkit train highway-digits",
    "layerkit train net.json --data iris.csv --epochs 50 -o runs/",
    "layerkit train net.json --seeds 5    five models, to compare",
    "layerkit train net.json --folds 5    cross-validation; saves no model",
    "layerkit train net.json --max-seconds 600",
    "layerkit train iris.layerkit --set train.optimizer.learning_rate=0.0003",
)


def train(
    source: Annotated[
        str,
        typer.Argument(
            metavar="SPEC|MODEL",
            help="A JSON spec, the name of a ready one, or a model file; - reads stdin.",
        ),
    ],
    *,
    output: options.ModelOutput = None,
    data: options.Data = None,
    validation: options.Validation = None,
    seeds: Annotated[
        int | None,
        typer.Option(
            min=1,
            metavar="N",
            help="Train N times with consecutive seeds; saves NAME-sSEED.layerkit.",
        ),
    ] = None,
    folds: Annotated[
        int | None,
        typer.Option(
            min=2,
            metavar="K",
            help="Cross-validate instead: train K times, each time on all but one of K parts of "
            "the training rows, and judge on that part. Saves no model; train without --folds to "
            "get one.",
        ),
    ] = None,
    seed: Annotated[
        int | None,
        typer.Option(
            min=0, metavar="N", help="Seed, or first seed with --seeds; overrides train.seed."
        ),
    ] = None,
    epochs: Annotated[
        int | None,
        typer.Option(min=1, metavar="N", help="Number of epochs; overrides train.epochs."),
    ] = None,
    settings: options.Settings = None,
    checkpoint: options.Checkpoint = 30.0,
    max_seconds: options.MaxSeconds = None,
    device: options.Device = None,
    replace: options.Replace = False,
    dialect: options.Dialect,
    quiet: options.Quiet = False,
    as_json: options.Json = False,
) -> None:
    """Train a spec, or continue a model.

    A spec starts from initial weights, a model from its own. Progress goes to stderr: a bar on a
    terminal, else one line per epoch.

    Ctrl-C finishes the batch, discards the incomplete epoch, saves the model and exits with 130
    (SIGTERM: 143); a second Ctrl-C stops at once. Continue with layerkit resume, which also takes
    the last checkpoint of a training that was killed. With --seeds, repeat the command: it keeps
    finished models and continues the others. With --folds, the finished folds are reported.
    """
    from layerkit import Model
    from layerkit.cli import cross_validation, files, run_summary, runs
    from layerkit.cli.progress import training_progress
    from layerkit.specs.overrides import Setting

    changes = [*(settings or ())]
    for name, value in (("epochs", epochs), ("seed", seed)):
        if value is not None:
            changes.append(Setting(f"train.{name}={value}", f"--{name} {value}"))
    given = files.read_source(source, changes)
    if folds is not None:
        if device is not None:
            raise failures.UsageError("--folds trains on the CPU, so --device cannot be used")
        cross_validation.run(
            given,
            folds,
            data=data,
            validation=validation,
            dialect=dialect,
            unused={"--output": output, "--seeds": seeds, "--replace": replace},
            quiet=quiet,
            as_json=as_json,
        )
        return
    if seeds is not None and isinstance(given, Model):
        raise failures.UsageError("--seeds needs a spec: a model already has its weights")
    target = files.destination(output, given.name)
    with training_progress(quiet=quiet, as_json=as_json) as progress:
        done = runs.run_all(
            given,
            target,
            progress,
            data=data,
            validation=validation,
            dialect=dialect,
            seeds=seeds,
            every=checkpoint,
            max_seconds=max_seconds,
            device=device,
            replace=replace,
        )
    all_seeds = () if seeds is None else runs.seeds_of(given, seeds)
    run_summary.finish(given.name, done, progress, seeds=all_seeds, as_json=as_json)
